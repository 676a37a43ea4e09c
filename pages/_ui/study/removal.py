"""What leaves the study and what is deleted: one participant, the platform's ids, or everything."""

from __future__ import annotations

import json

import streamlit as st

from pages._ui.study import store
from xkd_core.study.export import export_files, export_zip
from xkd_core.study.store import participants, studies
from xkd_core.study.store.studies import Study

_SAID = "_study_said"
FILES = (("Trials (CSV)", "trials.csv", "text/csv"), ("Participants (CSV)", "participants.csv", "text/csv"),
         ("Items (CSV)", "items.csv", "text/csv"), ("Codebook (CSV)", "codebook.csv", "text/csv"),
         ("All tables (JSON)", "study.json", "application/json"),
         ("Analysis (JSON)", "analysis.json", "application/json"))  # fmt: skip


def page(study: Study) -> None:
    """Downloads first, then what cannot be undone."""
    if said := st.session_state.pop(_SAID, ""):
        st.success(said)
    _downloads(study)
    _participant(study)
    _platform(study)
    _everything(study)


def _downloads(study: Study) -> None:
    st.markdown("**Export**")
    database = store.database()
    with st.container(horizontal=True):
        st.download_button("Everything (zip)", lambda: export_zip(database, study), f"{study.label}.zip",
                           "application/zip", on_click="ignore", key="export", type="primary")  # fmt: skip
        for label, file, kind in FILES:
            st.download_button(label, lambda file=file: export_files(database, study)[file], f"{study.label}-{file}",
                               kind, on_click="ignore", key=file)  # fmt: skip
        st.download_button(
            "Configuration (JSON)",
            lambda: json.dumps(study.config.model_dump(mode="json"), indent=1),
            f"{study.label}-config.json",
            "application/json",
            on_click="ignore",
            key="config",
        )
    st.caption("Secrets of the participants' links and ids of recruiting platforms are never in it.")


def _participant(study: Study) -> None:
    st.markdown("**Delete one participant, on request**")
    with st.form("delete_participant", clear_on_submit=True, border=False):
        code = st.text_input("Participant code").strip()
        if st.form_submit_button("Delete this participant") and code:
            participants.delete_participant(store.database(), study.id, code)
            _done("The participant and everything they answered is deleted.")


def _platform(study: Study) -> None:
    if not study.config.platform:
        return
    st.markdown("**Delete the platform's ids**")
    st.caption("Answers stay. Afterwards nobody who comes back by the platform's link is recognised.")
    if st.button("Delete the ids", key="purge"):
        count = participants.purge_platform_ids(store.database(), study.id)
        _done(f"{count} ids deleted.")


def _everything(study: Study) -> None:
    st.markdown("**Delete the whole study**")
    with st.form("delete_study", border=False):
        typed = st.text_input(f"Type {study.label} to delete the study with every answer; there is no way back")
        if st.form_submit_button("Delete the study"):
            if typed.strip() != study.label:
                st.error(f"Nothing was deleted: type {study.label}.")
            else:
                studies.delete_study(store.database(), study.id)
                _done(f"{study.label} is deleted.")


def _done(words: str) -> None:
    st.session_state[_SAID] = words
    st.rerun()


def said() -> None:
    """After a whole study was deleted, another one is shown: say it there."""
    if words := st.session_state.pop(_SAID, ""):
        st.success(words)
