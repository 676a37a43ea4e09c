"""Comparisons of runs over the same images and seeds: what is asked of stored rows, and what they say.

A contrast is a weighted sum of runs' values on each image; its mean has a 95 % bootstrap interval over images (one
seed, scipy) or over images and seeds. Beside it: what another seed changes, and how much could be gained at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from xkd_core.catalogue import METRICS
from xkd_core.claims.stored import TEACHER, Runs, Stored
from xkd_core.metrics.paired_tests import paired_test
from xkd_core.metrics.statistics import ROUNDING, Estimate
from xkd_core.results.compare import SHARES
from xkd_core.results.metric_store import ANSWERS
from xkd_core.results.paired import ANY_SEED, over_seeds, seed_floor, shared_seeds, within_floor

Rule = Literal["above", "below", "not below", "within"]
SIGNIFICANT = 0.05
SIDES: dict[Rule, int] = {"above": 1, "below": -1}
"""Where the interval of a difference must lie."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """One group of runs in a contrast. to_teacher: |value - the teacher's value| of the image instead of the value.

    beyond: the similarity beyond chance, (value - shuffled) / (1 - mean shuffled), where "shuffled" is the likeness to
    the teacher's map of another image: 0 for maps that are of no image, 1 for the teacher's own.
    """

    weight: float
    runs: Runs
    explainer: str
    metric: str
    to_teacher: bool = False
    beyond: bool = False


@dataclass(frozen=True, kw_only=True)
class Check:
    """What the claim says of a contrast. margin: for "not below" (-margin) and "within" (both sides).

    right_only: images that every run of the contrast answers right. undecided: why the stored values cannot tell
    whether it is so, whatever comes out. measured_only: seeds whose rows are away are left out, as long as one is left;
    without it a claim waits until every seed is measured.
    """

    label: str
    terms: tuple[Term, ...]
    rule: Rule = "above"
    margin: float = 0.0
    right_only: bool = False
    undecided: str = ""
    measured_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Floor:
    """How far two seeds of one group lie apart; value None: not known. borrowed: "λ 0.5", of the same runs there.

    partial: some runs of the contrast have one seed everywhere, so it is known of the others only.
    """

    value: float | None = None
    borrowed: str = ""
    partial: bool = False

    def covers(self, mean: float) -> bool:
        """Whether another seed is known to make as large a difference."""
        return within_floor(mean, self.value)


@dataclass(frozen=True, kw_only=True)
class Best:
    """What a check could reach at most where every image is 0 or 1: images left to gain, and p if all were gained."""

    left: int
    p: float


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A contrast of stored values: its mean with interval, p as of `PairedTest.wilcoxon_p`, and how many seeds.

    room: how far on the check's side of 0 the mean could lie, were all that it adds as good as the metric goes.
    floor: of one seed; with several the interval knows of it, and the floor is not asked for. best: None where values
    are not 0 and 1, or there is no side to reach. left_out: seeds without rows (`Check.measured_only`).
    """

    estimate: Estimate
    p: float
    seeds: int
    room: float = math.inf
    floor: Floor = Floor()
    best: Best | None = None
    left_out: tuple[int, ...] = ()

    def out_of_reach(self, comparisons: int) -> bool:
        """Whether no run could pass: nothing is left to gain, or too little for a p below .05 after Holm."""
        return self.room <= ROUNDING or (self.best is not None and self.best.p * comparisons >= SIGNIFICANT)


class MissingRowsError(Exception):
    """Rows that a check needs are not stored; the message says whose. trained: whether the runs are there."""

    def __init__(self, message: str, *, trained: bool = True) -> None:
        super().__init__(message)
        self.trained = trained


