"""Stored metrics of a data set: wide rows below ``checkpoints/<dataset>/results/metrics/<split>``, a file for each run.

A row is one (explainer, image) of the run; a column is a metric, null where it is undefined or was not asked for.
``undefined`` tells the two apart: JSON of reason -> metrics. Beside the runs lie ``refused`` (what cannot be
measured, once for all images, and why) and ``whole`` (metrics that are one number for all images).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from xkd_core.catalogue import METRICS
from xkd_core.files import alone_with, write_atomic
from xkd_core.results.packing import as_parquet, rounded
from xkd_core.results.store import read_parquet, results_dir
from xkd_core.types import Bool

KEYS = ["explainer", "index"]
FACTS = ("explainer", "index", "target", "undefined")
REFUSED_KEYS = ["run_id", "explainer", "metric"]
WHOLE_KEYS = ["run_id", "metric"]
ROAR_KEYS = ["trial", "metric"]
REFUSED, WHOLE, ROAR = "refused", "whole", "roar"
ANSWERS = "answers"
"""What stands for an explainer in rows of metrics that no map enters."""


def metrics_dir(dataset: str, split: str = "test", root: Path | None = None) -> Path:
    """The folder of the metrics of one split."""
    return results_dir(dataset, root) / "metrics" / split


def stored_runs(dataset: str, split: str = "test", root: Path | None = None) -> list[str]:
    """The runs that have a file."""
    found = (path.stem for path in metrics_dir(dataset, split, root).glob("*.parquet"))
    return sorted(name for name in found if name not in (REFUSED, WHOLE, ROAR))


def read_run(dataset: str, run_id: str, *, split: str = "test", root: Path | None = None) -> pd.DataFrame:
    """Rows of one run; an empty frame when nothing is stored. Errors: XKDError for a damaged file."""
    return _read(metrics_dir(dataset, split, root) / f"{run_id}.parquet")


def read_refused(dataset: str, *, split: str = "test", root: Path | None = None) -> pd.DataFrame:
    """run_id, explainer, metric, reason, version: what cannot be measured. Errors: XKDError for a damaged file."""
    return _read(metrics_dir(dataset, split, root) / f"{REFUSED}.parquet")


def read_whole(dataset: str, *, split: str = "test", root: Path | None = None) -> pd.DataFrame:
    """run_id, metric, value, low, high, n, undefined. Errors: XKDError for a damaged file."""
    return _read(metrics_dir(dataset, split, root) / f"{WHOLE}.parquet")


def read_roar(dataset: str, *, split: str = "test", root: Path | None = None) -> pd.DataFrame:
    """trial, run_id, explainer, rate, seed, metric, value, low, high, n, undefined, recipe: networks trained anew.

    Errors: XKDError for a damaged file.
    """
    return _read(metrics_dir(dataset, split, root) / f"{ROAR}.parquet")


def add_roar(dataset: str, rows: pd.DataFrame, *, split: str = "test", root: Path | None = None) -> None:
    """Note what networks measure that were trained without some pixels."""
    _add_table(metrics_dir(dataset, split, root) / f"{ROAR}.parquet", rows, ROAR_KEYS)


def add_rows(
    dataset: str, run_id: str, rows: Sequence[pd.DataFrame], *, split: str = "test", root: Path | None = None
) -> None:
    """Put rows into the file of a run, cell by cell: what is there stays unless a new value comes for it.

    The file's bytes do not depend on the order in which rows came. Other processes wait; the write is atomic.
    """
    path = metrics_dir(dataset, split, root) / f"{run_id}.parquet"
    with alone_with(path):
        stored = _read(path)
        merged = merge_cells([*([] if stored.empty else [stored]), *rows])
        _write(path, _compact(merged))


def add_refused(dataset: str, rows: pd.DataFrame, *, split: str = "test", root: Path | None = None) -> None:
    """Note what cannot be measured; a newer reason replaces an older one."""
    _add_table(metrics_dir(dataset, split, root) / f"{REFUSED}.parquet", rows, REFUSED_KEYS)


def add_whole(dataset: str, rows: pd.DataFrame, *, split: str = "test", root: Path | None = None) -> None:
    """Note metrics that are one number for all images."""
    _add_table(metrics_dir(dataset, split, root) / f"{WHOLE}.parquet", rows, WHOLE_KEYS)


def merge_cells(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Join frames of rows by (explainer, index); of two values for a cell the later counts, reasons are joined."""
    joined = pd.concat(frames, ignore_index=True)
    joined["explainer"] = joined["explainer"].astype(str)
    values = [str(name) for name in joined if name not in FACTS]
    order = ["explainer", "index", "target", *sorted(values, key=place), "undefined"]
    twice = joined.duplicated(KEYS, keep=False)
    grouped = joined[twice].groupby(KEYS, sort=False)
    merged = grouped[["target", *values]].last()  # the last that is not null
    merged["undefined"] = grouped["undefined"].agg(_joined_reasons)
    return pd.concat([joined[~twice], merged.reset_index()])[order].sort_values(KEYS, ignore_index=True)


