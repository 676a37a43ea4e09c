"""Comparisons of runs over the same images and seeds: what stored rows (`columns`) say of what is asked of them.

A contrast is a weighted sum of runs' values on each image; its mean has a 95 % bootstrap interval over images (one
seed, scipy) or over images and seeds. Beside it: what another seed changes, and how much could be gained at most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from xkd_core.catalogue import METRICS
from xkd_core.claims.columns import Check, Columns, MissingRowsError, Rule, Seeds, Term, column, columns
from xkd_core.claims.stored import TEACHER, Runs, Stored
from xkd_core.metrics.paired_tests import paired_test
from xkd_core.metrics.seeds_and_images import difference_over_seeds
from xkd_core.metrics.statistics import ROUNDING, Estimate
from xkd_core.results.compare import SHARES
from xkd_core.results.paired import Contrast, over_seeds, seed_floor, within_floor

SIGNIFICANT = 0.05
SIDES: dict[Rule, int] = {"above": 1, "below": -1}
"""Where the interval of a difference must lie."""


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

    seeds: of the side with the fewest, the teacher aside. room: how far on the check's side of 0 the mean could lie,
    were all that it adds as good as the metric goes. floor: where a side has one seed; with several on each the
    interval knows of them, and the floor is not asked for. best: None where values are not 0 and 1, or there is no side
    to reach. left_out: seeds without rows. unpaired: label and seeds of each group, where they are not all the same.
    """

    estimate: Estimate
    p: float
    seeds: int
    room: float = math.inf
    floor: Floor = Floor()
    best: Best | None = None
    left_out: Seeds = ()
    unpaired: tuple[tuple[str, Seeds], ...] = ()

    @property
    def ends(self) -> tuple[float, float]:
        """The interval or, if that is wider, how far another seed of a side with one is known to move the mean."""
        found, moved = self.estimate, self.floor.value or 0.0
        return min(found.low, found.mean - moved), max(found.high, found.mean + moved)

    def out_of_reach(self, comparisons: int) -> bool:
        """Whether no run could pass: nothing is left to gain, or too little for a p below .05 after Holm."""
        return self.room <= ROUNDING or (self.best is not None and self.best.p * comparisons >= SIGNIFICANT)


def between(label: str, first: Runs, second: Runs, explainer: str, metric: str, **more: object) -> Check:
    """first - second of one metric of one explainer; more: as of `Check`, and as of `Term`."""
    near, beyond = (bool(more.pop(name, False)) for name in ("to_teacher", "beyond"))
    terms = tuple(
        Term(weight=weight, runs=runs, explainer=explainer, metric=metric, to_teacher=near, beyond=beyond)
        for weight, runs in ((1.0, first), (-1.0, second))
    )
    return Check(label=label, terms=terms, **more)  # type: ignore[arg-type]


def measure(stored: Stored, check: Check) -> Measured:
    """Mean of the contrast over images and the seeds that are measured (`columns`). Errors: MissingRowsError."""
    read = columns(stored, check)
    found = _contrast(check, read)
    if found.estimate.n == 0:
        raise MissingRowsError(f"{check.label} is defined on no image")
    whose = [(term.runs.label, own) for term, own in zip(check.terms, read.seeds, strict=True) if term.runs != TEACHER]
    fewest = min((len(own) for _, own in whose), default=1)
    return Measured(
        estimate=found.estimate,
        p=paired_test(found.values, np.zeros(len(found.values)), n_resamples=1).wilcoxon_p,
        seeds=fewest,
        room=_room(check, read.tables, found.values.dropna().index),
        floor=_floor(stored, check) if fewest == 1 else Floor(),
        best=_best(check, read.tables),
        left_out=read.left_out,
        unpaired=tuple(whose) if len({own for _, own in whose}) > 1 else (),
    )


def _contrast(check: Check, read: Columns) -> Contrast:
    """The mean with its interval over images and seeds; seeds of two blocks are drawn apart."""
    blocks = _blocks(check, read)
    if len(blocks) == 1:
        ((seeds, block),) = blocks.items()
        return over_seeds({seed: block[seed] for seed in seeds})
    if len(blocks) > 2:
        raise MissingRowsError(f"{check.label} with two seeds that all share", trained=False)
    first, second = (block.to_numpy(dtype=np.float64).T for block in blocks.values())  # (seeds, images)
    values = pd.concat([block.mean(axis=1, skipna=False) for block in blocks.values()], axis=1).sum(
        axis=1, skipna=False
    )
    fewest = min(len(first), len(second))
    return Contrast(estimate=difference_over_seeds(first, -second), values=values, seeds=(), fewest=fewest)


def _blocks(check: Check, read: Columns) -> dict[Seeds, pd.DataFrame]:
    """Seeds -> weighted sum of the terms that have them, a column for each; images are the same for all.

    A run that stands alone is added to one block: the same for every seed there, so the interval knows nothing of what
    another seed of it would change.
    """
    alone = pd.Series(0.0, index=read.tables[0].index)
    blocks: dict[Seeds, pd.DataFrame] = {}
    for term, seeds, table in zip(check.terms, read.seeds, read.tables, strict=True):
        if len(seeds) == 1:
            alone = alone + term.weight * table[seeds[0]]
        else:
            blocks[seeds] = blocks[seeds] + term.weight * table if seeds in blocks else term.weight * table
    if not blocks:
        return {read.seeds[0]: alone.to_frame(read.seeds[0][0])}
    first = next(iter(blocks))
    return blocks | {first: blocks[first].add(alone, axis=0)}


def _room(check: Check, tables: Sequence[pd.DataFrame], images: pd.Index[int]) -> float:
    """How far the contrast could go on the images that it is of, were what the check adds at its best."""
    if check.rule not in SIDES:
        return math.inf
    side, total = SIDES[check.rule], 0.0
    for term, table in zip(check.terms, tables, strict=True):
        reached = _end(term, side) if term.weight > 0 else float(table.loc[images].to_numpy().mean())
        total += side * term.weight * reached
    return total


def _best(check: Check, tables: Sequence[pd.DataFrame]) -> Best | None:
    """As if every image of what the check adds had the best value and the others stayed as they are."""
    both = list(zip(check.terms, tables, strict=True))
    if check.rule not in SIDES or not all(_is_share(term, table) for term, table in both):
        return None
    means = [(term, table.mean(axis=1, skipna=False)) for term, table in both]
    at_best = [term.weight * (mean.where(mean.isna(), _end(term, SIDES[check.rule])) if term.weight > 0 else mean)
               for term, mean in means]  # fmt: skip
    values = sum(at_best[1:], start=at_best[0])
    p = paired_test(values, np.zeros(len(values)), n_resamples=0).wilcoxon_p
    return Best(left=int((values.abs() > ROUNDING).sum()), p=p)


def _is_share(term: Term, table: pd.DataFrame) -> bool:
    """Whether it is a metric of 0 and 1, and has no other value here (several classes make a share of an image)."""
    values = table.to_numpy(dtype=np.float64)
    return term.metric.partition("@")[0] in SHARES and bool(np.isin(values[~np.isnan(values)], (0.0, 1.0)).all())


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
    return pd.DataFrame({seed: term.weight * column(stored, term, seed) for seed in known})


def _end(term: Term, side: int) -> float:
    """The highest or the lowest value that a term can have."""
    info = METRICS[term.metric.partition("@")[0]]
    low, high = (0.0, info.high - info.low) if term.to_teacher else (info.low, info.high)
    return high if side > 0 else low
