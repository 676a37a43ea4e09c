"""Wide rows for the throwaway zoo: values that are simple to work out, with gaps, reasons and controls."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from tests.made_zoo import N_IMAGES, Made
from xkd_core.results.metric_store import add_refused, add_rows, add_whole, metrics_dir, reasons_text
from xkd_core.results.store import read_rows, results_dir

N = 10
GONE = 3  # the image that the naive student at an eighth has no value for
NAIVE, MATCHED = "kd 0.125 0.5", "swa 0.125 0.5"
BASE = {"teacher": 0.9, "second": 0.8, NAIVE: 0.3, MATCHED: 0.6, "kd 0.25 0.5": 0.5, "swa 0.25 0.5": 0.7}
"""Insertion of the first image; it falls by a hundredth from image to image."""
KEPT = {"teacher": 0.1, NAIVE: 0.2, MATCHED: 0.3}
"""Weight randomisation of every image: how much of the map survives."""


MEAN_AP = {"teacher": 0.99, "second": 0.98, NAIVE: 0.9, MATCHED: 0.95}
"""One number for all images, with an interval of 0.01 on both sides."""


def insertion(name: str) -> np.ndarray:
    """(N,), NaN where the value is undefined."""
    values = BASE[name] - 0.01 * np.arange(N)
    if name == NAIVE:
        values[GONE] = np.nan
    return values


def add_metrics(made: Made, root: Path | None = None) -> None:
    """Write the rows below ``root``, the zoo's own folder by default."""
    for name in BASE:
        frames = [_rows("cam", insertion_auc=insertion(name))]
        frames.append(_rows("random_map", insertion_auc=np.full(N, 0.2)))
        if name in KEPT:
            half = np.full(N, KEPT[name] / 2)
            frames.append(_rows("cam", randomisation_cascading=np.full(N, KEPT[name]), randomisation_independent=half))
        if name != "teacher":
            near, chance = np.full(N_IMAGES, BASE[name]), np.full(N_IMAGES, 0.25)  # as many as the other pages have
            frames.append(_rows("cam", cosine=near, cosine_shuffled=chance, spearman=near, spearman_shuffled=chance))
        add_rows("scenes", made.runs[name], [_aimed(frame, made) for frame in frames], root=root or made.root)
    why = pd.DataFrame([{"run_id": made.runs["ewa"], "explainer": "cam", "metric": "insertion_auc",
                         "reason": "it was made up", "version": "0"}])  # fmt: skip
    add_refused("scenes", why, root=root or made.root)
    whole = [{"run_id": made.runs[name], "metric": "mAP", "value": value, "low": value - 0.01, "high": value + 0.01,
              "n": 2000, "undefined": 1} for name, value in MEAN_AP.items()]  # fmt: skip
    add_whole("scenes", pd.DataFrame(whole), root=root or made.root)


def without_cam(made: Made, name: str) -> None:
    """As if this network had no CAM: its rows are Grad-CAM's."""
    run_id = made.runs[name]
    for path in (metrics_dir("scenes", root=made.root) / f"{run_id}.parquet", results_dir("scenes", made.root) /
                 "maps.parquet"):  # fmt: skip
        rows = pd.read_parquet(path)
        own = (rows["run_id"] == run_id) if "run_id" in rows else pd.Series(True, index=rows.index)
        names = rows["explainer"].astype(str)
        rows.assign(explainer=names.where(~own | (names != "cam"), "grad_cam")).to_parquet(path)


def _aimed(frame: pd.DataFrame, made: Made) -> pd.DataFrame:
    """With the classes that the other pages' rows explain."""
    answers = read_rows("scenes", "answers", root=made.root).drop_duplicates("index").set_index("index")["target"]
    return frame.assign(target=frame["index"].map(answers).fillna(0).astype(int))


def _rows(explainer: str, **metrics: np.ndarray) -> pd.DataFrame:
    n = len(next(iter(metrics.values())))
    gaps = [{name: "the map is flat" for name, values in metrics.items() if np.isnan(values[index])}
            for index in range(n)]  # fmt: skip
    return pd.DataFrame({"explainer": explainer, "index": range(n), "target": 1, **metrics,
                         "undefined": [reasons_text(gap) for gap in gaps]})  # fmt: skip
