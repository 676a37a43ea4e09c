"""Does a map lie on the object? Maps against masks, in numpy: (n, H, W) and (n, H, W) -> (n,) float64.

Give the maps at the resolution of the masks (``resize_maps``). NaN means undefined. The chance level of
the first two is the share of the image that the mask covers (``area``), of ROC-AUC it is 0.5.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from xkd_core.errors import BadInputError
from xkd_core.types import Bool, Float, Float64


def resize_maps(maps: ArrayLike, size: tuple[int, int]) -> Float:
    """Resize maps (n, h, w) to (n, H, W) float32, bilinear as torch's interpolate with align_corners=False."""
    values = np.asarray(maps)
    if values.ndim != 3:
        raise BadInputError(f"Maps must be (n, h, w); got {values.shape}.")
    if values.shape[1:] == tuple(size):
        return values.astype(np.float32)
    rows, columns = _bilinear(values.shape[1], size[0]), _bilinear(values.shape[2], size[1])
    resized: Float = (rows @ values @ columns.T).astype(np.float32)
    return resized


def area(masks: ArrayLike) -> Float64:
    """Share of the image that each mask (n, H, W) covers: (n,) in 0 to 1."""
    shown = np.asarray(masks, dtype=bool)
    covered: Float64 = shown.reshape(len(shown), -1).mean(axis=1)
    return covered


def pointing(
    maps: ArrayLike, masks: ArrayLike, *, seed: int = 0, compat: Literal["park", "quantus"] | None = None
) -> Float64:
    """Pointing game without tolerance (Zhang et al. 2018; papers 000 and 004): 1 where the maximum is inside.

    Several equal maxima: one is drawn by ``seed``, alike for an image alone and in a batch. compat "park":
    the first in raster order; "quantus": any of them. Returns: (n,) of 0 and 1; NaN for an empty mask and,
    without compat, for a constant map ("park" takes its first pixel, "quantus" counts it as a hit).
    """
    flat, inside = _pair(maps, masks)
    highest: Bool = np.equal(flat, flat.max(axis=1, keepdims=True))
    defined: Bool = np.any(inside, axis=1)
    if compat == "quantus":
        return _where(np.asarray(np.any(highest & inside, axis=1)), defined)
    if compat == "park":
        return _where(_at(inside, highest.argmax(axis=1)), defined)
    order = np.random.default_rng(seed).random(flat.shape[1])
    picked = np.where(highest, order, -1.0).argmax(axis=1)
    return _where(_at(inside, picked), defined & ~highest.all(axis=1))


def attribution_localisation(maps: ArrayLike, masks: ArrayLike, *, compat: Literal["quantus"] | None = None) -> Float64:
    """Share of the positive attribution that lies inside the mask (Kohlbrenner et al. 2020; paper 000).

    compat "quantus": of the absolute attribution. Returns: (n,) in 0 to 1; NaN for an empty mask and for a
    map without such attribution.
    """
    flat, inside = _pair(maps, masks)
    weight = np.abs(flat) if compat == "quantus" else np.maximum(flat, 0.0)
    total = weight.sum(axis=1)
    share = (weight * inside).sum(axis=1) / np.where(total > 0, total, 1.0)
    return _where(share, inside.any(axis=1) & (total > 0))


def roc_auc(maps: ArrayLike, masks: ArrayLike) -> Float64:
    """Area under the ROC curve of the map as a detector of the mask (paper 004): (n,) in 0 to 1.

    The chance that a pixel inside ranks above one outside, ties counted half; equal to scikit-learn's. A
    constant map has 0.5 exactly. NaN where the mask is empty or covers the whole image.
    """
    flat, inside = _pair(maps, masks)
    n_inside = inside.sum(axis=1)
    n_outside = inside.shape[1] - n_inside
    ranks = np.where(inside, rankdata(flat, axis=1), 0.0).sum(axis=1)
    pairs = n_inside * n_outside
    won = ranks - n_inside * (n_inside + 1) / 2
    return _where(won / np.maximum(pairs, 1), pairs > 0)


def undefined_reasons(maps: ArrayLike, masks: ArrayLike) -> list[str | None]:
    """Why a localisation score of each map may be undefined: a sentence, or None where all are defined."""
    flat, inside = _pair(maps, masks)
    return [_reason(values, mask) for values, mask in zip(flat, inside, strict=True)]


def _reason(values: Float64, mask: Bool) -> str | None:
    if not mask.any():
        return "the mask is empty"
    if mask.all():
        return "the mask covers the whole image"
    if values.max() == values.min():
        return "the map is zero everywhere" if not values.any() else "the map is constant"
    return None if values.max() > 0 else "the map has no positive value"


def _bilinear(old: int, new: int) -> Float64:
    """Weights (new, old) of the interpolation along one side."""
    place = np.maximum((np.arange(new) + 0.5) * old / new - 0.5, 0.0)
    below = np.minimum(place.astype(np.int64), old - 1)
    above = np.minimum(below + 1, old - 1)
    weights = np.zeros((new, old))
    np.add.at(weights, (np.arange(new), below), 1.0 - (place - below))
    np.add.at(weights, (np.arange(new), above), place - below)
    return weights


def _pair(maps: ArrayLike, masks: ArrayLike) -> tuple[Float64, Bool]:
    values, inside = np.asarray(maps, dtype=np.float64), np.asarray(masks, dtype=bool)
    if values.ndim != 3 or values.shape != inside.shape:
        raise BadInputError(
            f"Maps and masks must both be (n, H, W); got {values.shape} and {inside.shape}. "
            "Resize the maps with resize_maps()."
        )
    return values.reshape(len(values), -1), inside.reshape(len(inside), -1)


def _at(inside: Bool, picked: np.ndarray) -> Bool:
    found: Bool = inside[np.arange(len(inside)), picked]
    return found


def _where(values: np.ndarray, defined: Bool) -> Float64:
    return np.where(defined, values.astype(np.float64), np.nan)
