"""AT, NST and AB against loops, values worked out by hand, their published relations, and gradcheck in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests import restated_losses
from xkd_core.distillation.checks import FORMS
from xkd_core.distillation.losses import matching_loss
from xkd_core.distillation.transfer import ab_loss, at_loss, nst_loss
from xkd_core.errors import BadInputError
from xkd_core.explainers.maps import ewa


def activations(*, student: int = 3, teacher: int = 5, side: int = 4, seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn(2, channels, side, side, dtype=torch.float64, generator=generator)
        for channels in (student, teacher)
    )


@pytest.mark.parametrize("form", FORMS["at"])
def test_attention_transfer_equals_its_plain_restatement(form: str) -> None:
    student, teacher = activations()
    expected = restated_losses.attention_transfer(student.numpy(), teacher.numpy(), form)
    assert float(at_loss(student, teacher, form=form).loss) == pytest.approx(expected, rel=1e-9)


def test_attention_transfer_by_hand() -> None:
    student = torch.zeros(1, 1, 1, 2)
    student[0, 0, 0] = torch.tensor([2.0, 0.0])  # Q = (1, 0)
    teacher = torch.ones(1, 1, 1, 2)  # Q = (1, 1) / sqrt(2)
    cos = 1 / math.sqrt(2)
    assert float(at_loss(student, teacher).loss) == pytest.approx(1 - cos)
    assert float(at_loss(student, teacher, form="code").loss) == pytest.approx((2 - 2 * cos) / 2)
    assert float(at_loss(student, teacher, form="paper").loss) == pytest.approx(math.sqrt(2 - 2 * cos))


def test_attention_transfer_on_one_layer_is_ewa() -> None:
    student, teacher = activations()
    assert torch.equal(at_loss(student, teacher).loss, matching_loss(ewa(student), ewa(teacher)).loss)


def test_the_code_of_attention_transfer_is_two_nths_of_one_minus_cosine() -> None:
    student, teacher = activations(side=7)
    ratio = at_loss(student, teacher, form="code").loss / at_loss(student, teacher).loss
    assert float(ratio) == pytest.approx(2 / 49)


def test_dead_maps_of_attention_transfer_are_counted() -> None:
    student, teacher = activations()
    student[0] = 0
    found = at_loss(student, teacher)
    assert (found.dead, found.maps) == (1, 2)


def test_neuron_selectivity_equals_its_plain_restatement() -> None:
    student, teacher = activations()
    student[0, 1] = 0  # a dead channel
    expected = restated_losses.neuron_selectivity(student.numpy(), teacher.numpy())
    assert float(nst_loss(student, teacher)) == pytest.approx(expected, rel=1e-9)


def test_neuron_selectivity_by_hand() -> None:
    student = torch.tensor([[[[3.0, 0.0]]]])  # one channel, (1, 0)
    teacher = torch.tensor([[[[0.0, 2.0]], [[1.0, 0.0]]]])  # two, (0, 1) and (1, 0)
    # k(t,t'): 1, 0, 0, 1 -> 1/2; k(s,s'): 1; k(s,t): 0, 1 -> 1/2; 1/2 + 1 - 2/2
    assert float(nst_loss(student, teacher)) == pytest.approx(0.5)
    assert float(nst_loss(teacher, teacher)) == pytest.approx(0.0, abs=1e-7)


@pytest.mark.parametrize("form", FORMS["ab"])
@pytest.mark.parametrize("margin", [1.0, 2.0])
def test_activation_boundary_equals_its_plain_restatement(form: str, margin: float) -> None:
    response, teacher = activations(student=5)
    expected = restated_losses.activation_boundary(2 * response.numpy(), teacher.numpy(), margin, form)
    assert float(ab_loss(2 * response, teacher, margin=margin, form=form)) == pytest.approx(expected, rel=1e-9)


def test_activation_boundary_by_hand() -> None:
    # on: 2 is beyond the margin, .5 lacks .5, 1 is at it; off: -2 is beyond, .5 is 1.5 too far, -1 is at it
    response = torch.tensor([2.0, 0.5, 1.0, -2.0, 0.5, -1.0]).view(1, 6, 1, 1)
    teacher = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, -1.0]).view(1, 6, 1, 1)
    assert float(ab_loss(response, teacher)) == pytest.approx((0.25 + 2.25) / 6)
    assert float(ab_loss(response, teacher, form="code")) == pytest.approx((0.25 + 2.25) * 3 / 1000)


def test_the_teachers_side_of_zero_is_the_same_before_and_after_its_relu() -> None:
    response, teacher = activations(student=5)
    assert torch.equal(ab_loss(response, teacher), ab_loss(response, teacher.relu()))


@pytest.mark.parametrize("name", ["at cosine", "at code", "at paper", "nst", "ab"])
def test_gradients_are_right_and_the_teacher_gets_none(name: str) -> None:
    student, teacher = activations(student=5, side=3)
    student.requires_grad_()
    losses = {
        "nst": nst_loss,
        "ab": ab_loss,
        **{f"at {form}": lambda s, t, form=form: at_loss(s, t, form=form).loss for form in FORMS["at"]},
    }
    assert torch.autograd.gradcheck(lambda s: losses[name](s, teacher), student)
    losses[name](student, teacher.requires_grad_()).backward()
    assert teacher.grad is None and float(student.grad.abs().sum()) > 0


@pytest.mark.parametrize("loss", [nst_loss, ab_loss, lambda s, t: at_loss(s, t).loss])
def test_a_larger_layer_is_pooled_to_the_smaller(loss: object) -> None:
    student, teacher = activations(student=5, side=4)
    coarse = torch.nn.functional.avg_pool2d(teacher, 2)
    assert np.isfinite(float(loss(student, coarse)))
    if loss is nst_loss:
        assert torch.equal(loss(student, coarse), loss(torch.nn.functional.avg_pool2d(student, 2), coarse))


@pytest.mark.parametrize("loss", [at_loss, ab_loss])
def test_an_unknown_form_is_refused(loss: object) -> None:
    with pytest.raises(BadInputError, match="form of"):
        loss(*activations(student=5), form="magic")
