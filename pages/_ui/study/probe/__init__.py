"""The screen check in the browser: grey squares to look at, and the width of the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import streamlit as st

_HERE = Path(__file__).parent
KEY = "screen"


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_COMPONENT = st.components.v2.component(
    "study_screen", html=_text("probe.html"), css=_text("probe.css"), js=_text("probe.js"), isolate_styles=False
)


def show(on_width: Callable[[Any], None]) -> None:
    """Draw the check; ``on_width`` gets the width in pixels as the browser sent it, unchecked."""
    _COMPONENT(key=KEY, data={}, on_width_change=lambda: on_width(st.session_state[KEY].width))
