"""Intervals over seeds and images against a plain double loop, special cases, and coverage by simulation."""

from __future__ import annotations

import math
import statistics

import numpy as np
import pytest
from scipy.stats import t as student_t

from xkd_core.errors import BadInputError
from xkd_core.metrics import seeds_and_images
from xkd_core.metrics.seeds_and_images import difference_over_seeds, mean_over_seeds
from xkd_core.metrics.statistics import mean_interval


def plain_interval(groups: list[np.ndarray], signs: list[int], seed: int, n: int = 3000) -> tuple[float, float]:
    generator = np.random.RandomState(seed)
    found = []
    for _ in range(n):
        images = generator.randint(groups[0].shape[1], size=groups[0].shape[1])
        total = 0.0
        for group, sign in zip(groups, signs, strict=True):
            seeds = generator.randint(len(group), size=len(group))
            total += sign * sum(group[s, i] for s in seeds for i in images) / (len(seeds) * len(images))
        found.append(total)
    low, high = float(np.percentile(found, 2.5)), float(np.percentile(found, 97.5))
    mean = sum(sign * group.mean() for group, sign in zip(groups, signs, strict=True))
    half = plain_half(groups, signs)
    return min(low, mean - half), max(high, mean + half)


def plain_half(groups: list[np.ndarray], signs: list[int]) -> float:
    """Student's half width, with Satterthwaite's degrees of freedom, one number after the other."""
    n = groups[0].shape[1]
    over_seeds = [sum(sign * group[:, i].mean() for group, sign in zip(groups, signs, strict=True)) for i in range(n)]
    parts = [(statistics.variance(over_seeds) / n, n - 1)]
    for group in groups:
        if len(group) > 1:
            parts.append((statistics.variance([float(row.mean()) for row in group]) / len(group), len(group) - 1))
    if len(parts) == 1:
        return 0.0
    variance = sum(part for part, _ in parts)
    freedom = variance**2 / sum(part**2 / degrees for part, degrees in parts)
    return float(student_t.ppf(0.975, freedom) * math.sqrt(variance))


def made(seeds: int, images: int, seed: int = 0, *, between: float = 0.5) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (
        generator.normal(size=(seeds, 1)) * between
        + generator.normal(size=images)
        + generator.normal(size=(seeds, images)) * 0.1
    )


def test_the_interval_equals_a_plain_double_loop() -> None:
    values = made(4, 12)
    found = mean_over_seeds(values, seed=1, n_resamples=6000)
    low, high = plain_interval([values], [1], seed=2)
    assert found.mean == pytest.approx(values.mean())
    assert (found.low, found.high) == (pytest.approx(low, abs=0.05), pytest.approx(high, abs=0.05))
    assert (found.n, found.seeds, found.undefined) == (12, (4,), 0)


def test_kept_draws_give_the_same_as_draws_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = made(3, 40, 0) + 1.0, made(2, 40, 1)
    kept = difference_over_seeds(a, b, seed=1), mean_over_seeds(a, seed=1)
    monkeypatch.setattr(seeds_and_images, "KEPT_VALUES", 0)
    for found, plain in zip(kept, (difference_over_seeds(a, b, seed=1), mean_over_seeds(a, seed=1)), strict=True):
        assert (found.low, found.high) == (pytest.approx(plain.low, rel=1e-6), pytest.approx(plain.high, rel=1e-6))


def test_a_difference_draws_images_together_and_seeds_apart() -> None:
    a, b = made(3, 12, 0) + 1.0, made(2, 12, 0)  # the same images
    found = difference_over_seeds(a, b, seed=1, n_resamples=6000)
    low, high = plain_interval([a, b], [1, -1], seed=2)
    assert found.mean == pytest.approx(a.mean() - b.mean())
    assert (found.low, found.high) == (pytest.approx(low, abs=0.06), pytest.approx(high, abs=0.06))
    assert found.seeds == (3, 2)


def test_paired_seeds_take_out_what_seeds_have_in_common() -> None:
    a = made(4, 30, between=3.0)
    apart, together = (difference_over_seeds(a + 1, a, paired_seeds=paired) for paired in (False, True))
    assert (together.low, together.high) == (pytest.approx(1.0), pytest.approx(1.0))
    assert apart.high - apart.low > 1


def test_one_seed_gives_the_interval_over_images() -> None:
    values = made(1, 80)
    found, plain = mean_over_seeds(values), mean_interval(values[0])
    assert (found.low, found.high) == (pytest.approx(plain.low, abs=0.03), pytest.approx(plain.high, abs=0.03))


def test_more_seeds_that_differ_widen_the_interval() -> None:
    values = made(3, 200, between=1.0)
    wide, narrow = mean_over_seeds(values), mean_interval(values.mean(axis=0))
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_an_image_counts_only_if_every_seed_has_a_value() -> None:
    values = made(2, 6)
    values[0, 1] = math.nan
    found = mean_over_seeds(values)
    assert (found.n, found.undefined) == (5, 1)
    assert found.mean == pytest.approx(np.delete(values, 1, axis=1).mean())
    assert difference_over_seeds(values, made(2, 6, 1)).undefined == 1
    none = mean_over_seeds(np.full((2, 3), math.nan))
    assert (none.n, none.undefined) == (0, 3)
    assert math.isnan(none.mean)
    assert math.isnan(mean_over_seeds([[1.0], [2.0]]).low)
    assert mean_over_seeds([[1.0], [2.0]]).mean == 1.5


@pytest.mark.parametrize("seeds", [2, 3, 10])
@pytest.mark.parametrize("between", [0.05, 0.5])
def test_intervals_cover_the_truth_nearly_as_often_as_they_say(seeds: int, between: float) -> None:
    """Also with two seeds that differ more than images do, where the bootstrap alone covers half of the cases."""
    tables = [made(seeds, 40, seed, between=between) for seed in range(200)]
    found = [mean_over_seeds(table, seed=at, n_resamples=300) for at, table in enumerate(tables)]
    assert 0.87 <= np.mean([one.low <= 0 <= one.high for one in found]) <= 0.99


def test_the_interval_ends_where_values_end() -> None:
    values = np.array([[0.1] * 50, [0.3] * 50]) + np.linspace(-5, 5, 50) * 1e-6
    found = mean_over_seeds(values)  # Student's for two numbers would reach 1.27 to both sides
    assert (found.low, found.high) == (pytest.approx(0.1, abs=1e-4), pytest.approx(0.3, abs=1e-4))


def test_equal_seeds_leave_the_interval_over_images() -> None:
    same = np.repeat(made(1, 300), 3, axis=0)
    found, plain = mean_over_seeds(same), mean_interval(same[0])
    assert found.high - found.low == pytest.approx(plain.high - plain.low, rel=0.05)


def test_the_seed_decides_and_what_does_not_fit_is_refused() -> None:
    values = made(1, 10)
    assert mean_over_seeds(values, seed=1) == mean_over_seeds(values, seed=1)
    assert mean_over_seeds(values, seed=1) != mean_over_seeds(values, seed=2)
    with pytest.raises(BadInputError, match="at least one seed"):
        mean_over_seeds(np.ones(3))
    with pytest.raises(BadInputError, match="same images twice"):
        difference_over_seeds(np.ones((2, 3)), np.ones((2, 4)))
    with pytest.raises(BadInputError, match="images and seeds twice"):
        difference_over_seeds(np.ones((2, 3)), np.ones((3, 3)), paired_seeds=True)
