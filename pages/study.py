"""Study: a participant's own page, from the welcome to the debrief. Whatever happens, it goes on at the right place."""

from __future__ import annotations

import streamlit as st

from pages._ui import guard
from pages._ui.study import steps
from xkd_core.errors import XKDError
from xkd_core.study.store.trouble import StoreError

guard.page(guard.STUDY)

LATER_S = 5
LATER = "Please wait a moment: the study cannot be reached. This page tries again by itself, and so can you."


def main() -> None:
    st.html(steps.LOOK)
    try:
        token = st.query_params.get(steps.LINK)
        if steps.has_left():
            return
        if token is None:
            steps.welcome()
        else:
            steps.show(steps.find(token))
    except StoreError as error:
        st.warning(f"{LATER}\n\n{error}")
        _try_again()
    except XKDError as error:
        st.error(str(error))


@st.fragment(run_every=LATER_S)
def _try_again() -> None:
    key = "_study_waited"
    waited = st.session_state[key] = not st.session_state.get(key, True)
    if st.button("Try again") or waited:
        st.session_state.pop(key)
        st.rerun()


main()
