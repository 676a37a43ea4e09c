"""Losses against plain re-statements in numpy, hand-made values, and gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from xkd_core.distillation.losses import kd_loss, matching_loss, task_loss
from xkd_core.distillation.task import sswa_keep


def plain_softmax(row: list[float]) -> list[float]:
    powers = [math.exp(value - max(row)) for value in row]
    return [power / sum(powers) for power in powers]


def plain_softmax_kd(student: list[list[float]], teacher: list[list[float]], temperature: float) -> float:
    total = 0.0
    for s_row, t_row in zip(student, teacher, strict=True):
        s = plain_softmax([value / temperature for value in s_row])
        t = plain_softmax([value / temperature for value in t_row])
        total += sum(q * math.log(q / p) for p, q in zip(s, t, strict=True))
    return temperature**2 * total / len(student)


def plain_bernoulli_kd(student: list[list[float]], teacher: list[list[float]], temperature: float) -> float:
    terms = []
    for s_row, t_row in zip(student, teacher, strict=True):
        for s, t in zip(s_row, t_row, strict=True):
            p, q = (1 / (1 + math.exp(-value / temperature)) for value in (s, t))
            terms.append(q * math.log(q / p) + (1 - q) * math.log((1 - q) / (1 - p)))
    return temperature**2 * sum(terms) / len(terms)


@pytest.mark.parametrize("temperature", [1.0, 4.0, 50.0])
def test_single_label_kd_equals_its_plain_restatement(temperature: float) -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 5)) * 3
    found = kd_loss(torch.tensor(values[0]), torch.tensor(values[1]), temperature=temperature, multi_label=False)
    assert float(found) == pytest.approx(
        plain_softmax_kd(values[0].tolist(), values[1].tolist(), temperature), rel=1e-9
    )


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_multi_label_kd_equals_its_plain_restatement(temperature: float) -> None:
    values = np.random.default_rng(1).normal(size=(2, 4, 8)) * 3
    found = kd_loss(torch.tensor(values[0]), torch.tensor(values[1]), temperature=temperature, multi_label=True)
    expected = plain_bernoulli_kd(values[0].tolist(), values[1].tolist(), temperature)
    assert float(found) == pytest.approx(expected, rel=1e-9)


def test_kd_is_zero_for_a_student_that_answers_like_the_teacher() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5]])
    for multi_label in (False, True):
        assert float(kd_loss(logits, logits, temperature=4, multi_label=multi_label)) == pytest.approx(0, abs=1e-7)


def test_kd_of_two_classes_has_the_value_worked_out_by_hand() -> None:
    # teacher (ln 3, 0) -> 3/4, 1/4; student (0, 0) -> 1/2, 1/2; KL = 3/4 ln(3/2) + 1/4 ln(1/2)
    found = kd_loss(torch.zeros(1, 2), torch.tensor([[math.log(3), 0.0]]), temperature=1, multi_label=False)
    assert float(found) == pytest.approx(0.75 * math.log(1.5) + 0.25 * math.log(0.5), rel=1e-6)


def test_t_squared_keeps_the_gradient_of_kd_at_high_temperature() -> None:
    student = torch.randn(4, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    teacher = torch.randn(4, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    slopes = []
    for temperature in (100.0, 200.0):
        (slope,) = torch.autograd.grad(kd_loss(student, teacher, temperature=temperature, multi_label=False), student)
        slopes.append(slope)
    torch.testing.assert_close(slopes[0], slopes[1], rtol=0.1, atol=1e-3)
    without = kd_loss(student, teacher, temperature=100.0, multi_label=False, t2=False)
    with_t2 = kd_loss(student, teacher, temperature=100.0, multi_label=False)
    assert float(with_t2 / without) == pytest.approx(100.0**2)


def test_the_teacher_gets_no_gradient() -> None:
    student, teacher = (torch.randn(2, 3, requires_grad=True) for _ in range(2))
    kd_loss(student, teacher, temperature=2, multi_label=False).backward()
    assert teacher.grad is None and student.grad is not None


def test_task_loss_is_cross_entropy_and_mean_binary_cross_entropy() -> None:
    assert float(task_loss(torch.zeros(3, 4), torch.tensor([0, 1, 3]), multi_label=False)) == pytest.approx(math.log(4))
    labels = torch.tensor([[1, 0], [0, 1]])
    assert float(task_loss(torch.zeros(2, 2), labels, multi_label=True)) == pytest.approx(math.log(2))


def test_matching_is_one_minus_cosine_with_values_by_hand() -> None:
    teacher = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0], [0.0, 0.0]]])
    student = torch.tensor([[[0.0, 3.0], [0.0, 0.0]], [[5.0, 5.0], [0.0, 0.0]]])
    assert float(matching_loss(student, teacher).loss) == pytest.approx((1 + 0) / 2, abs=1e-6)
    diagonal = matching_loss(torch.tensor([[[1.0, 1.0]]]), torch.tensor([[[1.0, 0.0]]]))
    assert float(diagonal.loss) == pytest.approx(1 - 1 / math.sqrt(2), rel=1e-6)


def test_matching_in_the_scale_of_paper_004_is_the_mean_squared_difference_of_unit_maps() -> None:
    student, teacher = (torch.rand(5, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    units = [(maps.flatten(1) / maps.flatten(1).norm(dim=1, keepdim=True)).numpy() for maps in (student, teacher)]
    printed = ((units[0] - units[1]) ** 2).mean()  # authors' code, before its weight
    assert float(matching_loss(student, teacher).loss) == pytest.approx(printed * 64 / 2, rel=1e-5)


def test_a_dead_map_counts_as_one_and_gives_no_gradient() -> None:
    signed = torch.full((2, 4, 4), -1.0)
    signed[1] = torch.arange(1.0, 17.0).view(4, 4)
    signed.requires_grad_()
    teacher = torch.rand(2, 4, 4, generator=torch.Generator().manual_seed(0))
    found = matching_loss(signed.relu(), teacher)
    found.loss.backward()
    assert signed.grad is not None
    cosine = float(torch.nn.functional.cosine_similarity(signed[1].detach().flatten(), teacher[1].flatten(), dim=0))
    assert found.dead == 1
    assert float(found.loss.detach()) == pytest.approx((1 + 1 - cosine) / 2, abs=1e-6)
    assert float(signed.grad[0].abs().sum()) == 0
    assert float(signed.grad[1].abs().sum()) > 0


def test_maps_of_two_sizes_are_refused_with_both_sizes() -> None:
    with pytest.raises(ValueError, match=r"\(1, 4, 4\) and \(1, 8, 8\)"):
        matching_loss(torch.ones(1, 4, 4), torch.ones(1, 8, 8))


def test_matching_passes_gradcheck() -> None:
    generator = torch.Generator().manual_seed(3)
    student = torch.rand(2, 3, 3, dtype=torch.float64, generator=generator).requires_grad_()
    teacher = torch.rand(2, 3, 3, dtype=torch.float64, generator=generator)
    assert torch.autograd.gradcheck(lambda maps: matching_loss(maps, teacher).loss, student)


def test_sswa_hides_exactly_the_stated_share_of_channels() -> None:
    keep = sswa_keep(256, 0.3, torch.Generator().manual_seed(0))
    assert int((keep == 0).sum()) == int(256 * 0.3)
    assert torch.equal(keep, sswa_keep(256, 0.3, torch.Generator().manual_seed(0)))
    assert not torch.equal(keep, sswa_keep(256, 0.3, torch.Generator().manual_seed(1)))
