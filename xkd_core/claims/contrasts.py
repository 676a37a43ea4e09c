"""Comparisons of runs over the same images and seeds, and the verdict on a claim that consists of them.

A contrast is a weighted sum of runs' values on each image; its mean has a 95 % bootstrap interval over images (one
seed, scipy) or over images and seeds. Wilcoxon's p of the means over seeds is corrected by Holm over a claim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from xkd_core.catalogue import METRICS
from xkd_core.claims.base import Finding, Number, Verdict
from xkd_core.claims.stored import TEACHER, Runs, Stored, read_stored
from xkd_core.images.datasets import info
from xkd_core.metrics.paired_tests import holm, paired_test
from xkd_core.metrics.statistics import ROUNDING, Estimate
from xkd_core.results.metric_store import ANSWERS
from xkd_core.results.paired import ANY_SEED, over_seeds, seed_floor, shared_seeds

Rule = Literal["above", "below", "not below", "within"]
Outcome = Literal["passes", "not shown", "contrary", "open"]
SIGNIFICANT = 0.05
SIDES: dict[Rule, int] = {"above": 1, "below": -1}
"""Where the interval of a difference must lie."""


@dataclass(frozen=True, kw_only=True)
class Term:
    """One group of runs in a contrast. to_teacher: |value - the teacher's value| of the image instead of the value."""

    weight: float
    runs: Runs
    explainer: str
    metric: str
    to_teacher: bool = False


@dataclass(frozen=True, kw_only=True)
class Check:
    """What the claim says of a contrast. margin: for "not below" (-margin) and "within" (both sides).

    right_only: images that every run of the contrast answers right.
    """

    label: str
    terms: tuple[Term, ...]
    rule: Rule = "above"
    margin: float = 0.0
    right_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A contrast of stored values: its mean with interval, Wilcoxon's p of the images, and how many seeds.

    room: how far on the check's side of 0 the mean could lie, were all that it adds as good as the metric goes.
    floor: of one seed, how far two seeds of one of its groups lie apart; with several the interval knows of it.
    """

    estimate: Estimate
    p: float
    seeds: int
    room: float = math.inf
    floor: float = 0.0


class MissingRowsError(Exception):
    """Rows that a check needs are not stored; the message says whose. trained: whether the runs are there."""

    def __init__(self, message: str, *, trained: bool = True) -> None:
        super().__init__(message)
        self.trained = trained


def between(label: str, first: Runs, second: Runs, explainer: str, metric: str, **more: object) -> Check:
    """first - second of one metric of one explainer; more: as of `Check`, and ``to_teacher``."""
    near = bool(more.pop("to_teacher", False))
    terms = tuple(
        Term(weight=weight, runs=runs, explainer=explainer, metric=metric, to_teacher=near)
        for weight, runs in ((1.0, first), (-1.0, second))
    )
    return Check(label=label, terms=terms, **more)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class OfRuns:
    """The judge of a claim over the rows of one data set. make: measures what is missing of trained runs."""

    dataset: str
    checks: tuple[Check, ...]
    make: str

    def __call__(self, root: Path | None) -> Finding:
        """Judge from the rows below ``root``."""
        return judged(read_stored(self.dataset, root), self.checks, make=self.make)


def share_right(dataset: str) -> str:
    """What stored answers count as right: with several labels, the decision on the class that the teacher names first.

    There the teacher itself is right on nearly every image, and students are measured by how often they agree.
    """
    return f"Share of right answers{' on the explained class' if info(dataset).multi_label else ''}"


def of_runs(dataset: str, checks: Sequence[Check], *, make: str = "") -> OfRuns:
    """A judge by rows. make: the command that measures them, if it is not the data set's sweep."""
    collect = f"python -m xkd_core sweep collect {_sweep_file(dataset)}"
    return OfRuns(dataset=dataset, checks=tuple(checks), make=make or collect)


