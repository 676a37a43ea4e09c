"""Comparisons from stored rows: the same images for all, gaps counted, intervals and tests against plain loops."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import wilcoxon

from xkd_core.errors import BadInputError
from xkd_core.metrics.statistics import mean_interval, share_interval
from xkd_core.results.compare import Question, compare, differences, median_interval, per_image, seed_floor
from xkd_core.results.metric_store import add_refused, add_rows, add_whole, reasons_text
from xkd_core.results.metrics import read_metrics
from xkd_core.results.paired import ANY_SEED, paired_seeds, shared_seeds

NAN = float("nan")
N = 30


def values(seed: int, shift: float = 0.0) -> np.ndarray:
    return np.round(np.random.default_rng(seed).random(N) * 0.5 + shift, 3)


def store(root: Path, run: str, explainer: str, gaps: dict[int, str] | None = None, **metrics: np.ndarray) -> None:
    why = [reasons_text(dict.fromkeys(metrics, gaps[i]) if gaps and i in gaps else {}) for i in range(N)]
    columns = {
        name: [NAN if gaps and i in gaps else v for i, v in enumerate(column)] for name, column in metrics.items()
    }
    frame = pd.DataFrame({"explainer": explainer, "index": range(N), "target": 0, **columns, "undefined": why})
    add_rows("digits", run, [frame], root=root)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    store(tmp_path, "kd-s0", "cam", {0: "zero map"}, cosine=values(0), cosine_shuffled=values(9))
    store(tmp_path, "kd-s1", "cam", {1: "zero map"}, cosine=values(1), cosine_shuffled=values(8))
    store(tmp_path, "swa-s0", "cam", {2: "other", 3: "zero map"}, cosine=values(2, 0.4), cosine_shuffled=values(7))
    for run in ("kd-s0", "swa-s0"):
        store(tmp_path, run, "cam", pointing=(values(3) > 0.25).astype(float))
        store(tmp_path, run, "random_map", {5: "zero map"}, pointing=(values(4) > 0.4).astype(float))
    refused = [("int8", "cam", "*", "no gradient", "1"), ("swa-s0", "random_map", "cosine", "by construction", "1")]
    add_refused(
        "digits", pd.DataFrame(refused, columns=["run_id", "explainer", "metric", "reason", "version"]), root=tmp_path
    )
    whole = {"run_id": "kd-s0", "metric": "mAP", "value": 0.7, "low": 0.6, "high": 0.8, "n": 300, "undefined": 1}
    add_whole("digits", pd.DataFrame([whole]), root=tmp_path)
    return tmp_path


GROUPS = {"naive": ["kd-s0", "kd-s1"], "matched": ["swa-s0"]}
SEEDS = {"kd-s0": 0, "kd-s1": 1, "swa-s0": 0, "swa-s1": 1, "other-s7": 7}


def test_all_groups_are_compared_on_the_images_that_all_have(root: Path) -> None:
    found = compare(read_metrics("digits", root=root), GROUPS, "cam", "cosine")
    assert found.images == tuple(range(4, N)) and found.n == N - 4
    naive, matched = found.lines
    assert (naive.seeds, matched.seeds) == (2, 1)
    both = np.stack([values(0), values(1)])
    assert naive.shared.mean == pytest.approx(both[:, 4:].mean(), abs=1e-3)
    assert naive.own.mean == pytest.approx(both[:, 2:].mean(), abs=1e-3)  # its own filter: images 2 and 3 too
    assert (naive.shared.n, naive.own.n, naive.own.undefined) == (N - 4, N - 2, 2)
    assert naive.shared.low < naive.shared.mean < naive.shared.high
    assert naive.median.mean == pytest.approx(np.median(both[:, 4:].mean(axis=0)), abs=1e-3)
    expected = mean_interval(values(2, 0.4)[4:])
    assert (matched.shared.low, matched.shared.high) == pytest.approx((expected.low, expected.high), abs=1e-3)
    assert matched.undefined == {"other": 1, "zero map": 1} and naive.undefined == {"zero map": 2}


def test_controls_come_from_the_runs_and_images_that_have_them(root: Path) -> None:
    """kd-s1 has no random map, and of the run "none" nothing was measured."""
    store(root, "kd-s1", "cam", pointing=np.ones(N))
    groups = {**GROUPS, "nobody": ["none"]}
    found = compare(read_metrics("digits", root=root), groups, "cam", "pointing")
    (control,) = found.controls
    assert control.label == "random_map" and found.n == N
    kept = np.delete((values(4) > 0.4).astype(float), 5)
    assert control.shared.mean == pytest.approx(kept.mean()) and (control.shared.n, control.shared.undefined) == (29, 1)
    every = read_metrics("digits", root=root)
    short = replace(every, rows=every.rows[(every.rows["explainer"] == "cam") | (every.rows["index"] < 10)])
    (control,) = compare(short, groups, "cam", "pointing").controls
    assert (control.shared.n, control.shared.undefined) == (9, 1)


def test_the_shuffled_control_stands_on_the_same_images(root: Path) -> None:
    found = compare(read_metrics("digits", root=root), GROUPS, "cam", "cosine")
    (shuffled,) = found.controls
    expected = np.stack([values(9), values(8), values(7)])[:, 4:].mean()
    assert shuffled.label == "shuffled images" and shuffled.shared.mean == pytest.approx(expected, abs=1e-3)


def test_maps_that_know_nothing_stand_beside_the_similarity_of_the_same_explainer(root: Path) -> None:
    for run, seed in (("control:random", 11), ("control:centre", 12)):
        store(root, run, "cam", {4: "zero map"}, cosine=values(seed))
    found = compare(read_metrics("digits", root=root), GROUPS, "cam", "cosine")
    assert [line.label for line in found.controls] == ["shuffled images", "random_map", "centre_gaussian"]
    for line, seed in zip(found.controls[1:], (11, 12), strict=True):
        assert line.shared.mean == pytest.approx(values(seed)[5:].mean(), abs=1e-3)
        assert (line.shared.n, line.shared.undefined) == (N - 5, 1) and line.undefined == {"zero map": 1}
    of_another = compare(read_metrics("digits", root=root), GROUPS, "occlusion", "cosine")
    assert not of_another.controls


def test_shares_have_wilsons_interval_and_map_free_controls(root: Path) -> None:
    found = compare(read_metrics("digits", root=root), {"a": ["kd-s0"], "b": ["swa-s0"]}, "cam", "pointing")
    hits = int((values(3) > 0.25).sum())
    expected = share_interval(hits, N)
    for line in found.lines:
        assert (line.shared.mean, line.shared.low, line.shared.high) == (expected.mean, expected.low, expected.high)
    (control,) = found.controls
    assert (control.label, control.shared.n, control.undefined) == ("random_map", N - 1, {"zero map": 2})


def test_a_group_that_cannot_be_measured_keeps_its_line_and_costs_no_image(root: Path) -> None:
    metrics = read_metrics("digits", root=root)
    found = compare(metrics, {"small": ["int8"], "matched": ["swa-s0"], "late": ["unknown"]}, "cam", "cosine")
    small, matched, late = found.lines
    assert found.n == N - 2 == matched.shared.n
    assert small.refused == "no gradient" and np.isnan(small.shared.mean) and small.shared.n == 0
    assert late.refused is None and late.own.n == 0
    assert metrics.refusal("swa-s0", "random_map", "cosine") == "by construction"
    assert metrics.reason("swa-s0", "cam", "cosine", 2) == "other"
    assert metrics.reason("swa-s0", "cam", "cosine", 4) is None
    assert metrics.reason("kd-s1", "cam", "pointing", 99) == "not measured"
    with pytest.raises(BadInputError, match="at least one run"):
        compare(metrics, {"nobody": []}, "cam", "cosine")


def test_differences_are_paired_and_corrected_for_all_that_is_asked(root: Path) -> None:
    metrics = read_metrics("digits", root=root)
    groups = {"s0": ["kd-s0"], "s1": ["kd-s1"], "matched": ["swa-s0"]}
    asked = [Question(first=a, second=b, explainer="cam", metric="cosine") for a, b in combinations(groups, 2)]
    found = differences(metrics, groups, asked, seeds=SEEDS, resamples=199)
    raw = []
    for one, (a, b) in zip(found, combinations((values(0), values(1), values(2, 0.4)), 2), strict=True):
        keep = [i for i in range(N) if not np.isnan(per_image(metrics, groups, one.question, seeds=SEEDS).get(i, NAN))]
        gap = (a - b)[keep]
        assert one.estimate.mean == pytest.approx(gap.mean(), abs=1e-3) and one.test.n == len(keep)
        raw.append(wilcoxon(gap).pvalue)
        assert one.test.wilcoxon_p == pytest.approx(raw[-1], rel=0.2)
        assert one.floor is None and not one.below_floor
    order = np.argsort([one.test.wilcoxon_p for one in found])
    running = 0.0
    for rank, place in enumerate(order):
        running = max(running, min(1.0, (3 - rank) * found[place].test.wilcoxon_p))
        assert found[place].holm_p == pytest.approx(running)
    with pytest.raises(BadInputError, match="No group"):
        differences(metrics, groups, [Question(first="s0", second="s9", explainer="cam", metric="cosine")], seeds=SEEDS)


def test_what_another_seed_makes_is_the_floor_of_a_difference(root: Path) -> None:
    metrics = read_metrics("digits", root=root)
    question = Question(first="matched", second="naive", explainer="cam", metric="cosine")
    floor = abs((values(0) - values(1))[2:].mean())
    assert seed_floor(metrics, GROUPS, question) == pytest.approx(floor, abs=1e-3)
    (large,) = differences(metrics, GROUPS, [question], seeds=SEEDS, resamples=99)
    assert large.floor == pytest.approx(floor, abs=1e-3) and not large.below_floor
    twins = {**GROUPS, "twin": ["kd-s1"]}
    same = Question(first="naive", second="twin", explainer="cam", metric="cosine")
    (small,) = differences(metrics, twins, [same], seeds=SEEDS, resamples=99)
    assert small.below_floor and not small.sure  # half the gap of the two seeds
    assert (small.seeds, small.fewest) == ((), 1)
    store(root, "kd-s5", "cam", {1: "zero map"}, cosine=values(1))
    other = {**GROUPS, "twin": ["kd-s5"]}
    (half,) = differences(read_metrics("digits", root=root), other, [same], seeds={**SEEDS, "kd-s5": 5}, resamples=99)
    assert half.below_floor and half.seeds == ()
    assert abs(small.estimate.mean) == abs(half.estimate.mean) == pytest.approx(floor / 2, abs=1e-3)


def test_a_difference_is_taken_within_the_seeds_that_both_have_if_there_are_two(root: Path) -> None:
    """Seed 1 lifts both groups by a half: what it does to both is no part of their difference."""
    shift = {"kd-s0": 0.0, "kd-s1": 0.5, "swa-s0": 0.1, "swa-s1": 0.6, "other-s7": 0.1}
    for place, (run, by) in enumerate(shift.items()):
        store(root, run, "cam", {0: "zero map"}, spearman=values(place) / 10 + by)
    metrics = read_metrics("digits", root=root)
    groups = {"kd": ["kd-s1", "kd-s0"], "swa": ["swa-s0", "swa-s1"], "one": ["swa-s1"], "other": ["other-s7"]}
    asked = [Question(first=name, second="kd", explainer="cam", metric="spearman") for name in ("swa", "one", "other")]
    both, one, none = differences(metrics, groups, asked, seeds=SEEDS, resamples=0)
    drawn = {run: (values(place) / 10 + by)[1:] for place, (run, by) in enumerate(shift.items())}
    within = np.stack([drawn["swa-s0"] - drawn["kd-s0"], drawn["swa-s1"] - drawn["kd-s1"]])
    assert both.seeds == (0, 1) and both.estimate.n == N - 1
    assert both.estimate.mean == pytest.approx(within.mean(), abs=1e-3)
    assert 0.05 < both.estimate.low < both.estimate.high < 0.15
    apart = drawn["swa-s1"] - (drawn["kd-s0"] + drawn["kd-s1"]) / 2  # not seed 1 of kd alone, chosen by its number
    assert one.seeds == () and one.fewest == 1 and one.estimate.mean == pytest.approx(apart.mean(), abs=1e-3)
    assert none.seeds == () and none.estimate.low < 0 < none.estimate.high - 0.05  # kd's seeds are drawn
    np.testing.assert_allclose(per_image(metrics, groups, asked[0], seeds=SEEDS)[1:], within.mean(axis=0), atol=1e-3)


def test_a_seed_that_a_group_has_twice_pairs_nothing() -> None:
    assert shared_seeds([0, 1], [1, 0, 2]) == (0, 1)
    assert shared_seeds([0, 1, 1], [0, 1]) == shared_seeds([0], [1]) == ()
    assert shared_seeds([ANY_SEED], [3, 2]) == (2, 3)
    assert shared_seeds([ANY_SEED], [ANY_SEED]) == (ANY_SEED,)


def test_seeds_are_paired_where_two_are_shared_or_each_side_has_one() -> None:
    assert paired_seeds([0, 1, 3], [1, 0, 2]) == (0, 1)
    assert paired_seeds([0], [0]) == (0,) and paired_seeds([0], [0, 1]) == paired_seeds([0, 1], [1, 2]) == ()
    assert paired_seeds([ANY_SEED], [3, 2]) == (2, 3)


@pytest.mark.parametrize("n", [5, 6, 17, 100])
def test_the_median_has_the_interval_of_order_statistics(n: int) -> None:
    drawn = np.random.default_rng(n).normal(size=n)
    found = median_interval(np.append(drawn, NAN))
    assert (found.mean, found.n, found.undefined) == (pytest.approx(np.median(drawn)), n, 1)
    below = lambda rank: sum(comb(n, k) for k in range(rank)) / 2**n  # noqa: E731
    rank = max((rank for rank in range(1, n // 2 + 1) if 2 * below(rank) <= 0.05), default=0)
    if not rank:
        assert np.isnan(found.low)
    else:
        assert (found.low, found.high) == (sorted(drawn)[rank - 1], sorted(drawn)[-rank])


def test_numbers_of_all_images_and_an_empty_or_damaged_store(root: Path, tmp_path: Path) -> None:
    metrics = read_metrics("digits", root=root)
    found = metrics.of_all("kd-s0", "mAP")
    assert found is not None and (found.mean, found.low, found.n, found.undefined) == (0.7, 0.6, 300, 1)
    assert metrics.of_all("kd-s1", "mAP") is None
    assert metrics.runs == ["kd-s0", "kd-s1", "swa-s0"] and metrics.explainers == ["cam", "random_map"]
    assert metrics.names == ["cosine", "cosine_shuffled", "pointing"]
    empty = read_metrics("digits", root=tmp_path / "nowhere")
    assert not empty.runs and compare(empty, GROUPS, "cam", "cosine").n == 0
    path = root / "digits" / "results" / "metrics" / "test" / "kd-s0.parquet"
    path.write_bytes(b"nothing")
    assert "evaluate again" in read_metrics("digits", root=root).problem
