"""The only caches of the app. Keys are small frozen values; a changed run or table has another fingerprint."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import streamlit as st

from xkd_core import rendering
from xkd_core.results.compare import Difference, Question, differences
from xkd_core.results.metrics import Metrics
from xkd_core.serving import metric_rows, metrics_view, sanity_view, subjects
from xkd_core.serving.desk import Desk
from xkd_core.serving.live import Live
from xkd_core.serving.metrics_view import Ask, Chart
from xkd_core.serving.results import Results, read_results
from xkd_core.serving.sanity_view import Safety
from xkd_core.serving.stories import Story, tell
from xkd_core.serving.zoo import Choice, Zoo, fingerprint, read_zoo

if TYPE_CHECKING:
    from xkd_core.sweep.planned import Planned


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """Networks, maps and jobs, shared by all sessions."""
    return Desk()


@st.cache_resource(show_spinner=False)
def live() -> Live:
    """What pages measure on demand, shared by all sessions; its jobs stand in the desk's line."""
    return Live(desk().jobs)


def zoo(dataset: str) -> Zoo:
    """All runs of a data set as they are on the disk now."""
    return _zoo(dataset, fingerprint())


def results(dataset: str) -> Results:
    """The stored rows of a data set as they are on the disk now."""
    return _results(dataset, fingerprint())


def story(dataset: str, choice: Choice) -> Story | None:
    """The story of the runs that ``choice`` names."""
    return _story(dataset, choice, fingerprint())


def metrics(dataset: str) -> Metrics:
    """Every stored number of a data set as it is on the disk now."""
    return _metrics(dataset, fingerprint(), metric_rows.stamp(dataset))


def chart(dataset: str, ask: Ask) -> Chart:
    """The boxes of the Metrics page."""
    return _chart(dataset, ask, fingerprint(), metric_rows.stamp(dataset))


def safety(dataset: str) -> tuple[Safety, ...]:
    """The checks of every explainer with stored rows."""
    return _safety(dataset, fingerprint(), metric_rows.stamp(dataset))


def answers(dataset: str, ask: Ask, questions: tuple[Question, ...], flips: int = 0) -> tuple[Difference, ...]:
    """Paired tests between boxes of a chart. flips: draws of the permutation test, 0: without it."""
    return _answers(dataset, ask, questions, flips, fingerprint(), metric_rows.stamp(dataset))


def planned(dataset: str) -> Planned:
    """What the sweep files of a data set promise, and what of it is missing."""
    return _planned(dataset, fingerprint())


@st.cache_resource(max_entries=8, show_spinner=False)
def _planned(dataset: str, stamp: str) -> Planned:
    from xkd_core.sweep.planned import planned  # imports torch

    return planned(dataset)


@st.cache_resource(max_entries=8, show_spinner="Reading the runs ...")
def _zoo(dataset: str, stamp: str) -> Zoo:
    return read_zoo(dataset)


@st.cache_resource(max_entries=4, show_spinner=False)
def _results(dataset: str, stamp: str) -> Results:
    return read_results(dataset)


@st.cache_resource(max_entries=64, show_spinner=False)
def _story(dataset: str, choice: Choice, stamp: str) -> Story | None:
    return tell(_results(dataset, stamp), _zoo(dataset, stamp), choice)


@st.cache_resource(max_entries=4, show_spinner="Reading the metrics ...")
def _metrics(dataset: str, stamp: str, rows: str) -> Metrics:
    return metric_rows.all_metrics(_results(dataset, stamp))


@st.cache_resource(max_entries=128, show_spinner=False)
def _chart(dataset: str, ask: Ask, stamp: str, rows: str) -> Chart:
    return metrics_view.chart(_metrics(dataset, stamp, rows), _zoo(dataset, stamp), ask)


@st.cache_resource(max_entries=4, show_spinner=False)
def _safety(dataset: str, stamp: str, rows: str) -> tuple[Safety, ...]:
    metrics, zoo = _metrics(dataset, stamp, rows), _zoo(dataset, stamp)
    return tuple(sanity_view.safety(metrics, zoo, name) for name in sanity_view.explainers(metrics))


@st.cache_resource(max_entries=128, show_spinner=False)
def _answers(
    dataset: str, ask: Ask, questions: tuple[Question, ...], flips: int, stamp: str, rows: str
) -> tuple[Difference, ...]:
    groups = _chart(dataset, ask, stamp, rows).groups
    return differences(_metrics(dataset, stamp, rows), groups, questions, resamples=flips)


@st.cache_data(max_entries=512, show_spinner=False)
def thumbnails(dataset: str, indices: tuple[int, ...]) -> list[str]:
    """PNG data links of small pictures, for the gallery."""
    return [as_link(rendering.png(picture)) for picture in subjects.thumbnails(dataset, indices)]


def as_link(png: bytes) -> str:
    """PNG bytes as a link that a browser shows without another request."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
