"""Texture tables that are made once a process: tileable noise, stone cells and three photographs, as pyramids.

The photographs (brick, grass, gravel; CC0) come as lossless PNG inside scikit-image; nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from xkd_core.errors import DataUnavailableError
from xkd_core.images.scenes.random_bits import key_of, uniforms

F = NDArray[np.floating[Any]]  # float32 all along; the stubs of numpy widen it in mixed arithmetic
SIDE = 512
_CELLS = 16
_NEAR = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 0), (0, 1), (1, -1), (1, 0), (1, 1))
_PHOTOS = {
    "brick": "664a145c",
    "grass": "b18dae4c",
    "gravel": "3d51ad45",
}


class Pyramid:
    """Square tables of halving side over one tile that repeats; level 0 is the finest. Shape (channels, n * n)."""

    def __init__(self, finest: F) -> None:
        self.channels, self.side = finest.shape[0], finest.shape[1]
        self.levels = [np.ascontiguousarray(finest.reshape(self.channels, -1))]
        table = finest
        while table.shape[1] > 16:
            table = (
                table[:, ::2, ::2] + table[:, 1::2, ::2] + table[:, ::2, 1::2] + table[:, 1::2, 1::2]
            ) * np.float32(0.25)
            self.levels.append(np.ascontiguousarray(table.reshape(self.channels, -1)))

    def level(self, step: float) -> int:
        """The level whose texel is about one output pixel; ``step`` is tile lengths per pixel."""
        texels, level = step * self.side, 0
        while texels > 1.4 and level < len(self.levels) - 1:
            texels, level = texels * 0.5, level + 1
        return level

    def smooth(self, x: F, y: F, step: float) -> F:
        """Bilinear values at (x, y) in tile lengths, any real: (channels, *x.shape)."""
        level = self.level(step)
        side = self.side >> level
        column, row = x * side, y * side
        left, top = np.floor(column), np.floor(row)
        right_part, low_part = column - left, row - top
        x0, y0 = left.astype(np.int32) & (side - 1), top.astype(np.int32) & (side - 1)
        x1, y0, y1 = (x0 + 1) & (side - 1), y0 * side, ((y0 + 1) & (side - 1)) * side
        table = self.levels[level]
        upper = _mix(table.take(y0 + x0, axis=1), table.take(y0 + x1, axis=1), right_part)
        lower = _mix(table.take(y1 + x0, axis=1), table.take(y1 + x1, axis=1), right_part)
        return _mix(upper, lower, low_part)

    def nearest(self, x: F, y: F, step: float) -> F:
        """Values of the nearest texels at (x, y): (channels, *x.shape)."""
        level = self.level(step)
        side = self.side >> level
        column = np.floor(x * side).astype(np.int32) & (side - 1)
        row = np.floor(y * side).astype(np.int32) & (side - 1)
        found: F = self.levels[level].take(row * side + column, axis=1)
        return found


def _mix(first: F, second: F, part: F) -> F:
    return first + (second - first) * part


def _octave(period: int, key: int) -> NDArray[np.float64]:
    """Value noise (SIDE, SIDE) in [0, 1) over a lattice of ``period`` x ``period``."""
    lattice = uniforms(key_of(key, period), period * period).reshape(period, period)
    place = np.arange(SIDE) * (period / SIDE)
    cell = place.astype(np.int64)
    part = place - cell
    part = part * part * (3.0 - 2.0 * part)
    across = lattice[:, cell] + (lattice[:, (cell + 1) % period] - lattice[:, cell]) * part
    octave: NDArray[np.float64] = across[cell] + (across[(cell + 1) % period] - across[cell]) * part[:, None]
    return octave


@cache
def noise() -> Pyramid:
    """Cloudy fractal noise around 0.5 in channel 0, and an independent one in channel 1."""
    sums = []
    for key in (11, 12):
        total = np.zeros((SIDE, SIDE))
        weight = 1.0
        for power in range(2, 9):
            total = total + weight * (_octave(2**power, key) - 0.5)
            weight *= 0.62
        sums.append(0.5 + 0.75 * total)
    return Pyramid(np.stack(sums).astype(np.float32))


@cache
def grain() -> Pyramid:
    """Fine noise around 0.5: sand, paper, weave."""
    total = np.zeros((SIDE, SIDE))
    for power, weight in ((6, 0.35), (7, 0.5), (8, 0.6)):
        total = total + weight * (_octave(2**power, 13) - 0.5)
    total = total + 0.5 * (uniforms(key_of(14), SIDE * SIDE).reshape(SIDE, SIDE) - 0.5)
    return Pyramid((0.5 + total)[None].astype(np.float32))


@cache
def cells() -> Pyramid:
    """Stone cells: distance to the border, offset x and y from the centre (cell lengths), a number of the cell."""
    jitter = uniforms(key_of(15), _CELLS * _CELLS * 3).reshape(3, _CELLS, _CELLS)
    place = (np.arange(SIDE) + 0.5) * (_CELLS / SIDE)
    x, y = np.broadcast_to(place, (SIDE, SIDE)), np.broadcast_to(place[:, None], (SIDE, SIDE))
    column, row = x.astype(np.int64), y.astype(np.int64)
    best = np.full((4, SIDE, SIDE), 9.0)
    second = np.full((SIDE, SIDE), 9.0)
    for down, right in _NEAR:
        r, c = (row + down) % _CELLS, (column + right) % _CELLS
        dx = x - (column + right + 0.15 + 0.7 * jitter[0, r, c])
        dy = y - (row + down + 0.15 + 0.7 * jitter[1, r, c])
        distance = np.sqrt(dx * dx + dy * dy)
        nearer = distance < best[0]
        second = np.where(nearer, best[0], np.minimum(second, distance))
        best = np.where(nearer, np.stack([distance, dx, dy, jitter[2, r, c]]), best)
    return Pyramid(np.concatenate([(second - best[0])[None], best[1:]]).astype(np.float32))


@cache
def photo(name: str) -> Pyramid:
    """A photograph in linear light with mean 1, mirrored so that it tiles; one tile is two widths of it."""
    spec = importlib.util.find_spec("skimage")
    path = Path(str(spec.origin)).parent / "data" / f"{name}.png" if spec is not None else None
    if path is None or not path.is_file():
        raise DataUnavailableError(
            f"The texture {name}.png of scikit-image is missing, so scenes cannot be drawn. "
            "Install what requirements.txt lists: pip install -r requirements.txt."
        )
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L"), dtype=np.int64)
    found = hashlib.sha256(grey.astype(np.uint8).tobytes()).hexdigest()
    if not found.startswith(_PHOTOS[name]):
        raise DataUnavailableError(
            f"The texture {name}.png of this scikit-image is not the one the scenes were made with "
            f"(sha256 {found[:8]}, expected {_PHOTOS[name]}). Install the version that requirements.txt lists."
        )
    square = grey * grey
    linear = (square * (square.size / int(square.sum()))).astype(np.float32)
    mirrored = np.concatenate([linear, linear[:, ::-1]], axis=1)
    return Pyramid(np.concatenate([mirrored, mirrored[::-1]], axis=0)[None])
