"""Masked images pixel by pixel: order, ties, fills, and imputation against a dense system and pytorch-grad-cam."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer

from tests.oracles_faithfulness import blurred, imputed, ranking, replaced
from xkd_core.errors import BadInputError
from xkd_core.metrics.curves import deletion_swaps, edges, insertion_swaps, road_swaps
from xkd_core.metrics.imputation import impute
from xkd_core.metrics.masking import WHOLE, Pictures, Swap, fitted, seen, unit_maps
from xkd_core.metrics.ties import orders, ranks

X = np.random.default_rng(0).normal(size=(2, 3, 5, 6))
MAPS = np.round(np.random.default_rng(1).normal(size=(2, 5, 6)))  # many ties


def make(*swaps: Swap, x: np.ndarray = X, maps: np.ndarray = MAPS, seed: int = 0) -> np.ndarray:
    """Every swap on both images, in this order: (2 * swaps, C, H, W)."""
    rows = np.repeat([0, 1], len(swaps))
    return Pictures(x, maps, swaps, seed).make(rows, rows, np.tile(np.arange(len(swaps)), 2))


def test_orders_are_strongest_first_with_ties_by_the_seed_in_every_image_alike() -> None:
    for seed in (0, 7):
        for row in range(2):
            assert orders(MAPS.reshape(2, -1), seed=seed)[row].tolist() == ranking(MAPS[row], seed)
    same = orders(np.zeros((3, 30)), seed=1)
    assert (same == same[0]).all()
    assert not np.array_equal(same[0], orders(np.zeros((1, 30)), seed=2)[0])
    assert ranks(orders(np.array([[5.0, 9.0, 7.0]])))[0].tolist() == [2, 0, 1]


@pytest.mark.parametrize("size", [2**16 - 1, 2**16])
def test_ranks_are_right_where_sixteen_bits_end(size: int) -> None:
    values = np.random.default_rng(0).permutation(size)[None].astype(float)
    assert np.array_equal(ranks(orders(values))[0], size - 1 - values[0])


def test_mean_black_and_colours_replace_exactly_the_ranks_asked_for() -> None:
    def colour(image: np.ndarray) -> np.ndarray:
        return np.random.default_rng([4, zlib.crc32(image.astype(np.float32).tobytes()), 2]).random((3,))

    for swap, content in {
        Swap(3, 11): lambda image: 0.0,
        Swap(0, 4, "black"): lambda image: image.min(),
        Swap(5, 30, "uniform", draw=2): lambda image: image.min() + colour(image) * (image.max() - image.min()),
        Swap(5, 9, "unit", draw=2): lambda image: colour(image)[0],
        Swap(6, 7, "blur"): blurred,
    }.items():
        for image, values, found in zip(X, MAPS, make(swap, seed=4), strict=True):
            wanted = replaced(image, ranking(values, 4)[swap.low : swap.high], content(image))
            np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_ranks_by_size_use_the_absolute_value() -> None:
    for image, values, found in zip(X, MAPS, make(Swap(0, 6, by="size")), strict=True):
        np.testing.assert_array_equal(found, replaced(image, ranking(abs(values))[:6], 0.0))


def test_a_mixture_of_fills_is_the_same_as_each_alone_and_leaves_the_images_as_they_are() -> None:
    before = X.copy()
    swaps = [WHOLE, Swap(0, 9), Swap(2, 8, "blur"), Swap(0, 3, "imputed"), seen(), Swap(1, 5, "uniform", 3), WHOLE]
    together = make(*swaps).reshape(2, len(swaps), 3, 5, 6)
    for place, swap in enumerate(swaps):
        np.testing.assert_array_equal(together[:, place], make(swap))
    np.testing.assert_array_equal(X, before)
    np.testing.assert_array_equal(together[:, 0], X)


def test_seen_is_the_image_times_the_positive_part_over_the_maximum() -> None:
    share = np.maximum(MAPS, 0) / MAPS.max(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(make(seen()), X * share[:, None])
    spread = MAPS.max(axis=(1, 2), keepdims=True) - MAPS.min(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(
        make(seen(minmax=True)), X * ((MAPS - MAPS.min(axis=(1, 2), keepdims=True)) / spread)[:, None]
    )
    assert not unit_maps(np.stack([np.zeros((2, 2)), -np.eye(2)])).any()
    assert unit_maps(np.full((1, 2, 2), 3.0)).min() == 1.0
    assert not unit_maps(np.full((1, 2, 2), 3.0), minmax=True).any()


@pytest.mark.parametrize("side", [2, 5, 64])
def test_the_rise_kernel_is_nearly_a_box_and_darkens_the_border(side: int) -> None:
    ones = np.ones((1, 1, side, side))
    found = make_rise(ones)
    assert found.max() <= 1 + 1e-9
    if side == 64:
        assert found[0, 0, 32, 32] == pytest.approx(1.0)
        assert found[0, 0, 0, 0] == pytest.approx((6 / 11) ** 2, abs=0.02)


def make_rise(x: np.ndarray) -> np.ndarray:
    size = x.shape[2] * x.shape[3]
    maps = np.arange(size, dtype=float).reshape(1, *x.shape[2:])
    return Pictures(x, maps, [Swap(0, size, "rise_blur")]).make(np.array([0]), np.array([0]), np.array([0]))


@pytest.mark.parametrize("shape", [(3, 6, 7), (1, 9, 9), (3, 2, 5)])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_imputation_equals_a_dense_system_and_pytorch_grad_cam(shape: tuple[int, int, int], share: float) -> None:
    image = np.random.default_rng(2).normal(size=shape)
    n = shape[1] * shape[2]
    gone = np.random.default_rng(3).permutation(n)[: max(1, int(share * n))]
    hidden = np.isin(np.arange(n), gone)
    noisy = impute(image, hidden, noise=0.01, seed=5).reshape(shape)
    np.testing.assert_allclose(noisy, imputed(image, sorted(gone.tolist()), 0.01, 5), atol=1e-9)
    plain = impute(image, hidden.reshape(shape[1:]), noise=0.0).reshape(shape)
    shown = torch.from_numpy(~hidden).reshape(shape[1:]).int()
    theirs = NoisyLinearImputer(noise=0.0)(torch.from_numpy(image).float(), shown)
    np.testing.assert_allclose(plain, theirs.numpy(), atol=2e-6)  # theirs is float32
    assert noisy[:, ~hidden.reshape(shape[1:])].tolist() == image[:, ~hidden.reshape(shape[1:])].tolist()


def test_imputation_of_nothing_and_of_everything() -> None:
    np.testing.assert_array_equal(impute(X[0], np.zeros(30, bool)), X[0].reshape(3, -1))
    with pytest.raises(BadInputError, match="fewer than 100 %"):
        impute(X[0], np.ones(30, bool))


def test_edges_cover_every_rank_once() -> None:
    assert edges(64, 4) == [0, 16, 32, 48, 64]
    assert edges(63, 4) == [0, 16, 32, 48, 63]
    assert edges(10, 4) == [0, 3, 6, 9, 10]
    assert edges(10, 7) == [0, 2, 4, 6, 8, 10]  # five chunks: the size was rounded up
    assert edges(3, 64) == [0, 1, 2, 3]


def test_curves_go_from_the_whole_image_and_to_it() -> None:
    assert deletion_swaps(10, 2) == [WHOLE, Swap(0, 5), Swap(0, 10)]
    assert insertion_swaps(10, 2) == [Swap(0, 10, "blur"), Swap(5, 10, "blur"), WHOLE]
    assert road_swaps(10, (1.0, 50.0, 99.0), strongest=True) == [Swap(0, k, "imputed") for k in (1, 5, 9)]
    assert road_swaps(10, (50.0,), strongest=False) == [Swap(5, 10, "imputed")]


def test_maps_are_resized_and_what_does_not_fit_is_refused() -> None:
    x, maps = fitted(np.ones((2, 3, 8, 8), np.uint8), np.ones((2, 4, 4)))
    assert (x.dtype, maps.shape) == (np.float32, (2, 8, 8))
    for bad in (np.ones((3, 8, 8)), np.ones((2, 1, 8, 8))):
        with pytest.raises(BadInputError, match="one map"):
            fitted(np.ones((2, 3, 8, 8)), bad)
