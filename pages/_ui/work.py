"""Heavier maps that a page still lacks: cheap ones start by themselves, dear ones are offered with their cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages._ui import resources, widgets
from pages._ui.screen import Shown
from xkd_core import catalogue
from xkd_core.errors import XKDError
from xkd_core.models.cards import Card
from xkd_core.serving.desk import automatic, forwards, work_on
from xkd_core.serving.jobs import Job


def compute_missing(shown: Shown, *, name: str = "viewer") -> None:
    """Compute what the runs on screen lack, show progress, and offer the rest of the runs."""
    cards = list(shown.cards.values())
    if not cards:
        return
    job: Job | None = st.session_state.get(f"{name}_job")
    if job is not None and not job.finished and _covers(job, shown, name):
        widgets.follow(job, _left(shown, [shown.scene.zoo.by_id[run_id] for run_id in shown.view.runs]))
        return
    missing = resources.desk().missing(shown.view, cards, shown.scene.explainers)
    if not missing:
        if not shown.scene.talk:
            _offer_all(shown, cards, name)
        return
    _compute(shown, cards, missing, name)
    job = st.session_state.get(f"{name}_job")
    if job is not None:
        widgets.follow(job, _left(shown, cards))


def _left(shown: Shown, cards: Sequence[Card]) -> Callable[[], int]:
    """How many explainers still lack a map: whenever one has come, the page shows it at once."""
    view, names = shown.view, shown.scene.explainers
    return lambda: len(resources.desk().missing(view, cards, names))


def _covers(job: Job, shown: Shown, name: str) -> bool:
    """Does the job compute every run of the image on screen already?"""
    return job.key == st.session_state.get(f"{name}_all") and job.key[0] == shown.view.subject.key


def _compute(shown: Shown, cards: Sequence[Card], missing: Sequence[str], name: str) -> None:
    empty = {one for one in missing if any(one not in shown.view.runs[card.id].maps for card in cards)}
    # What shows nothing yet comes before what stored maps stand in for; then the first to be ready comes first.
    order = sorted(missing, key=lambda one: (one not in empty, forwards([one], cards)))
    at_once = tuple(one for one in order if automatic(one, cards[0]))
    job: Job | None = st.session_state.get(f"{name}_job")
    about = work_on(shown.view, cards)
    failed = job is not None and (bool(job.error) or widgets.stopped(job)) and job.key[: len(about)] == about
    if at_once and (not failed or st.button("Try again", key=f"{name}_again")):
        _start(shown, cards, at_once, name)
    dear = tuple(one for one in order if one not in at_once)
    if dear and st.button(f"Compute {_titles(dear)}: {_cost(dear, cards)}", key=f"{name}_dear"):
        _start(shown, cards, dear, name)


def _offer_all(shown: Shown, cards: Sequence[Card], name: str) -> None:
    """The heavier maps of the runs that are not on screen: what dragging shows as 'not computed yet'."""
    rest = [card for run_id in shown.view.runs if (card := shown.scene.zoo.by_id[run_id]) not in cards]
    every = [*cards, *rest]
    missing = resources.desk().missing(shown.view, every, shown.scene.explainers)
    if not missing:
        return
    words = f"Compute {_titles(missing)} for all {len(every)} runs: {_cost(missing, every)}"
    if st.button(words, key=f"{name}_compute_all"):
        _start(shown, every, missing, name)
        st.session_state[f"{name}_all"] = st.session_state[f"{name}_job"].key
        st.rerun()


def _start(shown: Shown, cards: Sequence[Card], names: Sequence[str], name: str) -> None:
    desk, job = resources.desk(), st.session_state.get(f"{name}_job")
    try:
        started = desk.compute(shown.view, cards, names)
    except XKDError as error:
        st.info(str(error))
        return
    if job is not None:
        widgets.leave(job)
    widgets.join(started)
    st.session_state[f"{name}_job"] = started


def _titles(names: Sequence[str]) -> str:
    return ", ".join(catalogue.get("explainer", name).title for name in names)


def _cost(names: Sequence[str], cards: Sequence[Card]) -> str:
    """Forward passes, and how long they would take at the pace of what was computed before."""
    seconds = resources.desk().seconds(names, cards)
    words = f"{forwards(names, cards):,} forward passes"
    return words if seconds is None else f"{words}, {duration(seconds)}"


def duration(seconds: float) -> str:
    """'about 40 s', 'about 3 min': one significant digit, it is an estimate."""
    if seconds < 1:
        return "less than a second"
    value, unit = (seconds, "s") if seconds < 90 else (seconds / 60, "min")
    return f"about {float(f'{value:.1g}'):g} {unit}"
