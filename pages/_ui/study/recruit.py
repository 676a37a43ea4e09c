"""A study's links and counts, and the buttons that open and close it."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

import pandas as pd
import streamlit as st

from pages._ui.study import door, store
from xkd_core.study.environment import only_study
from xkd_core.study.store import studies
from xkd_core.study.store.frames import read_data
from xkd_core.study.store.participants import STAGES
from xkd_core.study.store.studies import Recruitment, Study

SEES_ALL = (
    "Participants should come to a server that is started with `XKD_MODE=study` on the same database: on this one they "
    "could open the other pages and see which model a picture belongs to."
)
PLATFORM = {"PROLIFIC_PID": "{{%PROLIFIC_PID%}}", "STUDY_ID": "{{%STUDY_ID%}}", "SESSION_ID": "{{%SESSION_ID%}}"}


def page(study: Study) -> None:
    """Status, link and counts."""
    _status(study)
    _link(study)
    _live(study)


def _status(study: Study) -> None:
    words = {"draft": "A draft: nobody can take part yet.", "open": "Open: the link takes participants in.",
             "closed": "Closed: nobody new is taken in, who has begun may finish."}  # fmt: skip
    st.markdown(words.get(study.status, study.status))
    database = store.database()
    if study.status != "open" and st.button("Open the study", type="primary", key="open"):
        studies.open_study(database, study.id)
        st.rerun()
    if study.status == "open" and st.button("Close the study", key="close"):
        studies.close_study(database, study.id)
        st.rerun()


def _link(study: Study) -> None:
    st.markdown("**Link for participants**")
    address = st.text_input("Address of the study's server", _origin(), key="address").strip().rstrip("/")
    st.code(link(address, study), language=None, wrap_lines=True)
    if study.config.platform:
        st.caption("The words in braces are filled in by the recruiting platform; put its own where they differ.")
    if not only_study():
        st.warning(SEES_ALL)


def link(address: str, study: Study) -> str:
    """The address for an invitation, with the platform's parameters as Prolific writes them."""
    given = {name: PLATFORM.get(name, "{{%" + name + "%}}") for name in study.config.platform}
    return f"{address}/study?{urlencode({'s': study.id} | given, safe='{}%')}"


def _origin() -> str:
    parts = urlsplit(st.context.url or "http://localhost:8501")
    return f"{parts.scheme}://{parts.netloc}"


@door.live(10)
def _live(study: Study) -> None:
    """Counts that follow by themselves."""
    found = studies.recruitment(store.database(), study)
    inside = sum(count for stage, count in found.stages.items() if stage not in ("done", "refused"))
    numbers = {
        "planned": found.planned,
        "came": found.arrived,
        "under way": inside,
        "finished": found.stages.get("done", 0),
        "withdrawn": found.withdrawn,
        "deleted": found.deleted,
    }
    with st.container(horizontal=True):
        for name, count in numbers.items():
            st.metric(name.capitalize(), count, width=110)
    _stages(found)
    _items(study)


def _stages(found: Recruitment) -> None:
    standing = [{"step": stage, "people": found.stages.get(stage, 0)} for stage in (*STAGES, "refused")]
    st.dataframe(pd.DataFrame(standing).set_index("step").T, width="stretch", alt="How many people stand at each step")


def _items(study: Study) -> None:
    """Are all items judged equally often?"""
    trials = read_data(store.database(), study).trials
    main = trials[trials["kind"] == "main"]
    answered = main[main["choice"].notna()].groupby("item").size().reindex(range(study.config.n_items), fill_value=0)
    st.caption(f"{int(answered.sum()):,} answers to main trials; of each item {answered.min()} to {answered.max()}.")