def judged(stored: Stored, checks: Sequence[Check], *, make: str) -> Finding:
    """Holds if every check passes. make: measures rows that are missing; runs that are, the sweep trains before."""
    try:
        measured = [measure(stored, check) for check in checks]
    except MissingRowsError as missing:
        train = f"python -m xkd_core sweep run {_sweep_file(stored.dataset)} && "
        reason = f"Not {'measured' if missing.trained else 'trained'} yet: {missing}."
        return Finding(verdict="not testable here", reason=reason, command=make if missing.trained else train + make)
    adjusted = _holm([one.p for one in measured])
    outcomes = [outcome(check, one, p) for check, one, p in zip(checks, measured, adjusted, strict=True)]
    numbers = tuple(
        Number.of(check.label, one.estimate, seeds=one.seeds, passes=_PASSES[result])
        for check, one, result in zip(checks, measured, outcomes, strict=True)
    )
    found = Finding(verdict=_verdict(outcomes), reason="", numbers=numbers, against=outcomes.count("contrary"))
    said = (_in_short(found, outcomes), *_reasons(checks, measured, outcomes), _unfinished(stored, checks))
    return replace(found, reason=" ".join(filter(None, said)))


def measure(stored: Stored, check: Check) -> Measured:
    """Mean of the contrast over images and the seeds that all its runs share. Errors: MissingRowsError."""
    seeds = _shared_seeds(stored, check)
    found = over_seeds({seed: _contrast(stored, check, seed) for seed in seeds})
    if found.estimate.n == 0:
        raise MissingRowsError(f"{check.label} is defined on no image")
    p = paired_test(found.values, np.zeros(len(found.values)), n_resamples=1).wilcoxon_p
    floor = _floor(stored, check) if len(seeds) == 1 else 0.0
    return Measured(estimate=found.estimate, p=p, seeds=len(seeds), room=_room(stored, check, seeds), floor=floor)


def outcome(check: Check, measured: Measured, p: float) -> Outcome:
    """Whether a contrast is as the check says.

    "contrary": the other way round, by the same evidence as "passes" needs; "not shown": neither. "open": a margin that
    lies in the interval, a difference of one seed that another seed makes as well, or a side of 0 that no run could
    reach.
    """
    low, high, margin = measured.estimate.low, measured.estimate.high, check.margin
    if check.rule in SIDES:
        side, large = measured.estimate.side * SIDES[check.rule], abs(measured.estimate.mean) > measured.floor
        if side > 0 and p < SIGNIFICANT:
            return "passes" if large else "open"
        if measured.room <= ROUNDING:
            return "open"
        return "contrary" if side < 0 and p < SIGNIFICANT and large else "not shown"
    if check.rule == "not below":
        return "passes" if low > -margin else "contrary" if high < -margin else "open"
    inside, outside = -margin < low and high < margin, low > margin or high < -margin
    return "passes" if inside else "contrary" if outside else "open"


def _sweep_file(dataset: str) -> str:
    return f"checkpoints/{dataset}/sweep.yaml"


_PASSES: dict[Outcome, bool | None] = {"passes": True, "not shown": False, "contrary": False, "open": None}


def _shared_seeds(stored: Stored, check: Check) -> tuple[int, ...]:
    groups = {term.runs.label: set(stored.ids(term.runs)) for term in check.terms}
    for label, seeds in groups.items():
        if not seeds:
            raise MissingRowsError(f"{label} on {stored.dataset}", trained=False)
    shared = shared_seeds(*groups.values())
    if not shared:
        raise MissingRowsError(f"{check.label} on {stored.dataset} with a seed that all share", trained=False)
    return shared


