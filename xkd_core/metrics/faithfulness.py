"""Does the map say what the network uses? Formulas on answers to masked images, in numpy, one value per image.

FE: faithfulness estimate (Alvarez-Melis & Jaakkola 2018). MC: monotonicity correlation (A. Nguyen & Rodríguez
Martínez 2020), what paper 000 calls MS. The others judge the image times its map (Chattopadhyay et al. 2018;
Poppi et al. 2021, ADCC). What is shown to the network is in `probes`; NaN means undefined.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xkd_core.metrics import similarity
from xkd_core.metrics.localisation import resize_maps
from xkd_core.types import Float64

NEVER_BELOW = 1e-5
"""Quantus' eps: answers nearer to 0 are not divided by."""


def faithfulness_estimate(sums: ArrayLike, falls: ArrayLike) -> Float64:
    """Pearson correlation of a chunk's attribution with the fall of the answer when only it is replaced.

    Args: sums, falls (n, chunks). Returns: (n,) in -1 to 1; NaN where either is constant. The sums differ by
    orders of magnitude, so the first chunks decide: see the rank form too.
    """
    return _rows(similarity.pearson, sums, falls)


def faithfulness_estimate_rank(sums: ArrayLike, falls: ArrayLike) -> Float64:
    """The same with Spearman's correlation: sums, falls (n, chunks) -> (n,) in -1 to 1."""
    return _rows(similarity.spearman, sums, falls)


def monotonicity_correlation(sums: ArrayLike, answers: ArrayLike, whole: ArrayLike) -> Float64:
    """Spearman correlation of a chunk's absolute attribution with how much its colour matters.

    Args: sums (n, chunks) of |map|; answers (n, chunks, colours) with the chunk in random colours; whole (n,)
    answer to the image. A chunk's effect is the mean squared change over whole² (over 1 where whole < 1e-5).
    Returns: (n,) in -1 to 1; NaN where either side is constant.
    """
    answer = np.asarray(whole, dtype=np.float64)[:, None]
    weight = 1.0 / np.where(np.abs(answer) >= NEVER_BELOW, answer, 1.0) ** 2
    effect = np.square(np.asarray(answers, dtype=np.float64) - answer[..., None]).mean(axis=2) * weight
    return _rows(similarity.spearman, sums, effect)


def average_drop(whole: ArrayLike, seen: ArrayLike, *, compat: Literal["gradcam"] | None = None) -> Float64:
    """Share of the answer that is lost when only what the map shows remains: max(0, whole - seen) / whole.

    Args: answers to the image and to the image times its map, (n,). Returns: (n,) in 0 to 1; NaN where the
    answer to the image is 0. compat "gradcam": the difference, not divided. Papers print percent.
    """
    before, after = np.asarray(whole, dtype=np.float64), np.asarray(seen, dtype=np.float64)
    lost = np.maximum(before - after, 0.0)
    if compat == "gradcam":
        return lost
    return np.divide(lost, before, out=np.full_like(lost, np.nan), where=before > 0)


def confidence_increase(whole: ArrayLike, seen: ArrayLike) -> Float64:
    """1 where the answer is higher on the image times its map than on the image: (n,) of 0 and 1."""
    before, after = np.asarray(whole, dtype=np.float64), np.asarray(seen, dtype=np.float64)
    return np.where(np.isnan(before) | np.isnan(after), np.nan, after > before)


def coherency(maps: ArrayLike, again: ArrayLike, *, compat: Literal["adcc", "gradcam"] | None = None) -> Float64:
    """Pearson correlation of a map with the map of the image times it, (n, h, w) twice -> (n,) in -1 to 1.

    NaN where one is constant. compat: (1 + r) / 2, in 0 to 1, and a constant map gives 0 ("adcc") or .5
    ("gradcam", whose denominator has an epsilon).
    """
    found = similarity.pearson(maps, again)
    if compat is None:
        return found
    known = np.isfinite(found)
    return np.where(known, (1.0 + np.where(known, found, 0.0)) / 2, 0.0 if compat == "adcc" else 0.5)


def coherency_ssim(
    maps: ArrayLike, again: ArrayLike, *, size: tuple[int, int] | None = None, compat: Literal["xml"] | None = None
) -> Float64:
    """Structural similarity of a map with the map of the image times it, on the native grid: (n,) in -1 to 1.

    NaN where one is zero everywhere and below 7x7. compat "xml" (code of paper 001): maps after
    min-max, resized to ``size``, the range of the second map as data_range.
    """
    if compat is None or size is None:
        return similarity.ssim(maps, again)
    return similarity.ssim(resize_maps(maps, size), resize_maps(again, size), compat=compat)


def adcc(coherence: ArrayLike, complexity: ArrayLike, drop: ArrayLike) -> Float64:
    """Harmonic mean of coherency, 1 - complexity and 1 - average drop (Poppi et al. 2021), all as shares.

    Args: coherence (n,) in 0 to 1, that is (1 + r) / 2. Returns: (n,) in 0 to 1; 0 where a factor is 0.
    """
    terms = np.stack([np.asarray(coherence), 1.0 - np.asarray(complexity), 1.0 - np.asarray(drop)]).astype(np.float64)
    with np.errstate(divide="ignore"):
        mean: Float64 = 3.0 / (1.0 / terms).sum(axis=0)
    return np.where((terms == 0).any(axis=0) & ~np.isnan(terms).any(axis=0), 0.0, mean)


def _rows(correlate: similarity.Similarity, a: ArrayLike, b: ArrayLike) -> Float64:
    """Correlate the rows of (n, k) and (n, k); not finite is undefined, as constant is."""
    first, second = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    finite = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    found = np.full(len(first), np.nan)
    if finite.any():
        found[finite] = correlate(first[finite][:, None], second[finite][:, None])
    return found
