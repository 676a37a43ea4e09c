"""Masked images: which pixels of an image are replaced, in the order of a map, and by what.

Everything that faithfulness metrics show a network is a `Swap`, so metrics that ask for the same masked
image share it (`planner`). Hidden pixels become 0, the mean colour in normalised space, wherever a metric
does not define another fill. Images and maps in numpy; no network is known here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import convolve, gaussian_filter

from xkd_core.errors import BadInputError
from xkd_core.metrics.imputation import impute
from xkd_core.metrics.localisation import resize_maps
from xkd_core.metrics.ties import orders
from xkd_core.types import Float, Float64, Int

Fill = Literal["mean", "black", "blur", "rise_blur", "uniform", "unit", "imputed", "seen", "seen_minmax"]
By = Literal["value", "size"]

BLUR_RADIUS_PX, BLUR_SIGMA_PX = 5, 5.0
ROAD_NOISE = 0.01


class Swap(NamedTuple):
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
    """Makes masked images of ``x`` (B, C, H, W) in the order of ``maps`` (R, H, W), any mixture of ``swaps``.

    In memory the colours of a pixel lie together, as networks like it: a picture is written once, in the form
    it is shown in.
    """

    x: Float
    maps: Float
    swaps: Sequence[Swap]
    seed: int = 0
    noise: float = ROAD_NOISE

    @cached_property
    def flat(self) -> Float:
        """The images as (B, pixels * C)."""
        return _pixel_by_pixel(self.x)

    @cached_property
    def order(self) -> dict[By, Int]:
        """Pixels by value and by size, strongest first: (R, pixels) each; one array where no map is negative."""
        values = self.maps.reshape(len(self.maps), -1)
        by_value = orders(values, seed=self.seed)
        return {"value": by_value, "size": by_value if values.min() >= 0 else orders(np.abs(values), seed=self.seed)}

    @cached_property
    def blurred(self) -> Float:
        """Fill "blur" of every image (B, pixels * C)."""
        blurred = gaussian_filter(
            self.x, (BLUR_SIGMA_PX, BLUR_SIGMA_PX), radius=BLUR_RADIUS_PX, mode="mirror", axes=(2, 3)
        )
        return _pixel_by_pixel(blurred.astype(self.x.dtype, copy=False))

    @cached_property
    def rise_blurred(self) -> Float:
        """Fill "rise_blur": nearly an 11 x 11 box, as RISE's evaluation.py builds it, zeros beyond the border."""
        delta = np.zeros((11, 11))
        delta[5, 5] = 1.0
        blurred = convolve(self.x, gaussian_filter(delta, 5.0)[None, None], mode="constant")
        return _pixel_by_pixel(blurred.astype(self.x.dtype, copy=False))

    def make(self, image: Int, map_: Int, swap: Int, *, out: Float | None = None) -> Float:
        """One masked image for each row of ``image``, ``map_`` and ``swap`` (m,), indices: (m, C, H, W).

        ``out``: where to write them, (m, pixels * C), instead of new memory. Fastest with rows of one fill together.
        """
        made = np.empty((len(image), self.flat.shape[1]), self.x.dtype) if out is None else out
        starts = [0, *(np.flatnonzero(np.diff(self._kinds[swap])) + 1).tolist(), len(swap)]
        for start, end in pairwise(starts):
            rows = slice(start, end)
            self._fill(made[rows], image[rows], map_[rows], swap[rows])
        channels, height, width = self.x.shape[1:]
        return made.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)

    def _fill(self, made: Float, image: Int, map_: Int, swap: Int) -> None:
        """Write rows of one fill: (m, pixels * C)."""
        fill, channels = self.swaps[swap[0]].fill, self.x.shape[1]
        rows, whole, sources = self._pixels(made), self._pixels(self.flat), image.tolist()
        if fill in ("seen", "seen_minmax"):
            shares = unit_maps(self.maps[map_], minmax=fill == "seen_minmax").reshape(len(made), -1)
            np.multiply(self.flat[image], np.repeat(shares.astype(made.dtype), channels, axis=1), out=made)
        elif fill == "imputed":
            for place, source, gone in zip(range(len(made)), sources, self._gone(map_, swap), strict=True):
                made[place].reshape(-1, channels)[:] = self._imputed(source, gone)
        elif fill in ("blur", "rise_blur"):
            content = self._pixels(self.blurred if fill == "blur" else self.rise_blurred)
            for row, source, gone in zip(rows, sources, self._gone(map_, swap), strict=True):
                row[:] = whole[source]
                row.put(gone, content[source].take(gone))
        else:
            colours = self._pixels(self._colours(fill, image, swap))
            for row, source, gone, colour in zip(rows, sources, self._gone(map_, swap), colours, strict=True):
                row[:] = whole[source]
                row.put(gone, colour)

    def _gone(self, map_: Int, swap: Int) -> Iterator[Int]:
        """The pixels that each row replaces, strongest first."""
        for ranked, one in zip(map_.tolist(), swap.tolist(), strict=True):
            chosen = self.swaps[one]
            yield self.order[chosen.by][ranked, chosen.low : chosen.high]

    def _pixels(self, flat: Float) -> NDArray[np.void]:
        """The same memory, (m, pixels * C), with a pixel as one item (m, pixels): few of them are written fast."""
        return flat.view(np.dtype((np.void, flat.itemsize * self.x.shape[1])))

    def _imputed(self, image: int, gone: Int) -> Float:
        hidden = np.zeros(self.order["value"].shape[1], bool)
        hidden[gone] = True
        return impute(self.x[image], hidden, noise=self.noise, seed=self.seed).T

    def _colours(self, fill: Fill, image: Int, swap: Int) -> Float:
        """The colour of each row: (m, C)."""
        channels = self.x.shape[1]
        if fill == "mean":
            return np.zeros((len(image), channels), self.x.dtype)
        low, high = (ends[image, None] for ends in self._ends)
        if fill == "black":
            return low.repeat(channels, axis=1)
        asked = zip(image.tolist(), swap.tolist(), strict=True)
        drawn = np.array([_colour(self.seed, self._keys[one], self.swaps[at].draw, channels) for one, at in asked])
        colours = drawn[:, :1].repeat(channels, axis=1) if fill == "unit" else low + drawn * (high - low)
        return colours.astype(self.x.dtype)

    @cached_property
    def _keys(self) -> list[int]:
        """A number of each image that hangs on its pixels alone, not on its place in a batch."""
        return [crc32(np.ascontiguousarray(one, dtype=np.float32).tobytes()) for one in self.x]

    @cached_property
    def _kinds(self) -> Int:
        known: dict[tuple[Fill, By], int] = {}
        return np.array([known.setdefault((swap.fill, swap.by), len(known)) for swap in self.swaps])

    @cached_property
    def _ends(self) -> tuple[Float, Float]:
        return np.asarray(self.flat.min(axis=1)), np.asarray(self.flat.max(axis=1))


def _pixel_by_pixel(images: Float) -> Float:
    """(n, C, H, W) -> (n, pixels * C), the colours of a pixel together."""
    return np.ascontiguousarray(images.transpose(0, 2, 3, 1)).reshape(len(images), -1)


@lru_cache(maxsize=1024)
def _colour(seed: int, image: int, draw: int, channels: int) -> tuple[float, ...]:
    """Colour number ``draw`` of an image (a key): the same for every network, map and chunk.

    A colour of its own for the first chunk, for the second, ... would favour some ranks in all images alike, and a
    random map would not be at 0; other colours for other images, so that what a colour does averages out.
    """
    return tuple(np.random.default_rng([seed, image, draw]).random(channels).tolist())


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
