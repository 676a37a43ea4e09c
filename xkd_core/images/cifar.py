"""CIFAR-10 through torchvision: found under ``XKD_DATA_DIR``, or downloaded when the user asks.

train / val are 45,000 / 5,000 of the official training images by a fixed shuffle; test is the official test set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xkd_core import settings
from xkd_core.errors import DataUnavailableError, unknown_name
from xkd_core.types import DatasetInfo, Int, Sample, Transform, UInt8

SPLITS = {"train": 45_000, "val": 5_000, "test": 10_000}
SPLIT_SEED = 20_000
INFO = DatasetInfo(
    name="cifar10",
    title="CIFAR-10",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    multi_label=False,
    # Channel means and deviations of the 50,000 training images, as usual in the literature.
    transform=Transform(size=32, mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616)),
    splits=SPLITS,
    masks="none",
    note="32x32 photographs of ten classes. No masks: only similarity to the teacher can be measured.",
)


class Cifar10:
    """One split of CIFAR-10, held in memory as uint8. Raises DataUnavailableError when it is not here."""

    info = INFO

    def __init__(self, split: str, *, download: bool = False) -> None:
        if split not in SPLITS:
            raise unknown_name("split of cifar10", split, SPLITS)
        self.split = split
        pixels, classes = _official(train=split != "test", download=download)
        chosen = _chosen(split)
        self._pixels, self._classes = pixels[chosen], classes[chosen]

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, index: int) -> Sample:
        return Sample(pixels=self._pixels[index], labels=(int(self._classes[index]),))

    def pixels(self, indices: Sequence[int]) -> UInt8:
        """(n, 32, 32, 3) uint8."""
        return self._pixels[np.asarray(indices)]

    def labels(self) -> UInt8:
        """(len, 10) uint8, one-hot."""
        one_hot: UInt8 = np.eye(10, dtype=np.uint8)[self._classes]
        return one_hot


def _chosen(split: str) -> Int:
    if split == "test":
        return np.arange(SPLITS["test"])
    order = np.random.RandomState(SPLIT_SEED).permutation(50_000)  # RandomState: a frozen stream in every numpy
    return np.sort(order[45_000:] if split == "val" else order[:45_000])


def _official(*, train: bool, download: bool) -> tuple[UInt8, Int]:
    from torchvision.datasets import CIFAR10

    place = settings.data_dir()
    try:
        data = CIFAR10(str(place), train=train, download=download)
    except RuntimeError as error:
        raise DataUnavailableError(
            f"CIFAR-10 is not in {place}. Either set XKD_DATA_DIR to the folder that holds "
            "cifar-10-batches-py, or let the app download it (163 MB, needs a network)."
        ) from error
    except OSError as error:
        raise DataUnavailableError(
            f"CIFAR-10 could not be downloaded ({error}). Without a network, put cifar-10-batches-py into a "
            "folder and set XKD_DATA_DIR to it."
        ) from error
    return data.data, np.asarray(data.targets, dtype=np.int64)
