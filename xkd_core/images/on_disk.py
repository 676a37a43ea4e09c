"""Photographs in files of any size, cut to squares as networks take them, with their masks or boxes cut alike.

What a data set's files are (its kind) is told by a reader: a folder -> classes and, for each split, items. Nothing
but the lists is read before an image is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from xkd_core.errors import BadInputError, DataUnavailableError, unknown_name
from xkd_core.types import Bool, DatasetInfo, Sample, Transform, UInt8

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HELD_OUT = 0.1
"""Share of the training images that is val, where the data set has no such split of its own."""
SPLIT_SEED = 37
Box = tuple[float, float, float, float]
_READ: dict[tuple[str, Path], Listing] = {}
MaskOf = Callable[[Path, int], Bool]
"""A mask's file and the class that is asked for -> (H, W) at the file's size."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One image: its file, its labels (ascending), and where the object is, a mask's file or a box x0, y0, x1, y1.

    A box is in pixels of the file, both ends inside.
    """

    file: Path
    labels: tuple[int, ...]
    mask: Path | None = None
    box: Box | None = None


@dataclass(frozen=True, kw_only=True)
class Listing:
    """What a folder holds: names of the classes, and split -> items."""

    classes: tuple[str, ...]
    splits: Mapping[str, tuple[Item, ...]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A data set whose images are files.

    info: as documented by its authors; classes and splits are replaced by what lies there. read: folder -> Listing,
    raises OSError, ValueError, RuntimeError or KeyError where the files are not as they should be. mask_of: how a
    mask's file is read. layout: what must lie where, for the errors.
    """

    info: DatasetInfo
    read: Callable[[Path], Listing]
    layout: str
    mask_of: MaskOf = lambda file, label: nonzero(file, label)


class OnDisk:
    """One split. Raises DataUnavailableError when the files are not here, UnknownNameError for another split."""

    def __init__(self, kind: Kind, place: Path, split: str) -> None:
        listing = listing_of(kind, place)
        if split not in listing.splits:
            raise unknown_name(f"split of {kind.info.name}", split, listing.splits)
        self.info, self.split = actual(kind, listing), split
        self._kind, self._items = kind, listing.splits[split]

    def __len__(self) -> int:
        return len(self._items)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            name = f"{self.info.name}:{self.split}"
            raise BadInputError(f"{name} has the images 0 to {len(self) - 1}; got {index}.")
        return self.at(index, self.info.transform.size)

    def at(self, index: int, side: int) -> Sample:
        """An image as ``self[index]`` gives it, but ``side`` pixels wide: for the eye."""
        item = self._items[index]
        found = {label: self._mask(item, label, side) for label in item.labels} if item.mask or item.box else {}
        return Sample(pixels=self._pixels(item, side), labels=item.labels, masks=found)

    def pixels(self, indices: Sequence[int]) -> UInt8:
        """(n, S, S, 3) uint8: the middle square of each image, at the transform's size."""
        side = self.info.transform.size
        if len(indices) == 0:
            return np.zeros((0, side, side, 3), dtype=np.uint8)
        return np.stack([self._pixels(self._items[int(index)], side) for index in indices])

    @cached_property
    def fingerprint(self) -> str:
        """Changes with every image and mask that is added, moved or written anew; no file is read for it."""
        digest = hashlib.sha256()
        for item in self._items:
            files = (item.file, *([] if item.mask is None else [item.mask]))
            states = [(str(file), *_state(file)) for file in files]
            digest.update(repr((states, item.labels, item.box)).encode())
        return digest.hexdigest()[:16]

    def labels(self) -> UInt8:
        """(len, C) uint8, multi-hot."""
        found = np.zeros((len(self), len(self.info.classes)), dtype=np.uint8)
        for row, item in enumerate(self._items):
            found[row, list(item.labels)] = 1
        return found

    def _pixels(self, item: Item, side: int) -> UInt8:
        try:
            with Image.open(item.file) as image:
                return square(image.convert("RGB"), side)
        except OSError as error:
            raise DataUnavailableError(f"{item.file.name} of {self.info.name} cannot be read ({error}).") from error

    def _mask(self, item: Item, label: int, side: int) -> Bool:
        try:
            with Image.open(item.file) as image:
                size = image.size
            inside = self._kind.mask_of(item.mask, label) if item.mask is not None else within(item.box, size)
            if inside.shape != size[::-1]:
                raise ValueError(f"it is {inside.shape[::-1]}, the image {size}")
        except (OSError, ValueError) as error:
            name = item.file.name if item.mask is None else item.mask.name
            raise DataUnavailableError(f"The mask {name} of {self.info.name} cannot be used ({error}).") from error
        return square(Image.fromarray(inside.astype(np.uint8) * 255), side, resample=Image.Resampling.NEAREST) > 127


