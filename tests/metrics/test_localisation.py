"""Localisation against loops, scikit-learn and torch, worked numbers, ties and empty masks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from tests.oracles import ORACLES
from tests.oracles_maps import ORACLES as NEW
from xkd_core.errors import BadInputError
from xkd_core.metrics import localisation
from xkd_core.metrics.localisation import (
    area,
    attribution_localisation,
    boxes,
    broken,
    class_means,
    dilated,
    energy_in_box,
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


@pytest.mark.parametrize("shape", [(8, 8), (7, 5)])
def test_iou_energy_and_broken_equal_their_oracles(shape: tuple[int, int]) -> None:
    maps, masks = made(12, shape)
    maps[1] += np.random.default_rng(3).random(shape) * 1e-3  # the oracle knows no ties
    answered = np.arange(12) % 2
    wanted = [
        [NEW["iou"](values, mask), NEW["energy_in_box"](values, mask), NEW["broken"](values, mask, one)]
        for values, mask, one in zip(maps, masks, answered, strict=True)
    ]
    found = [localisation.iou(maps, masks), energy_in_box(maps, masks), broken(maps, masks, answered)]
    np.testing.assert_allclose(np.transpose(found), np.array(wanted, dtype=float), atol=1e-12)


def test_iou_energy_and_broken_worked_by_hand() -> None:
    maps = np.array([[[4.0, 1.0, 2.0], [-2.0, 0.0, 1.0]]])
    masks = np.array([[[True, False, False], [False, True, False]]])
    assert localisation.iou(maps, masks).tolist() == [1 / 3]  # 4 and 2 are at least half of 4
    assert localisation.iou(maps, masks, threshold=0.75).tolist() == [1 / 2]
    assert boxes(masks)[0].tolist() == [[True, True, False], [True, True, False]]
    assert energy_in_box(maps, masks).tolist() == [5 / 8]
    assert broken(maps, masks, [1]).tolist() == [0.0]
    assert broken(maps, ~masks, [1]).tolist() == [1.0]
    assert np.isnan(broken(maps, ~masks, [0])).all()
    assert not boxes(np.zeros((1, 2, 3), bool)).any()
    with pytest.raises(BadInputError, match="threshold"):
        localisation.iou(maps, masks, threshold=0.0)


def test_the_games_variants_differ_where_the_sources_say() -> None:
    maps, masks = np.zeros((1, 9, 9)), np.zeros((1, 9, 9), dtype=bool)
    maps[0, 4, 0], masks[0, 4, 3:] = 1.0, True
    assert pointing(maps, masks).tolist() == [0.0]
    assert pointing(maps, masks, compat="torchray", tolerance_px=2).tolist() == [0.0]
    assert pointing(maps, masks, compat="torchray", tolerance_px=3).tolist() == [1.0]  # three pixels away
    assert np.isnan(pointing(maps, masks & ~masks, compat="torchray", tolerance_px=3)).all()
    hits, classes = [1.0, 0.0, 1.0, np.nan], [5, 5, 2, 0]
    assert class_means(hits, classes) == {2: 1.0, 5: 0.5}  # the original's mean is .75, the plain one 2/3


def test_dilation_is_a_disc() -> None:
    mask = np.zeros((1, 7, 7), dtype=bool)
    mask[0, 3, 3] = True
    for radius in (0.0, 1.0, 1.5, 3.0):
        inside = [(i - 3) ** 2 + (j - 3) ** 2 <= radius**2 for i in range(7) for j in range(7)]
        assert dilated(mask, radius)[0].ravel().tolist() == inside


def test_maps_that_are_not_finite_are_undefined_in_every_variant() -> None:
    masks = np.ones((1, 4, 4), dtype=bool)
    masks[0, 0] = False
    for bad in (np.nan, np.inf):
        maps = np.ones((1, 4, 4))
        maps[0, 2, 2] = bad
        for compat in (None, "park", "quantus", "torchray"):
            assert np.isnan(pointing(maps, masks, compat=compat)).all()
        values = [attribution_localisation(maps, masks), localisation.iou(maps, masks), energy_in_box(maps, masks)]
        assert np.isnan([*values, roc_auc(maps, masks)]).all()
        assert np.isnan(broken(maps, masks, [1])).all()
        assert undefined_reasons(maps, masks) == ["the map is not finite"]
        assert np.isnan(resize_maps(maps, (8, 8))).any()


def test_torchrays_tolerance_is_by_default_15_of_224_pixels_at_any_size() -> None:
    for side, allowed in ((224, 15), (64, 4)):
        maps, masks = np.zeros((2, side, side)), np.zeros((2, side, side), bool)
        masks[:, 0, 0] = True
        maps[0, 0, allowed] = maps[1, 0, allowed + 1] = 1.0
        assert pointing(maps, masks, compat="torchray").tolist() == [1.0, 0.0]
