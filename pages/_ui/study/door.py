"""The door of the admin page: everything else on that page is drawn only behind it, and closes again when idle."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from pages._ui.study import store
from xkd_core.errors import XKDError
from xkd_core.study import access
from xkd_core.study.access import MAX_SIGNS, Doors
from xkd_core.study.store.studies import Study
from xkd_core.study.store.tables import now

_USED = "_admin_used"
NO_OIDC = "The OIDC login is not set up on this server: see [auth] in Streamlit's secrets."


def require() -> None:
    """Go on only for someone who is logged in; everyone else gets the login, or the reason why there is none.

    Nothing on the admin page is written in callbacks: those would run before this.
    """
    doors = access.doors()
    if not doors.closed and _is_inside():
        st.session_state[_USED] = now()
        return
    st.session_state.pop(_USED, None)
    st.markdown("## Studies")
    if doors.note:
        st.info(doors.note)
    with st.container(width=420):
        _login(doors)
    st.stop()


def live(every_s: int) -> Callable[[Callable[[Study], None]], Callable[[Study], None]]:
    """A part of the page that draws itself again and again. That is no use of the page, so an idle one closes."""

    def decorate(draw: Callable[[Study], None]) -> Callable[[Study], None]:
        @st.fragment(run_every=every_s)
        def drawn(study: Study) -> None:
            if not _is_inside():
                st.rerun()
            try:
                draw(study)
            except XKDError as error:
                st.error(str(error))

        return drawn

    return decorate


def _is_inside() -> bool:
    used = st.session_state.get(_USED)
    return used is not None and access.is_fresh(used)


def leave() -> None:
    """A button that logs out."""
    if st.button("Log out", key="log_out", type="tertiary"):
        st.session_state.pop(_USED, None)
        if _user().get("is_logged_in"):
            st.logout()
        st.rerun()


def _login(doors: Doors) -> None:
    if doors.password:
        with st.form("door", clear_on_submit=True, border=False):
            given = st.text_input("Password", type="password", max_chars=MAX_SIGNS)
            if st.form_submit_button("Log in", type="primary"):
                _try(lambda: access.enter_by_password(store.database(), given))
    if doors.oidc:
        _oidc()


def _oidc() -> None:
    user = _user()
    if user.get("is_logged_in"):
        email = user.get("email")
        st.text(f"Logged in as {str(email)[:100]}")
        if st.button("Go on", key="door_oidc"):
            verified = user.get("email_verified") is True
            _try(lambda: access.enter_by_email(str(email or ""), verified=verified))
        return
    if st.button("Log in with OIDC", key="door_login"):
        try:
            st.login()
        except st.errors.StreamlitAPIException:
            st.error(NO_OIDC)


def _try(enter: Callable[[], None]) -> None:
    try:
        enter()
    except XKDError as error:  # also when the store cannot count the try: then the door stays closed
        st.error(str(error))
        return
    st.session_state[_USED] = now()
    st.rerun()


def _user() -> dict[str, object]:
    return dict(st.user.to_dict())
