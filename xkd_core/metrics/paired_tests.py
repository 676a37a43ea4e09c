"""Tests and effect sizes of paired differences over the same images, and Holm's correction over a stated family.

scipy's Wilcoxon signed-rank test (the exact sign test where all differences have one size) and a sign-flip permutation
test with scipy's draws, two-sided. Undefined pairs are left out and counted. A p value says nothing of the size of a
difference: effect sizes stand beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike
from scipy.stats import binomtest, rankdata, wilcoxon

from xkd_core.errors import BadInputError
from xkd_core.types import Float64

Int8 = npt.NDArray[np.int8]
KEPT_SIGNS = 2_000_000
"""So many signs at most are kept, and drawn at once."""
SAME = 1e-9
"""Sizes that differ by less, as a share of the largest, are one: means over seeds and weighted sums round."""


@dataclass(frozen=True, kw_only=True)
class PairedTest:
    """Two-sided p values of the differences a - b over ``n`` images, with effect sizes; NaN for no pair.

    wilcoxon_p: of the signed ranks; where all differences other than 0 have one size, as those of metrics of 0 and 1
    do, ranks know no more than signs, and it is that of the exact sign test (McNemar's exact test).
    d_z: mean over standard deviation (Cohen). rank_biserial: share of the ranks in favour of a minus those of b,
    -1 to 1 (Kerby 2014). superiority: how often a is above b, ties half, 0 to 1.
    """

    n: int
    undefined: int
    wilcoxon_p: float
    permutation_p: float
    d_z: float
    rank_biserial: float
    superiority: float


def paired_test(a: ArrayLike, b: ArrayLike, *, seed: int = 0, n_resamples: int = 9999) -> PairedTest:
    """Compare two methods on the same images.

    Args: a, b (n,), NaN = undefined; n_resamples of sign flips, all of them where there are no more, 0 for none.
    Wilcoxon and the sign test drop differences of 0. All differences 0: both p are 1. Errors: BadInputError if the
    lengths differ.
    """
    first, second = (np.asarray(values, dtype=np.float64) for values in (a, b))
    if first.ndim != 1 or first.shape != second.shape:
        raise BadInputError(f"A paired test needs the same images twice, (n,); got {first.shape} and {second.shape}.")
    every = first - second
    differences = every[np.isfinite(every)]
    ranked = _without_rounding(differences)
    return PairedTest(
        n=len(differences),
        undefined=len(every) - len(differences),
        wilcoxon_p=_wilcoxon(ranked),
        permutation_p=_permutation(differences, seed, n_resamples),
        d_z=_d_z(differences),
        rank_biserial=_rank_biserial(ranked),
        superiority=float((np.sign(ranked) / 2 + 0.5).mean()) if len(differences) else float("nan"),
    )


def holm(p_values: Mapping[str, float], *, family: str) -> dict[str, float]:
    """Adjust p values for having asked several questions (Holm 1979): name -> adjusted p, in the same order.

    Args: p_values, of every comparison of the family, also those that nobody will show; family, what it is,
    for the errors' sake and the reader's. NaN (nothing to test) stays NaN and does not count. Errors:
    BadInputError for p values outside 0 to 1 or an empty family.
    """
    given = np.array(list(p_values.values()), dtype=np.float64)
    known = ~np.isnan(given)
    if not len(given) or ((given[known] < 0) | (given[known] > 1)).any():
        raise BadInputError(f"The family {family!r} needs p values of 0 to 1; got {dict(p_values)}.")
    adjusted = given.copy()
    order = np.argsort(given[known], kind="stable")
    steps = np.maximum.accumulate(given[known][order] * np.arange(known.sum(), 0, -1))
    adjusted[np.flatnonzero(known)[order]] = np.minimum(steps, 1.0)
    return dict(zip(p_values, adjusted.tolist(), strict=True))


def _wilcoxon(differences: Float64) -> float:
    if not len(differences):
        return float("nan")
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    if np.ptp(np.abs(moved)) == 0:
        return float(binomtest(int((moved > 0).sum()), len(moved)).pvalue)
    # without the zeros, which it drops anyway: among them scipy approximates even the p of four values by a normal
    return float(wilcoxon(moved).pvalue)


def _without_rounding(differences: Float64) -> Float64:
    """In units of ``SAME`` of the largest, so that equal sizes are equal and zeros are 0; ranks stay."""
    largest = np.abs(differences).max(initial=0.0)
    return np.round(differences / (SAME * largest)) if largest > 0 else differences


def _permutation(differences: Float64, seed: int, n_resamples: int) -> float:
    if n_resamples == 0:
        return float("nan")
    if len(differences) < 2:  # of one difference, either sign is as extreme
        return 1.0 if len(differences) else float("nan")
    n = len(differences)
    exact = 2**n <= n_resamples
    kept = n * n_resamples <= KEPT_SIGNS  # scipy's draws take most of the time
    batches = [_kept_signs(n, seed, n_resamples)] if kept else _signs(n, seed, n_resamples)
    means = np.concatenate([signs @ differences for signs in batches]) / n
    observed, added = differences.mean(), 0 if exact else 1  # drawn signs never make a p of 0 (Phipson & Smyth 2010)
    near = 100 * np.finfo(np.float64).eps * abs(observed)
    tails = ((means <= observed + near).sum(), (means >= observed - near).sum())
    return float(min(1.0, 2 * (min(tails) + added) / (len(means) + added)))


@lru_cache(maxsize=4)
def _kept_signs(n: int, seed: int, n_resamples: int) -> Int8:
    """The signs of ``_signs`` in one piece: the pairs of a chart mostly have equally many images."""
    return np.concatenate(list(_signs(n, seed, n_resamples)))


def _signs(n: int, seed: int, n_resamples: int) -> Iterator[Int8]:
    """Rows of 1 and -1, (some, n): all 2**n of them where there are no more than asked for, else drawn as by scipy."""
    if 2**n <= n_resamples:
        yield np.array(list(product((1, -1), repeat=n)), dtype=np.int8)
        return
    generator, batch = np.random.default_rng(seed), max(1, KEPT_SIGNS // n)  # bounds memory
    for start in range(0, n_resamples, batch):
        pairs = np.tile(np.array([1, -1], dtype=np.int8), (min(batch, n_resamples - start), n, 1))
        yield generator.permuted(pairs, axis=-1)[..., 0]


def _d_z(differences: Float64) -> float:
    if len(differences) < 2:
        return float("nan")
    spread = differences.std(ddof=1)
    return float(differences.mean() / spread) if spread > 0 else float("nan")


def _rank_biserial(differences: Float64) -> float:
    moved = differences[differences != 0]
    if not len(moved):
        return 0.0 if len(differences) else float("nan")
    ranks = rankdata(np.abs(moved))
    return float((ranks * np.sign(moved)).sum() / ranks.sum())
