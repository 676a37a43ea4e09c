"""Any metrics of any explainers for any runs, into the store of metrics: ``python -m xkd_core evaluate --metrics``.

Killed at any moment, the same command goes on; what is stored is not computed again; what cannot be is noted
once with its reason. The rows are the same for any number of workers and any engine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import pandas as pd

from xkd_core import __version__
from xkd_core.errors import BadInputError, XKDError, unknown_name
from xkd_core.evaluation.asked import ONE_NUMBER, cards_like, explainers_like, family, metrics_like, plain, words
from xkd_core.evaluation.block import bench_of, run_of
from xkd_core.evaluation.engines import Engine, local
from xkd_core.evaluation.evaluate import first_teacher, same_images
from xkd_core.evaluation.heavy import HEAVY
from xkd_core.evaluation.pieces import EVERY, Outcome, Piece, Ranked, pieces, refusals_of, refused_rows
from xkd_core.evaluation.wholes import whole_rows
from xkd_core.images.datasets import info
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import find_card, is_here, load_run
from xkd_core.results.metric_store import (
    ANSWERS,
    add_refused,
    add_rows,
    add_whole,
    read_refused,
    read_run,
    read_whole,
)
from xkd_core.types import Precision

Progress = Callable[[int, int, str], None]
"""Called with the cost done, the cost in all and a word on what was done."""
FLUSH_S = 10.0
"""So much work is lost at most when the process is killed."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is asked for, in the words of the command line (see asked.py). images: the first N of the fixed sample.

    precision: of answers to masked images. Rows in bfloat16 have a place of their own: pages and claims read float32.
    """

    dataset: str
    split: str = "test"
    runs: Sequence[str] = ()
    explainers: Sequence[str] = ("cam", *HEAVY)
    metrics: Sequence[str] = ("all",)
    images: int | None = None
    precision: Precision = "fp32"

    @property
    def place(self) -> str:
        """Where the rows are stored: the split, with its precision where that is not float32."""
        return self.split if self.precision == "fp32" else f"{self.split}@{self.precision}"

    def __post_init__(self) -> None:
        """Refuse what cannot be counted."""
        if self.precision not in get_args(Precision):
            raise BadInputError(f"--precision must be fp32 or bf16; got {self.precision!r}.")
        if self.images is not None and self.images < 1:
            raise BadInputError(f"--images must be 1 or more; got {self.images}.")


def order_from(
    data: str,
    runs: Iterable[str] | None,
    explainers: Iterable[str] | None,
    metrics: Iterable[str] | None,
    images: int | None,
    precision: str = "fp32",
) -> Order:
    """An order from the command line. Errors: UnknownNameError for any name in it, before anything is begun."""
    dataset, _, split = data.partition(":")
    split = split or "test"
    if split not in info(dataset).splits:
        raise unknown_name(f"split of {dataset}", split, info(dataset).splits)
    chosen = {"explainers": words(explainers), "metrics": words(metrics)}
    cards_like(words(runs), dataset)  # these three know the names, and say which one is wrong
    explainers_like(chosen["explainers"])
    metrics_like(chosen["metrics"])
    given = {name: value for name, value in chosen.items() if value}
    return Order(dataset=dataset, split=split, runs=words(runs), images=images, precision=precision, **given)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What one call did: pieces computed, pairs that cannot be (newly noted), errors of the program.

    away: runs that were asked for and left out, as only their cards are here.
    """

    pieces: int
    refused: int
    away: int = 0
    failed: tuple[str, ...] = ()


@dataclass
class _Writer:
    """Collects rows and writes them now and then: a file is written whole each time."""

    order: Order
    root: Path | None
    rows: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    refused: list[pd.DataFrame] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    n_refused: int = 0
    last: float = field(default_factory=time.monotonic)

    def take(self, piece: Piece, outcome: Outcome) -> None:
        if outcome.failed:
            self.failed.append(outcome.failed)
        if not outcome.rows.empty:
            self.rows.setdefault(piece.run, []).append(outcome.rows)
        self.refuse(refused_rows(piece.run, piece.explainer, outcome.refused))
        if time.monotonic() - self.last > FLUSH_S:
            self.flush()

    def refuse(self, rows: pd.DataFrame) -> None:
        if not rows.empty:
            self.refused.append(rows)

    def flush(self) -> None:
        for run_id, rows in self.rows.items():
            add_rows(self.order.dataset, run_id, rows, split=self.order.place, root=self.root)
        if self.refused:
            fresh = pd.concat(self.refused).drop_duplicates(["run_id", "explainer", "metric"])
            add_refused(self.order.dataset, fresh, split=self.order.place, root=self.root)
            self.n_refused += len(fresh)
        self.rows, self.refused, self.last = {}, [], time.monotonic()


