"""How alike two maps are superpixel by superpixel (paper 003), in numpy, one value per image.

Both networks must be explained on the same superpixels of an image. Values of superpixels are (n, k) with NaN
beyond an image's own number of them, as KernelSHAP's coefficients are; ``superpixel_sums`` makes them of maps.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xkd_core.errors import BadInputError
from xkd_core.metrics.ties import orders
from xkd_core.types import Bool, Float64, Int


def superpixel_sums(maps: ArrayLike, labels: ArrayLike, *, mean: bool = False) -> Float64:
    """Attribution of each superpixel: the sum over its pixels as in paper 003, or the mean.

    Args: maps (n, H, W); labels (n, H, W), counted 0, 1, ... in each image. Returns: (n, k), NaN where an image
    has no such superpixel. Take the mean of maps that hold a superpixel's value at each of its pixels.
    """
    values, own = _same_shape(maps, labels)
    n_labels = int(own.max()) + 1
    place = (own + n_labels * np.arange(len(own))[:, None, None]).ravel()
    sizes = np.bincount(place, minlength=len(own) * n_labels)
    sums = np.bincount(place, values.ravel(), minlength=len(own) * n_labels)
    with np.errstate(invalid="ignore"):
        found = np.where(sizes > 0, sums / np.maximum(sizes, 1) if mean else sums, np.nan)
    return found.reshape(len(own), n_labels)


def superpixel_mse(a: ArrayLike, b: ArrayLike, labels: ArrayLike, *, compat: Literal["raw"] | None = None) -> Float64:
    """Mean squared difference over the pixels of two maps summed in superpixels (paper 003, Table IV).

    Args: a, b (n, H, W) maps; labels (n, H, W). Each map is divided by its largest absolute value (the paper
    leaves the scale open; compat "raw": as it is). Returns: (n,), 0 to 4, lower is more alike; NaN where a map
    is zero on every superpixel.
    """
    _, own = _same_shape(a, labels)
    pair = [superpixel_sums(maps, own) for maps in (a, b)]
    if compat is None:
        pair = [_over_largest(values) for values in pair]
    pixels = [np.take_along_axis(values, own.reshape(len(own), -1), axis=1) for values in pair]
    found: Float64 = np.square(pixels[0] - pixels[1]).mean(axis=1)
    return np.where(np.isfinite(found), found, np.nan)


def superpixel_overlap(teacher: ArrayLike, student: ArrayLike, *, k: int = 2, seed: int = 0) -> Float64:
    """Share of the k most important superpixels of both networks that is common (paper 003; k = 2 in Fig. 11).

    Args: teacher, student (n, superpixels) values; important is large in size, equal ones by ``seed``. Returns:
    (n,) in 0 to 1; NaN where one has no value but 0, or fewer than k superpixels.
    """
    tops, defined = _tops(teacher, student, k, seed)
    return np.where(defined, (tops[0] & tops[1]).sum(axis=1) / k, np.nan)


def sign_agreement(
    teacher: ArrayLike,
    student: ArrayLike,
    *,
    k: int = 2,
    compat: Literal["teacher", "either"] | None = None,
    seed: int = 0,
) -> Float64:
    """Share of the important superpixels to which both networks give the same sign (paper 003, Table V).

    Args: teacher, student (n, superpixels) signed values, of images that both answer right. Asked are the
    superpixels in the top k of both (the paper's "overlapping"), with ``compat`` of the teacher or of either; 0 is a
    sign of its own. Returns: (n,) in 0 to 1; NaN where there is no such superpixel, or as for the overlap.
    """
    tops, defined = _tops(teacher, student, k, seed)
    asked = {None: tops[0] & tops[1], "either": tops[0] | tops[1], "teacher": tops[0]}[compat]
    same = np.sign(np.asarray(teacher, dtype=np.float64)) == np.sign(np.asarray(student, dtype=np.float64))
    count = asked.sum(axis=1)
    return np.where(defined & (count > 0), (same & asked).sum(axis=1) / np.maximum(count, 1), np.nan)


def _tops(teacher: ArrayLike, student: ArrayLike, k: int, seed: int) -> tuple[tuple[Bool, Bool], Bool]:
    """The k strongest superpixels of each, (n, superpixels) bool twice, and which images have them."""
    pair = [np.asarray(values, dtype=np.float64) for values in (teacher, student)]
    if pair[0].ndim != 2 or pair[0].shape != pair[1].shape or k < 1:
        raise BadInputError(
            f"Superpixel values must both be (n, superpixels), and k = {k} of them 1 or more; "
            f"got {pair[0].shape} and {pair[1].shape}."
        )
    # Whether an image has k of them must not depend on the images beside it.
    lacking = max(0, k - pair[0].shape[1])
    pair = [np.pad(values, ((0, 0), (0, lacking)), constant_values=np.nan) for values in pair]
    there = ~np.isnan(pair[0]) & ~np.isnan(pair[1])
    defined: Bool = there.sum(axis=1) >= k
    tops = []
    for values in pair:
        size = np.where(there, np.abs(values), -1.0)
        defined &= (size > 0).any(axis=1) & np.isfinite(size).all(axis=1)
        top = np.zeros(size.shape, dtype=bool)
        np.put_along_axis(top, orders(size, seed=seed)[:, :k], True, axis=1)
        tops.append(top)
    return (tops[0], tops[1]), defined


def _over_largest(values: Float64) -> Float64:
    largest = np.fmax.reduce(np.abs(values), axis=1, initial=0.0)[:, None]
    known = np.isfinite(largest) & (largest > 0)
    return np.asarray(np.divide(values, largest, out=np.full_like(values, np.nan), where=known))


def _same_shape(maps: ArrayLike, labels: ArrayLike) -> tuple[Float64, Int]:
    values, own = np.asarray(maps, dtype=np.float64), np.asarray(labels)
    if values.ndim != 3 or values.shape != own.shape or not np.issubdtype(own.dtype, np.integer) or own.min() < 0:
        raise BadInputError(
            f"Maps and superpixel labels must both be (n, H, W), labels counted from 0; got {values.shape} and "
            f"{own.dtype} {own.shape}."
        )
    return values, own.astype(np.int64)
