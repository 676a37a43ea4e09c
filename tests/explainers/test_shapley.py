"""KernelSHAP's arithmetic: exact values when everything is enumerated, and how coalitions are drawn."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles import ORACLES
from xkd_core.errors import BadInputError
from xkd_core.explainers.shapley import coalitions, fit, size_mass


def game(n: int, seed: int = 0) -> np.ndarray:
    """A value for each of the 2^n coalitions, by their bits."""
    return np.random.default_rng(seed).normal(size=2**n)


def bits(shown: np.ndarray) -> np.ndarray:
    return shown @ (1 << np.arange(shown.shape[1]))


@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_all_coalitions_give_shapleys_own_values(n: int) -> None:
    values = game(n)
    shown, weights = coalitions(n, 2**n - 2, seed=0)
    assert len(np.unique(bits(shown))) == len(shown) == 2**n - 2
    found = fit(shown, values[bits(shown)], weights, empty=values[0], full=values[-1])
    wanted = ORACLES["kernel_shap"](n, lambda subset: values[sum(1 << feature for feature in subset)])
    np.testing.assert_allclose(found, wanted, atol=1e-10)


def test_one_feature_has_the_whole_difference() -> None:
    shown, weights = coalitions(1, 100, seed=0)
    assert fit(shown, np.zeros(0), weights, empty=1.0, full=3.5).tolist() == [2.5]


@pytest.mark.parametrize("n_samples", [64, 200, 501])
def test_values_add_up_exactly_and_linear_games_are_found_with_any_budget(n_samples: int) -> None:
    gains = np.random.default_rng(3).normal(size=19)
    shown, weights = coalitions(19, n_samples, seed=1)
    found = fit(shown, 2.0 + shown @ gains, weights, empty=2.0, full=2.0 + gains.sum())
    np.testing.assert_allclose(found, gains, atol=1e-10)
    assert len(shown) <= n_samples


def test_samples_are_pairs_and_weights_follow_the_kernel() -> None:
    shown, weights = coalitions(13, 300, seed=0)
    assert weights.sum() == pytest.approx(1.0)
    # Every coalition's complement is there with the same weight.
    assert sorted(zip(bits(shown), weights, strict=True)) == sorted(zip(bits(~shown), weights, strict=True))
    assert not (shown.all(axis=1) | ~shown.any(axis=1)).any()
    ones = weights[shown.sum(axis=1) == 1]
    assert len(ones) == 13  # the outermost size is taken whole
    assert ones.sum() == pytest.approx(size_mass(13)[0])
    by_size = [weights[shown.sum(axis=1) == size].sum() for size in range(1, 13)]
    np.testing.assert_allclose(by_size, size_mass(13), atol=0.01)  # the others nearly so


def test_the_kernel_mass_is_that_of_lundberg_and_lee() -> None:
    # (M - 1) / (C(M, s) s (M - s)) for each of the C(M, s) coalitions: 3/3, 3/4, 3/3 of M = 4
    np.testing.assert_allclose(size_mass(4), np.array([1.0, 0.75, 1.0]) / 2.75)


def test_features_are_shown_equally_often() -> None:
    shown, weights = coalitions(19, 2000, seed=5)
    np.testing.assert_allclose(weights @ shown, 0.5, atol=1e-12)  # by the pairs


def test_the_seed_decides_and_nothing_else() -> None:
    first, again, other = (coalitions(19, 200, seed=seed)[0] for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_more_samples_bring_the_values_nearer() -> None:
    values = game(10)
    wanted = ORACLES["kernel_shap"](10, lambda subset: values[sum(1 << feature for feature in subset)])
    errors = []
    for budget in (40, 160, 640):
        found = []
        for seed in range(5):
            shown, weights = coalitions(10, budget, seed=seed)
            found.append(fit(shown, values[bits(shown)], weights, empty=values[0], full=values[-1]))
        errors.append(float(np.square(np.array(found) - wanted).mean()))
    assert errors[0] > 2 * errors[1] > 4 * errors[2]


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(BadInputError, match="26 superpixels need at least 52 samples; got 51"):
        coalitions(26, 51, seed=0)
