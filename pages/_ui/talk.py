"""Talk mode: the grid and one sentence, readable from the last row, nothing to scroll."""

from __future__ import annotations

import streamlit as st

from pages._ui import widgets

_STYLE = """<style>
[data-testid="stSidebar"], [data-testid="stHeader"], [data-testid="stExpandSidebarButton"] { display: none; }
[data-testid="stMainBlockContainer"] { padding: 0.5rem 1.5rem 0 !important; max-width: none; }
[data-testid="stMainBlockContainer"] h2 { font-size: 2rem !important; padding: 0 0 0.65rem; line-height: 1.1; }
.st-key-image, .st-key-to_story { display: none; }
[data-testid="stVerticalBlock"] { gap: 0.35rem; }
[data-testid="stMainBlockContainer"] p, [data-testid="stMainBlockContainer"] label p,
[data-testid="stMainBlockContainer"] button p, [data-testid="stMainBlockContainer"] input
{ font-size: 1.5rem !important; line-height: 1.2; }
</style>"""


def mode() -> bool:
    """The toggle, also ?talk=1 in the link. Draw it first: everything else depends on it."""
    on = widgets.flag("talk", "Talk mode", "Large letters for a projector; arrow keys turn to the next image.")
    if on:
        st.html(_STYLE)
    return on


def leave() -> None:
    """The way out, since the sidebar is hidden."""
    st.button("Leave talk mode", on_click=_off, key="leave_talk", type="tertiary")


def _off() -> None:
    st.session_state["talk"] = False
