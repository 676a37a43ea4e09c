"""Losses against plain re-statements in numpy, hand-made values, and gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from tests import restated_losses
from xkd_core.distillation.attribution import sswa_keep, sswa_keep_each
from xkd_core.distillation.checks import KD_FORMS
from xkd_core.distillation.losses import kd_loss, kd_scale, matching_loss, same_grid, task_loss


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
    expected = temperature**2 * restated_losses.kl(values[0].tolist(), values[1].tolist(), temperature)
    assert float(found) == pytest.approx(expected, rel=1e-9)


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


@pytest.mark.parametrize("form", KD_FORMS)
@pytest.mark.parametrize("lam", [0.0, 0.25, 0.9, 1.0])
def test_each_way_to_mix_labels_and_teacher_equals_its_plain_restatement(form: str, lam: float) -> None:
    values, labels = np.random.default_rng(3).normal(size=(2, 4, 5)) * 2, [0, 3, 4, 1]
    student, teacher = torch.tensor(values[0]), torch.tensor(values[1])
    scale = kd_scale(form, lam, n_classes=5)
    far = kd_loss(student, teacher, temperature=6.0, multi_label=False, t2=scale.t2, reverse=scale.reverse)
    found = scale.task * task_loss(student, torch.tensor(labels), multi_label=False) + scale.kd * far
    expected = restated_losses.answers(form, values[0].tolist(), values[1].tolist(), labels, lam, 6.0)
    assert float(found) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_reversed_divergence_swaps_the_networks_and_only_the_student_learns(multi_label: bool) -> None:
    values = torch.tensor(np.random.default_rng(4).normal(size=(2, 3, 5)) * 2)
    student, teacher = (one.clone().requires_grad_() for one in values)
    found = kd_loss(student, teacher, temperature=3.0, multi_label=multi_label, reverse=True)
    assert float(found) == pytest.approx(
        float(kd_loss(values[1], values[0], temperature=3.0, multi_label=multi_label)), rel=1e-12
    )
    found.backward()
    assert student.grad.abs().sum() > 0 and teacher.grad is None
    assert torch.autograd.gradcheck(
        lambda one: kd_loss(one, values[1], temperature=3.0, multi_label=multi_label, reverse=True), student
    )


def test_the_code_of_paper_000_weighs_kd_16_t_squared_at_its_temperature() -> None:
    compat, sound = (kd_scale(form, 0.5, n_classes=10) for form in ("compat_000", "t2"))
    assert compat.kd == 16 * 50**2 * sound.kd and sound.t2 and not compat.t2


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(ValueError, match="form must be one of t2"):
        kd_scale("magic", 0.5, n_classes=2)


def test_cross_entropy_to_the_teachers_answers_has_the_gradient_of_kd() -> None:
    """Papers 001 and 003 write T^2 H(q_T, q_S): it differs by the teacher's entropy, a constant."""
    student = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    teacher = torch.randn(4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    written = 9.0 * torch.nn.functional.cross_entropy(student / 3, (teacher / 3).softmax(dim=1))
    (theirs,) = torch.autograd.grad(written, student)
    (ours,) = torch.autograd.grad(kd_loss(student, teacher, temperature=3, multi_label=False), student)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("multi_label", [False, True])
def test_kd_passes_gradcheck(multi_label: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    student, teacher = (torch.randn(3, 4, dtype=torch.float64, generator=generator) for _ in range(2))
    student.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda logits: kd_loss(logits, teacher, temperature=4, multi_label=multi_label), student
    )


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


def test_independent_masks_differ_from_image_to_image_and_hide_the_share_on_average() -> None:
    keep = sswa_keep_each(64, 256, 0.3, torch.Generator().manual_seed(0))
    assert keep.shape == (64, 256) and set(keep.unique().tolist()) == {0.0, 1.0}
    assert float(1 - keep.mean()) == pytest.approx(0.3, abs=0.02)  # 16384 draws: a standard error of .0036
    assert not torch.equal(keep[0], keep[1])


def test_the_larger_of_two_grids_is_averaged_to_the_smaller() -> None:
    small, large = torch.zeros(1, 2, 2), torch.arange(16.0).view(1, 4, 4)
    ours, theirs = same_grid(large, small)
    assert ours.tolist() == [[[2.5, 4.5], [10.5, 12.5]]] and theirs is not large and theirs.shape == (1, 2, 2)
    untouched = same_grid(large, large)
    assert untouched[0] is large
