"""Plain values that travel between the modules. No torch here, no behaviour beyond small checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Bool = NDArray[np.bool_]
Float = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int = NDArray[np.int64]
UInt8 = NDArray[np.uint8]

Precision = Literal["fp32", "bf16"]
"""In which numbers networks answer masked images."""
RUN_ID = r"[a-z0-9][a-z0-9._-]{2,119}"
"""What a run may be called: its folder, and a word in links and in commands."""
TargetPolicy = Literal["teacher", "own", "label", "class"]
Role = Literal["teacher", "baseline", "naive", "matched", "other", "control"]


@dataclass(frozen=True, kw_only=True)
class Param:
    """One option of a catalogue entry; pages draw a widget from it, cache keys and docs read it."""

    name: str
    default: float | int | str | bool
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Transform:
    """How uint8 pixels become the input of a network: resize to ``size``, scale to 0..1, normalise."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """What a data set is, without any of its images."""

    name: str
    title: str
    classes: tuple[str, ...]
    multi_label: bool
    transform: Transform
    splits: Mapping[str, int]
    masks: Literal["class", "ink", "box", "none"]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image with what is known about it.

    pixels: (H, W, 3) uint8. labels: class indices, ascending (one for single-label data).
    masks: class index -> (H, W) bool, visible pixels only. facts: e.g. habitat, in_habitat.
    """

    pixels: UInt8
    labels: tuple[int, ...]
    masks: Mapping[int, Bool] = field(default_factory=dict)
    facts: Mapping[str, object] = field(default_factory=dict)


class ImageData(Protocol):
    """A split of a data set. Any image can be had alone, in any order, the same on every machine."""

    info: DatasetInfo
    split: str

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...

    def pixels(self, indices: Sequence[int]) -> UInt8:
        """(n, H, W, 3) uint8 at the network's native size."""
        ...

    def labels(self) -> UInt8:
        """(len, C) uint8 multi-hot, also for single-label data."""
        ...
