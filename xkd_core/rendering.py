"""The only renderer of maps: raw float32 grid in, uint8 pixels or lossless PNG bytes out.

Every step after the resize is integer arithmetic with one stated rounding, so that the viewer's script
(`pages/_ui/viewer/draw.js`) gives the same pixels. It never scales a map by itself: the divisor is an argument.
"""

from __future__ import annotations

import io
import math
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xkd_core.colours import DIVERGING, TABLES
from xkd_core.errors import BadInputError
from xkd_core.types import Bool, Float, Float64, UInt8

Mode = Literal["overlay", "heatmap", "contour", "masked"]
MODES: tuple[Mode, ...] = ("overlay", "heatmap", "contour", "masked")
Sequential = Literal["inferno", "viridis", "cividis"]
Scale = Literal["panel", "teacher", "method", "all"]
SCALES: tuple[Scale, ...] = ("panel", "teacher", "method", "all")

_LINE_PX = 2  # width of a contour line
_HATCH_PX = 16
_FINE_SHARE = 0.99
_PAPER, _HATCH = 160, 144  # the two greys of 'nothing to show'


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a map is drawn. Percentages are whole numbers.

    opacity: of the colours over the photo. signed: draw negative evidence too. full: the share of the divisor at
    which the colours are at their end; below 100, weak evidence becomes visible and strong evidence saturates.
    """

    mode: Mode = "overlay"
    smooth: bool = True
    opacity: int = 50
    full: int = 100
    signed: bool = False
    colours: Sequential = "inferno"

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise BadInputError(f"Mode {self.mode!r} is unknown; choose one of {', '.join(MODES)}.")
        if not 0 <= self.opacity <= 100:
            raise BadInputError(f"Opacity must be 0 to 100 per cent; got {self.opacity}.")
        if not 1 <= self.full <= 100:
            raise BadInputError(f"Full colour must be at 1 to 100 per cent of the scale; got {self.full}.")


def evidence(grid: Float, *, signed: bool = False) -> Float64:
    """The part of a raw map that is drawn: all of it, or its positive part. (h, w) -> (h, w) float64."""
    values = grid.astype(np.float64)
    return values if signed else np.maximum(values, 0.0)


def divisor(grids: Iterable[Float], *, signed: bool = False, fine: bool = False) -> float:
    """Largest evidence (absolute, if signed) of the grids; 0 when there is none or no grid.

    fine: maps of single pixels. Few of them are so strong that the rest would stay dark, so full colour is at the
    99th percentile of |map| there (nearest rank), or at the largest evidence where that is less.
    """
    return max((_full(grid, signed=signed, fine=fine) for grid in grids), default=0.0)


def _full(grid: Float, *, signed: bool, fine: bool) -> float:
    largest = float(np.abs(evidence(grid, signed=signed)).max(initial=0.0))
    if not fine or grid.size == 0:
        return largest
    ranked = np.sort(np.abs(grid.astype(np.float64)), axis=None)
    percentile = float(ranked[math.ceil(_FINE_SHARE * ranked.size) - 1])
    return min(largest, percentile) if percentile > 0 else largest


def divisors(
    grids: dict[tuple[str, str], Float], scale: Scale, *, teacher: str, signed: bool, fine: Container[str] = ()
) -> dict[tuple[str, str], float]:
    """One divisor for each panel (row, method): the colour scale that the user chose.

    panel: each by its own maximum; teacher: by the teacher's maximum of the same method (row ``teacher``);
    method: by the maximum of all rows; all: by the maximum of everything on screen. fine: methods with maps of
    single pixels, see `divisor`.
    """

    def shared(row: str, method: str) -> list[tuple[str, str]]:
        if scale == "panel":
            return [(row, method)]
        if scale == "teacher" and (teacher, method) in grids:
            return [(teacher, method)]
        return [key for key in grids if scale == "all" or key[1] == method]

    full = {key: divisor([grid], signed=signed, fine=key[1] in fine) for key, grid in grids.items()}
    return {key: max(full[other] for other in shared(*key)) for key in grids}


def resize(values: Float64, size: int, *, smooth: bool = True) -> Float64:
    """(h, w) -> (size, size): bilinear with ``align_corners=False``, or the nearest grid cell."""
    height, width = values.shape
    if not smooth:
        return values[np.ix_(_nearest(height, size), _nearest(width, size))]
    left, right, across = _neighbours(width, size)
    top, bottom, down = _neighbours(height, size)
    rows = values[:, left] * (1.0 - across) + values[:, right] * across  # (h, size)
    return rows[top] * (1.0 - down)[:, None] + rows[bottom] * down[:, None]


def _nearest(cells: int, size: int) -> NDArray[np.intp]:
    return np.floor((np.arange(size) + 0.5) * cells / size).astype(np.intp)


def _neighbours(cells: int, size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Float64]:
    """Lower cell, upper cell and the weight of the upper one, for each of ``size`` pixel centres."""
    place = np.clip((np.arange(size) + 0.5) * cells / size - 0.5, 0.0, cells - 1.0)
    lower = np.floor(place)
    return lower.astype(np.intp), np.minimum(lower + 1, cells - 1).astype(np.intp), place - lower


def levels(values: Float64, scale: float, *, diverging: bool = False) -> UInt8:
    """Values -> entries of the colour table: 0..255 for 0..scale, or 1..128..255 for -scale..0..scale.

    Rounds half up. A scale of 0 (nothing to show) gives the entry of zero everywhere.
    """
    share = values / scale if scale > 0 else np.zeros_like(values)
    if diverging:
        return np.floor(np.clip(share, -1.0, 1.0) * 127.0 + 128.5).astype(np.uint8)
    return np.floor(np.clip(share, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def grey(photo: UInt8) -> UInt8:
    """Brightness of an RGB photo, (H, W, 3) -> (H, W): ITU-R 601 in thousandths, rounded half up."""
    red, green, blue = (photo[..., channel].astype(np.int64) for channel in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)


def paint(photo: UInt8, level: UInt8, style: Style, *, diverging: bool = False) -> UInt8:
    """Draw table entries ``level`` (S, S) over ``photo`` (S, S, 3) in the style's mode -> (S, S, 3)."""
    table = TABLES[DIVERGING if diverging else style.colours]
    if style.mode == "heatmap":
        return table[level]
    if style.mode == "masked":
        return _masked(photo, level, style.opacity, diverging=diverging)
    paper = np.repeat(grey(photo)[..., None], 3, axis=2)
    if style.mode == "contour":
        return _contour(paper, level, table, diverging=diverging)
    blend = paper.astype(np.int64) * (100 - style.opacity) + table[level].astype(np.int64) * style.opacity
    return ((blend + 50) // 100).astype(np.uint8)


def _masked(photo: UInt8, level: UInt8, opacity: int, *, diverging: bool = False) -> UInt8:
    """Photo in its own colours where evidence is strong, black where there is none."""
    strength = level.astype(np.int64)
    if diverging:
        strength = np.minimum(255, 2 * np.abs(strength - 128))
    light = 255 - ((255 - strength) * opacity + 50) // 100
    return ((photo.astype(np.int64) * light[..., None] + 127) // 255).astype(np.uint8)


def _contour(paper: UInt8, level: UInt8, table: UInt8, *, diverging: bool) -> UInt8:
    """Lines at a quarter, half and three quarters of the scale, each in the colour of its value."""
    entry = level.astype(np.int64)
    band = np.sign(entry - 128) * (np.abs(entry - 128) >> 5) if diverging else entry >> 6  # -3..3 or 0..3
    strongest, differs = band.copy(), np.zeros(band.shape, dtype=np.bool_)
    for down, right in ((_LINE_PX, 0), (0, _LINE_PX)):
        other = np.pad(band, ((0, down), (0, right)), mode="edge")[down:, right:]
        differs |= other != band
        strongest = np.where(np.abs(other) > np.abs(strongest), other, strongest)
    colour = table[np.clip(128 + strongest * 42 if diverging else strongest * 64 + 63, 0, 255)]
    return np.where(differs[..., None], colour, paper).astype(np.uint8)


def outline(pixels: UInt8, mask: Bool) -> UInt8:
    """White line just inside ``mask`` (H, W) and black line just outside it, drawn over ``pixels`` (H, W, 3)."""
    mask = fit_mask(mask, pixels.shape[0])
    padded = np.pad(mask, 1, mode="edge")
    near = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    inside = mask & ~np.logical_and.reduce(near)
    outside = ~mask & np.logical_or.reduce(near)
    drawn = pixels.copy()
    drawn[inside], drawn[outside] = 255, 0
    return drawn


def fit_mask(mask: Bool, size: int) -> Bool:
    """The nearest cell of a (h, w) mask for each pixel of (size, size)."""
    return mask[np.ix_(_nearest(mask.shape[0], size), _nearest(mask.shape[1], size))]


def panel(photo: UInt8, grid: Float | None, scale: float, style: Style, *, mask: Bool | None = None) -> UInt8:
    """One heatmap: raw grid (h, w) over photo (S, S, 3), divided by ``scale``; hatching where there is no grid."""
    size = photo.shape[0]
    if grid is None:
        return hatching(size)
    values = resize(evidence(grid, signed=style.signed), size, smooth=style.smooth)
    level = levels(values, scale * style.full / 100, diverging=style.signed)
    pixels = paint(photo, level, style, diverging=style.signed)
    return pixels if mask is None else outline(pixels, mask)


def difference(
    photo: UInt8, grid: Float, scale: float, reference: tuple[Float, float], style: Style, *, mask: Bool | None = None
) -> UInt8:
    """Signed difference of two maps, each divided by its own scale first: orange where ``grid`` has more."""
    size = photo.shape[0]
    values = _shares(grid, scale, style, size) - _shares(reference[0], reference[1], style, size)
    pixels = paint(photo, levels(values, style.full / 100, diverging=True), style, diverging=True)
    return pixels if mask is None else outline(pixels, mask)


def _shares(grid: Float, scale: float, style: Style, size: int) -> Float64:
    values = resize(evidence(grid, signed=style.signed), size, smooth=style.smooth)
    return values / scale if scale > 0 else np.zeros_like(values)


def hatching(size: int) -> UInt8:
    """Grey diagonal stripes (size, size, 3): no map here. Never mistaken for a map of zeros."""
    place = np.add.outer(np.arange(size), np.arange(size))
    stripe = np.where(place // (_HATCH_PX // 2) % 2 == 0, _PAPER, _HATCH)
    return np.repeat(stripe[..., None], 3, axis=2).astype(np.uint8)


def enlarge(photo: UInt8, size: int) -> UInt8:
    """A square photo (s, s, 3) at (size, size, 3): Lanczos, for the eye only."""
    return np.asarray(Image.fromarray(photo).resize((size, size), Image.Resampling.LANCZOS), dtype=np.uint8)


def colour_bar(style: Style, *, width: int = 256, height: int = 16, diverging: bool = False) -> UInt8:
    """The colour table from left (0, or -1) to right (1), (height, width, 3); masked: from dark to light."""
    if style.mode == "masked":
        white = np.full((height, width, 3), 255, dtype=np.uint8)
        strength = np.arange(width) * 255 // max(1, width - 1)
        return _masked(white, np.repeat(strength[None], height, axis=0).astype(np.uint8), style.opacity)
    table = TABLES[DIVERGING if diverging else style.colours]
    first = 1 if diverging else 0
    entry = first + np.arange(width) * (255 - first) // max(1, width - 1)
    return np.repeat(table[entry][None], height, axis=0)


def png(pixels: UInt8) -> bytes:
    """Lossless PNG of (H, W, 3) or (H, W) uint8."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
