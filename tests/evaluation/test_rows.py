"""Rows against values worked out by hand, and the controls that stand beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xkd_core.evaluation.answers import answer_rows
from xkd_core.evaluation.controls import control_maps
from xkd_core.evaluation.rows import averaged_down, compared, map_rows, on_one_grid, other_image


def test_cams_are_compared_after_relu_and_perturbation_maps_signed() -> None:
    maps = np.array([[[-1.0, 2.0]]], dtype=np.float32)
    assert compared(maps, "cam").tolist() == [[[0.0, 2.0]]]
    assert compared(maps, "occlusion").tolist() == [[[-1.0, 2.0]]]


def test_a_row_holds_the_similarity_the_control_and_the_place() -> None:
    teacher = np.zeros((2, 8, 8), np.float32)
    teacher[0, 1, 1], teacher[1, 6, 6] = 1.0, 2.0
    ours = teacher.copy()
    ours[1] = 0.0
    ours[1, 6, 6], ours[1, 0, 0] = 3.0, 4.0
    masks = np.zeros((2, 8, 8), bool)
    masks[:, 5:, 5:] = True
    rows = map_rows(ours, teacher, explainer="cam", masks=masks, indices=np.array([4, 9]))
    assert rows["index"].tolist() == [4, 9]
    assert rows["cosine"].tolist() == pytest.approx([1.0, 0.6])  # 3 / sqrt(3² + 4²)
    assert rows["cosine_shuffled"].tolist() == pytest.approx([0.0, 0.0])
    assert rows["distance"].tolist() == pytest.approx([0.0, 1e4 * 0.8 / 64], abs=1e-6)
    assert rows["pointing"].tolist() == [0.0, 0.0]
    assert rows["attribution_localisation"].tolist() == pytest.approx([0.0, 3 / 7])
    assert rows["area"].tolist() == pytest.approx([9 / 64, 9 / 64])
    assert rows["undefined"].tolist() == [None, None]


def test_what_is_undefined_is_nan_with_its_reason() -> None:
    teacher = np.ones((3, 8, 8), np.float32)
    teacher[1] = -1.0  # zero after ReLU
    teacher[0, 0, 0] = teacher[2, 0, 0] = 2.0
    ours = teacher.copy()
    ours[0] = 0.0
    masks = np.ones((3, 8, 8), bool)
    masks[:, 0] = False
    masks[2] = False
    rows = map_rows(ours, teacher, explainer="cam", masks=masks, indices=np.arange(3))
    assert rows["cosine"].isna().tolist() == [True, True, False]
    assert rows["pointing"].isna().tolist() == [True, True, True]
    assert "zero everywhere" in rows["undefined"][0]
    assert "teacher's map is zero" in rows["undefined"][1]
    assert rows["undefined"][2] == "the explained class is not shown"


def test_without_masks_there_are_no_places() -> None:
    maps = np.random.default_rng(0).random((2, 8, 8)).astype(np.float32)
    rows = map_rows(maps, maps, explainer="cam", masks=None, indices=np.arange(2))
    assert "pointing" not in rows


@pytest.mark.parametrize("n", [2, 3, 10, 2001])
def test_the_shuffled_partner_is_never_the_image_itself(n: int) -> None:
    partner = other_image(n)
    assert sorted(partner) == list(range(n))
    assert (partner != np.arange(n)).all()


def test_one_image_alone_has_no_shuffled_control() -> None:
    maps = np.random.default_rng(0).random((1, 8, 8)).astype(np.float32)
    row = map_rows(maps, maps, explainer="cam", masks=None, indices=np.array([4])).iloc[0]
    assert np.isnan(row["cosine_shuffled"]) and row["cosine"] == pytest.approx(1)
    assert row["undefined"] == "there is no other image to compare with"
    with pytest.raises(ValueError, match="no other"):
        other_image(1)


def test_controls_know_nothing_of_the_image_and_repeat() -> None:
    made = control_maps((3, 8, 8), seed=1)
    assert np.array_equal(made["random"], control_maps((3, 8, 8), seed=1)["random"])
    assert not np.array_equal(made["random"][0], made["random"][1])
    centre = made["centre"][0]
    assert np.array_equal(centre, centre[::-1])
    assert np.array_equal(centre, centre.T)
    # one cell off the middle in both directions: exp(-(1/16)² · 2 / (2 · .25²))
    assert centre[4, 4] == pytest.approx(np.exp(-((1 / 16) ** 2) * 2 / (2 * 0.25**2)))


def test_multi_label_answers_are_decisions_on_the_explained_class() -> None:
    logits, teacher = np.array([[1.0, -2.0], [-1.0, 3.0]]), np.array([[2.0, -1.0], [2.0, -5.0]])
    labels = np.array([[1, 0], [0, 1]], np.uint8)
    rows = answer_rows(logits, teacher, labels=labels, targets=np.array([0, 0]), multi_label=True)
    assert rows["same_answer"].tolist() == [True, False]
    assert rows["right"].tolist() == [True, True]  # says yes to class 0, which is shown; says no, and it is not
    assert rows["prob"].tolist() == pytest.approx([1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))])


def test_single_label_answers_are_the_top_class() -> None:
    logits, teacher = np.array([[1.0, 3.0], [2.0, 0.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])
    labels = np.array([[0, 1], [1, 0]], np.uint8)
    rows = answer_rows(logits, teacher, labels=labels, targets=np.array([1, 1]), multi_label=False)
    assert rows["same_answer"].tolist() == [True, False]
    assert rows["right"].tolist() == [True, True]
    assert rows["prob"][0] == pytest.approx(np.exp(3) / (np.exp(1) + np.exp(3)))


@pytest.mark.parametrize(("side", "cells"), [((7, 7), (4, 4)), ((8, 8), (2, 2)), ((10, 9), (8, 8)), ((5, 5), (5, 5))])
def test_maps_are_averaged_down_as_adaptive_pooling_does(side: tuple[int, int], cells: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).random((3, *side), dtype=np.float32)
    expected = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(maps)[:, None], cells)[:, 0].numpy()
    assert np.allclose(averaged_down(maps, cells), expected, atol=1e-6)


def test_two_grids_meet_on_the_smaller_one() -> None:
    large, small = np.ones((2, 4, 4), dtype=np.float32), np.zeros((2, 2, 2), dtype=np.float32)
    large[:, :2, :2] = 5
    for a, b in (on_one_grid(large, small), on_one_grid(small, large)[::-1]):
        assert np.array_equal(a[0], [[5, 1], [1, 1]]) and np.array_equal(b, small)
    with pytest.raises(ValueError, match="Neither grid"):
        on_one_grid(np.ones((1, 2, 4), dtype=np.float32), np.ones((1, 4, 2), dtype=np.float32))
