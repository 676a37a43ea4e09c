"""The front over all runs against a plain search, and who may be on it."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from xkd_core.serving.names import smaller
from xkd_core.serving.pareto import _words, candidates, table, undominated
from xkd_core.serving.results import read_results
from xkd_core.serving.zoo import read_zoo


@pytest.fixture
def zoo(made):
    return read_zoo("scenes", root=made.root)


@pytest.mark.parametrize("seed", range(5))
def test_the_front_is_what_a_plain_search_finds(seed: int) -> None:
    points = [tuple(map(float, row)) for row in np.random.default_rng(seed).integers(0, 4, size=(25, 3))]
    expected = [True] * len(points)
    for one, other in itertools.permutations(range(len(points)), 2):
        worse_nowhere = min(points[other][axis] - points[one][axis] for axis in range(3)) >= 0
        if worse_nowhere and points[other] != points[one]:
            expected[one] = False
    assert undominated(points) == expected
    assert any(expected) and not all(expected)


def test_equal_points_are_both_on_the_front_and_one_point_is_alone() -> None:
    assert undominated([(1.0, 2.0), (1.0, 2.0), (0.0, 2.0)]) == [True, True, False]
    assert undominated([(0.0,)]) == [True] and undominated([]) == []


def test_candidates_are_the_stored_runs_with_the_stored_numbers(zoo, made) -> None:
    results = read_results("scenes", root=made.root)
    found = candidates(results, zoo, explainer="cam")
    assert zoo.teacher.id not in {one.run_id for one in found}
    for one in found:
        card, rows = zoo.by_id[one.run_id], results.of_run(one.run_id, "cam")
        assert one.quality == card.metrics["mAP"].value
        assert one.drift.mean == pytest.approx(1 - rows["cosine"].mean(), abs=1e-6)
        assert one.ratio == card.ratio
    students = [one for one in found if one.contends]
    assert any(one.on_front for one in students)
    assert not any(one.on_front for one in found if not one.contends)


def test_what_kind_and_description_both_say_is_said_once(zoo, made) -> None:
    plain = zoo.by_id[made.runs["swa 0.25 0.5"]].model_copy(update={"method": "xd", "role": "other", "beta": 0.0})
    other = plain.model_copy(update={"id": "z-cam", "recipe": {**plain.recipe, "explained": "grad_cam"}})
    wider = replace(zoo, cards=(*zoo.cards, plain, other))
    assert [_words(wider, card).replace(smaller(card), "small") for card in (plain, other)] == [
        "XDistillation, small, target GradientSHAP, λ 0.5", "XDistillation, target Grad-CAM, small, λ 0.5"
    ]  # fmt: skip


def test_controls_second_teachers_and_unfinished_runs_do_not_compete(zoo, made) -> None:
    results = read_results("scenes", root=made.root)
    best = next(one for one in candidates(results, zoo, explainer="cam") if one.on_front)
    for own in ({"undertrained": True}, {"role": "control"}):
        changed = replace(
            zoo, cards=tuple(card.model_copy(update=own) if card.id == best.run_id else card for card in zoo.cards)
        )
        again = {one.run_id: one for one in candidates(results, changed, explainer="cam")}
        assert not again[best.run_id].contends and not again[best.run_id].on_front
    second = [one for one in candidates(results, zoo, explainer="cam") if zoo.by_id[one.run_id].role == "teacher"]
    assert all(one.group == "control" for one in second)


def test_the_table_has_the_front_first(zoo, made) -> None:
    found = candidates(read_results("scenes", root=made.root), zoo, explainer="cam")
    rows = table(found)
    assert len(rows) == len(found) and list(rows["on the front"]) == sorted(rows["on the front"], reverse=True)
