"""Mosaics: who is where, and the share of the map in the right quadrant."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles_maps import ORACLES
from xkd_core.errors import BadInputError
from xkd_core.metrics.localisation import resize_maps
from xkd_core.metrics.mosaics import grid_pointing, mosaic_plan, mosaics, quadrant_masks


def test_a_mosaic_has_four_classes_left_to_right_top_to_bottom() -> None:
    classes = np.repeat([3, 0, 7, 5, 9], 4)
    plan = mosaic_plan(classes, 200, seed=1)
    assert plan.shape == (200, 4)
    assert all(len(set(classes[row])) == 4 for row in plan)
    assert np.array_equal(plan, mosaic_plan(classes, 200, seed=1))
    assert not np.array_equal(plan, mosaic_plan(classes, 200, seed=2))
    assert np.bincount(plan.ravel(), minlength=20).min() > 20  # of 40 expected
    images = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 3, 5, 3), np.uint8)
    found = mosaics(images, plan[:1])
    assert (found.shape, found.dtype) == ((1, 6, 10, 3), np.uint8)
    corners = found[0, [0, 0, -1, -1], [0, -1, 0, -1], 0]
    assert corners.tolist() == plan[0].tolist()


def test_quadrants_cover_the_mosaic_once() -> None:
    masks = quadrant_masks([0, 1, 2, 3], (6, 10))
    assert masks.sum(axis=0).tolist() == [[1] * 10] * 6
    assert masks[1, 0, -1]
    assert masks[2, -1, 0]


def test_grid_pointing_equals_its_oracle_and_chance() -> None:
    maps = np.random.default_rng(0).normal(size=(9, 8, 6))
    maps[7], maps[8] = -np.abs(maps[7]), 0.0
    places = np.arange(9) % 4
    wanted = [ORACLES["grid_pointing"](values, place) for values, place in zip(maps, places, strict=True)]
    found = grid_pointing(maps, places, (8, 6))
    np.testing.assert_allclose(found, [np.nan if value is None else value for value in wanted])
    coarse = grid_pointing(maps, places, (16, 18))
    wanted = ORACLES["grid_pointing"](resize_maps(maps, (16, 18))[0].astype(float), 0)
    assert coarse[0] == pytest.approx(wanted)
    noise = np.random.default_rng(1).random((2000, 8, 8))
    assert grid_pointing(noise, np.arange(2000) % 4, (8, 8)).mean() == pytest.approx(0.25, abs=0.01)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(BadInputError, match="four classes; got 3"):
        mosaic_plan([0, 1, 2, 2], 1)
    for size, place in (((7, 8), 0), ((8, 8), 4)):
        with pytest.raises(BadInputError, match="even sides and quadrants"):
            grid_pointing(np.ones((1, 4, 4)), [place], size)
