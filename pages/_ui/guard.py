"""Pages run through app.py only: on a fresh server Streamlit would start a file of pages/ by itself."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st

from pages._ui import link

_RAN, _WANT = "_entry_ran", "_wanted_page"


def page(path: str) -> None:
    """First line of every page: if app.py did not run in this session, go there and come back with the link."""
    if not st.session_state.get(_RAN):
        st.session_state[_WANT] = (path, st.query_params.to_dict())
        st.switch_page("app.py")
    link.arrive(path)


def enter(chosen: st.Page, pages: Mapping[str, st.Page]) -> None:
    """Last line of app.py: run the chosen page, or the one that a link on a fresh server asked for."""
    st.session_state[_RAN] = True
    wanted = st.session_state.pop(_WANT, None)
    if wanted is not None and wanted[0] in pages:
        st.switch_page(pages[wanted[0]], query_params=wanted[1])
    chosen.run()
