"""Sanity: do maps depend on the weights, how large is the noise, and does the layer decide the answer?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from pages._ui import frame, guard, resources, sanity_parts, screen, shell
from xkd_core.errors import XKDError
from xkd_core.results.metrics import Metrics
from xkd_core.serving import sanity_view as view
from xkd_core.serving.zoo import ROWS, Choice, Zoo

if TYPE_CHECKING:
    from xkd_core.evaluation.randomise import Way

guard.page("pages/sanity.py")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the sidebar says."""

    dataset: str
    zoo: Zoo
    live: Zoo
    choice: Choice
    metrics: Metrics
    explainer: str
    way: Way


def main(asked: Asked) -> None:
    if frame.has_runs(asked.zoo):
        _stored(asked)
        _live(asked)


def _ask() -> Asked:
    dataset, zoo, choice = shell.choose_networks()
    explainer, way = sanity_parts.choose()
    metrics = resources.metrics(dataset)
    return Asked(
        dataset=dataset, zoo=zoo.stored, live=zoo, choice=choice, metrics=metrics, explainer=explainer, way=way
    )


def _stored(asked: Asked) -> None:
    """Everything that stored rows say, for all explainers."""
    if asked.metrics.problem:
        st.error(asked.metrics.problem)
        return
    found = resources.safety(asked.dataset)
    st.markdown(f"## {view.sentence(found)}" if found else "## Can these maps be compared?")
    sanity_parts.safety(found, asked.zoo)
    rows = {row: pick.card for row in ROWS if (pick := asked.zoo.pick(row, asked.choice))}
    st.markdown("### What random weights leave of the maps")
    sanity_parts.stored(asked.metrics, rows, found)
    st.markdown("### How large is the noise?")
    sanity_parts.noise(asked.metrics, asked.zoo, rows)


def _live(asked: Asked) -> None:
    """The same for one image, with the maps."""
    st.markdown("### One image, layer by layer")
    if not frame.has_images(asked.dataset):
        return
    if not frame.can_show(asked.live, asked.choice):
        return
    choice = asked.live.shown(asked.choice)
    order = frame.choose_image(asked.live, asked.dataset, choice, upload=None)
    try:
        shown = screen.fetch(screen.Ask(zoo=asked.live, key=order.key, choice=choice, explainers=("cam",)),
                             name="sanity")  # fmt: skip
    except XKDError as error:
        st.error(str(error))
        return
    frame.damaged(shown)
    if not shown.cards:
        return
    left, right = st.columns([1, 4])
    with left:
        frame.photo(shown)
        st.caption(f"Explained class: **{shown.view.target_name}**, the teacher's top-1.")
    with right:
        sanity_parts.cascade(shown, asked.explainer, asked.way)
    st.markdown("### Does the layer decide?")
    st.caption(
        "Grad-CAM taken behind every activation (ReLU and its like), for the same class: how near the students are "
        "to the teacher there."
    )
    sanity_parts.layers(shown)


shell.run(_ask, main)
