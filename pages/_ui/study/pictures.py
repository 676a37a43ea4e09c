"""What participants see, with what they never learn: which model each picture is of. Look at it before the start."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from pages._ui.study import figures, store
from xkd_core.study.store import studies
from xkd_core.study.store.frames import read_items
from xkd_core.study.store.studies import Study

ROLES = {
    "photo": "Photo",
    "teacher": "Teacher",
    "naive": "Naive student",
    "matched": "Matched student",
    "same_a": "Teacher",
    "same_b": "The same again",
    "different": "Teacher, of another photo",
}
KINDS = {"main": "", "practice": "for practice, ", "catch": "for a catch trial, "}


def page(study: Study) -> None:
    """One item at a time, drawn as participants get it; they see the maps in random order and without names."""
    items = read_items(store.database(), study)
    last = len(items) - 1
    number = int(st.number_input(f"Item, 0 to {last}", 0, last, 0, 1, key=f"item_{study.id}", width=160))
    item = items.iloc[number]
    st.markdown(f"Item {number}: {KINDS[item['kind']]}image {item['image']}, drawn from *{item['stratum']}*.")
    _pictures(study, number)
    if item["kind"] == "main":
        st.markdown(f"Naive student: `{item['naive']}`; matched student: `{item['matched']}`.")
        _likeness(item["similarities"])


def _pictures(study: Study, number: int) -> None:
    found = studies.item_pictures(store.database(), study.id, number)
    for column, (role, data) in zip(st.columns(len(found)), found.items(), strict=True):
        column.image(data, caption=ROLES[role], width="stretch", output_format="PNG", alt=ROLES[role])


def _likeness(similarities: Mapping[str, Mapping[str, float | None]]) -> None:
    """The numbers that the analysis sets beside people's answers."""
    rows = [{"metric": figures.metric_name(name)} | of for name, of in similarities.items()]
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="content",
                 alt="Likeness of the students' maps to the teacher's")  # fmt: skip
    st.caption("Likeness to the teacher's map; larger is more alike.")
