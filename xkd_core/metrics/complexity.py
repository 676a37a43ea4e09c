"""How much of the image a map claims, in numpy: maps (n, h, w) -> (n,) float64, NaN where undefined.

None of these alone makes a map good: an empty map is the simplest. Values do not depend on the scale of a
map, nor (but for interpolation) on the number of its cells. Signed maps enter by their absolute values.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xkd_core.errors import BadInputError
from xkd_core.types import Float64


def mean_l1(maps: ArrayLike, *, compat: Literal["xml"] | None = None) -> Float64:
    """Mean of |map| over its largest value: complexity in ADCC (Poppi et al. 2021), in 0 to 1, lower is simpler.

    NaN for a map that is zero everywhere or not finite. compat "xml" (code of paper 001): largest column sum of
    the map as it is (there after min-max), which grows with the number of rows.
    """
    values = np.abs(_maps(maps))
    if compat == "xml":
        columns: Float64 = values.sum(axis=1).max(axis=1)
        return columns
    return _over(values.mean(axis=(1, 2)), values.max(axis=(1, 2)))


def entropy(maps: ArrayLike, *, compat: Literal["quantus"] | None = None) -> Float64:
    """Shannon entropy of |map| / sum over log of the number of cells: 0 (one cell) to 1 (constant).

    Bhatt et al. 2020. NaN for a map that is zero everywhere, not finite or has one cell. compat "quantus": in
    nats, not divided.
    """
    flat = _flat(maps)
    shares = np.divide(flat, flat.sum(axis=1, keepdims=True), out=np.full_like(flat, np.nan), where=_usable(flat))
    nats: Float64 = -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)
    if compat == "quantus":
        return nats
    return np.where(flat.shape[1] > 1, nats / max(np.log(flat.shape[1]), 1e-300), np.nan)


def gini(maps: ArrayLike, *, compat: Literal["quantus"] | None = None) -> Float64:
    """Gini index of |map| (Chalasani et al. 2020, sparseness): 0 (constant) to 1 - 1/N (one cell), higher is sparser.

    NaN for a map that is zero everywhere or not finite. compat "quantus": 1e-7 is added to every cell, so a
    zero map has 0.
    """
    flat = _flat(maps) + (1e-7 if compat == "quantus" else 0.0)
    n_cells = flat.shape[1]
    weights = 2 * np.arange(1, n_cells + 1) - n_cells - 1
    found: Float64 = _over((np.sort(flat, axis=1) * weights).sum(axis=1), n_cells * flat.sum(axis=1))
    return found


def undefined_reasons(maps: ArrayLike) -> list[str | None]:
    """Why the complexity of each map is undefined: a sentence, or None."""
    reasons: list[str | None] = []
    for values in _flat(maps):
        finite = bool(np.isfinite(values).all())
        reasons.append(None if finite and values.any() else "the map is zero everywhere" if finite else NOT_FINITE)
    return reasons


NOT_FINITE = "the map is not finite"


def _maps(maps: ArrayLike) -> Float64:
    values = np.asarray(maps, dtype=np.float64)
    if values.ndim != 3:
        raise BadInputError(f"Maps must be (n, h, w); got {values.shape}.")
    return values


def _flat(maps: ArrayLike) -> Float64:
    """Absolute values as (n, cells), each over its largest against under- and overflow."""
    values = np.abs(_maps(maps))
    flat = values.reshape(len(values), -1)
    largest = flat.max(axis=1, keepdims=True)
    scaled: Float64 = np.divide(flat, largest, out=flat.copy(), where=np.isfinite(largest) & (largest > 0))
    return scaled


def _usable(flat: Float64) -> np.ndarray:
    total = flat.sum(axis=1, keepdims=True)
    return np.broadcast_to(np.isfinite(total) & (total > 0), flat.shape)


def _over(above: Float64, below: Float64) -> Float64:
    defined = np.isfinite(above) & np.isfinite(below) & (below > 0)
    found: Float64 = np.divide(above, below, out=np.full(len(above), np.nan), where=defined)
    return found
