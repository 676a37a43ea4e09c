"""Metrics: every stored number by λ, compression or method, with controls, tests, and live curves for one image."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages._ui import four_metrics, frame, guard, live_curves, metric_parts, resources, retraining, screen, shell, work
from xkd_core import catalogue
from xkd_core.errors import XKDError
from xkd_core.results.metric_store import ANSWERS
from xkd_core.results.metrics import Metrics
from xkd_core.serving import metric_pairs as pairs
from xkd_core.serving import metrics_view as view
from xkd_core.serving.metrics_view import Ask
from xkd_core.serving.zoo import Choice, Zoo

guard.page("pages/metrics.py")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the sidebar says. ask: None where nothing is stored."""

    dataset: str
    zoo: Zoo
    live: Zoo
    choice: Choice
    metrics: Metrics
    ask: Ask | None


def main(asked: Asked) -> None:
    if frame.has_runs(asked.zoo):
        _page(asked)
        _live(asked)
        if not asked.metrics.problem:
            retraining.draw(asked.dataset, asked.zoo)


def _ask() -> Asked:
    dataset, zoo, choice = shell.choose_networks()
    ask = metric_parts.choose(zoo.stored, choice)
    metrics = resources.metrics(dataset, rightly=ask is not None and ask.rightly)
    return Asked(dataset=dataset, zoo=zoo.stored, live=zoo, choice=choice, metrics=metrics, ask=ask)


def _page(asked: Asked) -> None:
    if asked.metrics.problem:
        st.error(asked.metrics.problem)
        return
    if asked.ask is None:
        st.info("No metrics of these runs are stored yet: "
                f"{metric_parts.command(asked.dataset, 'cam', 'all')} makes them.")  # fmt: skip
        return
    found = resources.chart(asked.dataset, asked.ask)
    name = "the answers" if asked.ask.explainer == ANSWERS else catalogue.get("explainer", asked.ask.explainer).title
    questions = () if found.whole else pairs.pairs(found)
    answers = resources.answers(asked.dataset, asked.ask, questions) if questions else ()
    st.markdown(f"## {pairs.headline(found, answers) or view.title_of(asked.ask.metric)}")
    metric_parts.outside(found, asked.dataset)
    metric_parts.about(asked.ask)
    if not found.groups:
        st.info(metric_parts.lacking(asked.dataset, found, name)
                + metric_parts.elsewhere(asked.metrics, asked.zoo, asked.ask))  # fmt: skip
        metric_parts.table(found)
        return
    if not found.whole and pairs.lacks_chosen(found):
        st.info(f"Nothing is stored for {view.family_words(asked.choice.family)} here."
                + metric_parts.elsewhere(asked.metrics, asked.zoo, asked.ask))  # fmt: skip
    metric_parts.draw(found, asked.metrics)
    metric_parts.table(found)
    st.markdown("### Is the difference real?")
    metric_parts.compare(found, asked.dataset, asked.metrics)
    four_metrics.draw(asked.dataset, asked.choice, rightly=asked.ask.rightly)


def _live(asked: Asked) -> None:
    """Insertion and deletion of one image, for the map that the page is about."""
    st.markdown("### Insertion and deletion of one image")
    if not frame.has_images(asked.dataset):
        return
    one = "cam" if asked.ask is None or asked.ask.explainer == ANSWERS else asked.ask.explainer
    if not frame.can_show(asked.live, asked.choice):
        return
    choice = asked.live.shown(asked.choice)
    order = frame.choose_image(asked.live, asked.dataset, choice, upload=None)
    try:
        wanted = screen.Ask(zoo=asked.live, key=order.key, choice=choice, explainers=(one,))
        shown = screen.fetch(wanted, name="metrics")
    except XKDError as error:
        st.error(str(error))
        return
    frame.damaged(shown)
    work.compute_missing(shown, name="metrics")
    live_curves.show(shown, one)


shell.run(_ask, main)
