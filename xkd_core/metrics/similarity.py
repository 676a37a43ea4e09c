"""Similarity of two stacks of maps, one value per pair: a, b (n, h, w) -> (n,) float64.

NaN is undefined (a zero or constant map), for the caller to count; nothing is averaged here. What is
compared is the caller's choice: CAMs after ReLU as in the papers, SHAP and occlusion values signed.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

from xkd_core.errors import BadInputError
from xkd_core.types import Float, Float64

SMALLEST_SSIM_MAP = 7
TOP_SHARE = 0.1


def cosine(a: Float, b: Float, *, compat: str | None = None) -> Float64:
    """Cosine of the flattened maps, -1..1 (0..1 after ReLU); paper 004 C.3.

    Undefined when either map is zero; ``compat="park"`` counts such a pair as 0, as the authors' code does.
    """
    first, second = _flat(a, b)
    product = _norm(first) * _norm(second)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(product > 0, (first * second).sum(axis=1) / product, np.nan)
    return np.nan_to_num(value, nan=0.0) if compat == "park" else np.clip(value, -1, 1)


def distance(a: Float, b: Float) -> Float64:
    """1e4 / N · ‖a/‖a‖ - b/‖b‖‖² = 1e4 (2 - 2 cos) / N over N map cells, in units of 1e-4; paper 004 C.3.

    The paper's N is 196 (14x14 maps), so only values on equal grids compare. Undefined for a zero map.
    """
    return 1e4 * (2 - 2 * cosine(a, b)) / (a.shape[1] * a.shape[2])


def pearson(a: Float, b: Float) -> Float64:
    """Pearson correlation over the cells, -1..1; undefined when either map is constant."""
    first, second = _flat(a, b)
    return _correlation(first, second)


def spearman(a: Float, b: Float) -> Float64:
    """Spearman correlation, ties at their mean rank, -1..1; undefined when either map is constant.

    ReLU maps have many tied zeros, which dominate the value: read it beside Pearson.
    """
    first, second = _flat(a, b)
    return _correlation(rankdata(first, axis=1), rankdata(second, axis=1))


def ssim(a: Float, b: Float) -> Float64:
    """Structural similarity (Wang et al. 2004) of the maps scaled by their own max |value|, 7x7 window.

    Data range 1 for maps >= 0, else 2. Undefined for a zero map and for maps below 7x7 cells.
    """
    if min(a.shape[1:]) < SMALLEST_SSIM_MAP:
        return np.full(len(a), np.nan)
    _flat(a, b)
    return np.array([_one_ssim(first, second) for first, second in zip(a, b, strict=True)], dtype=np.float64)


def topk_overlap(a: Float, b: Float, *, share: float = TOP_SHARE) -> Float64:
    """Intersection over union of the two sets of top cells (``share`` of all, at least one), 0..1.

    Ties at the edge go to the cell that comes first in the raster. Undefined when either map is constant.
    """
    first, second = _flat(a, b)
    k = max(1, round(share * first.shape[1]))
    ours, theirs = (_top(values, k) for values in (first, second))
    overlap = (ours & theirs).sum(axis=1) / (ours | theirs).sum(axis=1)
    constant = (np.ptp(first, axis=1) == 0) | (np.ptp(second, axis=1) == 0)
    return np.where(constant, np.nan, overlap)


def _flat(a: Float, b: Float) -> tuple[Float64, Float64]:
    if a.ndim != 3 or a.shape != b.shape:
        raise BadInputError(
            f"Maps to compare must be (n, h, w) and of one shape; got {a.shape} and {b.shape}. Resize one first."
        )
    return a.reshape(len(a), -1).astype(np.float64), b.reshape(len(b), -1).astype(np.float64)


def _norm(values: Float64) -> Float64:
    norm: Float64 = np.sqrt((values**2).sum(axis=1))
    return norm


def _correlation(first: Float64, second: Float64) -> Float64:
    # A constant row must be caught by its range: its deviations from a rounded mean are not exactly zero.
    constant = (np.ptp(first, axis=1) == 0) | (np.ptp(second, axis=1) == 0)
    first, second = (values - values.mean(axis=1, keepdims=True) for values in (first, second))
    product = _norm(first) * _norm(second)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = np.where(constant | (product == 0), np.nan, (first * second).sum(axis=1) / product)
    return np.clip(value, -1, 1)


def _one_ssim(a: Float, b: Float) -> float:
    top = float(np.abs(a).max()), float(np.abs(b).max())
    if min(top) == 0:
        return float("nan")
    data_range = 1.0 if min(a.min(), b.min()) >= 0 else 2.0
    first, second = a.astype(np.float64) / top[0], b.astype(np.float64) / top[1]
    return float(structural_similarity(first, second, data_range=data_range))


def _top(values: Float64, k: int) -> np.ndarray:  # type: ignore[type-arg]
    order = np.argsort(-values, axis=1, kind="stable")[:, :k]
    chosen = np.zeros(values.shape, dtype=bool)
    np.put_along_axis(chosen, order, True, axis=1)
    return chosen
