"""Stored rows -> numbers with n and interval. Aggregates are made here on demand, never stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from xkd_core.metrics.statistics import Estimate, mean_interval
from xkd_core.results import compare, paired


def of_run(rows: pd.DataFrame, run_id: str, explainer: str, metric: str) -> pd.Series:
    """One metric of one run and explainer, indexed by image; empty when nothing is stored."""
    chosen = rows[(rows["run_id"] == run_id) & (rows["explainer"] == explainer)]
    return chosen.set_index("index")[metric].astype(float)


def estimate(rows: pd.DataFrame, run_ids: Sequence[str], explainer: str, metric: str) -> Estimate:
    """Mean over ``run_ids`` (seeds) and the images where every run is defined; the interval is over both."""
    if not run_ids:
        return mean_interval(np.array([]))
    return compare.estimate(_table(rows, run_ids, explainer, metric), metric)


def difference(
    rows: pd.DataFrame,
    first: Sequence[str],
    second: Sequence[str],
    explainer: str,
    metric: str,
    *,
    seeds: Mapping[str, int],
) -> Estimate:
    """Mean of ``first`` minus that of ``second`` over the same images and shared seeds; seeds: of each run."""

    def read(run_ids: Sequence[str]) -> pd.DataFrame:
        return _table(rows, run_ids, explainer, metric)

    return paired.difference(read, first, second, seeds).estimate


def _table(rows: pd.DataFrame, run_ids: Sequence[str], explainer: str, metric: str) -> pd.DataFrame:
    """A column for each run, indexed by the images that all have rows of; NaN is undefined."""
    return pd.concat([of_run(rows, run_id, explainer, metric) for run_id in run_ids], axis=1, join="inner")
