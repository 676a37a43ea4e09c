"""Fixed augmented views: view v of image i is the same flip and shift for every student and epoch.

So a teacher's answers and maps are computed once per view, and no student pays for them.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xkd_core import settings
from xkd_core.files import write_atomic
from xkd_core.types import ImageData, Int, UInt8


@dataclass(frozen=True)
class Views:
    """flip (V, N) bool, shift (V, N, 2) in pixels; view 0 is the image as it is."""

    flip: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    shift: np.ndarray[tuple[int, int, int], np.dtype[np.int64]]

    def take(self, pixels: UInt8, indices: Int, view: int) -> UInt8:
        """Cut view ``view`` of the images ``indices`` out of pixels (N, H, W, 3): (n, H, W, 3) uint8."""
        margin = int(np.abs(self.shift).max()) if self.shift.size else 0
        height, width = pixels.shape[1:3]
        padded = np.pad(pixels[indices], ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
        rows = margin + self.shift[view, indices, 0][:, None] + np.arange(height)  # (n, H)
        columns = margin + self.shift[view, indices, 1][:, None] + np.arange(width)  # (n, W)
        columns = np.where(self.flip[view, indices][:, None], columns[:, ::-1], columns)
        each = np.arange(len(indices))[:, None, None]
        cut: UInt8 = padded[each, rows[:, :, None], columns[:, None, :]]
        return cut


def draw_views(n_images: int, *, n_views: int, shift_px: int, seed: int) -> Views:
    """Draw flips and shifts in -shift_px..shift_px for every view but the first."""
    generator = np.random.default_rng([seed, n_images, n_views])
    flip = generator.random((n_views, n_images)) < 0.5
    shift = generator.integers(-shift_px, shift_px + 1, size=(n_views, n_images, 2))
    flip[0], shift[0] = False, 0
    return Views(flip, shift)


def pixel_array(data: ImageData, *, limit: int | None = None) -> UInt8:
    """All images of a split as (N, H, W, 3) uint8, drawn once and kept in the home's cache."""
    n = len(data) if limit is None else min(limit, len(data))
    first = hashlib.sha256(data.pixels([0, min(1, n - 1)]).tobytes()).hexdigest()[:16]
    path = settings.home() / "cache" / "pixels" / f"{data.info.name}-{data.split}-{n}-{first}.npy"
    if not path.exists():
        _write_pixels(path, data, n)
    array: UInt8 = np.load(path, mmap_mode="r")
    return array


def _write_pixels(path: Path, data: ImageData, n: int) -> None:
    blocks = [data.pixels(range(start, min(start + 500, n))) for start in range(0, n, 500)]
    buffer = io.BytesIO()
    np.save(buffer, np.concatenate(blocks))
    write_atomic(path, buffer.getvalue())
