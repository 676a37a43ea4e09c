"""Intervals that know of two sources of chance: which images were drawn, and which seeds were trained.

Hierarchical bootstrap (Davison & Hinkley 1997, ch. 3.8) for crossed data: all seeds see the same images, so
seeds and images are drawn independently, with replacement, and every cell of the drawn table enters. Of few seeds it
makes too little: where they differ much more than images do, it reaches from the lowest to the highest, which holds
the truth in half of all cases with two seeds and in three quarters with three. So it is widened to Student's interval
where that is wider, with the degrees of freedom of Satterthwaite (1946) for a sum of the two variances. With one seed
only images count, as the number says.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from xkd_core.errors import BadInputError
from xkd_core.metrics.statistics import KEPT_VALUES, Estimate, drawn_counts, drawn_means
from xkd_core.types import Bool, Float64, Int

BATCH_VALUES = 4_000_000


@dataclass(frozen=True, kw_only=True)
class SeedEstimate(Estimate):
    """An estimate over ``n`` images and ``seeds`` trainings (of each group, in a difference)."""

    seeds: tuple[int, ...]


def mean_over_seeds(values: ArrayLike, *, seed: int = 0, level: float = 0.95, n_resamples: int = 2000) -> SeedEstimate:
    """Mean of values (seeds, images) with its interval over both; an image counts if defined for every seed."""
    table = _table(values)
    defined = _defined(table)
    draws = _Draws(int(defined.sum()), n_resamples, seed)
    return _estimate([table[:, defined]], draws, len(defined), level)


def difference_over_seeds(
    a: ArrayLike,
    b: ArrayLike,
    *,
    paired_seeds: bool = False,
    seed: int = 0,
    level: float = 0.95,
    n_resamples: int = 2000,
) -> SeedEstimate:
    """Mean of a - b over the same images, each (seeds, images), with its interval.

    Images are drawn together for both, seeds for each on its own unless ``paired_seeds`` (row i of both shares
    teacher and data order). An image counts if defined in every row of both. Errors: BadInputError for other
    images, or pairs of other numbers of seeds.
    """
    first, second = _table(a), _table(b)
    if first.shape[1] != second.shape[1] or (paired_seeds and len(first) != len(second)):
        raise BadInputError(
            f"A difference needs the same images{' and seeds' if paired_seeds else ''} twice; got "
            f"{first.shape} and {second.shape} (seeds, images)."
        )
    defined = _defined(first) & _defined(second)
    draws = _Draws(int(defined.sum()), n_resamples, seed)
    groups = [first - second] if paired_seeds else [first, -second]
    return _estimate([group[:, defined] for group in groups], draws, len(defined), level)


@dataclass(frozen=True)
class _Draws:
    """Resamples of images and seeds, as weights: how often each was drawn, over the number of draws."""

    n_images: int
    n_resamples: int
    seed: int

    def means(self, groups: list[Float64]) -> Float64:
        """Sum of the groups' means over drawn seeds and images, for each resample: (n_resamples,)."""
        if self.n_images * self.n_resamples <= KEPT_VALUES:
            return self._kept(groups)
        generator = np.random.default_rng(self.seed)
        found = []
        step = max(1, BATCH_VALUES // max(1, self.n_images))
        for start in range(0, self.n_resamples, step):
            n = min(step, self.n_resamples - start)
            images = _weights(generator.integers(0, self.n_images, (n, self.n_images)), self.n_images)
            parts = []
            for group in groups:
                seeds = _weights(generator.integers(0, len(group), (n, len(group))), len(group))
                parts.append(((seeds @ group) * images).sum(axis=1))
            found.append(np.sum(parts, axis=0))
        return np.concatenate(found)

    def _kept(self, groups: list[Float64]) -> Float64:
        """The same in one batch, with the draws of images that all comparisons over so many images share."""
        counts, drawn = drawn_counts(self.n_images, self.n_resamples, self.seed)
        generator = copy.deepcopy(drawn)
        found = np.zeros(self.n_resamples)
        for group in groups:
            seeds = _weights(generator.integers(0, len(group), (self.n_resamples, len(group))), len(group))
            found += (drawn_means(counts, group) * seeds).sum(axis=1)
        return found


def _weights(drawn: Int, size: int) -> Float64:
    """(n, k) drawn indices below ``size`` -> (n, size) shares."""
    n, k = drawn.shape
    place = (drawn + size * np.arange(n)[:, None]).ravel()
    return np.asarray(np.bincount(place, minlength=n * size).reshape(n, size) / k)


def _defined(table: Float64) -> Bool:
    """Images that every seed has a value for: (images,)."""
    return np.asarray(np.isfinite(table).all(axis=0))


def _estimate(groups: list[Float64], draws: _Draws, n_all: int, level: float) -> SeedEstimate:
    n, seeds = draws.n_images, tuple(len(group) for group in groups)
    missing = n_all - n
    if n == 0:
        return SeedEstimate(mean=np.nan, low=np.nan, high=np.nan, n=0, undefined=missing, seeds=seeds)
    mean = float(sum(group.mean() for group in groups))
    low = high = float("nan")
    if n > 1:  # one image says nothing about the others
        tail = 100 * (1 - level) / 2
        low, high = (float(end) for end in np.percentile(draws.means(groups), [tail, 100 - tail]))
        low, high = _widened(groups, mean, low, high, level)
    return SeedEstimate(mean=mean, low=low, high=high, n=n, undefined=missing, seeds=seeds)


def _widened(groups: list[Float64], mean: float, low: float, high: float, level: float) -> tuple[float, float]:
    """The ends, or those of Student's interval where they lie farther out; no end lies beyond what a mean can be."""
    half = _student(groups, level)
    least, most = (float(sum(end(group) for group in groups)) for end in (np.min, np.max))
    return min(low, max(mean - half, least)), max(high, min(mean + half, most))


def _student(groups: list[Float64], level: float) -> float:
    """Half the width of Student's interval for the sum of the groups' means; 0 where every group has one seed.

    Variance: that of the images' means over seeds by their number, and for each group that of its seeds' by theirs.
    """
    images = np.sum([group.mean(axis=0) for group in groups], axis=0)
    several = [group.mean(axis=1) for group in groups if len(group) > 1]
    parts = [(float(values.var(ddof=1)) / len(values), len(values) - 1) for values in (images, *several)]
    variance = sum(part for part, _ in parts)
    if not several or variance == 0:
        return 0.0
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return float(stdtrit(freedom, (1 + level) / 2)) * float(np.sqrt(variance))


def _table(values: ArrayLike) -> Float64:
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or not len(table):
        raise BadInputError(f"Values must be (seeds, images) with at least one seed; got {table.shape}.")
    return table