def _state(file: Path) -> tuple[int, int]:
    try:
        known = file.stat()
    except OSError:
        return 0, 0  # reading it says what is wrong
    return known.st_size, known.st_mtime_ns


def actual(kind: Kind, listing: Listing) -> DatasetInfo:
    """The data set as it lies there."""
    counts = {name: len(items) for name, items in listing.splits.items()}
    return replace(kind.info, classes=listing.classes, splits=counts)


def listing_of(kind: Kind, place: Path) -> Listing:
    """What lies in ``place``, read once. Errors: DataUnavailableError that says what must lie there."""
    key = (kind.info.name, place)
    if key not in _READ:
        try:
            found = kind.read(place)
        except (OSError, ValueError, RuntimeError, LookupError, TypeError) as error:
            raise _missing(kind, place) from error
        if not any(found.splits.values()):
            raise _missing(kind, place)
        _READ[key] = found
    return _READ[key]


def _missing(kind: Kind, place: Path) -> DataUnavailableError:
    return DataUnavailableError(
        f"{kind.info.name} is not in {place}, or not as it should be: {kind.layout}. Set XKD_DATA_DIR to the folder "
        "that holds it."
    )


def square(image: Image.Image, side: int, *, resample: Image.Resampling = Image.Resampling.BILINEAR) -> UInt8:
    """The middle square of an image, scaled to ``side`` (antialiased unless NEAREST): (side, side, ...) uint8."""
    width, height = image.size
    cut = min(width, height)
    left, top = (width - cut) // 2, (height - cut) // 2
    found: UInt8 = np.asarray(image.resize((side, side), resample, box=(left, top, left + cut, top + cut)))
    return found


def within(box: Box | None, size: tuple[int, int]) -> Bool:
    """The pixels of a box, for an image of ``size`` (width, height): (H, W). Errors: ValueError without a box."""
    if box is None:
        raise ValueError("there is none")
    x0, y0, x1, y1 = box
    mask = np.zeros(size[::-1], dtype=bool)
    mask[max(0, round(y0)) : round(y1) + 1, max(0, round(x0)) : round(x1) + 1] = True
    return mask


def nonzero(file: Path, label: int) -> Bool:
    """A mask that is black where the object is not, whatever the class."""
    with Image.open(file) as image:
        return np.asarray(image.convert("L")) > 127


def held_out(items: Sequence[Item], *, share: float = HELD_OUT) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Train and val parts: of the images of each first label, a fixed draw of ``share`` (one of ten) is val."""
    chosen: set[int] = set()
    labels = np.array([item.labels[0] if item.labels else -1 for item in items])
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        order = np.random.RandomState(SPLIT_SEED + int(label) + 1).permutation(own)  # a frozen stream in every numpy
        chosen |= set(order[: max(round(share * len(own)), len(own) > 1)].tolist())
    parts = [tuple(item for place, item in enumerate(items) if (place in chosen) == wanted) for wanted in (False, True)]
    return parts[0], parts[1]


def photographs(size: int) -> Transform:
    """The transform of natural photographs: ImageNet's mean and deviation."""
    return Transform(size=size, mean=IMAGENET_MEAN, std=IMAGENET_STD)
