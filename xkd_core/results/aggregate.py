"""Stored rows -> numbers with n and interval. Aggregates are made here on demand, never stored."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xkd_core.metrics.seeds_and_images import difference_over_seeds
from xkd_core.metrics.statistics import Estimate, mean_interval
from xkd_core.results import compare


def of_run(rows: pd.DataFrame, run_id: str, explainer: str, metric: str) -> pd.Series:
    """One metric of one run and explainer, indexed by image; empty when nothing is stored."""
    chosen = rows[(rows["run_id"] == run_id) & (rows["explainer"] == explainer)]
    return chosen.set_index("index")[metric].astype(float)


def estimate(rows: pd.DataFrame, run_ids: Sequence[str], explainer: str, metric: str) -> Estimate:
    """Mean over ``run_ids`` (seeds) and the images where every run is defined; the interval is over both."""
    return compare.estimate(_table(rows, run_ids, explainer, metric), metric) if run_ids else _nothing()


def difference(
    rows: pd.DataFrame,
    first: Sequence[str],
    second: Sequence[str],
    explainer: str,
    metric: str,
    *,
    paired_seeds: bool = False,
) -> Estimate:
    """Mean of ``first`` minus that of ``second`` over the same images; the interval is over images and seeds.

    paired_seeds: run i of both shares teacher and order of the data.
    """
    a, b = (_table(rows, ids, explainer, metric) for ids in (first, second))
    images = a.index.intersection(b.index)
    if images.empty:
        return _nothing()
    pair = (table.reindex(images).to_numpy(dtype=np.float64).T for table in (a, b))
    return difference_over_seeds(*pair, paired_seeds=paired_seeds)


def _table(rows: pd.DataFrame, run_ids: Sequence[str], explainer: str, metric: str) -> pd.DataFrame:
    """A column for each run, indexed by the images that all have rows of; NaN is undefined."""
    return pd.concat([of_run(rows, run_id, explainer, metric) for run_id in run_ids], axis=1, join="inner")


def _nothing() -> Estimate:
    return mean_interval(np.array([]))