def reasons_text(reasons: Mapping[str, str]) -> str | None:
    """metric -> reason as one JSON text: {reason: [metrics]}, sorted; None where there is none."""
    if not reasons:
        return None
    by_reason: dict[str, list[str]] = {}
    for metric in sorted(reasons):
        by_reason.setdefault(reasons[metric], []).append(metric)
    return json.dumps(by_reason, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def reasons_of(text: object) -> Mapping[str, str]:
    """The reasons of one row: metric -> why it is undefined."""
    return _parsed(text) if isinstance(text, str) else {}


def done(rows: pd.DataFrame, explainer: str, indices: Iterable[int], metrics: Sequence[str]) -> Bool:
    """Which cells have a value or a reason: (images, metrics)."""
    wanted = pd.Index(list(indices))
    if rows.empty:
        return np.zeros((len(wanted), len(metrics)), dtype=bool)
    own = rows[rows["explainer"] == explainer].set_index("index")
    own = own.reindex(wanted)
    why = [reasons_of(text) for text in own["undefined"]]
    columns = []
    for metric in metrics:
        known = own[metric].notna().to_numpy() if metric in own else np.zeros(len(wanted), dtype=bool)
        columns.append(known | np.array([metric in reasons for reasons in why], dtype=bool))
    return np.stack(columns, axis=1) if columns else np.zeros((len(wanted), 0), dtype=bool)


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Mapping[str, str]:
    return {metric: reason for reason, metrics in json.loads(text).items() for metric in metrics}


def _joined_reasons(texts: pd.Series[str]) -> str | None:
    found = [text for text in texts if isinstance(text, str)]
    if len(found) < 2:
        return found[0] if found else None
    return reasons_text({metric: reason for text in found for metric, reason in _parsed(text).items()})


def place(metric: str) -> tuple[int, str]:
    """Columns stand in the catalogue's order, each with its forms after it."""
    name = metric.partition("@")[0].removesuffix("_shuffled")
    return (_ORDER.get(name, len(_ORDER)), metric)


_ORDER = {name: place for place, name in enumerate(METRICS)}


def _compact(rows: pd.DataFrame) -> pd.DataFrame:
    own = rows.copy()
    for name in own:
        if name not in FACTS:
            own[name] = rounded(own[name].to_numpy(dtype=np.float64))
    own["index"], own["target"] = own["index"].astype(np.int32), own["target"].astype(np.int16)
    return own


def _add_table(path: Path, rows: pd.DataFrame, keys: list[str]) -> None:
    if rows.empty:
        return
    with alone_with(path):
        stored = _read(path)
        merged = rows if stored.empty else pd.concat([stored, rows], ignore_index=True)
        _write(path, merged.drop_duplicates(keys, keep="last").sort_values(keys, ignore_index=True))


def _read(path: Path) -> pd.DataFrame:
    return read_parquet(path, f"{path.name} of the metrics", "Delete it and evaluate again.")


def _write(path: Path, rows: pd.DataFrame) -> None:
    write_atomic(path, as_parquet(rows))