def evaluate_metrics(
    order: Order, *, engine: Engine | None = None, root: Path | None = None, progress: Progress | None = None
) -> Report:
    """Compute what is missing of an order and store it.

    Args: engine, see engines.py (default: this process). Errors: UnknownNameError for names, BadInputError without
    a teacher, XKDError of the store; errors of single pieces are in the report.
    """
    metrics = metrics_like(order.metrics)
    asked = cards_like(order.runs, order.dataset, root)
    cards = [card for card in asked if is_here(card, root)]
    if asked and not cards:
        load_run(asked[0].id, root)  # says that its weights are not here, and what to do
    first = first_teacher(order.dataset, root)
    writer = _Writer(order, root)
    work = list(_plan(order, cards, first, metrics, writer))
    total, spent = sum(piece.cost for piece in work), 0
    try:
        for piece, outcome in (engine or local(1))(work):
            writer.take(piece, outcome)
            spent += piece.cost
            if progress is not None:
                progress(spent, total, f"{piece.run} {piece.explainer}")
    finally:
        writer.flush()
    _store_wholes(order, cards, first, [name for name in metrics if name in ONE_NUMBER], root)
    away = len(asked) - len(cards) if order.runs else 0
    n_done = len(work) - len(writer.failed)
    return Report(pieces=n_done, refused=writer.n_refused, away=away, failed=tuple(writer.failed))


def teacher_of(card: Card, first: Card, root: Path | None = None) -> Card:
    """The run that ``card`` is compared with: its teacher, and for a teacher the data set's first."""
    return first if card.teacher_id in (None, first.id) else find_card(str(card.teacher_id), root)


def _plan(order: Order, cards: Sequence[Card], first: Card, metrics: Sequence[str], writer: _Writer) -> Iterable[Piece]:
    """Pieces of all runs; what cannot be goes to the writer. The images are those of the first teacher's ranking."""
    root = writer.root
    split = bench_of(first.id, order.split, root).split
    same_images(split, root)
    images = Ranked.of(split.ranking(), order.images)
    noted = _noted(read_refused(order.dataset, split=order.place, root=root))
    for card in cards:
        stored = read_run(order.dataset, card.id, split=order.place, root=root)
        teacher = teacher_of(card, first, root)
        for explainer, wanted in _wanted(order, metrics):
            known = noted.get((card.id, explainer), set())
            open_ = [] if EVERY in known else [name for name in wanted if name not in known]
            refused = refusals_of(card, teacher, explainer, open_, split.data.info) if open_ else {}
            writer.refuse(refused_rows(card.id, explainer, refused))
            left = [] if EVERY in refused else [name for name in open_ if name not in refused]
            for piece in pieces(card, teacher, explainer, left, stored, images):
                yield replace(piece, split=order.split, root=root, precision=order.precision)


def _wanted(order: Order, metrics: Sequence[str]) -> Iterable[tuple[str, list[str]]]:
    """Explainers with the metrics that they may have; "answers" with those that no map enters."""
    of_maps = [name for name in metrics if family(name) != "prediction"]
    of_answers = [name for name in metrics if family(name) == "prediction" and name not in ONE_NUMBER]
    if of_answers:
        yield ANSWERS, of_answers
    for explainer in explainers_like(order.explainers) if of_maps else ():
        sampled = bool(plain(explainer)[1])
        yield explainer, [name for name in of_maps if not sampled or family(name) == "similarity"]


def _noted(refused: pd.DataFrame) -> dict[tuple[str, str], set[str]]:
    """(run, explainer) -> metrics that this version has refused."""
    found: dict[tuple[str, str], set[str]] = {}
    if not refused.empty:
        own = refused[refused["version"] == __version__]
        for run_id, explainer, metric in zip(own["run_id"], own["explainer"], own["metric"], strict=True):
            found.setdefault((run_id, explainer), set()).add(metric)
    return found


def _store_wholes(order: Order, cards: Sequence[Card], first: Card, names: Sequence[str], root: Path | None) -> None:
    stored = read_whole(order.dataset, split=order.place, root=root)
    there = set() if stored.empty else set(zip(stored["run_id"], stored["metric"], strict=True))
    for card in cards:
        missing = [name for name in names if (card.id, name) not in there]
        if missing:
            bench = bench_of(teacher_of(card, first, root).id, order.split, root)
            add_whole(order.dataset, whole_rows(bench, run_of(card.id, root), missing), split=order.place, root=root)


def raise_failed(report: Report) -> None:
    """Errors: XKDError that names the first pieces that failed."""
    if report.failed:
        shown = "; ".join(dict.fromkeys(report.failed[:3]))
        raise XKDError(f"{len(report.failed)} pieces failed and will be tried again next time: {shown}")
