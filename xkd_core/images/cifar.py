"""CIFAR-10 through torchvision: found under ``XKD_DATA_DIR``, or downloaded when the user asks.

train / val are 45,000 / 5,000 of the official training images by a fixed shuffle; test is the official test set.
"""

from __future__ import annotations

import urllib.request
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from xkd_core import settings
from xkd_core.errors import BadInputError, DataUnavailableError, unknown_name
from xkd_core.types import DatasetInfo, Int, Sample, Transform, UInt8

SPLITS = {"train": 45_000, "val": 5_000, "test": 10_000}
SPLIT_SEED = 20_000
Progress = Callable[[int, int], None]
_ARCHIVE_BYTES = 170_498_071
_TWO_WAYS = (
    "set XKD_DATA_DIR to a folder that holds cifar-10-batches-py, "
    "or download it with a network (163 MB; the button in the app, or torchvision.datasets.CIFAR10)."
)
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

    def __init__(self, split: str, *, download: bool = False, progress: Progress | None = None) -> None:
        if split not in SPLITS:
            raise unknown_name("split of cifar10", split, SPLITS)
        self.split = split
        pixels, classes = _official(train=split != "test", download=download, progress=progress)
        chosen = _chosen(split)
        self._pixels, self._classes = pixels[chosen], classes[chosen]

    def __len__(self) -> int:
        return len(self._classes)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise BadInputError(f"cifar10:{self.split} has the images 0 to {len(self) - 1}; got {index}.")
        return Sample(pixels=self._pixels[index], labels=(int(self._classes[index]),))

    def pixels(self, indices: Sequence[int]) -> UInt8:
        """(n, 32, 32, 3) uint8."""
        chosen: UInt8 = self._pixels[np.asarray(indices, dtype=np.int64)]
        return chosen

    def labels(self) -> UInt8:
        """(len, 10) uint8, one-hot."""
        one_hot: UInt8 = np.eye(10, dtype=np.uint8)[self._classes]
        return one_hot


def _chosen(split: str) -> Int:
    if split == "test":
        return np.arange(SPLITS["test"], dtype=np.int64)
    order = np.random.RandomState(SPLIT_SEED).permutation(50_000)  # RandomState: a frozen stream in every numpy
    return np.sort(order[45_000:] if split == "val" else order[:45_000]).astype(np.int64)


def _official(*, train: bool, download: bool, progress: Progress | None) -> tuple[UInt8, Int]:
    place = settings.data_dir()
    try:
        return _read(str(place), train)
    except DataUnavailableError:
        if not download:
            raise
    _download(place, progress)
    return _read(str(place), train)


@lru_cache(maxsize=2)  # 180 MB when both are held; pages ask again and again
def _read(place: str, train: bool) -> tuple[UInt8, Int]:
    from torchvision.datasets import CIFAR10

    try:
        data = CIFAR10(place, train=train, download=False)
    except (RuntimeError, OSError, EOFError) as error:
        raise DataUnavailableError(
            f"CIFAR-10 is not in {place}, or its files are damaged (cifar-10-batches-py, checked by md5). "
            f"Two ways to get it: {_TWO_WAYS}"
        ) from error
    pixels: UInt8 = data.data
    pixels.setflags(write=False)
    return pixels, np.asarray(data.targets, dtype=np.int64)


def _download(place: Path, progress: Progress | None) -> None:
    """Fetch the archive beside its final name, let torchvision check its md5, unpack it."""
    from torchvision.datasets import CIFAR10
    from torchvision.datasets.utils import check_integrity, extract_archive

    archive = place / CIFAR10.filename
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not check_integrity(str(archive), CIFAR10.tgz_md5):
            _fetch(CIFAR10.url, archive, progress)
        if not check_integrity(str(archive), CIFAR10.tgz_md5):
            archive.unlink()
            raise DataUnavailableError(
                f"What came from {CIFAR10.url} is not CIFAR-10 (its md5 differs) and was removed. Try again, or: "
                f"{_TWO_WAYS}"
            )
        extract_archive(str(archive), str(place))
    except OSError as error:  # URLError and HTTPError are OSErrors
        raise DataUnavailableError(
            f"CIFAR-10 could not be downloaded into {place} ({error}). Is there a network and room for 350 MB? "
            f"Two ways to get it: {_TWO_WAYS}"
        ) from error


def _fetch(url: str, target: Path, progress: Progress | None) -> None:
    """Stream ``url`` into ``target``; a broken transfer leaves nothing under that name."""
    part = target.with_suffix(".part")
    request = urllib.request.Request(url, headers={"User-Agent": "xkd-explorer"})
    with urllib.request.urlopen(request, timeout=30) as response, part.open("wb") as file:
        total, done = int(response.headers.get("Content-Length") or _ARCHIVE_BYTES), 0
        while chunk := response.read(1 << 18):
            file.write(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, max(total, done))
    part.replace(target)
