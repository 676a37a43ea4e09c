"""How alike two maps are, image by image, in numpy: (n, h, w) and (n, h, w) -> (n,) float64.

NaN means undefined and is for the caller to count; ``undefined_reasons`` says why. None of these is 0 for
unrelated maps in practice: print the shuffled-image control beside them. Nothing is resized or clipped
here: CAMs are compared after ReLU by giving ``positive(maps)``. Superpixels: `superpixel_agreement`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from skimage.metrics import structural_similarity

from xkd_core.errors import BadInputError
from xkd_core.types import Bool, Float64

Similarity = Callable[[ArrayLike, ArrayLike], Float64]

SSIM_SMALLEST_PX = 7
"""scikit-image's window; smaller maps have no SSIM."""


def positive(maps: ArrayLike) -> Float64:
    """The positive part (ReLU) of maps of any shape, which the papers compare CAMs by."""
    return np.maximum(np.asarray(maps, dtype=np.float64), 0.0)


def cosine(a: ArrayLike, b: ArrayLike, *, compat: Literal["park"] | None = None) -> Float64:
    """Cosine of the angle between two maps (paper 004, App. C.3): -1 to 1, 0 to 1 for positive maps.

    Args: a, b (n, h, w). Returns: (n,); NaN where a map is zero everywhere (compat "park": 0, as
    normalising with an epsilon makes it). Errors: BadInputError on shapes that differ.
    """
    a, b = _pair(a, b)
    unit_a, unit_b = _unit(a), _unit(b)
    value = np.clip((unit_a * unit_b).sum(axis=1), -1.0, 1.0)
    return value if compat == "park" else _where(value, _some(a) & _some(b))


def distance(a: ArrayLike, b: ArrayLike, *, compat: Literal["park"] | None = None) -> Float64:
    """Mean squared difference of the maps at unit length, in units of 1e-4: 1e4 (2 - 2 cos) / N.

    N is the number of cells, 196 in paper 004 (App. C.3, reconstructed); other grids have another scale.
    Returns: (n,), 0 and more; NaN where a map is zero everywhere (compat "park": its unit map is zero).
    """
    a, b = _pair(a, b)
    value = 1e4 * np.square(_unit(a) - _unit(b)).mean(axis=1)
    return value if compat == "park" else _where(value, _some(a) & _some(b))


def pearson(a: ArrayLike, b: ArrayLike) -> Float64:
    """Pearson correlation of the cells, (n, h, w) twice -> (n,) in -1 to 1; NaN where a map is constant."""
    a, b = _pair(a, b)
    return _correlation(a, b, _varied(a) & _varied(b))


def spearman(a: ArrayLike, b: ArrayLike) -> Float64:
    """Rank correlation of the cells, ties at their mean rank: (n,) in -1 to 1; NaN where a map is constant.

    Maps with many zeros are dominated by that tie.
    """
    a, b = _pair(a, b)
    return _correlation(rankdata(a, axis=1), rankdata(b, axis=1), _varied(a) & _varied(b))


def ssim(a: ArrayLike, b: ArrayLike, *, compat: Literal["xml"] | None = None) -> Float64:
    """Structural similarity (Wang et al. 2004) of the maps, each over its own largest absolute value.

    scikit-image's default: uniform 7x7 windows, K1 .01, K2 .03, sample covariance; data_range is 1 for a pair
    of maps >= 0 and 2 otherwise. Returns: (n,) in -1 to 1; NaN where a map is zero everywhere, and for all
    maps smaller than 7x7. compat "xml" (code of paper 001): maps as they are, data_range that of ``b``.
    """
    flat_a, flat_b = _pair(a, b)
    height, width = np.shape(a)[1:]
    found = np.full(len(flat_a), np.nan)
    if min(height, width) < SSIM_SMALLEST_PX:
        return found
    for index in np.flatnonzero((_varied(flat_b) if compat else _some(flat_b)) & _some(flat_a)):
        pair = np.stack([flat_a[index], flat_b[index]])
        if compat is None:
            pair /= np.abs(pair).max(axis=1, keepdims=True)
        data_range = np.ptp(flat_b[index]) if compat else 1.0 if pair.min() >= 0 else 2.0
        pair = pair.reshape(2, height, width)
        found[index] = structural_similarity(*pair, data_range=data_range)  # type: ignore[no-untyped-call]
    return found


def topk_overlap(a: ArrayLike, b: ArrayLike, *, share: float = 0.1) -> Float64:
    """Intersection over union of the strongest cells of two maps: (n,) in 0 to 1; NaN for a constant map.

    Strongest: as high as the k-th highest, k = ``share`` of the cells (at least one), ties with it included,
    cells at the map's minimum never (a map with few positive cells has a smaller set).
    """
    if not 0.0 < share <= 1.0:
        raise BadInputError(f"share must be above 0 and at most 1; got {share}.")
    a, b = _pair(a, b)
    top_a, top_b = _strongest(a, share), _strongest(b, share)
    union = (top_a | top_b).sum(axis=1)
    return _where((top_a & top_b).sum(axis=1) / np.maximum(union, 1), _varied(a) & _varied(b))


