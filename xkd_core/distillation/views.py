"""Fixed augmented views: view v of image i is the same flip, shift and erased rectangle for every student and epoch.

So a teacher's answers and maps are computed once per view, and no student pays for them.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xkd_core import settings
from xkd_core.distillation.checks import erased
from xkd_core.errors import BadInputError
from xkd_core.files import cached, write_atomic
from xkd_core.images.sampling import fingerprint
from xkd_core.images.transforms import normalised
from xkd_core.types import ImageData, Int, Transform, UInt8

ERASED_SHARE, LOG_ASPECT = (0.02, 0.33), (math.log(0.3), math.log(3.3))
ERASING_TRIES = 10
CPU = torch.device("cpu")


def _nothing_erased() -> NDArray[np.int16]:
    return np.zeros((0, 0, 4), dtype=np.int16)


@dataclass(frozen=True)
class Views:
    """flip (V, N) bool, shift (V, N, 2) in pixels; view 0 is the image as it is.

    erase: rectangles (V, N, 4) of top, left, height and width at the network's input size; empty for none at all.
    black: whether they become black; else the mean colour, 0 after normalisation.
    """

    flip: np.ndarray[tuple[int, int], np.dtype[np.bool_]]
    shift: np.ndarray[tuple[int, int, int], np.dtype[np.int64]]
    erase: NDArray[np.int16] = field(default_factory=_nothing_erased)
    black: bool = False

    def batch(self, pixels: UInt8, indices: Int, view: int, transform: Transform, place: torch.device = CPU) -> Tensor:
        """View ``view`` of the images ``indices`` as the network's input (n, 3, S, S), erased after normalisation.

        Made on ``place``, to which the pixels go as bytes; the values are the same on every device.
        """
        x = normalised(self.take(pixels, indices, view, place), transform)
        if not self.erase.size:
            return x
        rectangles = torch.from_numpy(self.erase[view, indices].astype(np.int64)).to(place)
        return _erased(x, rectangles, _black(transform, place) if self.black else None)

    def take(self, pixels: UInt8, indices: Int, view: int, place: torch.device = CPU) -> Tensor:
        """Cut view ``view`` of the images ``indices`` out of pixels (N, H, W, 3): (n, H, W, 3) uint8 on ``place``."""
        height, width = pixels.shape[1:3]
        shift, flip = (torch.from_numpy(drawn[view, indices]).to(place) for drawn in (self.shift, self.flip))
        rows = _reflected(shift[:, :1] + torch.arange(height, device=place), height)  # (n, H)
        columns = _reflected(shift[:, 1:] + torch.arange(width, device=place), width)  # (n, W)
        columns = torch.where(flip[:, None], columns.flip(1), columns)
        each = torch.arange(len(indices), device=place)[:, None, None]
        return torch.from_numpy(pixels[indices]).to(place)[each, rows[:, :, None], columns[:, None, :]]


def batches(n_images: int, batch_size: int, *, seed: int, epoch: int) -> Iterator[Int]:
    """The images of each step of one epoch, in an order drawn from (seed, epoch); only whole batches."""
    order = np.random.default_rng([seed, epoch, 1]).permutation(n_images)
    whole = n_images - n_images % batch_size
    yield from (order[start : start + batch_size] for start in range(0, whole, batch_size))


def draw_views(n_images: int, *, n_views: int, shift_px: int, seed: int, flips: bool = True) -> Views:
    """Draw flips (of half the views, or none) and shifts in -shift_px..shift_px for every view but the first."""
    generator = np.random.default_rng([seed, n_images, n_views])
    flip = generator.random((n_views, n_images)) < 0.5
    shift = generator.integers(-shift_px, shift_px + 1, size=(n_views, n_images, 2))
    flip[0], shift[0] = False, 0
    return Views(flip & flips, shift)


def with_erasing(views: Views, *, share: float | str, size_px: int, seed: int) -> Views:
    """Add random erasing (Zhong et al. 2020) with torchvision's ranges to a ``share`` of all views but the first.

    A rectangle has 2 to 33 % of the area and sides in a ratio of .3 to 3.3; the first of ten tries that fits.
    Args: share, as a recipe's ``erasing``: 0.5, or "0.5 black". Errors: BadInputError for another value.
    """
    said = erased(share)
    if said is None:
        raise BadInputError(f"share must be in 0..1, or such a share above 0 as '0.5 black'; got {share!r}.")
    part, black = said
    generator = np.random.default_rng([seed, *views.flip.shape, size_px])
    n_views, n_images = views.flip.shape
    erase = np.stack([_rectangles(n_images, part, size_px, generator) for _ in range(n_views)])
    erase[0] = 0
    return Views(views.flip, views.shift, erase, black)


def pixel_array(data: ImageData, chosen: Int | None = None) -> UInt8:
    """The images ``chosen`` (n,) of a split, by default all, as (n, H, W, 3) uint8; read once and kept in the home."""
    every = np.arange(len(data)) if chosen is None else chosen
    first = hashlib.sha256(data.pixels(every[:2].tolist()).tobytes())
    first.update(fingerprint(data).encode())
    if (every != np.arange(len(every))).any():
        first.update(every.astype(np.int64).tobytes())
    name = f"{data.info.name}-{data.split}-{len(every)}-{first.hexdigest()[:16]}.npy"
    path = settings.home() / "cache" / "pixels" / name
    array: UInt8 = cached(path, lambda: _write_pixels(path, data, every), lambda file: np.load(file, mmap_mode="r"))
    return array


def _rectangles(n_images: int, share: float, size_px: int, generator: np.random.Generator) -> NDArray[np.int16]:
    """Top, left, height and width for each image, (N, 4); zeros for one that stays whole."""
    tries = (n_images, ERASING_TRIES)
    area = generator.uniform(*ERASED_SHARE, size=tries) * size_px**2
    aspect = np.exp(generator.uniform(*LOG_ASPECT, size=tries))
    sides = np.rint(np.stack([np.sqrt(area * aspect), np.sqrt(area / aspect)], axis=-1))  # (N, tries, 2)
    first = (sides < size_px).all(axis=-1).argmax(axis=-1)
    chosen = sides[np.arange(n_images), first]  # (N, 2)
    corner = np.floor(generator.random(chosen.shape) * (size_px - chosen + 1))
    erased = (generator.random(n_images) < share) & (chosen < size_px).all(axis=-1)
    found: NDArray[np.int16] = (np.concatenate([corner, chosen], axis=-1) * erased[:, None]).astype(np.int16)
    return found


def _reflected(places: Tensor, size: int) -> Tensor:
    """Places beyond 0..size - 1 mirrored at the first and the last pixel, which are not repeated."""
    there_and_back = max(2 * (size - 1), 1)
    places = places.remainder(there_and_back)
    return torch.minimum(places, there_and_back - places)


def _black(transform: Transform, place: torch.device) -> Tensor:
    """A black pixel after normalisation, (3, 1, 1)."""
    mean, std = (torch.tensor(of, device=place).view(3, 1, 1) for of in (transform.mean, transform.std))
    return -mean / std


def _erased(x: Tensor, rectangles: Tensor, colour: Tensor | None) -> Tensor:
    """Set rectangles (n, 4) of x (n, 3, S, S) to a colour (3, 1, 1), by default 0, the mean after normalisation."""
    top, left, height, width = (side[:, None] for side in rectangles.unbind(dim=1))
    places = torch.arange(x.shape[-1], device=x.device)
    rows = (places >= top) & (places < top + height)  # (n, S)
    columns = (places >= left) & (places < left + width)
    inside = (rows[:, :, None] & columns[:, None, :])[:, None]
    return x.masked_fill(inside, 0.0) if colour is None else torch.where(inside, colour, x)


def _write_pixels(path: Path, data: ImageData, chosen: Int) -> None:
    blocks = [data.pixels(chosen[start : start + 500].tolist()) for start in range(0, len(chosen), 500)]
    buffer = io.BytesIO()
    np.save(buffer, np.concatenate(blocks))
    write_atomic(path, buffer.getvalue())
