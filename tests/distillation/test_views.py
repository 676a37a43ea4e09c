"""Views of training images: cut, mirrored and erased on the device of the training, as plain numpy does it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xkd_core.distillation.views import Views, draw_views, with_erasing
from xkd_core.types import Transform

SIDE = 32
TRANSFORM = Transform(size=SIDE, mean=(0.4697, 0.4787, 0.4012), std=(0.2147, 0.1989, 0.2346))
INDICES = np.array([5, 0, 7, 7, 2])


def cut_by_numpy(views: Views, pixels: np.ndarray, indices: np.ndarray, view: int) -> np.ndarray:
    """The whole batch padded by reflection, then one window out of each image."""
    margin = int(np.abs(views.shift).max())
    height, width = pixels.shape[1:3]
    padded = np.pad(pixels[indices], ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
    rows = margin + views.shift[view, indices, 0][:, None] + np.arange(height)
    columns = margin + views.shift[view, indices, 1][:, None] + np.arange(width)
    columns = np.where(views.flip[view, indices][:, None], columns[:, ::-1], columns)
    return padded[np.arange(len(indices))[:, None, None], rows[:, :, None], columns[:, None, :]]


def input_by_numpy(views: Views, pixels: np.ndarray, indices: np.ndarray, view: int) -> np.ndarray:
    """In float32, one operation after the other; a rectangle becomes 0."""
    mean, std = (np.array(of, dtype=np.float32) for of in (TRANSFORM.mean, TRANSFORM.std))
    x = (cut_by_numpy(views, pixels, indices, view).astype(np.float32) / np.float32(255) - mean) / std
    for image, (top, left, height, width) in zip(x, views.erase[view, indices], strict=True):
        image[top : top + height, left : left + width] = 0
    return x.transpose(0, 3, 1, 2)


def drawn(n: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (n, *shape, 3), dtype=np.uint8)


@pytest.mark.parametrize(("shape", "shift_px"), [((SIDE, SIDE), 4), ((6, 9), 2), ((5, 3), 0), ((3, 4), 7), ((1, 4), 2)])
def test_what_is_cut_is_what_numpy_cuts(shape: tuple[int, int], shift_px: int) -> None:
    views = draw_views(8, n_views=4, shift_px=shift_px, seed=1)
    for view in range(4):
        found = views.take(drawn(8, *shape), INDICES, view)
        assert np.array_equal(found.numpy(), cut_by_numpy(views, drawn(8, *shape), INDICES, view))
        assert found.dtype == torch.uint8


def test_an_input_has_the_bits_that_numpy_gives_it() -> None:
    views = with_erasing(draw_views(8, n_views=4, shift_px=4, seed=1), share=0.8, size_px=SIDE, seed=2)
    assert views.erase.any() and views.flip.any()
    for view in range(4):
        found = views.batch(drawn(8, SIDE, SIDE), INDICES, view, TRANSFORM)
        assert np.array_equal(found.numpy(), input_by_numpy(views, drawn(8, SIDE, SIDE), INDICES, view))


def test_an_input_is_made_on_the_device_of_the_training() -> None:
    views = with_erasing(draw_views(8, n_views=2, shift_px=4, seed=1), share="0.8 black", size_px=SIDE, seed=2)
    made = views.batch(drawn(8, SIDE, SIDE), INDICES, 1, TRANSFORM, torch.device("meta"))
    assert (made.device.type, made.shape) == ("meta", (5, 3, SIDE, SIDE))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_an_input_has_the_same_bits_on_a_gpu() -> None:
    views = with_erasing(draw_views(8, n_views=4, shift_px=4, seed=1), share=0.8, size_px=SIDE, seed=2)
    for view in range(4):
        made = views.batch(drawn(8, SIDE, SIDE), INDICES, view, TRANSFORM, torch.device("cuda"))
        assert torch.equal(made.cpu(), views.batch(drawn(8, SIDE, SIDE), INDICES, view, TRANSFORM))
