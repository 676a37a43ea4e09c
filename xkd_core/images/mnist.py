"""MNIST through torchvision, from files that are already under ``XKD_DATA_DIR``; the mask is the ink.

train / val are 55,000 / 5,000 of the official training images by a fixed shuffle; test is the official test set.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from xkd_core import settings
from xkd_core.errors import BadInputError, DataUnavailableError, unknown_name
from xkd_core.types import DatasetInfo, Int, Sample, Transform, UInt8

SPLITS = {"train": 55_000, "val": 5_000, "test": 10_000}
SPLIT_SEED = 28
INK = 128
INFO = DatasetInfo(
    name="mnist",
    title="MNIST",
    classes=tuple("0123456789"),
    multi_label=False,
    # Mean and deviation of the 60,000 training images, as usual in the literature; grey in three equal channels.
    transform=Transform(size=28, mean=(0.1307,) * 3, std=(0.3081,) * 3),
    splits=SPLITS,
    masks="ink",
    note="Handwritten digits, 28x28. The mask is the ink.",
)


class Mnist:
    """One split of MNIST, held in memory. Raises DataUnavailableError when its files are not here."""

    info = INFO

    def __init__(self, split: str) -> None:
        if split not in SPLITS:
            raise unknown_name("split of mnist", split, SPLITS)
        self.split = split
        grey, classes = _read(str(settings.data_dir()), split != "test")
        chosen = _chosen(split)
        self._grey, self._classes = grey[chosen], classes[chosen]

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise BadInputError(f"mnist:{self.split} has the images 0 to {len(self) - 1}; got {index}.")
        label, grey = int(self._classes[index]), self._grey[index]
        return Sample(pixels=np.repeat(grey[..., None], 3, axis=-1), labels=(label,), masks={label: grey >= INK})

    def pixels(self, indices: Sequence[int]) -> UInt8:
        """(n, 28, 28, 3) uint8, bright ink on black."""
        return np.repeat(self._grey[np.asarray(indices, dtype=np.int64)][..., None], 3, axis=-1)

    def labels(self) -> UInt8:
        """(len, 10) uint8, one-hot."""
        one_hot: UInt8 = np.eye(10, dtype=np.uint8)[self._classes]
        return one_hot


def _chosen(split: str) -> Int:
    if split == "test":
        return np.arange(SPLITS["test"], dtype=np.int64)
    order = np.random.RandomState(SPLIT_SEED).permutation(60_000)  # RandomState: a frozen stream in every numpy
    return np.sort(order[55_000:] if split == "val" else order[:55_000]).astype(np.int64)


@lru_cache(maxsize=2)
def _read(place: str, train: bool) -> tuple[UInt8, Int]:
    from torchvision.datasets import MNIST

    try:
        data = MNIST(place, train=train, download=False)
        grey: UInt8 = data.data.numpy()
    except (RuntimeError, OSError, EOFError, ValueError, AssertionError) as error:
        raise DataUnavailableError(
            f"MNIST is not in {place}, or its files are damaged (MNIST/raw, four unpacked idx files). Set XKD_DATA_DIR "
            "to a folder that holds them, or get them with torchvision.datasets.MNIST(folder, download=True)."
        ) from error
    return grey, data.targets.numpy().astype(np.int64)
