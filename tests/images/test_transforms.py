"""Pixels to network input and back."""

from __future__ import annotations

import numpy as np

from xkd_core.images.transforms import image_sha256, to_input, to_pixels
from xkd_core.types import Transform

UNIT = Transform(size=4, mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))


def test_input_is_scaled_and_normalised_per_channel() -> None:
    pixels = np.full((1, 4, 4, 3), 255, dtype=np.uint8)
    given = to_input(pixels, UNIT)
    assert given.shape == (1, 3, 4, 4)
    assert given[0, :, 0, 0].tolist() == [1.0, 3.0, 1.0]  # (1 - mean) / std


def test_to_pixels_undoes_to_input_exactly() -> None:
    every = np.arange(256, dtype=np.uint8).repeat(3).reshape(16, 4, 4, 3)
    assert np.array_equal(to_pixels(to_input(every, UNIT), UNIT), every)


def test_other_sizes_are_resized_to_the_network() -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (2, 16, 8, 3), dtype=np.uint8)
    assert to_input(pixels, UNIT).shape == (2, 3, 4, 4)
    flat = np.full((1, 13, 7, 3), 77, dtype=np.uint8)
    assert (to_pixels(to_input(flat, UNIT), UNIT) == 77).all()


def test_a_batch_is_transformed_like_its_images_alone() -> None:
    pixels = np.random.RandomState(1).randint(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    together = to_input(pixels, UNIT)
    assert all((together[i] == to_input(pixels[i : i + 1], UNIT)[0]).all() for i in range(3))


def test_the_name_of_an_image_depends_on_pixels_and_shape_only() -> None:
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    assert image_sha256(pixels) == image_sha256(np.asfortranarray(pixels))
    assert image_sha256(pixels) != image_sha256(pixels.reshape(4, 2, 3))
    changed = pixels.copy()
    changed[0, 0, 0] ^= 1
    assert image_sha256(pixels) != image_sha256(changed)
