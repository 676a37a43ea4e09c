"""Does the map lie on the object? maps (n, H, W) at the masks' resolution, masks (n, H, W) -> (n,) float64.

NaN is undefined (empty mask, zero or constant map). The chance level beside each is the mask's area share,
or .5 for ROC-AUC.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from xkd_core.errors import BadInputError
from xkd_core.types import Bool, Float, Float64


def resize_maps(maps: Float, size: tuple[int, int]) -> Float:
    """Bilinear resize (n, h, w) -> (n, H, W), pixel centres aligned (align_corners=False), edges repeated."""
    height, width = size
    if maps.shape[1:] == (height, width):
        return maps
    rows = _weights(maps.shape[1], height)  # (H, h)
    columns = _weights(maps.shape[2], width)  # (W, w)
    return np.matmul(np.matmul(rows, maps), columns.T).astype(np.float32)


def pointing(maps: Float, masks: Bool, *, seed: int = 0, compat: str | None = None) -> Float64:
    """1 where the map's peak lies in the mask, else 0 (Zhang et al. 2018, without tolerance).

    Among equal peaks one is drawn with ``seed``. Undefined for an empty mask and a constant map.
    compat: "park" takes the first peak in raster order; "quantus" counts any peak inside, also of a
    constant map (both as in the code of paper 004 and Quantus, definitions 6.3).
    """
    flat, inside = _flat(maps, masks)
    peaks = flat == flat.max(axis=1, keepdims=True)
    if compat == "quantus":
        hit = (peaks & inside).any(axis=1).astype(np.float64)
        return np.where(inside.any(axis=1), hit, np.nan)
    order = np.zeros(flat.shape[1]) if compat == "park" else np.random.RandomState(seed).random_sample(flat.shape[1])
    chosen = np.where(peaks, 1 + order, 0).argmax(axis=1)
    hit = inside[np.arange(len(flat)), chosen].astype(np.float64)
    undefined = ~inside.any(axis=1) if compat == "park" else ~inside.any(axis=1) | (np.ptp(flat, axis=1) == 0)
    return np.where(undefined, np.nan, hit)


def attribution_localisation(maps: Float, masks: Bool) -> Float64:
    """Share of the positive attribution that lies in the mask, 0..1 (Kohlbrenner et al. 2020, μ).

    Undefined for an empty mask and a map without positive values. Chance: the mask's area share.
    """
    flat, inside = _flat(maps, masks)
    positive = np.maximum(flat, 0)
    total = positive.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(total > 0, (positive * inside).sum(axis=1) / total, np.nan)
    return np.where(inside.any(axis=1), share, np.nan)


def roc_auc(maps: Float, masks: Bool) -> Float64:
    """Area under the ROC curve of the map's values as scores for 'pixel belongs to the object', 0..1.

    By the rank sum (Mann-Whitney), equal to sklearn.metrics.roc_auc_score; ties count a half, so a
    constant map has .5. Undefined when the mask is empty or covers everything. Paper 004, table 1.
    """
    flat, inside = _flat(maps, masks)
    positives = inside.sum(axis=1).astype(np.float64)
    negatives = flat.shape[1] - positives
    rank_sum = (rankdata(flat, axis=1) * inside).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        area = (rank_sum - positives * (positives + 1) / 2) / (positives * negatives)
    return np.where(positives * negatives > 0, area, np.nan)


def _flat(maps: Float, masks: Bool) -> tuple[Float64, Bool]:
    if maps.ndim != 3 or maps.shape != masks.shape:
        raise BadInputError(
            f"maps and masks must be (n, H, W) and of one shape; got {maps.shape} and {masks.shape}. "
            "Bring the maps to the masks' size with resize_maps."
        )
    return maps.reshape(len(maps), -1).astype(np.float64), masks.reshape(len(masks), -1).astype(bool)


def _weights(source: int, target: int) -> Float:
    """Row i holds the weights of the source cells that pixel i of the target is mixed from: (target, source)."""
    centre = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    low = np.minimum(centre.astype(np.int64), max(source - 2, 0))
    share = centre - low
    weights = np.zeros((target, source), dtype=np.float32)
    each = np.arange(target)
    weights[each, low] = 1 - share
    weights[each, np.minimum(low + 1, source - 1)] += share
    return weights