def between(label: str, first: Runs, second: Runs, explainer: str, metric: str, **more: object) -> Check:
    """first - second of one metric of one explainer; more: as of `Check`, and as of `Term`."""
    near, beyond = (bool(more.pop(name, False)) for name in ("to_teacher", "beyond"))
    terms = tuple(
        Term(weight=weight, runs=runs, explainer=explainer, metric=metric, to_teacher=near, beyond=beyond)
        for weight, runs in ((1.0, first), (-1.0, second))
    )
    return Check(label=label, terms=terms, **more)  # type: ignore[arg-type]


def measure(stored: Stored, check: Check) -> Measured:
    """Mean of the contrast over images and the seeds that all its runs share. Errors: MissingRowsError."""
    shared = _shared_seeds(stored, check)
    seeds = _with_rows(stored, check, shared) if check.measured_only else shared
    found = over_seeds({seed: _contrast(stored, check, seed) for seed in seeds})
    if found.estimate.n == 0:
        raise MissingRowsError(f"{check.label} is defined on no image")
    p = paired_test(found.values, np.zeros(len(found.values)), n_resamples=1).wilcoxon_p
    return Measured(
        estimate=found.estimate,
        p=p,
        seeds=len(seeds),
        room=_room(stored, check, seeds, found.values.dropna().index),
        floor=_floor(stored, check) if len(seeds) == 1 else Floor(),
        best=_best(stored, check, seeds),
        left_out=tuple(seed for seed in shared if seed not in seeds),
    )


def _shared_seeds(stored: Stored, check: Check) -> tuple[int, ...]:
    groups = {term.runs.label: set(stored.ids(term.runs)) for term in check.terms}
    for label, seeds in groups.items():
        if not seeds:
            raise MissingRowsError(f"{label} on {stored.dataset}", trained=False)
    shared = shared_seeds(*groups.values())
    if not shared:
        raise MissingRowsError(f"{check.label} on {stored.dataset} with a seed that all share", trained=False)
    return shared


def _with_rows(stored: Stored, check: Check, seeds: Sequence[int]) -> tuple[int, ...]:
    """Seeds of which every row is stored. Errors: MissingRowsError, of the first seed, where there is none."""
    missing: list[MissingRowsError] = []
    kept = []
    for seed in seeds:
        try:
            _columns(stored, check, seed)
        except MissingRowsError as error:
            missing.append(error)
        else:
            kept.append(seed)
    if not kept:
        raise missing[0]
    return tuple(kept)


def _contrast(stored: Stored, check: Check, seed: int) -> pd.Series[float]:
    """Values by image, NaN where one is undefined, for those that all runs have and, if asked, answer right."""
    columns = _columns(stored, check, seed)
    weights = np.array([term.weight for term in check.terms])
    return pd.Series(columns.to_numpy(dtype=np.float64) @ weights, index=columns.index)


def _columns(stored: Stored, check: Check, seed: int) -> pd.DataFrame:
    """A column for each term, on the images that `_contrast` is about."""
    found = pd.concat([_column(stored, term, seed) for term in check.terms], axis=1, join="inner").sort_index()
    if check.right_only:
        for term in check.terms:
            right = _values(stored, term.runs, seed, ANSWERS, "right").reindex(found.index)
            found = found[right == 1.0]
    return found.set_axis(range(len(check.terms)), axis=1)


def _column(stored: Stored, term: Term, seed: int) -> pd.Series[float]:
    own = _values(stored, term.runs, seed, term.explainer, term.metric)
    if term.beyond:
        another = _values(stored, term.runs, seed, term.explainer, f"{term.metric}_shuffled")
        return (own - another) / (1.0 - float(another.mean()))
    if not term.to_teacher:
        return own
    return (own - _values(stored, TEACHER, seed, term.explainer, term.metric)).abs()


def _room(stored: Stored, check: Check, seeds: Sequence[int], images: pd.Index[int]) -> float:
    """How far the contrast could go on the images that it is of, were what the check adds at its best."""
    if check.rule not in SIDES:
        return math.inf
    side, total = SIDES[check.rule], 0.0
    tables = [_columns(stored, check, seed).loc[images] for seed in seeds]
    for at, term in enumerate(check.terms):
        if term.weight > 0:
            total += side * term.weight * _end(term, side)
        else:
            total += side * term.weight * float(np.mean([table[at].mean() for table in tables]))
    return total


