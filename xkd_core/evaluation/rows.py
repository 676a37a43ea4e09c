"""Rows of numbers from maps and logits: the only place where runs and metrics meet.

Similarity is to the teacher's map of the same image and class. CAMs are compared after ReLU, as the
papers do; occlusion and SHAP values as they are, signed. NaN is undefined, with its reason in the row.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from xkd_core.catalogue import EXPLAINERS
from xkd_core.metrics import localisation, similarity
from xkd_core.types import Bool, Float, Float64, Int

AFTER_RELU = frozenset(name for name, entry in EXPLAINERS.items() if entry.family == "cam")
SIMILARITIES = ("cosine", "distance", "pearson", "spearman", "ssim", "topk_overlap")
NO_OTHER = "there is no other image to compare with"
LOCALISATIONS = ("pointing", "attribution_localisation", "roc_auc")


def compared(maps: Float, explainer: str) -> Float:
    """The maps as they enter every metric: ReLU for class activation maps, signed otherwise."""
    return np.maximum(maps, 0).astype(np.float32) if explainer in AFTER_RELU else maps


def map_rows(
    maps: Float, teacher: Float, *, explainer: str, masks: Bool | None, indices: Int, seed: int = 0
) -> pd.DataFrame:
    """One row per image: similarity to the teacher, its shuffled control, and localisation.

    Args: maps, teacher (n, h, w) raw, of one explainer; masks (n, H, W) visible pixels of the explained
    class, or None; indices (n,) of the images. The control pairs image i with the teacher's map of
    another image, the same pairing for every run; of one image alone it is undefined.
    """
    ours, theirs = compared(maps, explainer), compared(teacher, explainer)
    columns: dict[str, object] = {"index": indices, "explainer": explainer}
    pair = on_one_grid(ours, theirs)
    for name in SIMILARITIES:
        columns[name] = getattr(similarity, name)(*pair)
    alone = len(ours) == 1
    columns["cosine_shuffled"] = np.nan if alone else similarity.cosine(pair[0], pair[1][other_image(len(ours))])
    columns |= _localisation(ours, masks, seed)
    frame = pd.DataFrame(columns)
    reasons = _reasons(ours, theirs, masks)
    frame["undefined"] = [reason or NO_OTHER for reason in reasons] if alone else reasons
    return frame


def on_one_grid(a: Float, b: Float) -> tuple[Float, Float]:
    """Maps (n, h, w) of two networks on the smaller of their grids: the larger is averaged down, as in the losses.

    Errors: ValueError where one grid is the smaller in height only.
    """
    if a.shape == b.shape:
        return a, b
    smaller = min(a.shape[1:], b.shape[1:])
    if any(side > other for shape in (a.shape, b.shape) for side, other in zip(smaller, shape[1:], strict=True)):
        raise ValueError(f"Neither grid is the smaller one: {a.shape[1:]} and {b.shape[1:]}.")
    return averaged_down(a, smaller), averaged_down(b, smaller)


def averaged_down(maps: Float, size: tuple[int, ...]) -> Float:
    """Means over the cells of a coarser grid (h', w') as adaptive pooling cuts it: floor and ceil of its borders."""
    for axis, cells in ((1, size[0]), (2, size[1])):
        side = maps.shape[axis]
        borders = [(cell * side // cells, -(-(cell + 1) * side // cells)) for cell in range(cells)]
        maps = np.stack([maps.take(range(low, high), axis=axis).mean(axis=axis) for low, high in borders], axis=axis)
    return maps.astype(np.float32)


def other_image(n: int) -> Int:
    """The fixed partner of each of ``n`` images for the shuffled control: never itself. Errors: ValueError for one.

    Of all rows of one table, half of them away. Wide rows have another partner, as of `pieces.Ranked`.
    """
    if n == 1:
        raise ValueError("One image has no other one.")
    return (np.arange(n) + n // 2) % max(n, 1)


def _localisation(maps: Float, masks: Bool | None, seed: int) -> Mapping[str, Float64]:
    if masks is None:
        return {}
    large = localisation.resize_maps(maps, (masks.shape[1], masks.shape[2]))
    found = {
        "pointing": localisation.pointing(large, masks, seed=seed),
        "attribution_localisation": localisation.attribution_localisation(large, masks),
        "roc_auc": localisation.roc_auc(large, masks),
    }
    area = masks.mean(axis=(1, 2))
    return {**found, "area": np.where(area > 0, area, np.nan)}


def _reasons(ours: Float, theirs: Float, masks: Bool | None) -> list[str | None]:
    words = ("the map is zero everywhere", "the teacher's map is zero everywhere", "the explained class is not shown")
    shown = [True] * len(ours) if masks is None else [bool(mask.any()) for mask in masks]
    reasons: list[str | None] = []
    for our_map, their_map, is_shown in zip(ours, theirs, shown, strict=True):
        flags = (not our_map.any(), not their_map.any(), not is_shown)
        reasons.append("; ".join(word for word, flag in zip(words, flags, strict=True) if flag) or None)
    return reasons
