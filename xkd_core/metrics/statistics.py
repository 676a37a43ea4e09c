"""Means with intervals over images: undefined values are counted, never averaged away in silence.

Intervals are percentile bootstraps over images (Efron 1979), and Wilson's (1927) for shares. With several
seeds, give the mean over the seeds for each image, or all of them to `seeds_and_images`. Tests of paired
differences: `paired_tests`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, bootstrap, norm, sem

from xkd_core.errors import BadInputError
from xkd_core.types import Float, Float64

KEPT_VALUES = 4_000_000
"""Draws of at most so many images in all are kept: every group of a chart is drawn over the same images."""
BATCH = 16
ROUNDING = 1e-6
"""Ends of an interval this near to 0 are taken for 0: bootstrap draws are float32, and differ by machine."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with its interval; ``n`` images entered it, ``undefined`` could not. NaN where none could."""

    mean: float
    low: float
    high: float
    n: int
    undefined: int = 0

    @property
    def side(self) -> int:
        """1 where the interval lies above 0, -1 below; 0 where it holds 0 or is not known."""
        return int(self.low > ROUNDING) - int(self.high < -ROUNDING)

    def __str__(self) -> str:
        """The mean, the interval and n in a few signs, "-" where nothing is defined."""
        if np.isnan(self.mean):
            return f"- (n={self.n})"
        return f"{self.mean:.3f} [{self.low:.3f}, {self.high:.3f}] (n={self.n})"


Summary = Estimate


def mean_interval(values: ArrayLike, *, seed: int = 0, level: float = 0.95, n_resamples: int = 2000) -> Estimate:
    """Mean over images with its bootstrap interval; values (n,), NaN = undefined."""
    flat = _flat(values)
    defined = flat[~np.isnan(flat)]
    low, high = _interval(defined, seed=seed, level=level, n_resamples=n_resamples)
    mean = float(defined.mean()) if len(defined) else float("nan")
    return Estimate(mean=mean, low=low, high=high, n=len(defined), undefined=len(flat) - len(defined))


def normal_interval(values: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Mean over images with the interval of a normal mean; values (n,), NaN = undefined. Unknown for one image.

    For charts of many runs with thousands of images each, where a bootstrap costs a second a run and says the same.
    """
    flat = _flat(values)
    defined = flat[~np.isnan(flat)]
    mean = float(defined.mean()) if len(defined) else float("nan")
    half = float(norm.isf((1 - level) / 2) * sem(defined)) if len(defined) > 1 else float("nan")
    return Estimate(mean=mean, low=mean - half, high=mean + half, n=len(defined), undefined=len(flat) - len(defined))


def share_of(values: ArrayLike, *, level: float = 0.95) -> Estimate:
    """The share of images with a 1 among values 0 and 1 (n,), NaN = undefined, with Wilson's interval."""
    flat = _flat(values)
    defined = flat[~np.isnan(flat)]
    return replace(share_interval(int(defined.sum()), len(defined), level=level), undefined=len(flat) - len(defined))


def paired_difference(
    a: ArrayLike, b: ArrayLike, *, seed: int = 0, level: float = 0.95, n_resamples: int = 2000
) -> Estimate:
    """Mean of a - b over the same images, with its bootstrap interval: images are drawn, pairs stay together.

    Args: a, b (n,), NaN = undefined; an image counts when both are defined. Errors: BadInputError if the
    lengths differ.
    """
    first, second = _flat(a), _flat(b)
    if len(first) != len(second):
        raise BadInputError(f"A paired difference needs the same images twice; got {len(first)} and {len(second)}.")
    return mean_interval(first - second, seed=seed, level=level, n_resamples=n_resamples)


def share_interval(hits: int, n: int, *, level: float = 0.95) -> Estimate:
    """A share hits / n with Wilson's interval, which is right near 0 and 1 too; NaN for n = 0."""
    if not 0 <= hits <= n:
        raise BadInputError(f"hits must be 0 to n; got {hits} of {n}.")
    if n == 0:
        return Estimate(mean=np.nan, low=np.nan, high=np.nan, n=0)
    interval = binomtest(hits, n).proportion_ci(confidence_level=level, method="wilson")
    return Estimate(mean=hits / n, low=float(interval.low), high=float(interval.high), n=n)


def _interval(defined: Float64, *, seed: int, level: float, n_resamples: int) -> tuple[float, float]:
    if len(defined) < 2:  # one image says nothing about the others
        return float("nan"), float("nan")
    if len(defined) * n_resamples <= KEPT_VALUES:
        counts, _ = drawn_counts(len(defined), n_resamples, seed)
        tail = 100 * (1 - level) / 2
        low, high = np.percentile(drawn_means(counts, defined[None])[:, 0], [tail, 100 - tail])
        return float(low), float(high)
    result = bootstrap(
        (defined,),
        np.mean,
        n_resamples=n_resamples,
        batch=max(1, 4_000_000 // len(defined)),  # bounds memory
        confidence_level=level,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


@lru_cache(maxsize=6)
def drawn_counts(n: int, n_resamples: int, seed: int) -> tuple[Float, np.random.Generator]:
    """How often each of ``n`` images is drawn in each resample, (n_resamples, n), and the generator behind the draws.

    The draws are those of scipy's bootstrap with this seed. Copy the generator before you draw from it.
    """
    generator = np.random.default_rng(seed)
    counts = np.empty((n_resamples, n), dtype=np.float32)
    for start in range(0, n_resamples, BATCH):  # few at a time stay in the processor's cache
        rows = counts[start : start + BATCH]
        drawn = generator.integers(0, n, rows.shape) + n * np.arange(len(rows))[:, None]
        rows[:] = np.bincount(drawn.ravel(), minlength=rows.size).reshape(rows.shape)
    return counts, generator


def drawn_means(counts: Float, groups: Float64) -> Float64:
    """Means of values (k, n) over drawn images: (n_resamples, k). Around each mean, float32 loses nothing."""
    centre = groups.mean(axis=1)
    around = (groups - centre[:, None]).astype(np.float32)
    return np.asarray(centre + (counts @ around.T).astype(np.float64) / groups.shape[1])


def _flat(values: ArrayLike) -> Float64:
    flat = np.asarray(values, dtype=np.float64)
    if flat.ndim != 1:
        raise BadInputError(f"Values must be one per image, (n,); got {flat.shape}.")
    return flat
