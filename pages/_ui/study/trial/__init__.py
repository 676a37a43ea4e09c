"""A trial in the browser: pictures, one answer, its time. The script, style and frame are the files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
KEY = "pictures"


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_COMPONENT = st.components.v2.component(
    "study_pictures",
    html=_text("trial.html"),
    css=_text("trial.css"),
    js=_text("trial.js"),
    isolate_styles=False,  # the pictures are <img alt> in the page's own document, where readers and tests find them
)


def show(data: Mapping[str, object], on_answer: Callable[[Any], None]) -> None:
    """Draw a trial; ``on_answer`` gets what the browser sent, unchecked, before the page is drawn again."""
    _COMPONENT(key=KEY, data=dict(data), on_answer_change=lambda: on_answer(st.session_state[KEY].answer))
