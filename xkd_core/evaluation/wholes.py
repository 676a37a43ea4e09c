"""Metrics of answers that are one number for all images of a split, with a bootstrap interval over the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from xkd_core.evaluation.evaluate import Bench
from xkd_core.evaluation.forward import forward_pass
from xkd_core.metrics.prediction import average_precision, calibration_error, f1, right
from xkd_core.models.checkpoints import LoadedRun
from xkd_core.types import Float, Float64, UInt8

RESAMPLES = 200
OfClasses = Callable[[UInt8, Float, bool], Float64]


def _mean_ap(labels: UInt8, logits: Float, multi_label: bool) -> Float64:
    return average_precision(labels, logits)


def _f1(labels: UInt8, logits: Float, multi_label: bool) -> Float64:
    return f1(labels, logits, multi_label=multi_label)


def _f1_park(labels: UInt8, logits: Float, multi_label: bool) -> Float64:
    return f1(labels, logits, multi_label=multi_label, compat="park")


def _calibration(labels: UInt8, logits: Float, multi_label: bool) -> Float64:
    return np.array([calibration_error(labels, logits, multi_label=multi_label)])


def _accuracy(labels: UInt8, logits: Float, multi_label: bool) -> Float64:
    return np.array([right(logits, labels, multi_label=False).mean()])


MEASURES: Mapping[str, OfClasses] = {
    "mAP": _mean_ap,
    "accuracy": _accuracy,
    "f1": _f1,
    "f1@park": _f1_park,
    "calibration_error": _calibration,
}


def whole_rows(bench: Bench, run: LoadedRun, metrics: Sequence[str], *, seed: int = 0) -> pd.DataFrame:
    """One row per metric: value, interval, n images, and of how many classes the value is undefined.

    The value is the mean over the classes (f1@park: the images) where it is defined; NaN where it is for none.
    """
    logits = forward_pass(run, bench.split.pixels, bench.split.targets).logits
    rows = [
        {
            "run_id": run.card.id,
            "metric": name,
            **measured(name, bench.split.labels, logits, run.card.multi_label, seed),
        }
        for name in metrics
    ]
    return pd.DataFrame(rows)


def measured(name: str, labels: UInt8, logits: Float, multi_label: bool, seed: int = 0) -> dict[str, float | int]:
    """value, low, high, n, undefined of one metric: labels (n, C) multi-hot, logits (n, C)."""
    of_classes = MEASURES[name](labels, logits, multi_label)
    generator = np.random.default_rng(seed)
    draws = [generator.integers(0, len(labels), len(labels)) for _ in range(RESAMPLES)]
    means = [_mean(MEASURES[name](labels[rows], logits[rows], multi_label)) for rows in draws]
    known = [mean for mean in means if not np.isnan(mean)]
    low, high = np.percentile(known, [2.5, 97.5]) if known else (np.nan, np.nan)
    return {
        "value": _mean(of_classes),
        "low": float(low),
        "high": float(high),
        "n": len(labels),
        "undefined": int(np.isnan(of_classes).sum()),
    }


def _mean(of_classes: Float64) -> float:
    defined = of_classes[~np.isnan(of_classes)]
    return float(defined.mean()) if len(defined) else float("nan")
