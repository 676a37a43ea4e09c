"""Grid pointing on 2x2 mosaics: images of four classes in one picture, explained for each in turn.

Bohle et al. 2021 and Rao et al. 2022 (GridPG): data sets without masks get a place where the map should be.
The mosaic has twice the side of an image, so its quadrants are the images pixel for pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xkd_core.errors import BadInputError
from xkd_core.metrics.localisation import attribution_localisation, resize_maps
from xkd_core.types import Bool, Float64, Int

QUADRANTS = 4


def mosaic_plan(classes: ArrayLike, n: int, *, seed: int = 0) -> Int:
    """Choose the four images of ``n`` mosaics, all of different classes.

    Args: classes (images,). Returns: (n, 4) indices into them, left to right, top to bottom; every class is
    drawn alike often, every image of it too. Errors: BadInputError with fewer than four classes.
    """
    of_image = np.asarray(classes)
    known = np.unique(of_image)
    if len(known) < QUADRANTS:
        raise BadInputError(f"A mosaic needs images of four classes; got {len(known)}.")
    generator = np.random.default_rng(seed)
    chosen = [generator.permutation(known)[:QUADRANTS] for _ in range(n)]
    return np.array([[generator.choice(np.flatnonzero(of_image == one)) for one in four] for four in chosen])


def mosaics(images: NDArray[np.generic], plan: Int) -> NDArray[np.generic]:
    """Put images together as planned: (images, H, W, ...) and (n, 4) -> (n, 2H, 2W, ...), of any dtype."""
    four = images[plan]  # (n, 4, H, W, ...)
    rows = [np.concatenate([four[:, left], four[:, left + 1]], axis=2) for left in (0, 2)]
    return np.concatenate(rows, axis=1)


def quadrant_masks(quadrants: ArrayLike, size: tuple[int, int]) -> Bool:
    """The pixels of quadrant 0 to 3 of each mosaic: (n,) and (H, W) of the mosaic -> (n, H, W) bool."""
    places = np.asarray(quadrants)
    half_h, half_w = size[0] // 2, size[1] // 2
    lower, right = np.arange(size[0]) >= half_h, np.arange(size[1]) >= half_w
    found: Bool = (lower[None] == (places // 2)[:, None])[:, :, None] & (right[None] == (places % 2)[:, None])[:, None]
    return found


def grid_pointing(maps: ArrayLike, quadrants: ArrayLike, size: tuple[int, int]) -> Float64:
    """Share of the positive attribution in the quadrant of the explained class.

    Args: maps (n, h, w) of mosaics of ``size`` (H, W) px, resized to it here; quadrants (n,), 0 to 3. Returns:
    (n,) in 0 to 1, chance 0.25; NaN for a map without a positive value. Errors: BadInputError for other
    quadrants or a mosaic of odd sides.
    """
    places = np.asarray(quadrants)
    if size[0] % 2 or size[1] % 2 or not np.isin(places, range(QUADRANTS)).all():
        raise BadInputError(f"Mosaics have even sides and quadrants 0 to 3; got {size} and {np.unique(places)}.")
    return attribution_localisation(resize_maps(maps, size), quadrant_masks(places, size))
