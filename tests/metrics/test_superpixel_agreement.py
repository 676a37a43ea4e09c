"""Paper 003's comparisons of superpixels against loops, worked numbers and chance."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles_maps import ORACLES, of_superpixels
from xkd_core.errors import BadInputError
from xkd_core.metrics.superpixel_agreement import sign_agreement, superpixel_mse, superpixel_overlap, superpixel_sums

NAN = float("nan")


def made_labels(n: int, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Each image has a number of superpixels of its own."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 5, (n, *shape))
    labels[0] %= 3
    for one in labels:
        one[...] = np.unique(one, return_inverse=True)[1].reshape(shape)
    return labels


@pytest.mark.parametrize("shape", [(8, 8), (5, 7)])
def test_sums_and_their_difference_equal_the_oracles(shape: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    a, b, labels = generator.normal(size=(6, *shape)), generator.normal(size=(6, *shape)), made_labels(6, shape)
    a[2], b[3] = 0.0, 0.0
    sums = superpixel_sums(a, labels)
    for row in range(6):
        own = of_superpixels(a[row], labels[row])
        assert sums[row, : len(own)] == pytest.approx(own)
        assert np.isnan(sums[row, len(own) :]).all()
    wanted = [ORACLES["superpixel_mse"](*rows) for rows in zip(a, b, labels, strict=True)]
    np.testing.assert_allclose(superpixel_mse(a, b, labels), [NAN if value is None else value for value in wanted])
    np.testing.assert_allclose(superpixel_mse(a[:1], b[:1], labels[:1]), wanted[0])


def test_superpixels_worked_by_hand() -> None:
    labels = np.array([[[0, 0], [1, 1]]])
    a, b = np.array([[[1.0, 3.0], [-1.0, -1.0]]]), np.array([[[1.0, 0.0], [1.0, 1.0]]])
    assert superpixel_sums(a, labels).tolist() == [[4.0, -2.0]]
    assert superpixel_sums(a, labels, mean=True).tolist() == [[2.0, -1.0]]
    # 4, -2 over 4 and 1, 2 over 2: (1 - .5)² and (-.5 - 1)², two pixels each
    assert superpixel_mse(a, b, labels) == pytest.approx([(0.25 + 2.25) / 2])
    assert superpixel_mse(a, b, labels, compat="raw") == pytest.approx([(9 + 16) / 2])
    assert superpixel_mse(a, -7 * a, labels) == pytest.approx([(4 + 1) / 2])


@pytest.mark.parametrize("compat", [None, "either", "teacher"])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_overlap_and_signs_equal_their_oracles(k: int, compat: str | None) -> None:
    generator = np.random.default_rng(2)
    teacher, student = (np.round(generator.normal(size=(40, 7)), 0) for _ in range(2))  # many ties and zeros
    teacher[:, 5:][::3], student[:, 5:][::3] = NAN, NAN
    teacher[4], student[5] = 0.0, 0.0
    teacher[6, 3:], student[6, 3:] = NAN, NAN
    for name, found, extra in (
        ("superpixel_overlap", superpixel_overlap(teacher, student, k=k, seed=1), ()),
        ("sign_agreement", sign_agreement(teacher, student, k=k, compat=compat, seed=1), (compat or "both",)),
    ):
        wanted = [ORACLES[name](t.tolist(), s.tolist(), k, *extra, 1) for t, s in zip(teacher, student, strict=True)]
        np.testing.assert_allclose(found, [NAN if value is None else value for value in wanted])


def test_agreement_worked_by_hand() -> None:
    teacher, student = np.array([[3.0, -2.0, 1.0, 0.1]]), np.array([[-4.0, 0.2, 3.0, 1.0]])
    assert superpixel_overlap(teacher, student).tolist() == [0.5]  # {0, 1} and {0, 2}
    assert sign_agreement(teacher, student).tolist() == [0.0]  # superpixel 0: + and -
    assert sign_agreement(teacher, student, compat="either") == pytest.approx([1 / 3])
    assert sign_agreement(teacher, student, compat="teacher").tolist() == [0.0]
    assert np.isnan(sign_agreement([[2.0, 0.0]], [[0.0, 2.0]], k=1)).all()  # nothing in common


def test_chance_is_half_for_signs_and_nearly_one_for_maps_after_relu() -> None:
    generator = np.random.default_rng(3)
    teacher, student = generator.normal(size=(3000, 19)), generator.normal(size=(3000, 19))
    assert np.nanmean(sign_agreement(teacher, student, k=2)) == pytest.approx(0.5, abs=0.05)
    assert superpixel_overlap(teacher, student, k=2).mean() == pytest.approx(2 / 19, abs=0.01)
    assert np.nanmean(sign_agreement(np.maximum(teacher, 0), np.maximum(student, 0), k=2)) > 0.99


def test_an_image_with_too_few_superpixels_has_no_value_whatever_stands_beside_it() -> None:
    few, more = np.array([[1.0]]), np.array([[1.0, np.nan, np.nan], [3.0, 2.0, 1.0]])
    assert np.isnan(superpixel_overlap(few, few, k=2)).all() and np.isnan(sign_agreement(few, few, k=2)).all()
    beside = superpixel_overlap(more, more, k=2)
    assert np.isnan(beside[0]) and beside[1] == 1


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BadInputError, match="k = 0 of them 1 or more"):
        superpixel_overlap(np.ones((1, 2)), np.ones((1, 2)), k=0)
    with pytest.raises(BadInputError, match="labels counted from 0"):
        superpixel_sums(np.ones((1, 2, 2)), np.ones((1, 2, 2)))
