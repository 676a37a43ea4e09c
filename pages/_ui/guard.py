"""Pages run through app.py only: on a fresh server Streamlit would start a file of pages/ by itself.

With ``XKD_MODE=study`` every page but the study's refuses here, before it has drawn anything, however it was reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from pages._ui import link
from xkd_core.errors import BadInputError
from xkd_core.study.environment import only_study

STUDY, START = "pages/study.py", "pages/explore.py"
REFUSAL = "There is nothing here. If you want to take part in a study, open the link of your invitation."
_RAN, _WANT = "_entry_ran", "_wanted_page"


def page(path: str) -> None:
    """First line of every page: if app.py did not run in this session, go there and come back with the link."""
    if not shows(path):
        refuse(REFUSAL, path)
    if not st.session_state.get(_RAN):
        st.session_state[_WANT] = (path, st.query_params.to_dict())
        st.switch_page("app.py")
    link.arrive(path)


def shows(path: str) -> bool:
    """May this server show the page? A mistyped ``XKD_MODE`` ends the run with a sentence."""
    try:
        return path == STUDY or not only_study()
    except BadInputError as error:
        return refuse(str(error))


def refuse(words: str, path: str = STUDY) -> bool:
    """Say why there is no page, and end the run.

    The navigation is replaced first: on a fresh server Streamlit would list every file of pages/ beside the sentence.
    """
    start = st.Page(_nothing, title="Study", url_path="start", default=True)
    asked = st.Page(_nothing, title="Study", url_path=Path(path).stem)
    st.navigation([start, asked], position="hidden")
    st.error(words)
    st.stop()
    return False


def _nothing() -> None:
    """A page without anything on it."""


def allowed(pages: Mapping[str, st.Page]) -> dict[str, st.Page]:
    """The pages that this server shows: all of them, or the study alone, to which its bare address leads too.

    The default page has the bare address only; /explore, which people try, leads to it.
    """
    found = {path: page for path, page in pages.items() if shows(path)}
    if START in found:
        start = found[START]
        found["explore"] = st.Page(lambda: _forward(start), title="Explore", url_path="explore", visibility="hidden")
    if len(found) < len(pages):
        study = pages[STUDY]
        found["app.py"] = st.Page(lambda: _forward(study), title="Study", url_path="start", default=True)
    return found


def _forward(page: st.Page) -> None:
    st.switch_page(page, query_params=st.query_params.to_dict())


def enter(chosen: st.Page, pages: Mapping[str, st.Page]) -> None:
    """Last line of app.py: run the chosen page, or the one that a link on a fresh server asked for."""
    st.session_state[_RAN] = True
    wanted = st.session_state.pop(_WANT, None)
    if wanted is not None and wanted[0] in pages:
        st.switch_page(pages[wanted[0]], query_params=wanted[1])
    chosen.run()
