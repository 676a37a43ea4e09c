"""The study's parts that run in the browser: made from the files beside them, and what they send."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st


def component(module: str, key: str) -> Callable[..., Any]:
    """The component ``study_KEY`` from the folder of ``module``: its .html, .js and, where there is one, .css.

    Its styles are not isolated: pictures are <img alt> in the page's own document, where readers and tests find them.
    """
    folder = Path(module).parent
    found = {path.suffix[1:]: path.read_text(encoding="utf-8") for path in folder.glob(f"{folder.name}.*")}
    return st.components.v2.component(f"study_{key}", **found, isolate_styles=False)


def sent(key: str, name: str) -> Any:
    """What the component ``key`` sent, unchecked; None for a late message of one that is not on the page any more."""
    return getattr(st.session_state.get(key), name, None)
