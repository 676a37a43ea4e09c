"""Which student drifts more: a paired difference with its interval, and a sentence that claims no more than it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from xkd_core.metrics.paired_tests import paired_test
from xkd_core.metrics.statistics import Estimate
from xkd_core.results.compare import Difference, Question
from xkd_core.results.metric_store import reasons_text
from xkd_core.results.metrics import Metrics
from xkd_core.serving import curves, sentences
from xkd_core.serving.curves import Curve, Point
from xkd_core.serving.names import CONTROL_WORDS, describe, title
from xkd_core.serving.results import read_results
from xkd_core.serving.zoo import Zoo, read_zoo


def rows(run_id: str, cosines: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"run_id": run_id, "explainer": "cam", "index": range(len(cosines)), "cosine": cosines,
                         "undefined": reasons_text({})})  # fmt: skip


def measured(own: dict[str, list[float]]) -> tuple[Metrics, Zoo]:
    """Rows and cards of runs called 'a0', 'b7': a letter and the seed."""
    cards = {run_id: SimpleNamespace(id=run_id, seed=int(run_id[1:])) for run_id in own}
    frame = pd.concat([rows(*one) for one in own.items()], ignore_index=True)
    return Metrics(dataset="scenes", rows=frame), SimpleNamespace(by_id=cards)  # type: ignore[return-value]


def line(row: str, *run_ids: str, x: float = 4.0) -> Curve:
    points = tuple(
        Point(run_id=one, seed=int(one[1:]), words="", x=x, drift=Estimate(mean=0.1 * (1 + int(one[1:])), low=0.1,
              high=0.1, n=4), shuffled=None, pointing=None, quality=None, quality_name="", undertrained=False)
        for one in run_ids
    )  # fmt: skip
    return Curve(row=row, points=points)  # type: ignore[arg-type]


def test_of_one_run_beside_two_both_enter_and_the_floor_is_that_of_the_two():
    metrics, zoo = measured({"a0": [0.9, 0.8, 0.7, 0.6], "a1": [0.8, 0.8, 0.8, 0.5], "b0": [0.5, 0.6, 0.7, 0.1],
                             "b7": [0.5, 0.6, 0.7, 0.1]})  # fmt: skip
    pairs = (("a0", "a1"), ("b0",)), (("a0", "a1"), ("b7",))
    found, apart = curves.gaps(metrics, zoo, pairs, explainer="cam")
    both = np.mean([0.85 - 0.5, 0.8 - 0.6, 0.75 - 0.7, 0.55 - 0.1])  # a0, which shares b0's number, decides nothing
    assert [one.estimate.mean for one in (found, apart)] == pytest.approx([both, both])
    assert (found.estimate.n, found.seeds, found.fewest) == (4, (), 1) and found.floor == pytest.approx(0.025)  # of a
    (alone,) = curves.gaps(metrics, zoo, pairs[1:], explainer="cam")
    assert apart.holm_p == pytest.approx(2 * alone.holm_p)  # corrected over both
    assert curves.gaps(metrics, zoo, (), explainer="cam") == ()


def test_pairs_stand_where_both_curves_have_runs():
    first, second = line("matched", "a0", "a1"), line("naive", "b0")
    assert curves.pairs_of(first, second) == {4.0: (("a0", "a1"), ("b0",))}
    assert curves.pairs_of(first, line("naive", "b0", x=8.0)) == {}
    assert first.mean_at(4.0) == pytest.approx(0.15) and first.mean_at(4.0, (1,)) == pytest.approx(0.2)


def interval(low: float, high: float) -> Estimate:
    return Estimate(mean=(low + high) / 2, low=low, high=high, n=9)


def over(found: Estimate | None, *seeds: int, floor: float | None = None, p: float = 0.01) -> Difference | None:
    """A difference of cosines, matched minus naive."""
    if found is None:
        return None
    test = paired_test(np.arange(9.0), np.zeros(9), n_resamples=0)
    question = Question(first="a", second="b", explainer="cam", metric="cosine")
    return Difference(question=question, estimate=found, seeds=seeds, fewest=len(seeds), test=test, holm_p=p,
                      floor=floor)  # fmt: skip


@pytest.mark.parametrize(
    ("seeds", "floor", "end"),
    [((0,), 0.05, "cannot be told apart: 0.04 and 0.08"), ((0,), 0.03, "drift less: 0.04 against 0.08"),
     ((0,), None, "drift less: 0.04 against 0.08"), ((0, 1), 0.05, "drift less: 0.04 against 0.08")],
)  # fmt: skip
def test_a_gap_of_one_seed_that_another_seed_makes_too_tells_nothing_apart(made, seeds, floor, end):
    zoo = read_zoo("scenes", root=made.root)
    cards = zoo.by_id[made.runs["swa 0.25 0.5"]], zoo.by_id[made.runs["kd 0.25 0.5"]]
    gap = over(interval(0.03, 0.05), *seeds, floor=floor)
    assert sentences.drift_apart("CAM", cards, (0.04, 0.08), gap).endswith(end)
    words = {(0, 0.05): "no more than another seed makes (0.050).", (0, 0.03): "is more than another seed makes",
             (0, None): "One seed each: what another seed would change is not known."}  # fmt: skip
    assert words.get((*seeds, floor), "") in sentences.floor_words(gap)
    assert bool(sentences.floor_words(gap)) == (len(seeds) == 1)


@pytest.mark.parametrize(
    ("matched", "naive", "gap", "end"),
    [
        (0.04, 0.08, interval(0.03, 0.05), "the matched student's CAM maps drift less: 0.04 against 0.08"),
        (0.08, 0.04, interval(-0.05, -0.03), "the matched student's CAM maps drift more: 0.08 against 0.04"),
        (0.0031, 0.0034, interval(0.0001, 0.001), "the matched student's CAM maps drift less: 0.0031 against 0.0034"),
        (0.04, 0.08, interval(-0.01, 0.05), "student's CAM maps cannot be told apart: 0.04 and 0.08"),
        (0.04, 0.08, interval(-0.02, -0.01), "student's CAM maps cannot be told apart: 0.04 and 0.08"),
        (0.04, 0.08, None, "student's CAM maps cannot be told apart: 0.04 and 0.08"),
        (0.04, 0.08, interval(np.nan, np.nan), "student's CAM maps cannot be told apart: 0.04 and 0.08"),
    ],
)
def test_less_and_more_are_said_only_where_the_interval_leaves_0_out(made, matched, naive, gap, end):
    zoo = read_zoo("scenes", root=made.root)
    cards = zoo.by_id[made.runs["swa 0.25 0.5"]], zoo.by_id[made.runs["kd 0.25 0.5"]]
    words = sentences.drift_apart("CAM", cards, (matched, naive), over(gap, 0, 1))
    assert words.startswith("At 15.8x smaller, ") and words.endswith(end)
    unsure = sentences.drift_apart("CAM", cards, (matched, naive), over(gap, 0, 1, p=0.2))
    assert "cannot be told apart" in unsure  # as on the Metrics page: the test must say so too


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
    assert sentences.drift_signed(interval(0.03, 0.05)) == "-0.040 (-0.050 to -0.030)"


def test_runs_that_were_not_trained_to_the_end_are_counted(made):
    card = read_zoo("scenes", root=made.root).by_id[made.runs["swa 0.25 0.5"]]
    lost = card.model_copy(update={"undertrained": True})
    assert sentences.unfinished_among([card, lost]) == "1 of 2 runs is not trained to the end."
    assert sentences.unfinished_among([card]) == sentences.unfinished_among([]) == ""


def test_controls_do_not_look_like_matched_students(made):
    zoo = read_zoo("scenes", root=made.root)
    card = zoo.by_id[made.runs["shuffled"]]
    assert title(card) == "Shuffled control" and describe(card).endswith(", matched to maps of other images")


def test_controls_stand_beside_students_with_fewer_channels_only(made):
    zoo, results = read_zoo("scenes", root=made.root), read_results("scenes", root=made.root)
    choice = zoo.default()
    shown = {line.control for line in curves.controls(results, zoo, choice, axis="ratio", explainer="cam")}
    assert shown == {CONTROL_WORDS["shuffled"]}
    pruned = replace(choice, family="weights-swa")
    assert curves.controls(results, zoo, pruned, axis="ratio", explainer="cam") == ()
