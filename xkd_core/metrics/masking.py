"""Masked images: which pixels of an image are replaced, in the order of a map, and by what.

Everything that faithfulness metrics show a network is a `Swap`, so metrics that ask for the same masked
image share it (`planner`). Hidden pixels become 0, the mean colour in normalised space, wherever a metric
does not define another fill. Images and maps in numpy; no network is known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import convolve, gaussian_filter

from xkd_core.errors import BadInputError
from xkd_core.metrics.imputation import impute
from xkd_core.metrics.localisation import resize_maps
from xkd_core.metrics.ties import Ranks, orders, ranks
from xkd_core.types import Float, Float64, Int

Fill = Literal["mean", "black", "blur", "rise_blur", "uniform", "unit", "imputed", "seen", "seen_minmax"]
By = Literal["value", "size"]

BLUR_RADIUS_PX, BLUR_SIGMA_PX = 5, 5.0
ROAD_NOISE = 0.01


@dataclass(frozen=True, order=True)
class Swap:
    """Pixels of rank low..high-1 (0 = strongest, by ``value`` or by ``size`` = absolute value) get a fill.

    mean: 0. black: the image's smallest value. blur: Gaussian of 11 px, sigma 5, mirrored at the border.
    rise_blur: the kernel of RISE's code, zeros beyond the border. uniform: colour number ``draw``, within the
    image's range ("unit": one grey, 0 to 1). imputed: noisy linear (ROAD). seen: no swap, the image times its
    map over the map's maximum ("seen_minmax": after min-max).
    """

    low: int
    high: int
    fill: Fill = "mean"
    draw: int = 0
    by: By = "value"

    @property
    def ranked(self) -> bool:
        """Does the order of the map matter (or its values, for "seen")?"""
        return self != WHOLE and self.low < self.high


WHOLE = Swap(0, 0)
"""No pixel replaced: the image itself."""


def seen(*, minmax: bool = False) -> Swap:
    """The explanation image x * M of average drop and coherency."""
    return Swap(0, 1, "seen_minmax" if minmax else "seen")


def unit_maps(maps: ArrayLike, *, minmax: bool = False) -> Float64:
    """Maps (n, h, w) as shares of 0 to 1: the positive part over the map's maximum, or min-max.

    A map without a positive value becomes zero, a constant one too with min-max.
    """
    values = np.asarray(maps, dtype=np.float64)
    low = values.min(axis=(1, 2), keepdims=True) if minmax else np.zeros((len(values), 1, 1))
    high = values.max(axis=(1, 2), keepdims=True)
    above = np.maximum(values - low, 0.0)
    found: Float64 = np.divide(above, high - low, out=np.zeros_like(above), where=high > low)
    return found


@dataclass(frozen=True)
class Pictures:
    """Makes masked images of ``x`` (B, C, H, W) in the order of ``maps`` (R, H, W), in batches of any mixture."""

    x: Float
    maps: Float
    seed: int = 0
    noise: float = ROAD_NOISE
    _colours: dict[int, Float64] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of one image."""
        channels, height, width = self.x.shape[1:]
        return channels, height, width

    @cached_property
    def flat(self) -> Float:
        """The images as (B, C, pixels)."""
        return self.x.reshape(*self.x.shape[:2], -1)

    @cached_property
    def order(self) -> dict[By, Int]:
        """Pixels from strong to weak, by value and by size: (R, pixels) each; equal for maps >= 0."""
        values = self.maps.reshape(len(self.maps), -1)
        by_value = orders(values, seed=self.seed)
        return {"value": by_value, "size": by_value if values.min() >= 0 else orders(np.abs(values), seed=self.seed)}

    @cached_property
    def rank(self) -> dict[By, Ranks]:
        """The inverse of ``order``: (R, pixels) each."""
        by_value = ranks(self.order["value"])
        same = self.order["size"] is self.order["value"]
        return {"value": by_value, "size": by_value if same else ranks(self.order["size"])}

    @cached_property
    def blurred(self) -> Float:
        """Fill "blur" of every image (B, C, pixels)."""
        blurred = gaussian_filter(
            self.x, (BLUR_SIGMA_PX, BLUR_SIGMA_PX), radius=BLUR_RADIUS_PX, mode="mirror", axes=(2, 3)
        )
        return blurred.astype(self.x.dtype, copy=False).reshape(self.flat.shape)

    @cached_property
    def rise_blurred(self) -> Float:
        """Fill "rise_blur": nearly an 11 x 11 box, as RISE's evaluation.py builds it, zeros beyond the border."""
        delta = np.zeros((11, 11))
        delta[5, 5] = 1.0
        kernel = gaussian_filter(delta, 5.0)
        blurred = convolve(self.x, kernel[None, None], mode="constant")
        return blurred.astype(self.x.dtype, copy=False).reshape(self.flat.shape)

    def make(self, image: Int, map_: Int, swaps: Sequence[Swap]) -> Float:
        """One masked image for each row of ``image`` (m,), ``map_`` (m,) and ``swaps``: (m, C, H, W)."""
        made: Float = self.flat[image]
        for fill in sorted({swap.fill for swap in swaps}):
            rows = np.array([row for row, swap in enumerate(swaps) if swap.fill == fill])
            whole = len(rows) == len(swaps)
            part = made if whole else made[rows]
            self._fill(part, fill, image[rows], map_[rows], [swaps[row] for row in rows])
            if not whole:
                made[rows] = part
        return made.reshape(-1, *self.shape)

    def hidden(self, map_: Int, swaps: Sequence[Swap]) -> NDArray[np.bool_]:
        """Which pixels each swap replaces: (m, pixels)."""
        found = np.empty((len(swaps), self.flat.shape[2]), dtype=bool)
        for by in ("value", "size"):
            rows = [row for row, swap in enumerate(swaps) if swap.by == by]
            if rows:
                rank = self.rank[by][map_[rows]]
                low, high = (np.array([[getattr(swaps[row], end)] for row in rows]) for end in ("low", "high"))
                # Unsigned: below ``low`` wraps around to a large number, so one comparison does for both ends.
                found[rows] = (rank - low.astype(rank.dtype)) < (high - low).astype(rank.dtype)
        return found

    def _fill(self, made: Float, fill: Fill, image: Int, map_: Int, swaps: Sequence[Swap]) -> None:
        if fill in ("seen", "seen_minmax"):
            shares = unit_maps(self.maps[map_], minmax=fill == "seen_minmax").reshape(len(made), 1, -1)
            made *= shares.astype(made.dtype)
            return
        hidden = self.hidden(map_, swaps)
        if fill == "imputed":
            for row, of_row in zip(made, hidden, strict=True):
                row[:] = impute(row.reshape(self.shape), of_row, noise=self.noise, seed=self.seed)
            return
        np.copyto(made, self._content(fill, image, swaps), where=hidden[:, None])

    def _content(self, fill: Fill, image: Int, swaps: Sequence[Swap]) -> Float:
        """What replaces the pixels: (m or 1, C or 1, pixels or 1)."""
        dtype = self.x.dtype
        if fill == "mean":
            return np.zeros((1, 1, 1), dtype)
        if fill in ("blur", "rise_blur"):
            return (self.blurred if fill == "blur" else self.rise_blurred)[image]
        low, high = (ends[image, None, None] for ends in self._ends)
        if fill == "black":
            return low
        drawn = np.stack([self._colour(swap.draw) for swap in swaps])[..., None]
        colours = drawn[:, :1] if fill == "unit" else low + drawn * (high - low)
        return colours.astype(dtype)

    @cached_property
    def _ends(self) -> tuple[Float, Float]:
        return np.asarray(self.flat.min(axis=(1, 2))), np.asarray(self.flat.max(axis=(1, 2)))

    def _colour(self, draw: int) -> Float64:
        if draw not in self._colours:
            self._colours[draw] = np.random.default_rng([self.seed, draw]).random((self.x.shape[1],))
        return self._colours[draw]


def fitted(x: ArrayLike, maps: ArrayLike) -> tuple[Float, Float]:
    """Images (B, C, H, W) as floats and maps (B, h, w) at their size (B, H, W).

    Errors: BadInputError when the two are not as many, or not of that form.
    """
    images, given = np.asarray(x), np.asarray(maps)
    if images.dtype != np.float64:
        images = images.astype(np.float32, copy=False)
    if images.ndim != 4 or given.ndim != 3 or len(images) != len(given) or not len(images):
        raise BadInputError(
            f"Faithfulness takes images (B, C, H, W) and one map (B, h, w) of each; got {images.shape} "
            f"and {given.shape}."
        )
    size = (images.shape[2], images.shape[3])
    return images, given if given.shape[1:] == size else resize_maps(given, size)
