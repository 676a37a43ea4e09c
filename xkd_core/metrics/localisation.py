"""Does a map lie on the object? Maps against masks, in numpy: (n, H, W) and (n, H, W) -> (n,) float64.

Give the maps at the resolution of the masks (``resize_maps``). NaN means undefined. The chance level of
the first two is the share of the image that the mask covers (``area``), of ROC-AUC it is 0.5.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import distance_transform_edt
from scipy.stats import rankdata

from xkd_core.errors import BadInputError
from xkd_core.metrics.ties import tie_order
from xkd_core.types import Bool, Float, Float64

TORCHRAY_TOLERANCE = 15 / 224
"""How far from the object still counts as a hit, as a share of the image's height."""


def resize_maps(maps: ArrayLike, size: tuple[int, int]) -> Float:
    """Resize maps (n, h, w) to (n, H, W) float32, bilinear as torch's interpolate with align_corners=False."""
    values = np.asarray(maps)
    if values.ndim != 3:
        raise BadInputError(f"Maps must be (n, h, w); got {values.shape}.")
    if values.shape[1:] == tuple(size):
        return values.astype(np.float32)
    rows, columns = _bilinear(values.shape[1], size[0]), _bilinear(values.shape[2], size[1])
    with np.errstate(invalid="ignore"):  # an infinite cell makes NaN around it, which every metric counts
        resized: Float = (rows @ values @ columns.T).astype(np.float32)
    return resized


def area(masks: ArrayLike) -> Float64:
    """Share of the image that each mask (n, H, W) covers: (n,) in 0 to 1."""
    shown = np.asarray(masks, dtype=bool)
    covered: Float64 = shown.reshape(len(shown), -1).mean(axis=1)
    return covered


def pointing(
    maps: ArrayLike,
    masks: ArrayLike,
    *,
    seed: int = 0,
    tolerance_px: float | None = None,
    compat: Literal["park", "quantus", "torchray"] | None = None,
) -> Float64:
    """Pointing game (Zhang et al. 2018; papers 000 and 004): 1 where the maximum is inside the mask.

    Several equal maxima: one is drawn by ``seed``, alike for an image alone and in a batch. compat "park":
    the first in raster order; "quantus": any of them; "torchray": the first, and a hit within ``tolerance_px``
    of the mask too (by default TorchRay's 15 of 224 px, in proportion to the height). Returns: (n,) of 0 and 1; NaN
    for an empty mask, for a map that is not finite and, without compat, for a constant map ("park" and
    "torchray" take its first pixel, "quantus" counts it as a hit). Take the mean of ``class_means`` for the
    original's mean over classes.
    """
    if compat == "torchray":
        default = TORCHRAY_TOLERANCE * np.shape(masks)[1]
        masks = dilated(masks, default if tolerance_px is None else tolerance_px)
    flat, inside = _pair(maps, masks)
    highest: Bool = np.equal(flat, flat.max(axis=1, keepdims=True))
    defined: Bool = np.any(inside, axis=1) & np.isfinite(flat).all(axis=1)
    if compat == "quantus":
        return _where(np.asarray(np.any(highest & inside, axis=1)), defined)
    if compat is not None:
        return _where(_at(inside, highest.argmax(axis=1)), defined)
    picked = np.where(highest, tie_order(flat.shape[1], seed), -1.0).argmax(axis=1)
    return _where(_at(inside, picked), defined & ~highest.all(axis=1))


def attribution_localisation(maps: ArrayLike, masks: ArrayLike, *, compat: Literal["quantus"] | None = None) -> Float64:
    """Share of the positive attribution that lies inside the mask (Kohlbrenner et al. 2020; paper 000).

    compat "quantus": of the absolute attribution. Returns: (n,) in 0 to 1; NaN for an empty mask and for a
    map without such attribution.
    """
    flat, inside = _pair(maps, masks)
    weight = np.abs(flat) if compat == "quantus" else np.maximum(flat, 0.0)
    total = weight.sum(axis=1)
    usable = np.isfinite(total) & (total > 0)
    share = np.where(inside, weight, 0.0).sum(axis=1) / np.where(usable, total, 1.0)
    return _where(share, inside.any(axis=1) & usable)


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
    return _where(won / np.maximum(pairs, 1), (pairs > 0) & np.isfinite(flat).all(axis=1))