def _contrast(stored: Stored, check: Check, seed: int) -> pd.Series[float]:
    """Values by image, for those that all runs have; NaN where one is undefined or, if asked, not right."""
    columns = [_column(stored, term, seed) for term in check.terms]
    joined = pd.concat(columns, axis=1, join="inner").sort_index()
    weights = np.array([term.weight for term in check.terms])
    found = pd.Series(joined.to_numpy(dtype=np.float64) @ weights, index=joined.index)
    if check.right_only:
        for term in check.terms:
            right = _values(stored, term.runs, seed, ANSWERS, "right").reindex(found.index)
            found = found.where(right == 1.0)
    return found


def _column(stored: Stored, term: Term, seed: int) -> pd.Series[float]:
    own = _values(stored, term.runs, seed, term.explainer, term.metric)
    if not term.to_teacher:
        return own
    return (own - _values(stored, TEACHER, seed, term.explainer, term.metric)).abs()


def _room(stored: Stored, check: Check, seeds: Sequence[int]) -> float:
    if check.rule not in SIDES:
        return math.inf
    side, total = SIDES[check.rule], 0.0
    for term in check.terms:
        if term.weight > 0:
            total += side * term.weight * _end(term, side)
        else:
            total += side * term.weight * float(np.mean([_column(stored, term, seed).mean() for seed in seeds]))
    return total


def _floor(stored: Stored, check: Check) -> float:
    return seed_floor(_of_seeds(stored, term) for term in check.terms) or 0.0


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


def _holm(values: Sequence[float]) -> list[float]:
    known = {str(place): value for place, value in enumerate(values)}
    return list(holm(known, family="the comparisons of one claim").values())


def _verdict(outcomes: Sequence[Outcome]) -> Verdict:
    if all(one == "passes" for one in outcomes):
        return "holds"
    return "does not hold" if {"not shown", "contrary"} & set(outcomes) else "not testable here"


def _in_short(found: Finding, outcomes: Sequence[Outcome]) -> str:
    """How many comparisons are as the paper says, and where a claim does not hold, how many are the contrary."""
    passed, every = outcomes.count("passes"), len(outcomes)
    words = f"{passed} of {every} comparison{'s' if every > 1 else ''} as the paper says"
    if not found.how:
        return f"{words}."
    count = f"{found.against} {'is' if found.against == 1 else 'are'}" if found.against else "none is"
    return f"{found.how.capitalize()}: {words}, {count} the other way round."


def _reasons(checks: Sequence[Check], measured: Sequence[Measured], outcomes: Sequence[Outcome]) -> list[str]:
    """A sentence for each comparison that is not as the paper says."""
    every = zip(checks, measured, outcomes, strict=True)
    return [f"{check.label}: {_why_not(check, one, result)}." for check, one, result in every if result != "passes"]


def _unfinished(stored: Stored, checks: Sequence[Check]) -> str:
    """Names the runs that were still getting better when their training ended: more epochs may turn a verdict."""
    used = {(term.runs.label, run_id) for check in checks for term in check.terms
            for run_id in stored.ids(term.runs).values()}  # fmt: skip
    cards = {card.id: card for card in stored.zoo.cards}
    labels = sorted({label for label, run_id in used if run_id in cards and cards[run_id].undertrained})
    return f"Not trained to the end: {', '.join(labels)}." if labels else ""


def _why_not(check: Check, measured: Measured, result: Outcome) -> str:
    found = measured.estimate
    if result == "open" and found.side == SIDES.get(check.rule):
        return f"one seed only, and two seeds of one training lie as far apart ({measured.floor:.2g})"
    if result == "open" and check.rule in SIDES:
        return "cannot be shown, no run could be better than what it is compared with"
    if result == "open":
        return f"undecided, the interval reaches over the margin of {check.margin:g}"
    if check.rule in ("not below", "within"):
        return f"beyond the margin of {check.margin:g}"
    if not found.side:
        return "the interval contains 0, no difference is shown"
    if result == "contrary":
        return "the other way round"
    side = "" if found.side == SIDES[check.rule] else "on the other side, but "
    small = abs(found.mean) <= measured.floor
    return side + ("no further than another seed moves it" if small else "not significant after Holm's correction")
