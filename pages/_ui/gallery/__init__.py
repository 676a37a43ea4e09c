"""Thumbnails to click on, as one Streamlit component: each is a button with a picture and a line of numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


_COMPONENT = st.components.v2.component(
    "xkd_gallery",
    html=_text("gallery.html"),
    css=_text("gallery.css"),
    js=_text("gallery.js"),
    isolate_styles=False,
)


def show(items: Sequence[Mapping[str, object]], *, key: str, on_pick: Callable[[], None]) -> None:
    """Draw the thumbnails; ``on_pick`` reads the index from ``st.session_state[key].picked``.

    items: {index, src, alt, words, current} each.
    """
    _COMPONENT(key=key, data={"items": list(items)}, on_picked_change=on_pick)