def iou(maps: ArrayLike, masks: ArrayLike, *, threshold: float = 0.5) -> Float64:
    """Intersection over union of the mask and the pixels with at least ``threshold`` of the map's maximum.

    Weakly supervised localisation as in Zhou et al. 2016 (there .2, and boxes). Returns: (n,) in 0 to 1; NaN
    for an empty mask and a map without a positive value. Errors: BadInputError for a threshold outside 0 to 1.
    """
    if not 0.0 < threshold <= 1.0:
        raise BadInputError(f"threshold must be above 0 and at most 1; got {threshold}.")
    flat, inside = _pair(maps, masks)
    highest = flat.max(axis=1, keepdims=True)
    found: Bool = (flat >= threshold * highest) & (flat > 0)
    union = (found | inside).sum(axis=1)
    share = (found & inside).sum(axis=1) / np.maximum(union, 1)
    return _where(share, inside.any(axis=1) & (highest[:, 0] > 0) & np.isfinite(highest[:, 0]))


def energy_in_box(maps: ArrayLike, masks: ArrayLike) -> Float64:
    """Share of the positive attribution inside the tight box around the mask (Wang et al. 2020, Score-CAM).

    Returns: (n,) in 0 to 1; NaN as for attribution localisation. Chance: the share of the box (``area`` of
    ``boxes``), which is above the mask's.
    """
    return attribution_localisation(maps, boxes(masks))


def broken(maps: ArrayLike, masks: ArrayLike, right: ArrayLike, *, seed: int = 0) -> Float64:
    """1 where the answer is right and yet the map's peak is off the object (paper 004, Table 1).

    Args: right (n,), 1 where the network answered right. Returns: (n,) of 0 and 1, lower is better, the sum is
    the paper's count of broken samples; NaN where the answer is wrong and where pointing is undefined.
    """
    answered = np.asarray(right, dtype=np.float64) > 0
    return np.where(answered, 1.0 - pointing(maps, masks, seed=seed), np.nan)


def boxes(masks: ArrayLike) -> Bool:
    """The tight box around each mask (n, H, W), filled: (n, H, W) bool; empty stays empty."""
    shown = np.asarray(masks, dtype=bool)
    rows, columns = (_between(np.asarray(shown.any(axis=axis))) for axis in (2, 1))
    filled: Bool = rows[:, :, None] & columns[:, None, :]
    return filled


def dilated(masks: ArrayLike, radius_px: float) -> Bool:
    """Each mask (n, H, W) with all pixels whose centres are at most ``radius_px`` from it."""
    shown = np.asarray(masks, dtype=bool)
    grown: Bool = np.stack([distance_transform_edt(~one) <= radius_px if one.any() else one for one in shown])
    return grown


def class_means(values: ArrayLike, classes: ArrayLike) -> dict[int, float]:
    """Mean of the defined values (n,) of each class (n,), the classes without one left out."""
    flat, of_class = np.asarray(values, dtype=np.float64), np.asarray(classes)
    known = ~np.isnan(flat)
    return {int(one): float(flat[known & (of_class == one)].mean()) for one in np.unique(of_class[known])}


def undefined_reasons(maps: ArrayLike, masks: ArrayLike) -> list[str | None]:
    """Why a localisation score of each map may be undefined: a sentence, or None where all are defined."""
    flat, inside = _pair(maps, masks)
    return [_reason(values, mask) for values, mask in zip(flat, inside, strict=True)]


def _reason(values: Float64, mask: Bool) -> str | None:
    if not mask.any():
        return "the mask is empty"
    if mask.all():
        return "the mask covers the whole image"
    if not np.isfinite(values).all():
        return "the map is not finite"
    if values.max() == values.min():
        return "the map is zero everywhere" if not values.any() else "the map is constant"
    return None if values.max() > 0 else "the map has no positive value"


def _between(line: Bool) -> Bool:
    """True from the first to the last True of each row."""
    from_left, from_right = np.maximum.accumulate(line, axis=1), np.maximum.accumulate(line[:, ::-1], axis=1)
    between: Bool = from_left & from_right[:, ::-1]
    return between


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
