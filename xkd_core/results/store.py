"""Stored results of a data set: Parquet below ``checkpoints/<dataset>/results``, read as data frames.

maps: one row per (run, image, explainer). answers: one per (run, image). images: one per image.
gallery: native values (occlusion grids, superpixel coefficients) of the images of the gallery.
Undefined values are null, with the reason in ``undefined``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from pyarrow import ArrowException

from xkd_core import settings
from xkd_core.errors import XKDError
from xkd_core.files import alone_with, write_atomic
from xkd_core.results.packing import packed

TABLES = ("maps", "answers", "images", "gallery")
KEYS = {
    "maps": ["run_id", "explainer", "index"],
    "answers": ["run_id", "index"],
    "images": ["index"],
    "gallery": ["run_id", "explainer", "index"],
}
DAMAGED = (ArrowException, OSError, ValueError, LookupError, TypeError)
"""What reading a cut or changed file raises, by where it is hit."""


def results_dir(dataset: str, root: Path | None = None) -> Path:
    """The folder of a data set's results."""
    return (settings.checkpoints_dir() if root is None else root) / dataset / "results"


def read_parquet(path: Path, what: str, again: str) -> pd.DataFrame:
    """A file's rows; an empty frame where there is no file. what, again: what it is and how to make it again.

    Errors: XKDError for a damaged file.
    """
    if not path.exists():
        return pd.DataFrame()
    try:
        return pd.read_parquet(path)
    except DAMAGED as error:
        raise XKDError(f"{what} cannot be read: {error}. {again}") from error


def read_rows(dataset: str, table: str, *, root: Path | None = None) -> pd.DataFrame:
    """Read one table; an empty frame when nothing is stored yet. Errors: XKDError for a damaged file."""
    path = results_dir(dataset, root) / f"{table}.parquet"
    again = (
        f"Put the file back as it was, or delete it and run `python -m xkd_core evaluate --dataset {dataset}`: "
        "that makes the rows of all runs whose weights are here."
    )
    return read_parquet(path, f"Results of {dataset} ({path.name})", again)


def merge_rows(dataset: str, table: str, rows: pd.DataFrame, *, root: Path | None = None) -> None:
    """Put ``rows`` into a table: rows with the same keys are replaced, the order is by key, the write atomic."""
    with _changing(dataset, table, root) as path:
        stored = read_rows(dataset, table, root=root)
        merged = rows if stored.empty else pd.concat([stored, rows], ignore_index=True)
        merged = merged.drop_duplicates(KEYS[table], keep="last").sort_values(KEYS[table], ignore_index=True)
        write_atomic(path, packed(merged))


def drop_runs(dataset: str, run_ids: set[str], *, root: Path | None = None) -> None:
    """Remove the rows of runs that are no longer there."""
    for table in ("maps", "answers", "gallery"):
        with _changing(dataset, table, root) as path:
            stored = read_rows(dataset, table, root=root)
            if not stored.empty and stored["run_id"].isin(run_ids).any():
                write_atomic(path, packed(stored[~stored["run_id"].isin(run_ids)]))


def keep_images(dataset: str, indices: set[int], *, root: Path | None = None) -> None:
    """Remove the rows of maps of all other images; answers, which are small, stay for all."""
    _keep(dataset, "maps", "index", indices, root)


def keep_in_gallery(dataset: str, run_ids: Collection[str], *, root: Path | None = None) -> None:
    """Remove the maps of all other runs from the gallery; their numbers stay."""
    _keep(dataset, "gallery", "run_id", run_ids, root)


def _keep(dataset: str, table: str, key: str, values: Collection[object], root: Path | None) -> None:
    with _changing(dataset, table, root) as path:
        stored = read_rows(dataset, table, root=root)
        kept = stored if stored.empty else stored[stored[key].isin(values)]
        if len(kept) < len(stored):
            write_atomic(path, packed(kept))


@contextmanager
def _changing(dataset: str, table: str, root: Path | None) -> Iterator[Path]:
    """The file of a table, which no other process reads to change it meanwhile."""
    path = results_dir(dataset, root) / f"{table}.parquet"
    with alone_with(path):
        yield path
