"""Do people answer alike, do they answer the same again, and does the place of a picture pull their choice?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from xkd_core.study.analysis.proportions import Share, wilson
from xkd_core.study.meaning import PAIRS


@dataclass(frozen=True, kw_only=True)
class Alpha:
    """Krippendorff's alpha, nominal: 1 all agree, 0 as by chance. With its interval over items; NaN and a reason."""

    alpha: float
    low: float
    high: float
    raters: int
    items: int
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class PositionBias:
    """How often each slot was chosen, and the chi-square test of equal use; counts from the left."""

    counts: tuple[int, ...]
    chi2: float
    p: float


def krippendorff_alpha(answers: pd.DataFrame, *, seed: int = 0, resamples: int = 1000, level: float = 0.95) -> Alpha:
    """Agreement of all participants about the items (Krippendorff 2011); not everyone need have seen everything.

    The interval draws items with replacement; items that one person saw cannot disagree and drop out by themselves.
    """
    counts = _counts(answers)
    raters = int(answers["participant"].nunique())
    shared = counts[counts.sum(axis=1) >= 2]
    if len(shared) < 2 or (shared.sum(axis=0) > 0).sum() < 2:
        reason = "fewer than two shared items" if len(shared) < 2 else "only one answer was ever given"
        nan = float("nan")
        return Alpha(alpha=nan, low=nan, high=nan, raters=raters, items=len(shared), reason=reason)
    rng = np.random.default_rng(seed)
    draws = [_alpha(shared[rng.integers(0, len(shared), len(shared))]) for _ in range(resamples)]
    low, high = np.nanpercentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return Alpha(alpha=_alpha(shared), low=float(low), high=float(high), raters=raters, items=len(shared))


def repeat_consistency(trials: pd.DataFrame) -> Share:
    """How often a repeated item got the same answer as before; repeats without both answers do not count."""
    repeats = trials[(trials["kind"] == "repeat") & trials["answer"].notna()]
    first = trials[trials["answer"].notna()].set_index(["participant", "idx"])["answer"]
    pairs = repeats.join(first.rename("before"), on=["participant", "repeat_of"]).dropna(subset=["before"])
    return wilson(int((pairs["answer"] == pairs["before"]).sum()), len(pairs))


def position_bias(answers: pd.DataFrame, *, slots: int) -> PositionBias:
    """Which slots were chosen in the main trials. p: NaN without answers."""
    counts = tuple(int((answers["choice"] == slot).sum()) for slot in range(1, slots + 1))
    if not sum(counts):
        return PositionBias(counts=counts, chi2=float("nan"), p=float("nan"))
    found = stats.chisquare(counts)
    return PositionBias(counts=counts, chi2=float(found.statistic), p=float(found.pvalue))


def _counts(answers: pd.DataFrame) -> np.ndarray:
    """(items, answers): how many people gave each answer."""
    table = pd.crosstab(answers["item"], answers["answer"]).reindex(columns=list(PAIRS), fill_value=0)
    return np.asarray(table, dtype=np.int64)


def _alpha(counts: np.ndarray) -> float:
    from krippendorff import alpha

    if (counts.sum(axis=0) > 0).sum() < 2:  # of one answer alone, alpha is not defined
        return float("nan")
    return float(alpha(value_counts=counts, level_of_measurement="nominal"))
