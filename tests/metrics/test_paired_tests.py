"""Paired tests and effect sizes against counting by hand, and how often they cry wolf."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test
from statsmodels.stats.multitest import multipletests

from xkd_core.errors import BadInputError
from xkd_core.metrics.paired_tests import holm, paired_test


def exact_permutation(differences: list[float]) -> float:
    observed = abs(sum(differences))
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((1, -1), repeat=len(differences))
    ]
    return sum(total >= observed - 1e-12 for total in sums) / len(sums)


def exact_wilcoxon(differences: list[float]) -> float:
    """Without ties: how many of all signings of the ranks are as extreme."""
    order = sorted(range(len(differences)), key=lambda place: abs(differences[place]))
    ranks = {place: rank for rank, place in enumerate(order, 1)}
    observed = sum(ranks[place] * (1 if differences[place] > 0 else -1) for place in ranks)
    sums = [
        abs(sum(s * r for s, r in zip(signs, ranks.values(), strict=True)))
        for signs in product((1, -1), repeat=len(ranks))
    ]
    return sum(total >= abs(observed) for total in sums) / len(sums)


def test_small_samples_equal_counting_all_signs() -> None:
    a = np.random.default_rng(0).normal(size=9) + 0.4
    found = paired_test(a, np.zeros(9))
    assert found.permutation_p == pytest.approx(exact_permutation(list(a)))
    assert found.wilcoxon_p == pytest.approx(exact_wilcoxon(list(a)))


def test_effect_sizes_worked_by_hand() -> None:
    found = paired_test([3.0, 1.0, 5.0, 2.0], [1.0, 2.0, 2.0, 2.0])  # +2 -1 +3 0
    assert found.n == 4
    assert found.d_z == pytest.approx(1.0 / math.sqrt((1 + 4 + 4 + 1) / 3))
    assert found.rank_biserial == pytest.approx((2 + 3 - 1) / 6)
    assert found.superiority == pytest.approx((2 + 0.5) / 4)
    swapped = paired_test([1.0, 2.0, 2.0, 2.0], [3.0, 1.0, 5.0, 2.0])
    assert (swapped.d_z, swapped.rank_biserial) == (pytest.approx(-found.d_z), pytest.approx(-found.rank_biserial))
    assert swapped.permutation_p == found.permutation_p


def sign_test(first: int, second: int) -> float:
    """How many of all ways to give a sign to each image that differs are as uneven, counted by hand."""
    ways = [math.comb(first + second, k) for k in range(first + second + 1)]
    return sum(one for one in ways if one <= ways[first]) / 2 ** (first + second)


@pytest.mark.parametrize(
    ("first", "second", "p"),
    [(4, 0, 0.125), (5, 0, 0.0625), (6, 0, 0.03125), (8, 2, 0.109375), (1, 1, 1.0), (30, 12, None)],
)
def test_metrics_of_0_and_1_have_the_exact_sign_test_among_any_number_of_equal_images(first, second, p) -> None:
    a, b = np.ones(2000), np.ones(2000)
    b[:first], a[first : first + second] = 0, 0
    found = paired_test(a, b, n_resamples=0).wilcoxon_p
    assert found == pytest.approx(sign_test(first, second))
    assert p is None or found == p
    assert paired_test(a / 3 + 1, b / 3 + 1, n_resamples=0).wilcoxon_p == found  # 1/3 is none: sizes round


def test_few_differences_of_other_sizes_are_ranked_exactly_among_equal_images() -> None:
    few = [0.1, 0.2, -0.3, 0.4, 0.5, 0.6]
    found = paired_test([*few, *np.zeros(2000)], np.zeros(2006), n_resamples=0)
    assert found.wilcoxon_p == pytest.approx(exact_wilcoxon(few))


def test_a_sum_that_is_0_but_for_rounding_is_no_difference() -> None:
    rounding = 1.0 - (0.6 + 0.3 + 0.1)
    assert rounding != 0
    found = paired_test([1.0, 1.0, 1.0, rounding], np.zeros(4), n_resamples=0)
    assert (found.wilcoxon_p, found.rank_biserial, found.superiority) == (0.25, 1.0, (3 + 0.5) / 4)


def test_undefined_pairs_are_counted_and_nothing_stays_nothing() -> None:
    found = paired_test([1.0, math.nan, 3.0], [0.0, 1.0, math.nan])
    assert (found.n, found.undefined) == (1, 2)
    assert found.permutation_p == 1.0
    same = paired_test([1.0, 2.0], [1.0, 2.0])
    assert (same.wilcoxon_p, same.permutation_p, same.rank_biserial, same.superiority) == (1.0, 1.0, 0.0, 0.5)
    none = paired_test([], [])
    assert none.n == 0
    assert all(math.isnan(value) for value in (none.wilcoxon_p, none.permutation_p, none.d_z, none.superiority))
    with pytest.raises(BadInputError, match="same images twice"):
        paired_test([1.0], [1.0, 2.0])


def test_the_seed_decides_when_not_all_signs_fit() -> None:
    a, b = np.random.default_rng(1).normal(size=(2, 60))
    assert paired_test(a, b, seed=1, n_resamples=500) == paired_test(a, b, seed=1, n_resamples=500)
    assert (
        paired_test(a, b, seed=1, n_resamples=500).permutation_p
        != paired_test(a, b, seed=2, n_resamples=500).permutation_p
    )


@pytest.mark.parametrize(("n", "draws"), [(9, 999), (25, 300), (400, 999)])
def test_p_values_are_those_of_scipy_with_the_same_seed(n, draws) -> None:
    a = np.random.default_rng(n).normal(size=n) + 0.1
    expected = permutation_test((a,), np.mean, permutation_type="samples", n_resamples=draws,
                                rng=np.random.default_rng(5)).pvalue  # fmt: skip
    assert paired_test(a, np.zeros(n), seed=5, n_resamples=draws).permutation_p == pytest.approx(expected)


def test_holm_is_statsmodels_holm() -> None:
    p = np.random.default_rng(3).uniform(size=40) ** 2
    found = holm({str(number): value for number, value in enumerate(p)}, family="forty")
    np.testing.assert_allclose(list(found.values()), multipletests(p, method="holm")[1])


def test_without_a_difference_one_test_in_twenty_says_there_is_one() -> None:
    generator = np.random.default_rng(2)
    found = [paired_test(generator.normal(size=25), generator.normal(size=25), n_resamples=300) for _ in range(300)]
    for name in ("wilcoxon_p", "permutation_p"):
        assert 0.02 <= np.mean([getattr(one, name) < 0.05 for one in found]) <= 0.09


def test_holm_worked_by_hand() -> None:
    p = {"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}
    # ascending .005·4, .01·3, .03·2, then at least that of the one before
    assert holm(p, family="four") == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert list(holm(p, family="four")) == ["a", "b", "c", "d"]
    assert holm({"a": 0.7, "b": 0.9}, family="two") == {"a": 1.0, "b": 1.0}
    part = holm({"a": 0.01, "b": math.nan}, family="one of two")
    assert part["a"] == 0.01
    assert math.isnan(part["b"])
    for bad in ({}, {"a": 1.2}):
        with pytest.raises(BadInputError, match="'bad' needs p values"):
            holm(bad, family="bad")


def test_without_draws_there_is_no_permutation_test() -> None:
    found = paired_test([1.0, 2.0, 4.0], [0.0, 1.0, 1.0], n_resamples=0)
    assert math.isnan(found.permutation_p) and found.wilcoxon_p == pytest.approx(0.25)
