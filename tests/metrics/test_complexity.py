"""Complexity against loops, worked numbers, scale, and the artefact of paper 001."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.oracles_maps import ORACLES
from xkd_core.catalogue import METRICS
from xkd_core.errors import BadInputError
from xkd_core.metrics import complexity
from xkd_core.metrics.complexity import entropy, gini, mean_l1, undefined_reasons
from xkd_core.metrics.localisation import resize_maps

NAMES = ("mean_l1", "entropy", "gini")


def made(shape: tuple[int, int]) -> np.ndarray:
    maps = np.random.default_rng(0).normal(size=(8, *shape))
    maps[1], maps[2], maps[3] = np.maximum(maps[1], 0), 0.4, 0.0
    maps[4] = 0.0
    maps[4, -1, -1] = -3.0
    maps[5] *= 1e-200
    maps[6] *= 1e200
    return maps


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(8, 8), (7, 3), (1, 5)])
def test_complexity_equals_its_oracle(name: str, shape: tuple[int, int]) -> None:
    maps = made(shape)
    wanted = [ORACLES[name](values) for values in maps]
    found = getattr(complexity, name)(maps)
    np.testing.assert_allclose(found, [np.nan if value is None else value for value in wanted], atol=1e-9)
    np.testing.assert_allclose([getattr(complexity, name)(maps[row : row + 1])[0] for row in range(8)], found)


@pytest.mark.parametrize("name", NAMES)
def test_complexity_lies_in_its_range_and_knows_no_scale(name: str) -> None:
    maps = np.random.default_rng(1).normal(size=(50, 8, 8))
    found = getattr(complexity, name)(maps)
    assert METRICS[name].low <= found.min()
    assert found.max() <= METRICS[name].high
    np.testing.assert_allclose(getattr(complexity, name)(-1e9 * maps), found)


def test_complexity_worked_by_hand() -> None:
    maps = np.array([[[4.0, 0.0], [-2.0, 2.0]]])
    assert mean_l1(maps).tolist() == [0.5]
    assert entropy(maps) == pytest.approx([1.5 * np.log(2) / np.log(4)])  # shares 1/2, 1/4, 1/4
    assert entropy(maps, compat="quantus") == pytest.approx([1.5 * np.log(2)])
    assert gini(maps) == pytest.approx([(-3 * 0 - 1 * 2 + 1 * 2 + 3 * 4) / (4 * 8)])
    one = np.array([[[0.0, 0.0], [0.0, 7.0]]])
    assert (mean_l1(one), entropy(one), gini(one)) == (0.25, 0.0, 0.75)
    same = np.full((1, 2, 2), 3.0)
    assert (mean_l1(same), gini(same)) == (1.0, 0.0)
    assert entropy(same) == pytest.approx([1.0])


def test_random_maps_are_at_the_stated_chance_level() -> None:
    maps = np.random.default_rng(0).random((2000, 8, 8))
    assert mean_l1(maps).mean() == pytest.approx(0.5, abs=0.02)
    assert entropy(maps).mean() == pytest.approx(0.97, abs=0.02)
    assert gini(maps).mean() == pytest.approx(0.33, abs=0.01)


def test_what_is_undefined_says_why() -> None:
    maps = np.zeros((3, 4, 4))
    maps[1, 0, 0], maps[2, 0, 0] = np.nan, 1.0
    for name in NAMES:
        assert np.isnan(getattr(complexity, name)(maps)).tolist() == [True, True, False]
    assert undefined_reasons(maps) == ["the map is zero everywhere", "the map is not finite", None]
    assert gini(maps[:1], compat="quantus") == pytest.approx([0.0])
    with pytest.raises(BadInputError, match="Maps must be"):
        gini(np.ones((4, 4)))


def test_the_complexity_of_paper_001_is_the_side_of_the_grid() -> None:
    """One blob on 8x8 and on 4x4 cells: its norm halves with the grid, the mean does not."""
    wide = resize_maps(np.array([[[0.2, 0.6], [0.9, 1.0]]]), (8, 8))
    narrow = resize_maps(np.array([[[0.2, 0.6], [0.9, 1.0]]]), (4, 4))
    assert (mean_l1(wide, compat="xml") / mean_l1(narrow, compat="xml"))[0] == pytest.approx(2.0, abs=0.1)
    assert (mean_l1(wide) / mean_l1(narrow))[0] == pytest.approx(1.0, abs=0.02)
    assert mean_l1(wide, compat="xml")[0] == pytest.approx(np.linalg.norm(wide[0], ord=1))


@pytest.mark.parametrize("name", NAMES)
def test_the_chance_level_that_pages_print_is_that_of_uniform_noise(name: str) -> None:
    printed = re.findall(r"0\.\d+", METRICS[name].chance)
    for value, cells in zip(printed, (8, 64), strict=False):
        noise = np.random.default_rng(0).uniform(size=(500, cells, cells))
        assert float(value) == pytest.approx(float(getattr(complexity, name)(noise).mean()), abs=0.01)
