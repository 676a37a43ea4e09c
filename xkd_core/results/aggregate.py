"""Stored rows -> numbers with n and interval. Aggregates are made here on demand, never stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xkd_core.metrics.statistics import Estimate, mean_interval, paired_difference


def of_run(rows: pd.DataFrame, run_id: str, explainer: str, metric: str) -> pd.Series:
    """One metric of one run and explainer, indexed by image; empty when nothing is stored."""
    chosen = rows[(rows["run_id"] == run_id) & (rows["explainer"] == explainer)]
    return chosen.set_index("index")[metric].astype(float)


def estimate(rows: pd.DataFrame, run_ids: Sequence[str], explainer: str, metric: str) -> Estimate:
    """Mean over images of the mean over ``run_ids`` (seeds), on the images where every run is defined."""
    return mean_interval(_over_seeds(rows, run_ids, explainer, metric))


def difference(
    rows: pd.DataFrame, first: Sequence[str], second: Sequence[str], explainer: str, metric: str
) -> Estimate:
    """Paired over images: mean over seeds of ``first`` minus that of ``second``, bootstrapped over images."""
    a, b = (_series_over_seeds(rows, ids, explainer, metric) for ids in (first, second))
    both = pd.concat([a, b], axis=1, join="inner").to_numpy(dtype=np.float64)
    if both.shape[1] < 2:
        return mean_interval(np.array([]))
    return paired_difference(both[:, 0], both[:, 1])


def _series_over_seeds(rows: pd.DataFrame, run_ids: Sequence[str], explainer: str, metric: str) -> pd.Series:
    columns = [of_run(rows, run_id, explainer, metric) for run_id in run_ids]
    # skipna=False: an image that is undefined for one seed is undefined for the group, and is counted.
    return pd.concat(columns, axis=1, join="inner").mean(axis=1, skipna=False)


def _over_seeds(rows: pd.DataFrame, run_ids: Sequence[str], explainer: str, metric: str) -> np.ndarray:
    if not run_ids:
        return np.array([])
    return _series_over_seeds(rows, run_ids, explainer, metric).to_numpy(dtype=np.float64)
