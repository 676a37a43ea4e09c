"""The heatmap grid as one Streamlit component: its script, style and frame are the files beside this one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from pages._ui.viewer.payload import Scene, payload

_HERE = Path(__file__).parent


def _text(*names: str) -> str:
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in names)


_COMPONENT = st.components.v2.component(
    "xkd_viewer",
    html=_text("viewer.html"),
    css=_text("viewer.css"),
    js=_text("draw.js", "viewer.js"),
    isolate_styles=False,  # the heatmaps are <img alt> in the page's own document, where readers and tests find them
)


def show(scene: Scene, *, key: str, on_choice: Callable[[], None], on_look: Callable[[], None]) -> None:
    """Draw the grid. The callbacks read ``st.session_state[key].choice`` / ``.look`` when a control is released."""
    _COMPONENT(key=key, data=payload(scene), on_choice_change=on_choice, on_look_change=on_look)
