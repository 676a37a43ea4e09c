"""Which student drifts more: a paired difference with its interval, and a sentence that claims no more than it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from xkd_core.metrics.statistics import Estimate
from xkd_core.results.paired import Contrast
from xkd_core.serving import curves, sentences
from xkd_core.serving.curves import Curve, Point
from xkd_core.serving.results import Results, read_results
from xkd_core.serving.zoo import read_zoo


def rows(run_id: str, cosines: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"run_id": run_id, "index": range(len(cosines)), "explainer": "cam", "cosine": cosines})


def line(row: str, *run_ids: str) -> Curve:
    here = Estimate(mean=0.1, low=0.1, high=0.1, n=4)
    points = tuple(
        Point(run_id=one, seed=int(one[1]), words="", x=4.0, drift=here, shuffled=None, pointing=None,
              quality=None, quality_name="", undertrained=False) for one in run_ids
    )  # fmt: skip
    return Curve(row=row, points=points)  # type: ignore[arg-type]


def test_the_gap_is_paired_over_images_and_the_seeds_that_both_have():
    own = {"a0": [0.9, 0.8, 0.7, np.nan], "a1": [0.8, 0.8, 0.8, 0.5], "b0": [0.5, 0.6, 0.7, 0.1],
           "b7": [0.5, 0.6, 0.7, 0.1]}  # fmt: skip
    results = Results(dataset="scenes", maps=pd.concat([rows(*one) for one in own.items()], ignore_index=True))
    found = curves.gap(results, line("matched", "a0", "a1"), line("naive", "b0"), 4.0, explainer="cam")
    assert found is not None
    by_hand = [0.5 - 0.9, 0.6 - 0.8, 0.7 - 0.7]  # drift is 1 - cosine; seed 0 is the one that both have
    assert found.estimate.mean == pytest.approx(np.mean(by_hand))
    assert (found.estimate.n, found.estimate.undefined, found.seeds) == (3, 1, (0,))  # the last has no value in a0
    assert found.estimate.low < found.estimate.mean < found.estimate.high
    apart = curves.gap(results, line("matched", "a0", "a1"), line("naive", "b7"), 4.0, explainer="cam")
    assert apart is not None and apart.seeds == ()
    assert apart.estimate.mean == pytest.approx(np.mean([0.5 - 0.85, 0.6 - 0.8, 0.7 - 0.75]))
    assert curves.gap(results, line("matched", "a0"), line("naive"), 4.0, explainer="cam") is None


def interval(low: float, high: float) -> Estimate:
    return Estimate(mean=(low + high) / 2, low=low, high=high, n=9)


def over(found: Estimate | None, *seeds: int) -> Contrast | None:
    return None if found is None else Contrast(estimate=found, values=pd.Series(dtype=float), seeds=seeds)


@pytest.mark.parametrize(
    ("seeds", "floor", "end"),
    [((0,), 0.05, "cannot be told apart: 0.04 and 0.08"), ((0,), 0.03, "drift less: 0.04 against 0.08"),
     ((0,), None, "drift less: 0.04 against 0.08"), ((0, 1), 0.05, "drift less: 0.04 against 0.08")],
)  # fmt: skip
def test_a_gap_of_one_seed_that_another_seed_makes_too_tells_nothing_apart(made, seeds, floor, end):
    zoo = read_zoo("scenes", root=made.root)
    cards = zoo.by_id[made.runs["swa 0.25 0.5"]], zoo.by_id[made.runs["kd 0.25 0.5"]]
    gap = over(interval(-0.05, -0.03), *seeds)
    assert sentences.drift_apart("CAM", cards, (0.04, 0.08), gap, floor).endswith(end)
    words = {(0, 0.05): "no more than another seed makes (0.050).", (0, 0.03): "is more than another seed makes",
             (0, None): "One seed each: what another seed would change is not known."}  # fmt: skip
    assert words.get((*seeds, floor), "") in sentences.floor_words(gap, floor)
    assert bool(sentences.floor_words(gap, floor)) == (len(seeds) == 1)


def test_the_floor_is_how_far_two_seeds_of_one_student_lie_apart():
    own = {"a0": [0.9, 0.8, 0.7, np.nan], "a1": [0.8, 0.8, 0.8, 0.5], "b0": [0.5, 0.6, 0.7, 0.1], "b1": [0.4] * 4}
    results = Results(dataset="scenes", maps=pd.concat([rows(*one) for one in own.items()], ignore_index=True))
    both = curves.floor(results, line("matched", "a0", "a1"), line("naive", "b0", "b1"), 4.0, explainer="cam")
    assert both == pytest.approx((0.1 + 0.2 + 0.3 - 0.3) / 4)  # of b; of a it is 0
    assert curves.floor(results, line("matched", "a0", "a1"), line("naive"), 4.0, explainer="cam") == pytest.approx(0)
    assert curves.floor(results, line("matched", "a0"), line("naive", "b1"), 4.0, explainer="cam") is None


@pytest.mark.parametrize(
    ("matched", "naive", "gap", "end"),
    [
        (0.04, 0.08, interval(-0.05, -0.03), "the matched student's CAM maps drift less: 0.04 against 0.08"),
        (0.08, 0.04, interval(0.03, 0.05), "the matched student's CAM maps drift more: 0.08 against 0.04"),
        (0.0031, 0.0034, interval(-0.001, -0.0001), "the matched student's CAM maps drift less: 0.0031 against 0.0034"),
        (0.04, 0.08, interval(-0.05, 0.01), "student's CAM maps cannot be told apart: 0.04 and 0.08"),
        (0.04, 0.08, interval(0.01, 0.02), "student's CAM maps cannot be told apart: 0.04 and 0.08"),
        (0.04, 0.08, None, "student's CAM maps cannot be told apart: 0.04 and 0.08"),
        (0.04, 0.08, interval(np.nan, np.nan), "student's CAM maps cannot be told apart: 0.04 and 0.08"),
    ],
)
def test_less_and_more_are_said_only_where_the_interval_leaves_0_out(made, matched, naive, gap, end):
    zoo = read_zoo("scenes", root=made.root)
    cards = zoo.by_id[made.runs["swa 0.25 0.5"]], zoo.by_id[made.runs["kd 0.25 0.5"]]
    words = sentences.drift_apart("CAM", cards, (matched, naive), over(gap, 0, 1))
    assert words.startswith("At 15.8x smaller, ") and words.endswith(end)


def test_students_are_called_what_they_are_and_sizes_say_what_they_count(made):
    zoo = read_zoo("scenes", root=made.root)
    swa, kd = zoo.by_id[made.runs["swa 0.25 0.5"]], zoo.by_id[made.runs["kd 0.25 0.5"]]
    other = [card.model_copy(update={"method": "at", "ratio": 249.4, "ratio_of": "bits"}) for card in (swa, kd)]
    baseline = kd.model_copy(update={"lam": 0.0})
    words = sentences.drift_apart("CAM", (other[0], baseline), (0.01, 0.08), None)
    assert words.startswith("At 249x fewer bits, the drift of the AT student's and the baseline student's CAM maps")
    alone = sentences.drift_alone("CAM", other[0], 0.0234)
    assert alone == "At 249x fewer bits, the AT student's CAM maps drift by 0.02; no naive student has this size"


def test_a_difference_is_written_with_its_signs():
    assert sentences.signed(interval(-0.05, -0.03)) == "-0.040 (-0.050 to -0.030)"


def test_controls_stand_beside_students_with_fewer_channels_only(made):
    zoo, results = read_zoo("scenes", root=made.root), read_results("scenes", root=made.root)
    choice = zoo.default()
    shown = {line.control for line in curves.controls(results, zoo, choice, axis="ratio", explainer="cam")}
    assert shown == {curves.CONTROL_WORDS["shuffled"]}
    pruned = replace(choice, family="weights-swa")
    assert curves.controls(results, zoo, pruned, axis="ratio", explainer="cam") == ()
