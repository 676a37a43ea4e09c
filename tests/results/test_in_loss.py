"""The label of a result: in the loss or not, by method, explainer, head, layers and β."""

from __future__ import annotations

import pytest

from tests.claims.made_rows import teacher_of
from xkd_core.results.in_loss import was_in_loss

POOLED, FLAT = "vgg_gap_64", "lenet5"
SAME_ON_POOLED = ("cam", "grad_cam", "hires_cam", "xgrad_cam")


def run(method: str, arch: str = POOLED, *, beta: float = 2.0, **recipe: object):
    return teacher_of("scenes").model_copy(update={"method": method, "arch": arch, "beta": beta, "recipe": recipe})


@pytest.mark.parametrize("explainer", [*SAME_ON_POOLED, "grad_cam~1"])
def test_behind_pooling_four_maps_are_the_one_that_swa_matches(explainer: str) -> None:
    assert was_in_loss(run("swa"), explainer)
    assert not was_in_loss(run("swa", beta=0.0), explainer)
    assert not was_in_loss(run("swa", layers="last-1"), explainer)
    assert not was_in_loss(run("ewa"), explainer) and not was_in_loss(run("kd"), explainer)


def test_on_another_head_swa_matches_grad_cam_alone_which_stands_in_for_cam() -> None:
    said = {name: was_in_loss(run("swa", FLAT), name) for name in SAME_ON_POOLED}
    assert said == {"cam": True, "grad_cam": True, "hires_cam": False, "xgrad_cam": False}


def test_other_explainers_and_answers_are_never_in_the_loss() -> None:
    assert was_in_loss(run("ewa"), "ewa") and was_in_loss(run("at"), "ewa")
    for name in ("occlusion", "gradient_shap~1", "rise", "answers"):
        assert not any(was_in_loss(run(method), name) for method in ("swa", "sswa", "ewa", "at", "xd", "kd"))
