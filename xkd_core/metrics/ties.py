"""One rule for equal values everywhere: a seeded draw for each pixel, the same in every image.

So an image has the same order alone and in a batch, and no corner of the picture is favoured.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xkd_core.types import Float64, Int

Ranks = NDArray[np.unsignedinteger]


def tie_order(n_pixels: int, seed: int) -> Float64:
    """One draw for each pixel: of equal values, the one with the higher draw comes first, in every image."""
    return np.random.default_rng(seed).random(n_pixels)


def orders(values: ArrayLike, *, seed: int = 0) -> Int:
    """Pixels from the strongest to the weakest: values (n, pixels) -> (n, pixels) indices; ties by ``seed``."""
    flat = np.asarray(values)
    drawn = _order_of_equals(flat.shape[1], seed)
    found: Int = drawn[np.argsort(-flat[:, drawn], axis=1, kind="stable")]
    return found


@lru_cache(maxsize=32)
def _order_of_equals(n_pixels: int, seed: int) -> Int:
    """The order of equal values."""
    return np.argsort(-tie_order(n_pixels, seed))


def ranks(order: Int) -> Ranks:
    """The place of each pixel in an order: (n, pixels) -> (n, pixels), 0 = strongest."""
    n_pixels = order.shape[1]
    found: Ranks = np.empty(order.shape, np.uint16 if n_pixels < 2**16 else np.uint32)
    np.put_along_axis(found, order, np.arange(n_pixels, dtype=found.dtype)[None], axis=1)
    return found
