"""Localisation against loops, scikit-learn and torch, worked numbers, ties and empty masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from tests.oracles import ORACLES
from xkd_core.errors import BadInputError
from xkd_core.metrics import localisation
from xkd_core.metrics.localisation import (
    area,
    attribution_localisation,
    pointing,
    resize_maps,
    roc_auc,
    undefined_reasons,
)

NAMES = ("pointing", "attribution_localisation", "roc_auc")


def made(n: int, shape: tuple[int, int], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    maps, masks = generator.normal(size=(n, *shape)), generator.random((n, *shape)) < 0.3
    maps[1] = np.round(maps[1])  # ties
    maps[2] = np.maximum(maps[2], 0)
    maps[3] = -np.abs(maps[3])
    maps[4] = 0
    masks[5], masks[6] = False, True
    return maps, masks


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(8, 8), (7, 5)])
def test_localisation_equals_its_oracles(name: str, shape: tuple[int, int]) -> None:
    maps, masks = made(12, shape)
    if name == "pointing":
        maps[1] += np.random.default_rng(3).random(shape) * 1e-3  # the oracle knows no ties
    found = getattr(localisation, name)(maps, masks)
    wanted = [ORACLES[name](values, mask) for values, mask in zip(maps, masks, strict=True)]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [np.nan if value is None else value for value in wanted], atol=1e-12)


def test_roc_auc_equals_scikit_learn() -> None:
    maps, masks = made(12, (16, 16))
    for row in (0, 1, 2, 3, 4, 7, 8):
        assert roc_auc(maps, masks)[row] == pytest.approx(
            roc_auc_score(masks[row].ravel(), maps[row].ravel()), abs=1e-12
        )


def test_localisation_worked_by_hand() -> None:
    maps = np.array([[[4.0, 1.0], [-2.0, 3.0]]])
    masks = np.array([[[False, True], [True, True]]])
    assert pointing(maps, masks).tolist() == [0.0]
    assert pointing(-maps, masks).tolist() == [1.0]
    assert attribution_localisation(maps, masks).tolist() == [4 / 8]  # 1 + 3 of 4 + 1 + 3
    assert attribution_localisation(maps, masks, compat="quantus").tolist() == [6 / 10]
    assert roc_auc(maps, masks).tolist() == [0.0]
    assert area(masks).tolist() == [0.75]


def test_constant_and_empty_maps_in_pointing() -> None:
    zero, constant = np.zeros((1, 4, 4)), np.full((1, 4, 4), 2.0)
    corner, far = np.zeros((1, 4, 4), dtype=bool), np.zeros((1, 4, 4), dtype=bool)
    corner[0, 0, 0], far[0, 3, 3] = True, True
    for maps in (zero, constant):
        assert np.isnan(pointing(maps, corner)).all()
        assert pointing(maps, corner, compat="park").tolist() == [1.0]  # the first pixel is the 'maximum'
        assert pointing(maps, far, compat="park").tolist() == [0.0]
        assert pointing(maps, far, compat="quantus").tolist() == [1.0]  # always a hit
        for compat in (None, "park", "quantus"):
            assert np.isnan(pointing(maps, ~corner & corner, compat=compat)).all()


def test_ties_are_drawn_by_the_seed_alike_alone_and_in_a_batch() -> None:
    maps, masks = np.zeros((3, 6, 6)), np.zeros((3, 6, 6), dtype=bool)
    maps[:, :, :2], masks[:, :, :1] = 1.0, True  # twelve equal maxima, six of them inside
    hits = [pointing(maps, masks, seed=seed) for seed in range(400)]
    assert np.mean(hits) == pytest.approx(0.5, abs=0.1)
    for seed in (0, 1, 2, 3):
        assert np.array_equal(pointing(maps[1:2], masks[1:2], seed=seed), hits[seed][1:2])
    assert pointing(maps, masks, compat="park").tolist() == [1, 1, 1]
    assert pointing(maps, masks, compat="quantus").tolist() == [1, 1, 1]


def test_random_maps_are_at_the_stated_chance_level() -> None:
    generator = np.random.default_rng(0)
    maps, masks = generator.random((3000, 8, 8)), generator.random((3000, 8, 8)) < 0.25
    assert pointing(maps, masks).mean() == pytest.approx(area(masks).mean(), abs=0.03)
    assert attribution_localisation(maps, masks).mean() == pytest.approx(area(masks).mean(), abs=0.01)
    assert roc_auc(maps, masks).mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("old", "new"), [((8, 8), (64, 64)), ((7, 5), (32, 20)), ((1, 1), (4, 4)), ((9, 8), (5, 3)), ((4, 4), (4, 4))]
)
def test_resizing_equals_torch(old: tuple[int, int], new: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).normal(size=(3, *old)).astype(np.float32)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(maps)[:, None], size=new, mode="bilinear", align_corners=False
    )[:, 0].numpy()
    found = resize_maps(maps, new)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_reasons_say_why_a_score_is_undefined() -> None:
    maps = np.stack([np.zeros((2, 2)), np.ones((2, 2)), -np.eye(2), np.eye(2), np.eye(2), np.eye(2)])
    masks = np.stack([np.eye(2, dtype=bool)] * 6)
    masks[4], masks[5] = False, True
    assert undefined_reasons(maps, masks) == [
        "the map is zero everywhere",
        "the map is constant",
        "the map has no positive value",
        None,
        "the mask is empty",
        "the mask covers the whole image",
    ]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInputError, match="resize_maps"):
        roc_auc(np.ones((1, 8, 8)), np.ones((1, 64, 64), dtype=bool))
    with pytest.raises(BadInputError, match="Maps must be"):
        resize_maps(np.ones((8, 8)), (4, 4))
