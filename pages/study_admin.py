"""Studies: set them up, follow them, read results, take them away. Closed unless a login is configured."""

from __future__ import annotations

import streamlit as st

from pages._ui import guard
from pages._ui.study import door, pictures, recruit, removal, results, setup, store
from xkd_core.errors import XKDError
from xkd_core.study.store import studies
from xkd_core.study.store.studies import Study

guard.page("pages/study_admin.py")

NEW = "new"
VIEWS = {
    "Participants": recruit.page,
    "Pictures": pictures.page,
    "Results": results.page,
    "Configuration": lambda study: _configuration(study),
    "Export and deletion": removal.page,
}


def main() -> None:
    door.require()
    try:
        _page()
    except XKDError as error:
        st.error(str(error))


def _page() -> None:
    known = {study.id: study for study in studies.list_studies(store.database())}
    made = st.session_state.pop(setup.CREATED, None)
    if made in known:
        st.session_state["study"] = made
    offered = [*known, NEW]
    if st.session_state.get("study") not in offered:
        st.session_state["study"] = offered[0]
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown("## Studies")
        door.leave()
    removal.said()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox("Study", offered, key="study", format_func=lambda one: _name(known.get(one)))
        if chosen != NEW:
            st.button("New study", key="new", on_click=lambda: st.session_state.update(study=NEW))
    if chosen == NEW:
        setup.page()
        return
    view = st.segmented_control("View", list(VIEWS), default="Participants", key="view", label_visibility="collapsed")
    VIEWS[view or "Participants"](known[chosen])


def _name(study: Study | None) -> str:
    return "New study" if study is None else f"{study.label}, {study.status}"


def _configuration(study: Study) -> None:
    st.markdown(
        f"Made {study.created_at:%Y-%m-%d %H:%M} (UTC). Configuration sha256 `{study.config_sha256}`: name it in a "
        "preregistration."
    )
    st.json(study.config.model_dump(mode="json"))


main()
