"""Stored rows: merged by key, read back, damaged files said; aggregates from rows only."""

from __future__ import annotations

import multiprocessing
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xkd_core.errors import XKDError
from xkd_core.results.aggregate import difference, estimate
from xkd_core.results.store import drop_runs, merge_rows, read_rows, results_dir


def rows(run_id: str, values: list[float], explainer: str = "cam") -> pd.DataFrame:
    return pd.DataFrame({"run_id": run_id, "explainer": explainer, "index": range(len(values)), "cosine": values})


def test_rows_come_back_and_newer_ones_replace_older(tmp_path: Path) -> None:
    merge_rows("digits", "maps", rows("a", [0.1, 0.2]), root=tmp_path)
    merge_rows("digits", "maps", rows("b", [0.5]), root=tmp_path)
    merge_rows("digits", "maps", rows("a", [0.3]), root=tmp_path)
    stored = read_rows("digits", "maps", root=tmp_path)
    assert stored["run_id"].tolist() == ["a", "a", "b"]
    assert stored["cosine"].tolist() == pytest.approx([0.3, 0.2, 0.5], rel=1e-3)


def test_the_file_does_not_depend_on_the_order_of_merging(tmp_path: Path) -> None:
    for name, order in (("one", "ab"), ("two", "ba")):
        for run_id in order:
            merge_rows("digits", "maps", rows(run_id, [0.1, float("nan")]), root=tmp_path / name)
    first, second = (results_dir("digits", tmp_path / name) / "maps.parquet" for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


def test_nothing_stored_is_an_empty_frame(tmp_path: Path) -> None:
    assert read_rows("digits", "maps", root=tmp_path).empty


@pytest.mark.parametrize("seed", range(60))
def test_a_file_damaged_anywhere_is_read_or_is_one_sentence(tmp_path: Path, seed: int) -> None:
    merge_rows("digits", "maps", rows("a", [0.1, 0.2]), root=tmp_path)
    path, generator = results_dir("digits", tmp_path) / "maps.parquet", np.random.default_rng(seed)
    data = bytearray(path.read_bytes())
    for place in generator.integers(len(data), size=4):
        data[place] = generator.integers(256)
    path.write_bytes(data[: generator.integers(1, len(data))] if seed % 3 == 0 else data)
    with suppress(XKDError):
        read_rows("digits", "maps", root=tmp_path)


def test_a_damaged_file_says_how_to_make_it_again(tmp_path: Path) -> None:
    merge_rows("digits", "maps", rows("a", [0.1]), root=tmp_path)
    path = results_dir("digits", tmp_path) / "maps.parquet"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(XKDError, match="evaluate --dataset digits"):
        read_rows("digits", "maps", root=tmp_path)


def test_rows_of_runs_that_are_gone_can_be_dropped(tmp_path: Path) -> None:
    for table in ("maps", "gallery"):
        for run_id in "ab":
            merge_rows("digits", table, rows(run_id, [0.1]), root=tmp_path)
    drop_runs("digits", {"a"}, root=tmp_path)
    assert read_rows("digits", "maps", root=tmp_path)["run_id"].tolist() == ["b"]
    assert read_rows("digits", "gallery", root=tmp_path)["run_id"].tolist() == ["b"]


def test_an_estimate_is_the_mean_over_images_of_the_mean_over_seeds() -> None:
    table = pd.concat([rows("s0", [0.1, 0.3, 0.5]), rows("s1", [0.3, 0.5, float("nan")])])
    found = estimate(table, ["s0", "s1"], "cam", "cosine")
    assert found.mean == pytest.approx((0.2 + 0.4) / 2)
    assert (found.n, found.undefined) == (2, 1)
    assert found.low <= found.mean <= found.high


def test_a_difference_is_paired_by_image_not_by_place() -> None:
    second = pd.DataFrame({"run_id": "b", "explainer": "cam", "index": [2, 1, 0], "cosine": [0.2, 0.1, 0.0]})
    table = pd.concat([rows("a", [0.5, 0.6, 0.7]), second])
    found = difference(table, ["a"], ["b"], "cam", "cosine", seeds={"a": 0, "b": 0})
    assert found.mean == pytest.approx(0.5)
    assert found.low == pytest.approx(0.5)
    assert found.n == 3


def test_intervals_of_several_seeds_are_as_wide_as_the_seeds_are_apart() -> None:
    n = 200
    a, b = (pd.concat([rows(f"{name}{seed}", [level] * n) for seed, level in enumerate(levels)])
            for name, levels in (("a", (0.4, 0.6, 0.8)), ("b", (0.3, 0.5, 0.7))))  # fmt: skip
    first, second = ([f"{name}{seed}" for seed in range(3)] for name in "ab")
    found = estimate(a, first, "cam", "cosine")
    assert found.low == pytest.approx(0.4) and found.high == pytest.approx(0.8)
    both = pd.concat([a, b])
    apart = difference(both, first, second, "cam", "cosine", seeds=dict(zip((*first, *second), range(6), strict=True)))
    assert apart.mean == pytest.approx(0.1) and apart.low < 0 < apart.high
    paired = difference(
        both, first, second, "cam", "cosine", seeds={run_id: int(run_id[1]) for run_id in (*first, *second)}
    )
    assert (paired.low, paired.high) == (pytest.approx(0.1), pytest.approx(0.1))


def test_a_difference_without_rows_is_undefined() -> None:
    found = difference(rows("a", [0.5]), ["a"], ["nobody"], "cam", "cosine", seeds={"a": 0, "nobody": 0})
    assert np.isnan(found.mean)
    assert found.n == 0


def _merge(root: Path, first: int) -> None:
    for number in range(first, first + 8):
        merge_rows("digits", "maps", rows(f"run-{number:02}", [0.1, 0.2]), root=root)


def test_two_processes_that_store_at_once_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    both = [context.Process(target=_merge, args=(tmp_path, first)) for first in (0, 8)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert read_rows("digits", "maps", root=tmp_path)["run_id"].nunique() == 16
    assert [path.name for path in results_dir("digits", tmp_path).iterdir()] == ["maps.parquet"]