def _best(stored: Stored, check: Check, seeds: Sequence[int]) -> Best | None:
    """As if every image of what the check adds had the best value and the others stayed as they are."""
    tables = {seed: _columns(stored, check, seed) for seed in seeds}
    if check.rule not in SIDES or not all(_is_share(term, table[at]) for table in tables.values()
                                          for at, term in enumerate(check.terms)):  # fmt: skip
        return None
    values = over_seeds({seed: _at_best(check, table) for seed, table in tables.items()}).values
    p = paired_test(values, np.zeros(len(values)), n_resamples=0).wilcoxon_p
    return Best(left=int((values.abs() > ROUNDING).sum()), p=p)


def _at_best(check: Check, columns: pd.DataFrame) -> pd.Series[float]:
    side = SIDES[check.rule]
    ends = [
        columns[at].where(columns[at].isna(), _end(term, side)) if term.weight > 0 else columns[at]
        for at, term in enumerate(check.terms)
    ]
    return sum((term.weight * end for term, end in zip(check.terms, ends, strict=True)), start=columns[0] * 0)


def _is_share(term: Term, values: pd.Series[float]) -> bool:
    """Whether it is a metric of 0 and 1, and has no other value here (several classes make a share of an image)."""
    return term.metric.partition("@")[0] in SHARES and bool(values.dropna().isin((0.0, 1.0)).all())


def _floor(stored: Stored, check: Check) -> Floor:
    """The largest of the terms: a run with one seed is no surer for standing beside one with several."""
    found = [_floor_of(stored, term) for term in check.terms if term.runs != TEACHER]  # of whom there is one
    known = [one for one in found if one.value is not None]
    largest = max(known, key=lambda one: one.value or 0.0, default=Floor())
    return replace(largest, partial=len(known) < len(found))


def _floor_of(stored: Stored, term: Term) -> Floor:
    """Of a term's own seeds; where it has one, of the same runs at the λ at which seeds lie farthest apart."""
    own = seed_floor([_of_seeds(stored, term)])
    if own is not None:
        return Floor(value=own)
    others = {lam: seed_floor([_of_seeds(stored, replace(term, runs=replace(term.runs, lam=lam)))])
              for lam in stored.lams(term.runs)}  # fmt: skip
    known = {lam: value for lam, value in others.items() if value is not None}
    largest = max(known, key=lambda lam: known[lam], default=None)
    return Floor() if largest is None else Floor(value=known[largest], borrowed=f"λ {largest:g}")


def _of_seeds(stored: Stored, term: Term) -> pd.DataFrame:
    """What a term adds on each image, a column for every seed whose values are stored."""
    ids = stored.ids(term.runs)
    known = [seed for seed in ids if stored.values(ids[seed], term.explainer, term.metric) is not None]
    return pd.DataFrame({seed: term.weight * _column(stored, term, seed) for seed in known})


def _end(term: Term, side: int) -> float:
    """The highest or the lowest value that a term can have."""
    info = METRICS[term.metric.partition("@")[0]]
    low, high = (0.0, info.high - info.low) if term.to_teacher else (info.low, info.high)
    return high if side > 0 else low


def _values(stored: Stored, runs: Runs, seed: int, explainer: str, metric: str) -> pd.Series[float]:
    values = stored.values(_id(stored, runs, seed), explainer, metric)
    if values is None:
        raise MissingRowsError(f"{metric} of {explainer} of {runs.label} on {stored.dataset}")
    return values


def _id(stored: Stored, runs: Runs, seed: int) -> str:
    ids = stored.ids(runs)
    return ids[ANY_SEED] if ANY_SEED in ids else ids[seed]
