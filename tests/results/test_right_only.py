"""The per-model filter: each run with the images that it answers rightly, against sets worked out by hand."""

from __future__ import annotations

import pandas as pd
import pytest

from xkd_core.results.compare import BESIDE_THE_TEACHER, Question, compare, differences
from xkd_core.results.metric_store import ANSWERS, reasons_text
from xkd_core.results.metrics import CONTROL, Metrics

RIGHT = {"kd": (1, 1, 0, 0, 1, 1), "swa": (1, 0, 1, 0, 1, 1)}
COSINE = {"kd": (0.1, 0.2, 0.3, 0.4, None, 0.6), "swa": (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)}
UNASKED = "ewa"


def rows(run: str, explainer: str, **columns: tuple[float | None, ...]) -> pd.DataFrame:
    gaps = [{name: "zero map" for name, values in columns.items() if values[i] is None} for i in range(6)]
    return pd.DataFrame({"run_id": run, "explainer": explainer, "index": range(6), "target": 0, **columns,
                         "undefined": [reasons_text(gap) for gap in gaps]})  # fmt: skip


@pytest.fixture
def metrics() -> Metrics:
    frames = [rows(run, ANSWERS, right=values) for run, values in RIGHT.items()]
    frames += [rows(run, "cam", cosine=values) for run, values in COSINE.items()]
    frames += [rows(run, "cam", cosine=(0.5,) * 6) for run in (UNASKED, *BESIDE_THE_TEACHER.values())]
    found = pd.concat(frames, ignore_index=True)
    return Metrics(dataset="digits", rows=found.astype({"cosine": float}))


def test_each_run_has_the_images_that_it_answers_rightly(metrics: Metrics) -> None:
    found = metrics.right_only()
    assert found.values(["kd"], "cam", "cosine")["kd"].dropna().to_dict() == {0: 0.1, 1: 0.2, 5: 0.6}
    assert found.values(["swa"], "cam", "cosine")["swa"].to_dict() == {0: 0.9, 2: 0.7, 4: 0.5, 5: 0.4}
    assert found.undefined(["kd"], "cam", "cosine") == {"zero map": 1}
    assert metrics.undefined(["swa"], "cam", "cosine") == {} and len(metrics.values(["swa"], "cam", "cosine")) == 6


def test_a_run_without_answers_has_none_and_controls_have_all(metrics: Metrics) -> None:
    found = metrics.right_only()
    assert found.values([UNASKED], "cam", "cosine").empty
    for control in BESIDE_THE_TEACHER.values():
        assert control.startswith(CONTROL) and len(found.values([control], "cam", "cosine")) == 6


def test_answers_that_do_not_say_which_are_right_leave_nothing() -> None:
    frames = [rows("kd", ANSWERS, kl_to_teacher=(0.1,) * 6), rows("kd", "cam", cosine=(0.5,) * 6)]
    found = Metrics(dataset="digits", rows=frames[1]).right_only(), Metrics(dataset="digits", rows=pd.concat(frames))
    assert found[0].values(["kd"], "cam", "cosine").empty
    assert found[1].right_only().values(["kd"], "cam", "cosine").empty


def test_the_chart_is_of_the_intersection_and_own_means_are_of_each_alone(metrics: Metrics) -> None:
    groups = {"naive": ["kd"], "matched": ["swa"]}
    found = compare(metrics.right_only(), groups, "cam", "cosine")
    assert found.images == (0, 5)
    naive, matched = found.lines
    assert (naive.shared.mean, matched.shared.mean) == pytest.approx((0.35, 0.65))
    assert (naive.own.mean, matched.own.mean) == pytest.approx(((0.1 + 0.2 + 0.6) / 3, (0.9 + 0.7 + 0.5 + 0.4) / 4))
    assert all(line.shared.n == 2 for line in found.controls if line.label in BESIDE_THE_TEACHER)
    asked = [Question(first="matched", second="naive", explainer="cam", metric="cosine")]
    (answer,) = differences(metrics.right_only(), groups, asked, seeds={"kd": 0, "swa": 0})
    assert answer.estimate.n == 2 and answer.estimate.mean == pytest.approx((0.8 - 0.2) / 2)
