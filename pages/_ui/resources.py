"""The only caches of the app. Keys are small frozen values; a changed run or table has another fingerprint."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from xkd_core import rendering, settings
from xkd_core.results.compare import Difference, Question, differences, per_image
from xkd_core.results.metric_store import read_roar
from xkd_core.results.metrics import Metrics
from xkd_core.serving import curves, metric_rows, metrics_view, outside_loss, sanity_view, subjects
from xkd_core.serving import retrained as retrained_view
from xkd_core.serving.curves import Pair
from xkd_core.serving.desk import Desk
from xkd_core.serving.four_metrics import Panel, panels
from xkd_core.serving.gallery import Found, Wish, find
from xkd_core.serving.live import Live
from xkd_core.serving.metrics_view import Ask, Chart
from xkd_core.serving.names import called, describe
from xkd_core.serving.results import Results, read_results
from xkd_core.serving.retrained import Retrained
from xkd_core.serving.sanity_view import Floor, Mark, Safety
from xkd_core.serving.stories import Story, tell
from xkd_core.serving.zoo import Choice, Zoo, fingerprint, read_zoo
from xkd_core.types import UInt8

if TYPE_CHECKING:
    from xkd_core.models.checkpoints import Scan
    from xkd_core.sweep.planned import Planned

LOOK_S = 0.5
"""The disk is looked at once in so many seconds, not a dozen times in one drawing of a page."""


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
    return _zoo(dataset, _runs())


def results(dataset: str) -> Results:
    """The stored rows of a data set as they are on the disk now."""
    return _results(dataset, _runs())


def story(dataset: str, choice: Choice) -> Story | None:
    """The story of the runs that ``choice`` names."""
    return _story(dataset, choice, _runs())


def metrics(dataset: str, *, rightly: bool = False) -> Metrics:
    """Every stored number of a data set as it is on the disk now; rightly: of images that a run answers rightly."""
    return _metrics_of(dataset, rightly, *_seen(dataset))


def measured(dataset: str) -> Mapping[str, tuple[str, ...]]:
    """Metric -> explainers with stored values."""
    return _measured(dataset, *_seen(dataset))


def chart(dataset: str, ask: Ask) -> Chart:
    """The boxes of the Metrics page."""
    return _chart(dataset, ask, *_seen(dataset))


def four_metrics(dataset: str, choice: Choice, *, rightly: bool) -> tuple[Panel, ...]:
    """FE, MS, PG and AL by λ and CAM method of the chosen students."""
    return _four_metrics(dataset, choice, rightly, *_seen(dataset))


def safety(dataset: str) -> tuple[Safety, ...]:
    """The checks of every explainer with stored rows."""
    return _safety(dataset, *_seen(dataset))


def answers(dataset: str, ask: Ask, questions: tuple[Question, ...], flips: int = 0) -> tuple[Difference, ...]:
    """Paired tests between boxes of a chart. flips: draws of the permutation test, 0: without it."""
    return _answers(dataset, ask, questions, flips, *_seen(dataset))


def outside(
    dataset: str, matched: tuple[str, ...], naive: tuple[str, ...], metric: str, *, rightly: bool = False
) -> tuple[Difference, ...]:
    """Matched minus naive runs, which differ in their seed only, by every stored map that was in no loss."""
    return _outside(dataset, matched, naive, metric, rightly, *_seen(dataset))


def gaps(dataset: str, pairs: tuple[Pair, ...], explainer: str) -> tuple[Difference, ...]:
    """Differences of cosine, each pair of groups of runs tested beside the others."""
    return _gaps(dataset, pairs, explainer, *_seen(dataset))


def differences_by_image(dataset: str, ask: Ask, question: Question) -> pd.Series[float]:
    """first - second of each image, by index."""
    return _by_image(dataset, ask, question, *_seen(dataset))


def marks(dataset: str, run_ids: tuple[str, ...]) -> tuple[Mark, ...]:
    """What is stored of weight randomisation for these runs."""
    return _marks(dataset, run_ids, *_seen(dataset))


def floors(dataset: str, students: tuple[tuple[str, str], ...]) -> tuple[Floor, ...]:
    """The noise floor of every explainer with stored similarities. students: (word, run id)."""
    return _floors(dataset, students, *_seen(dataset))


def retrained(dataset: str) -> Retrained | None:
    """What is stored of networks that were trained without some pixels."""
    return _retrained(dataset, *_seen(dataset))


def images(dataset: str, choice: Choice, wish: Wish, n: int) -> Found:
    """The images of the gallery, in its order. n: images of the test split."""
    return _images(dataset, choice, wish, n, _runs())


def planned(dataset: str) -> Planned:
    """What the sweep files of a data set promise, and what of it is missing."""
    return _planned(dataset, _runs())


def _seen(dataset: str) -> tuple[str, str]:
    """What the disk has of runs and of metrics."""
    return _runs(), _rows(dataset, str(settings.checkpoints_dir()))


def _runs() -> str:
    return _fingerprint(str(settings.checkpoints_dir()))


@st.cache_data(ttl=LOOK_S, show_spinner=False)
def _fingerprint(root: str) -> str:
    return fingerprint(Path(root))


@st.cache_data(ttl=LOOK_S, show_spinner=False)
def _rows(dataset: str, root: str) -> str:
    return metric_rows.stamp(dataset, root=Path(root))


@st.cache_resource(max_entries=32, show_spinner=False)
def _four_metrics(dataset: str, choice: Choice, rightly: bool, stamp: str, rows: str) -> tuple[Panel, ...]:
    return panels(_metrics_of(dataset, rightly, stamp, rows), _zoo(dataset, stamp), choice)


@st.cache_resource(max_entries=8, show_spinner=False)
def _planned(dataset: str, stamp: str) -> Planned:
    from xkd_core.sweep.planned import planned  # imports torch

    return planned(dataset)


@st.cache_resource(max_entries=2, show_spinner="Reading the runs ...")
def _scan(stamp: str) -> Scan:
    from xkd_core.models.checkpoints import scan  # imports torch

    return scan()


@st.cache_resource(max_entries=64, show_spinner=False)  # a page asks for every data set: fewer would never be enough
def _zoo(dataset: str, stamp: str) -> Zoo:
    return read_zoo(dataset, found=_scan(stamp))


@st.cache_resource(max_entries=4, show_spinner=False)
def _results(dataset: str, stamp: str) -> Results:
    return read_results(dataset)


@st.cache_resource(max_entries=64, show_spinner=False)
def _story(dataset: str, choice: Choice, stamp: str) -> Story | None:
    return tell(_results(dataset, stamp), _zoo(dataset, stamp), choice)


@st.cache_resource(max_entries=64, show_spinner=False)
def _images(dataset: str, choice: Choice, wish: Wish, n: int, stamp: str) -> Found:
    return find(_results(dataset, stamp), _zoo(dataset, stamp), choice, wish, n_images=n)


@st.cache_resource(max_entries=4, show_spinner="Reading the metrics ...")
def _metrics(dataset: str, stamp: str, rows: str) -> Metrics:
    return metric_rows.all_metrics(_results(dataset, stamp))


@st.cache_resource(max_entries=2, show_spinner="Reading the metrics ...")
def _rightly(dataset: str, stamp: str, rows: str) -> Metrics:
    return _metrics(dataset, stamp, rows).right_only()


def _metrics_of(dataset: str, rightly: bool, stamp: str, rows: str) -> Metrics:
    return (_rightly if rightly else _metrics)(dataset, stamp, rows)


@st.cache_resource(max_entries=4, show_spinner=False)
def _retrained(dataset: str, stamp: str, rows: str) -> Retrained | None:
    by_id = _zoo(dataset, stamp).by_id
    words = {run_id: f"{called(card)}, {describe(card)}" if card.role != "teacher" else "teacher"
             for run_id, card in by_id.items()}  # fmt: skip
    return retrained_view.retrained(read_roar(dataset), words)


@st.cache_resource(max_entries=4, show_spinner=False)
def _measured(dataset: str, stamp: str, rows: str) -> Mapping[str, tuple[str, ...]]:
    return metrics_view.measured(_metrics(dataset, stamp, rows))


@st.cache_resource(max_entries=128, show_spinner=False)
def _chart(dataset: str, ask: Ask, stamp: str, rows: str) -> Chart:
    return metrics_view.chart(_metrics_of(dataset, ask.rightly, stamp, rows), _zoo(dataset, stamp), ask)


@st.cache_resource(max_entries=4, show_spinner=False)
def _safety(dataset: str, stamp: str, rows: str) -> tuple[Safety, ...]:
    return sanity_view.safety_of_all(_metrics(dataset, stamp, rows), _zoo(dataset, stamp))


@st.cache_resource(max_entries=128, show_spinner=False)
def _answers(
    dataset: str, ask: Ask, questions: tuple[Question, ...], flips: int, stamp: str, rows: str
) -> tuple[Difference, ...]:
    found = _chart(dataset, ask, stamp, rows)
    stored = _metrics_of(dataset, ask.rightly, stamp, rows)
    return differences(stored, found.groups, questions, seeds=found.seeds, resamples=flips)


@st.cache_resource(max_entries=128, show_spinner=False)
def _outside(
    dataset: str, matched: tuple[str, ...], naive: tuple[str, ...], metric: str, rightly: bool, stamp: str, rows: str
) -> tuple[Difference, ...]:
    by_id = _zoo(dataset, stamp).by_id
    cards = ([by_id[run_id] for run_id in ids] for ids in (matched, naive))
    return outside_loss.outside(_metrics_of(dataset, rightly, stamp, rows), *cards, metric)


@st.cache_resource(max_entries=128, show_spinner=False)
def _gaps(dataset: str, pairs: tuple[Pair, ...], explainer: str, stamp: str, rows: str) -> tuple[Difference, ...]:
    return curves.gaps(_metrics(dataset, stamp, rows), _zoo(dataset, stamp), pairs, explainer=explainer)


@st.cache_resource(max_entries=128, show_spinner=False)
def _by_image(dataset: str, ask: Ask, question: Question, stamp: str, rows: str) -> pd.Series[float]:
    found = _chart(dataset, ask, stamp, rows)
    return per_image(_metrics_of(dataset, ask.rightly, stamp, rows), found.groups, question, seeds=found.seeds)


@st.cache_resource(max_entries=128, show_spinner=False)
def _marks(dataset: str, run_ids: tuple[str, ...], stamp: str, rows: str) -> tuple[Mark, ...]:
    cards = [_zoo(dataset, stamp).by_id[run_id] for run_id in run_ids]
    return sanity_view.marks(_metrics(dataset, stamp, rows), cards)


@st.cache_resource(max_entries=128, show_spinner=False)
def _floors(dataset: str, students: tuple[tuple[str, str], ...], stamp: str, rows: str) -> tuple[Floor, ...]:
    metrics, zoo = _metrics(dataset, stamp, rows), _zoo(dataset, stamp)
    cards = {word: zoo.by_id[run_id] for word, run_id in students}
    return tuple(sanity_view.floor(metrics, zoo, name, cards) for name in sanity_view.explainers(metrics, ("cosine",)))


@st.cache_data(max_entries=256, show_spinner=False)
def pictures(key: tuple[object, ...], _draw: Callable[[], Sequence[UInt8]]) -> list[bytes]:
    """PNGs of what ``_draw`` returns, drawn once for a key that says all that decides them."""
    return [rendering.png(pixels) for pixels in _draw()]


@st.cache_data(max_entries=512, show_spinner=False)
def thumbnails(dataset: str, indices: tuple[int, ...]) -> list[str]:
    """PNG data links of small pictures, for the gallery."""
    return [as_link(rendering.png(picture)) for picture in subjects.thumbnails(dataset, indices)]


def as_link(png: bytes) -> str:
    """PNG bytes as a link that a browser shows without another request."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