def js_divergence(a: ArrayLike, b: ArrayLike) -> Float64:
    """Jensen-Shannon divergence, in bits, of the positive parts as shares of their sums (Lin 1991).

    Returns: (n,) in 0 (equal) to 1 (nothing in common), lower is more alike; NaN where a map has no positive
    value. scipy's ``jensenshannon(base=2)`` is its square root.
    """
    a, b = (_shares(np.maximum(flat, 0.0)) for flat in _pair(a, b))
    middle = (a + b) / 2
    value = np.clip((_bits(a, middle) + _bits(b, middle)) / 2, 0.0, 1.0)
    return _where(value, _some(a) & _some(b))


def undefined_reasons(a: ArrayLike, b: ArrayLike) -> list[str | None]:
    """Why a similarity of each pair of maps may be undefined: a sentence, or None where all are defined.

    Args: a, the teacher's maps (n, h, w); b, the maps compared with them.
    """
    first, second = _pair(a, b)
    small = min(np.shape(a)[1:]) < SSIM_SMALLEST_PX
    rest = "maps smaller than 7x7 have no SSIM" if small else None
    reasons: list[str | None] = []
    for teacher, other in zip(first, second, strict=True):
        found = [
            f"{whose} map is {_flaw(flat)}" for whose, flat in (("teacher's", teacher), ("its", other)) if _flaw(flat)
        ]
        reasons.append("; ".join(found) or rest)
    return reasons


def _flaw(flat: Float64) -> str:
    if not np.isfinite(flat).all():
        return "not finite"
    if not flat.any():
        return "zero everywhere"
    return "constant" if flat.max() == flat.min() else ""


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[Float64, Float64]:
    """Both as (n, cells) float64."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if first.ndim != 3 or first.shape != second.shape:
        raise BadInputError(
            f"Maps to compare must both be (n, h, w) on one grid; got {first.shape} and {second.shape}."
        )
    return _finite_or_nan(first), _finite_or_nan(second)


def _finite_or_nan(maps: Float64) -> Float64:
    """Rows (n, cells); one that holds anything not finite becomes NaN throughout, which no sum can hide."""
    flat = maps.reshape(len(maps), -1)
    finite = np.asarray(np.isfinite(flat).all(axis=1, keepdims=True))
    return flat if finite.all() else np.where(finite, flat, np.nan)


def _unit(flat: Float64) -> Float64:
    """Each row at length 1; a zero row stays zero. The largest value goes first, against underflow."""
    largest = np.abs(flat).max(axis=1, keepdims=True)
    flat = np.divide(flat, largest, out=flat.copy(), where=largest > 0)
    length = np.sqrt(np.square(flat).sum(axis=1, keepdims=True))
    unit: Float64 = np.divide(flat, length, out=flat.copy(), where=length > 0)
    return unit


def _correlation(a: Float64, b: Float64, defined: Bool) -> Float64:
    unit_a, unit_b = _unit(a - a.mean(axis=1, keepdims=True)), _unit(b - b.mean(axis=1, keepdims=True))
    return _where(np.clip((unit_a * unit_b).sum(axis=1), -1.0, 1.0), defined)


def _strongest(flat: Float64, share: float) -> Bool:
    k = max(1, round(share * flat.shape[1]))
    threshold = np.partition(flat, -k, axis=1)[:, -k, None]
    strongest: Bool = (flat >= threshold) & (flat > flat.min(axis=1, keepdims=True))
    return strongest


def _shares(flat: Float64) -> Float64:
    """Each row over its sum, the largest value first against under- and overflow; a zero row stays zero."""
    for total in (np.max, np.sum):
        of_row = total(flat, axis=1, keepdims=True)
        flat = np.divide(flat, of_row, out=flat.copy(), where=of_row > 0)
    return flat


def _bits(shares: Float64, middle: Float64) -> Float64:
    """Kullback-Leibler divergence of rows from ``middle``, which is above 0 wherever they are."""
    ratio = np.divide(shares, middle, out=np.ones_like(shares), where=shares > 0)
    bits: Float64 = (shares * np.log2(ratio)).sum(axis=1)
    return bits


def _some(flat: Float64) -> Bool:
    """Rows that are finite and not zero everywhere."""
    some: Bool = np.any(flat != 0, axis=1) & np.isfinite(flat).all(axis=1)
    return some


def _varied(flat: Float64) -> Bool:
    """Rows that are finite and not constant."""
    varied: Bool = (flat.max(axis=1) > flat.min(axis=1)) & np.isfinite(flat).all(axis=1)
    return varied


def _where(values: Float64, defined: Bool) -> Float64:
    return np.where(defined, values, np.nan)
