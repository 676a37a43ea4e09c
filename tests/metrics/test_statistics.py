"""Means and intervals against scipy, a plain loop, statsmodels' numbers, and by simulation."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import bootstrap
from statsmodels.stats.weightstats import DescrStatsW

from xkd_core.errors import BadInputError
from xkd_core.metrics.statistics import (
    Estimate,
    mean_interval,
    normal_interval,
    paired_difference,
    share_interval,
    share_of,
)


def plain_interval(values: list[float], seed: int, n_resamples: int = 4000) -> tuple[float, float]:
    generator = np.random.RandomState(seed)
    means = sorted(
        sum(values[i] for i in generator.randint(len(values), size=len(values))) / len(values)
        for _ in range(n_resamples)
    )
    return means[int(0.025 * n_resamples)], means[int(0.975 * n_resamples)]


def test_intervals_equal_a_plain_percentile_bootstrap() -> None:
    values = np.random.default_rng(0).exponential(size=60)
    found = mean_interval(values, seed=1, n_resamples=4000)
    low, high = plain_interval(list(values), seed=2)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(low, abs=0.03)
    assert found.high == pytest.approx(high, abs=0.03)


def test_kept_draws_are_those_of_scipys_bootstrap() -> None:
    values = np.random.default_rng(0).exponential(size=300)
    found = mean_interval(values, seed=5)
    theirs = bootstrap((values,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(5))
    assert found.low == pytest.approx(theirs.confidence_interval.low, rel=1e-6)
    assert found.high == pytest.approx(theirs.confidence_interval.high, rel=1e-6)
    assert mean_interval(values, seed=5) == found  # nothing is drawn from the generator that is kept


def test_undefined_values_are_counted_and_left_out() -> None:
    found = mean_interval([1.0, math.nan, 3.0, math.nan])
    assert (found.mean, found.n, found.undefined) == (2.0, 2, 2)
    nothing = mean_interval([math.nan, math.nan])
    assert (nothing.n, nothing.undefined) == (0, 2)
    assert math.isnan(nothing.mean)
    assert str(nothing) == "- (n=0)"
    assert math.isnan(mean_interval([1.0]).low)  # one image says nothing about others
    assert str(mean_interval([0.5, 0.5])) == "0.500 [0.500, 0.500] (n=2)"


def test_differences_are_paired() -> None:
    generator = np.random.default_rng(0)
    image = generator.normal(size=100) * 10  # images differ far more than methods
    a, b = image + 1 + generator.normal(size=100) * 0.1, image
    found = paired_difference(a, b, seed=0)
    assert 0.95 < found.low < 1 < found.high < 1.05
    b[:3] = math.nan
    assert paired_difference(a, b).undefined == 3
    with pytest.raises(BadInputError, match="same images"):
        paired_difference(a, b[:50])


def test_the_seed_decides() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert mean_interval(values, seed=3) == mean_interval(values, seed=3)
    assert mean_interval(values, seed=3).low != mean_interval(values, seed=4).low


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(1)
    found = [mean_interval(generator.normal(size=80), seed=seed, n_resamples=300) for seed in range(200)]
    assert 0.89 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.99


def test_shares_have_wilsons_interval() -> None:
    found = share_interval(3, 10)
    z = 1.959963984540054
    middle, half = (3 + z**2 / 2) / (10 + z**2), z / (10 + z**2) * math.sqrt(3 * 7 / 10 + z**2 / 4)
    assert (found.mean, found.n) == (0.3, 10)
    assert (found.low, found.high) == (pytest.approx(middle - half), pytest.approx(middle + half))
    assert share_interval(0, 20).low == 0.0
    assert share_interval(0, 20).high > 0.1
    assert math.isnan(share_interval(0, 0).mean)
    with pytest.raises(BadInputError, match="0 to n"):
        share_interval(5, 4)


def test_values_must_be_one_for_each_image() -> None:
    with pytest.raises(BadInputError, match="one per image"):
        mean_interval(np.ones((2, 2)))


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [(0.1, 0.2, 1), (-0.2, -0.1, -1), (-0.1, 0.1, 0), (5e-7, 0.1, 0), (-0.1, -5e-7, 0), (math.nan, math.nan, 0)],
)
def test_an_interval_is_on_a_side_only_where_it_leaves_0_out(low, high, side):
    assert Estimate(mean=(low + high) / 2, low=low, high=high, n=10).side == side


def test_the_normal_interval_is_that_of_statsmodels_and_unknown_for_one_image():
    values = np.append(np.random.default_rng(3).normal(0.4, 0.2, 500), np.nan)
    found = normal_interval(values)
    assert (found.low, found.high) == pytest.approx(DescrStatsW(values[:-1]).zconfint_mean())
    assert (found.n, found.undefined) == (500, 1) and found.mean == pytest.approx(np.nanmean(values))
    one = normal_interval([0.5, np.nan])
    assert one.mean == 0.5 and math.isnan(one.low) and one.side == 0
    assert normal_interval([]).n == 0 and math.isnan(normal_interval([]).mean)


def test_a_share_of_values_is_its_hits_over_those_that_are_defined():
    found = share_of([1, 0, 1, np.nan, 1])
    assert found == replace(share_interval(3, 4), undefined=1)
