"""Which similarity metric says what people say: the student that it puts nearer to the teacher, do they too?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from xkd_core.study.analysis.clusters import Interval, bootstrap_means, crossed
from xkd_core.types import Float64


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A metric beside people. agreement: share of the answers that pair the teacher with the student that the metric
    puts nearer (ties half), with its interval over draws of people and items; 0.5 is chance.

    behind: agreement less than the best metric's, with its interval; None for the best itself. rank_correlation: over
    items, of the metric's difference and people's share (Spearman). undefined: answers to items without the metric.
    """

    metric: str
    agreement: float
    interval: Interval
    behind: float | None
    behind_interval: Interval | None
    rank_correlation: float
    n: int
    undefined: int


def predictors(
    answers: pd.DataFrame,
    similarities: Mapping[int, Mapping[str, Mapping[str, float | None]]],
    *,
    seed: int = 0,
    resamples: int = 2000,
) -> tuple[Predictor, ...]:
    """All metrics, the best first. answers: counted ones; similarities: item -> metric -> naive, matched.

    Larger similarities are more alike. The same draws serve all metrics, so differences are paired.
    """
    paired = answers[answers["answer"].isin(["TM", "TN"])]
    metrics = sorted({name for values in similarities.values() for name in values})
    # Compared on the same answers: those to items where every metric is defined.
    gaps = {name: _gaps(paired["item"], similarities, name) for name in metrics}
    usable = np.all([np.isfinite(gap) for gap in gaps.values()], axis=0) if metrics else np.zeros(len(paired), bool)
    if not usable.any():
        return ()
    kept = paired[usable]
    hits = {name: _hits(kept["answer"], gaps[name][usable]) for name in metrics}
    draws = {name: _draws(kept, values, seed, resamples) for name, values in hits.items()}
    best = max(metrics, key=lambda name: float(hits[name].mean()))
    found = [_predictor(name, best, kept, hits, draws, gaps[name][usable], len(paired)) for name in metrics]
    return tuple(sorted(found, key=lambda one: -one.agreement))


def _predictor(
    name: str,
    best: str,
    kept: pd.DataFrame,
    hits: Mapping[str, Float64],
    draws: Mapping[str, Float64],
    gap: Float64,
    asked: int,
) -> Predictor:
    agreement = float(hits[name].mean())
    alone = name == best
    return Predictor(
        metric=name,
        agreement=agreement,
        interval=_interval(draws[name]),
        behind=None if alone else float(hits[best].mean()) - agreement,
        behind_interval=None if alone else _interval(draws[best] - draws[name]),
        rank_correlation=_rank_correlation(kept, gap),
        n=len(kept),
        undefined=asked - len(kept),
    )


def _gaps(items: pd.Series, similarities: Mapping[int, Mapping[str, Mapping[str, float | None]]], name: str) -> Float64:
    """Matched minus naive, for each answer; NaN where either is undefined."""

    def gap(item: int) -> float:
        values = similarities.get(int(item), {}).get(name, {})
        matched, naive = values.get("matched"), values.get("naive")
        return float("nan") if matched is None or naive is None else matched - naive

    known = {item: gap(item) for item in items.unique()}
    return np.array([known[item] for item in items], dtype=np.float64)


def _hits(answers: pd.Series, gap: Float64) -> Float64:
    chosen = np.where(np.asarray(answers == "TM"), 1.0, -1.0)
    return np.asarray(0.5 + 0.5 * chosen * np.sign(gap))


def _draws(kept: pd.DataFrame, values: Float64, seed: int, resamples: int) -> Float64:
    data = crossed(values, kept["participant"], kept["item"])
    return bootstrap_means(data, by="both", seed=seed, resamples=resamples)


def _interval(draws: Float64, level: float = 0.95) -> Interval:
    low, high = np.nanpercentile(draws, [50 * (1 - level), 50 * (1 + level)])
    return Interval(low=float(low), high=float(high), resamples=len(draws))


def _rank_correlation(kept: pd.DataFrame, gap: Float64) -> float:
    table = pd.DataFrame({"item": kept["item"].to_numpy(), "matched": (kept["answer"] == "TM").to_numpy(), "gap": gap})
    items = table.groupby("item").mean()
    constant: Sequence[bool] = [items[name].nunique() < 2 for name in ("matched", "gap")]
    return float("nan") if any(constant) else float(stats.spearmanr(items["gap"], items["matched"]).statistic)
