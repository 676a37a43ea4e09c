"""Proofs by running code: each against a plain restatement, and each with input for which the verdict turns round."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from xkd_core.claims import paper_003, proofs_counts, proofs_losses, proofs_maps, proofs_tables
from xkd_core.claims.base import Finding, at_most
from xkd_core.claims.table import CLAIMS

OF_CODE = [claim_id for claim_id, claim in CLAIMS.items() if claim.kind == "code"]


def numbers(finding: Finding) -> dict[str, float]:
    return {one.label: one.value for one in finding.numbers}


def verdicts(holds: Finding, fails: Finding) -> tuple[str, str]:
    return holds.verdict, fails.verdict


BOTH = ("holds", "does not hold")


def test_cams_are_alike_behind_pooling_and_not_behind_a_head_that_sees_places():
    assert verdicts(proofs_maps.cams_alike(("vgg_gap_tiny",)), proofs_maps.cams_alike(("lenet5",))) == BOTH


def test_proofs_do_not_depend_on_what_else_draws_random_numbers():
    first = [proof() for proof in (proofs_maps.cams_alike, proofs_losses.hard_label_gradient)]
    torch.manual_seed(99)
    assert [proof() for proof in (proofs_maps.cams_alike, proofs_losses.hard_label_gradient)] == first


def test_grad_cam_pp_has_a_pole_that_relu_sums_do_not_reach():
    for total in (-1.9, -2.0, -2.1, 0.5):
        alpha = 1 / (2 + total + 1e-6)
        assert proofs_maps.channel_weight(total) == pytest.approx(alpha, rel=1e-6)
    assert verdicts(proofs_maps.grad_cam_pp_jumps(), proofs_maps.grad_cam_pp_jumps((0.5, 1.0, 2.0))) == BOTH


def test_the_librarys_monotonicity_is_always_true_and_a_correct_one_is_not():
    assert numbers(proofs_maps.always_monotone()) == {"random maps called monotone, restated": 1.0}
    assert verdicts(proofs_maps.always_monotone(correct=True), proofs_maps.always_monotone()) == BOTH


def test_random_signs_agree_half_of_the_time():
    finding = proofs_maps.agreement_by_chance(n=6000)
    chance = finding.numbers[0]
    assert chance.low < 50 < chance.high
    assert chance.value == pytest.approx(100 * agreement_in_loops(6000), abs=4)
    assert verdicts(proofs_maps.agreement_by_chance({"a": 70.5, "b": 68.3}, n=6000), finding) == BOTH


def agreement_in_loops(n: int) -> float:
    rng = np.random.default_rng(5)
    found = []
    for _ in range(n):
        teacher, student = rng.normal(size=19), rng.normal(size=19)
        shared = set(np.argsort(-abs(teacher))[:2]) & set(np.argsort(-abs(student))[:2])
        if shared:
            found.append(np.mean([np.sign(teacher[one]) == np.sign(student[one]) for one in shared]))
    return float(np.mean(found))


def test_the_kd_term_at_fifty_degrees_is_far_below_a_hundredth_of_the_cross_entropy():
    found = numbers(proofs_losses.kd_share(n=512))
    generator = torch.Generator().manual_seed(0)
    student, teacher = (2 * torch.randn(512, 10, generator=generator) for _ in range(2))
    labels = torch.randint(10, (512,), generator=generator)
    p, q, hard = (values.numpy().astype(float) for values in (teacher / 50, student / 50, student))
    p, q, hard = (np.exp(values) / np.exp(values).sum(axis=1, keepdims=True) for values in (p, q, hard))
    kl, ce = (p * np.log(p / q)).sum(axis=1).mean(), -np.log(hard[np.arange(512), labels.numpy()]).mean()
    assert found["KD / CE, 10 classes"] == pytest.approx(kl / ce, rel=1e-3)
    assert verdicts(proofs_losses.kd_share(n=512, t2=True), proofs_losses.kd_share(n=512)) == BOTH


def test_ewa_is_attention_transfer_and_another_loss_would_be_seen():
    generator = torch.Generator().manual_seed(0)
    student, teacher = (torch.randn(8, channels, 7, 7, generator=generator).relu() for channels in (32, 64))
    unit = [each.numpy().astype(float) for each in (student, teacher)]
    unit = [(each**2).sum(axis=1).reshape(8, 49) for each in unit]
    unit = [each / np.linalg.norm(each, axis=1, keepdims=True) for each in unit]
    cosine = (unit[0] * unit[1]).sum(axis=1)
    assert ((unit[0] - unit[1]) ** 2).mean() * 49 / 2 == pytest.approx((1 - cosine).mean())
    assert verdicts(proofs_losses.ewa_is_at(), proofs_losses._equal(0.1, 0.0)) == BOTH


def test_equations_as_printed_do_not_train_and_repaired_ones_do():
    for proof in (proofs_losses.explanation_gradient, proofs_losses.hard_label_gradient):
        assert verdicts(proof(repaired=True), proof()) == BOTH
        assert next(iter(numbers(proof()).values())) == 0.0


def test_a_norm_below_one_is_no_sum():
    finding = proofs_losses.l1_means()
    assert numbers(finding)["λ = 1e-5 of the sum is this much of the mean"] == pytest.approx(1e-5 * 224 * 224)
    assert verdicts(proofs_losses.l1_means({"a sum": 0.189 * 224 * 224}), finding) == BOTH


def test_distances_follow_from_cosines_but_for_two_rows():
    finding = proofs_tables.distance_pairs()
    assert [one.label.partition(" (")[0] for one in finding.numbers if not one.passes] == [
        "/8 SSWA",
        "structured naive",
    ]
    u, v = np.array([3.0, 4.0, *[0.0] * 194]), np.array([4.0, 3.0, *[0.0] * 194])
    cosine = float(u @ v / 25)
    distance = 1e4 * float(((u / 5 - v / 5) ** 2).mean())
    agree = proofs_tables.distance_pairs({"made": (cosine, distance)})
    assert numbers(agree)[f"made (printed cosine {cosine:g})"] == pytest.approx(cosine)
    assert verdicts(agree, finding) == BOTH


def test_the_printed_complexity_is_the_grid():
    found = numbers(proofs_tables.complexity_of_grids())
    assert found["a constant map, 4x4, their norm"] == pytest.approx(np.linalg.norm(np.full((4, 4), 0.7), ord=1))
    assert found["the same on 8x8, their norm"] == pytest.approx(np.linalg.norm(np.full((8, 8), 0.7), ord=1))
    assert found["student / teacher of these"] == pytest.approx((2.73 / 4) / (5.65 / 8))
    halved = proofs_tables.complexity_of_grids({"teacher": (5.65, 8), "student": (2.73, 8)})
    assert verdicts(halved, proofs_tables.complexity_of_grids()) == BOTH


def test_no_harmonic_mean_of_shares_is_above_one():
    finding = proofs_tables.adcc_above_one()
    parts = (0.5768, 1 - 5.6557 / 8, 1 - 0.1228)
    assert numbers(finding)["WRN-28-10: of its printed parts, complexity as a share"] == pytest.approx(
        3 / sum(1 / part for part in parts)
    )
    assert verdicts(proofs_tables.adcc_above_one({"fine": (0.5, 0.6, 4.0, 0.1, 8)}), finding) == BOTH


def test_the_order_of_speed_is_that_of_the_passes(monkeypatch):
    holds = proofs_tables.speed_order()
    assert numbers(holds)["RISE: forward passes"] == 1000
    monkeypatch.setattr(proofs_tables, "cost", lambda name, params, size: 2000 if name == "surrogate" else 1000)
    assert verdicts(holds, proofs_tables.speed_order()) == BOTH


def test_the_factor_of_speed_differs_between_table_and_text():
    finding = proofs_tables.speed_factor()
    assert list(numbers(finding).values()) == [pytest.approx(24.4 / 0.03), pytest.approx(24.4 / 0.125)]
    assert verdicts(proofs_tables.speed_factor(rise=0.03), finding) == BOTH


def test_the_printed_gains_are_not_those_of_the_table():
    finding = proofs_tables.gains()
    assert numbers(finding)["insertion: largest gain, points"] == pytest.approx(100 * (0.7049 - 0.6517))
    assert "7.5 fits insertion" in finding.reason and "On 3 of 12 scores" in finding.reason
    made = {"insertion": ((0.623, 0.5),), "deletion": ((0.425, 0.5),)}
    assert verdicts(proofs_tables.gains(made, {"insertion": 12.3, "deletion": 7.5}), finding) == BOTH


def test_ratios_of_printed_numbers():
    assert verdicts(proofs_tables.intensity_share(), proofs_tables.intensity_share(0.3)) == BOTH
    assert verdicts(proofs_tables.grad_cam_gain(), proofs_tables.grad_cam_gain(59.0)) == BOTH
    assert verdicts(proofs_counts.same_size(100, 100), proofs_counts.same_size()) == BOTH
    assert numbers(proofs_counts.same_size()) == {
        "more parameters than the others, %": pytest.approx(100 * (3521276 - 2781386) / 2781386)
    }


def vgg_by_hand(plan: list[int], inputs: int, classes: int) -> int:
    """Convolutions of 3x3 with bias, two numbers a channel for each norm, one linear layer."""
    total, before = 0, 3
    for width in plan:
        total += 9 * before * width + width + 2 * width
        before = width
    return total + inputs * classes + classes


VGG16 = [64, 64, 128, 128, 256, 256, 256, *[512] * 6]


def test_counts_are_those_of_the_layers_by_hand(monkeypatch):
    assert numbers(proofs_counts.alharbi())["vgg16 (printed 14,728,266)"] == vgg_by_hand(VGG16, 512, 10) == 14_728_266
    classic = 25 * 6 + 6 + 25 * 6 * 16 + 16 + 400 * 120 + 120 + 120 * 84 + 84 + 84 * 10 + 10
    assert numbers(proofs_counts.lenet5()) == {"LeNet5 (printed 61,701)": classic}
    assert verdicts(proofs_counts.alharbi(), proofs_counts.lenet5()) == BOTH
    monkeypatch.setattr(proofs_counts, "LENET5", classic)
    monkeypatch.setattr(proofs_counts, "SMALL_CAE", 1078)
    assert verdicts(proofs_counts.lenet5(), proofs_counts.alharbi()) == BOTH


def test_the_large_autoencoder_cannot_be_decided():
    finding = proofs_counts.large_autoencoder()
    down = sum(16 * a * b + b for a, b in ((3, 12), (12, 24), (24, 48), (48, 96)))
    up = sum(16 * a * b + b for a, b in ((96, 48), (48, 24), (24, 12), (12, 3)))
    assert numbers(finding) == {"nearest public network": down + up}
    assert finding.verdict == "not testable here"


def test_the_student_of_paper_001_is_smaller(monkeypatch):
    holds = proofs_counts.chhabra()
    assert numbers(holds)["ResNet-18"] == 11_173_962
    assert numbers(holds)["teacher / student"] == pytest.approx(36_479_194 / 11_173_962)
    monkeypatch.setattr(proofs_counts, "count_parameters", lambda model: 5)
    assert verdicts(holds, proofs_counts.chhabra()) == BOTH


def test_paper_004s_sizes_by_hand(monkeypatch):
    cut = [19, 64, 128, 128, 256, 256, 256, *[153] * 6]
    holds = proofs_counts.park()
    assert list(numbers(holds).values()) == [
        vgg_by_hand(VGG16, 512 * 49, 20), vgg_by_hand([width // 8 for width in VGG16], 64 * 49, 20),
        vgg_by_hand(cut, 153 * 49, 20),
    ]  # fmt: skip
    monkeypatch.setitem(proofs_counts.PARK, "structured", 3.2)
    assert verdicts(holds, proofs_counts.park()) == BOTH


def test_sixteen_rounds_leave_less_than_printed():
    kernels = sum(9 * a * b for a, b in zip([3, *VGG16[:-1]], VGG16, strict=True))
    finding = proofs_counts.rounds()
    assert numbers(finding)["15 rounds, kernels, biases and norms"] == round(kernels * 0.8**15) + 3 * sum(VGG16)
    assert numbers(finding)["16 rounds, all"] == round(kernels * 0.8**16) + 3 * sum(VGG16) + 512 * 49 * 20 + 20
    assert verdicts(proofs_counts.rounds(at=15), finding) == BOTH


def test_a_tiled_mask_keeps_columns_of_other_channels():
    right = proofs_counts.columns(interleaved=True, channels=4, kept=2)
    wrong = proofs_counts.columns(channels=4, kept=2)
    mask = [False] * 4
    for place in np.random.default_rng(0).permutation(4)[:2]:
        mask[place] = True
    tiled = [mask[column % 4] for column in range(4 * 49)]
    fitting = sum(used and mask[column // 49] for column, used in enumerate(tiled))
    assert numbers(wrong)["kept columns of kept channels"] == pytest.approx(fitting / sum(tiled))
    assert verdicts(right, wrong) == BOTH


def test_a_vote_of_people_is_not_repeated_by_code():
    finding = paper_003.triads()
    (number,) = finding.numbers
    z, share, n = 1.959964, 0.6, 30
    middle = (share + z * z / 2 / n) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / 4 / n / n) / (1 + z * z / n)
    assert (number.low, number.high) == (pytest.approx(middle - half, abs=1e-6), pytest.approx(middle + half, abs=1e-6))
    assert finding.verdict == "not testable here"
    assert "not shown to be above" in paper_003.triads(11).reason


@pytest.mark.parametrize("claim_id", OF_CODE)
def test_every_proof_is_of_the_settings_that_the_claim_names(claim_id, tmp_path):
    """No root and no run enters: the same finding from an empty folder."""
    assert CLAIMS[claim_id].judge(tmp_path) == CLAIMS[claim_id].judge(None)


def test_a_difference_that_is_rounding_is_shown_by_its_order():
    assert [at_most(value) for value in (0.0, 1e-6, 3.4e-6, 9.99e-6)] == pytest.approx([0.0, 1e-6, 1e-5, 1e-5])
