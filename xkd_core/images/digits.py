"""Handwritten digits of scikit-learn (8x8 grey, 1,797 images), enlarged to 32 px; the mask is the ink."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from xkd_core.errors import BadInputError, unknown_name
from xkd_core.types import DatasetInfo, Float64, Int, Sample, Transform, UInt8

SPLITS = {"train": 1_297, "val": 200, "test": 300}
SPLIT_SEED = 8
SIDE = 32
INFO = DatasetInfo(
    name="digits",
    title="Digits (scikit-learn)",
    classes=tuple("0123456789"),
    multi_label=False,
    # python -m xkd_core.images.statistics digits train
    transform=Transform(size=SIDE, mean=(0.3048, 0.3048, 0.3048), std=(0.3235, 0.3235, 0.3235)),
    splits=SPLITS,
    masks="ink",
    note="Handwritten digits of 8x8 pixels, enlarged to 32 px. The mask is the ink.",
)


class Digits:
    """One split of the digits, held in memory."""

    info = INFO

    def __init__(self, split: str) -> None:
        if split not in SPLITS:
            raise unknown_name("split of digits", split, SPLITS)
        self.split = split
        pixels, classes = _all_digits()
        chosen = _chosen(split)
        self._pixels, self._classes = pixels[chosen], classes[chosen]

    def __len__(self) -> int:
        return SPLITS[self.split]

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise BadInputError(f"digits:{self.split} has the images 0 to {len(self) - 1}; got {index}.")
        label = int(self._classes[index])
        grey = self._pixels[index]
        return Sample(pixels=_as_rgb(grey), labels=(label,), masks={label: grey >= 128}, facts={"in_sklearn": True})

    def pixels(self, indices: Sequence[int]) -> UInt8:
        """(n, 32, 32, 3) uint8, bright ink on black."""
        return _as_rgb(self._pixels[np.asarray(indices, dtype=np.int64)])

    def labels(self) -> UInt8:
        """(len, 10) uint8, one-hot."""
        one_hot: UInt8 = np.eye(10, dtype=np.uint8)[self._classes]
        return one_hot


def _as_rgb(grey: UInt8) -> UInt8:
    return np.repeat(grey[..., None], 3, axis=-1)


@cache
def _all_digits() -> tuple[UInt8, Int]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    enlarge = _enlarging(8, SIDE)
    # Exact in float64: weights are multiples of 1/8, ink is 0..16.
    large = np.stack([enlarge @ image @ enlarge.T for image in bunch.images])
    return np.floor(np.clip(large / 16, 0, 1) * 255 + 0.5).astype(np.uint8), bunch.target.astype(np.int64)


def _enlarging(small: int, large: int) -> Float64:
    """Bilinear weights (large, small), pixel centres aligned as with align_corners=False."""
    place = np.clip((np.arange(large) + 0.5) * small / large - 0.5, 0, small - 1)
    return np.maximum(0.0, 1.0 - np.abs(place[:, None] - np.arange(small)))


def _chosen(split: str) -> Int:
    order = np.random.RandomState(SPLIT_SEED).permutation(sum(SPLITS.values()))  # RandomState: a frozen stream
    start = 0
    for name, count in SPLITS.items():
        if name == split:
            break
        start += count
    return np.sort(order[start : start + SPLITS[split]])
