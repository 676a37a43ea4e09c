"""Curves of a network's answer while pixels go or come in the order of a map, and their areas.

Deletion replaces the strongest pixels first, insertion puts them first into a blurred image (Petsiuk et al.
2018, RISE); pixel flipping (Bach et al. 2015) is the deletion curve. A curve is (n, steps + 1), the first value
before any step. Higher insertion and lower deletion are better. All in numpy, NaN means undefined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xkd_core.errors import BadInputError
from xkd_core.metrics.masking import WHOLE, Fill, Swap
from xkd_core.types import Float64


def edges(n_pixels: int, n_parts: int) -> list[int]:
    """Cut ``n_pixels`` ranks into chunks of equal size, the last one the rest: [0, size, 2 size, ..., n_pixels].

    There are fewer than ``n_parts`` chunks where the size had to be rounded up.
    """
    size = -(-n_pixels // n_parts)
    return [*range(0, n_pixels, size), n_pixels]


def deletion_swaps(n_pixels: int, n_steps: int, fill: Fill = "mean") -> list[Swap]:
    """Masked images of the deletion curve, from the whole image to none of it."""
    return [WHOLE if end == 0 else Swap(0, end, fill) for end in edges(n_pixels, n_steps)]


def insertion_swaps(n_pixels: int, n_steps: int, fill: Fill = "blur") -> list[Swap]:
    """Masked images of the insertion curve, from the blurred image to the whole one."""
    return [WHOLE if start == n_pixels else Swap(start, n_pixels, fill) for start in edges(n_pixels, n_steps)]


def road_swaps(n_pixels: int, percents: tuple[float, ...], *, strongest: bool) -> list[Swap]:
    """Images without their strongest (MoRF) or weakest (LeRF) percents of pixels, imputed."""
    counts = [min(n_pixels - 1, max(1, round(percent / 100 * n_pixels))) for percent in percents]
    return [Swap(0, k, "imputed") if strongest else Swap(n_pixels - k, n_pixels, "imputed") for k in counts]


def area(curve: ArrayLike) -> Float64:
    """Area under curves (n, steps + 1) over a way of length 1, by trapezoids: (n,).

    RISE's (sum s - s_0/2 - s_K/2) / K; NaN where a value of the curve is.
    """
    values = _curve(curve)
    return np.asarray(np.trapezoid(values, axis=1) / (values.shape[1] - 1), dtype=np.float64)


def relative_area(curve: ArrayLike, whole: ArrayLike) -> Float64:
    """Area over the answer on the whole image (n,): comparable between networks of different confidence.

    NaN where that answer is 0.
    """
    answer = np.asarray(whole, dtype=np.float64)
    found: Float64 = np.divide(area(curve), answer, out=np.full(len(answer), np.nan), where=answer > 0)
    return found


def monotonicity(curve: ArrayLike) -> Float64:
    """1 where the answer never falls while chunks are added, the least important first (Arya et al. 2019).

    Args: curve (n, chunks + 1), starting at the baseline image. Returns: (n,) of 0 and 1. Quantus 0.6 never
    inserts the pixels, so its value is always true.
    """
    rises = np.diff(_curve(curve), axis=1)
    return np.where(np.isnan(rises).any(axis=1), np.nan, (rises >= 0).all(axis=1))


def monotonicity_share(curve: ArrayLike) -> Float64:
    """Share of the steps of that curve (n, chunks + 1) at which the answer does not fall: (n,) in 0 to 1."""
    rises = np.diff(_curve(curve), axis=1)
    return np.where(np.isnan(rises).any(axis=1), np.nan, (rises >= 0).mean(axis=1))


def road(weakest_gone: ArrayLike, strongest_gone: ArrayLike) -> Float64:
    """Remove and debias: half the mean gap between removing the weakest and the strongest pixels (n, percents).

    Rong et al. 2022, combined as in pytorch-grad-cam's ROADCombined: (LeRF - MoRF) / 2, -0.5 to 0.5; 0 for an
    order that says nothing.
    """
    weak, strong = np.asarray(weakest_gone, dtype=np.float64), np.asarray(strongest_gone, dtype=np.float64)
    return np.asarray((weak - strong).mean(axis=1) / 2, dtype=np.float64)


def _curve(curve: ArrayLike) -> Float64:
    values = np.asarray(curve, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2:
        raise BadInputError(f"Curves must be (n, points) with at least two points; got {values.shape}.")
    return values
