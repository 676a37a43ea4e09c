"""Fifty classes of Tiny ImageNet (64 px, one box an image), from files under ``XKD_DATA_DIR``.

The classes are single compact objects. train / val are 450 / 50 images a class of the official training images, by
a fixed shuffle; test is the official validation set, whose labels are public. The mask is the inside of the box: it
covers half of an average image, which is what pointing at random gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from xkd_core import settings
from xkd_core.errors import BadInputError, DataUnavailableError, unknown_name
from xkd_core.types import Bool, DatasetInfo, Sample, Transform, UInt8

FOLDER, SIDE = "tiny-imagenet-50", 64
SPLIT_SEED = 64
CLASSES = {
    "n01443537": "goldfish", "n01629819": "fire salamander", "n01641577": "bullfrog", "n01698640": "alligator",
    "n01770393": "scorpion", "n01774384": "black widow", "n01855672": "goose", "n01910747": "jellyfish",
    "n01944390": "snail", "n02002724": "black stork", "n02056570": "king penguin", "n02058221": "albatross",
    "n02074367": "dugong", "n02099712": "Labrador retriever", "n02132136": "brown bear", "n02165456": "ladybug",
    "n02206856": "bee", "n02268443": "dragonfly", "n02279972": "monarch", "n02281406": "sulphur butterfly",
    "n02364673": "guinea pig", "n02403003": "ox", "n02410509": "bison", "n02415577": "bighorn",
    "n02423022": "gazelle", "n02437312": "Arabian camel", "n02486410": "baboon", "n02504458": "African elephant",
    "n02509815": "lesser panda", "n02793495": "barn", "n02814860": "beacon", "n02823428": "beer bottle",
    "n02841315": "binoculars", "n02843684": "birdhouse", "n02917067": "bullet train", "n02950826": "cannon",
    "n03444034": "go-kart", "n03447447": "gondola", "n03662601": "lifeboat", "n03670208": "limousine",
    "n04133789": "sandal", "n04146614": "school bus", "n04259630": "sombrero", "n04285008": "sports car",
    "n04487081": "trolleybus", "n04562935": "water tower", "n07720875": "bell pepper", "n07734744": "mushroom",
    "n07749582": "lemon", "n07753592": "banana",
}  # fmt: skip
IN_FULL = {"fire salamander": "European fire salamander", "alligator": "American alligator"}
"""What teachers of all thousand classes call two of them, in torchvision's list; the others have their own."""
PER_CLASS = {"train": 450, "val": 50, "test": 50}
SPLITS = {name: count * len(CLASSES) for name, count in PER_CLASS.items()}
INFO = DatasetInfo(
    name=FOLDER,
    title="Tiny ImageNet, 50 classes",
    classes=tuple(CLASSES.values()),
    multi_label=False,
    # python -m xkd_core.images.statistics tiny-imagenet-50 train
    transform=Transform(size=SIDE, mean=(0.469, 0.4534, 0.3927), std=(0.2706, 0.2595, 0.277)),
    splits=SPLITS,
    masks="box",
    note="64x64 photographs of fifty classes with one box each. The box covers half of an average image.",
)
Box = tuple[int, int, int, int]


class TinyImageNet:
    """One split; images are read from their files when they are asked for. Raises DataUnavailableError."""

    info = INFO

    def __init__(self, split: str) -> None:
        if split not in SPLITS:
            raise unknown_name(f"split of {FOLDER}", split, SPLITS)
        self.split = split
        self._files = _files(str(settings.data_dir() / FOLDER), split)

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise BadInputError(f"{FOLDER}:{self.split} has the images 0 to {len(self) - 1}; got {index}.")
        file, label = self._files[index]
        box = _boxes(str(file.parents[1]))[file.name]
        return Sample(pixels=_pixels(file), labels=(label,), masks={label: _inside(box)})

    def pixels(self, indices: Sequence[int]) -> UInt8:
        """(n, 64, 64, 3) uint8; grey files become three equal channels."""
        if len(indices) == 0:
            return np.zeros((0, SIDE, SIDE, 3), dtype=np.uint8)
        return np.stack([_pixels(self._files[int(index)][0]) for index in indices])

    def labels(self) -> UInt8:
        """(len, 50) uint8, one-hot."""
        one_hot: UInt8 = np.eye(len(CLASSES), dtype=np.uint8)[[label for _, label in self._files]]
        return one_hot


@lru_cache(maxsize=3)
def _files(place: str, split: str) -> tuple[tuple[Path, int], ...]:
    """Files and labels of a split, class by class; the order is that of the names, so it is the same everywhere."""
    source = Path(place) / ("val" if split == "test" else "train")
    found: list[tuple[Path, int]] = []
    for label, name in enumerate(CLASSES):
        files = sorted((source / name / "images").glob("*.JPEG"))
        wanted = PER_CLASS["test"] if split == "test" else PER_CLASS["train"] + PER_CLASS["val"]
        if len(files) != wanted:
            raise DataUnavailableError(
                f"{FOLDER} is not whole under {Path(place).parent}: {source.name}/{name}/images must hold {wanted} "
                f"JPEG files, it holds {len(files)}. Set XKD_DATA_DIR to the folder that holds {FOLDER}."
            )
        found += [(file, label) for file in _part(files, split, label)]
    return tuple(found)


def _part(files: list[Path], split: str, label: int) -> list[Path]:
    if split == "test":
        return files
    order = np.random.RandomState(SPLIT_SEED + label).permutation(len(files))  # a frozen stream in every numpy
    chosen = order[PER_CLASS["train"] :] if split == "val" else order[: PER_CLASS["train"]]
    return [files[place] for place in np.sort(chosen)]


@lru_cache(maxsize=128)
def _boxes(folder: str) -> dict[str, Box]:
    """File name -> x0, y0, x1, y1 of its box, both ends inside."""
    path = Path(folder) / f"{Path(folder).name}_boxes.txt"
    try:
        lines = [line.split("\t") for line in path.read_text().splitlines() if line]
        return {name: (int(x0), int(y0), int(x1), int(y1)) for name, x0, y0, x1, y1 in lines}
    except (OSError, ValueError) as error:
        raise DataUnavailableError(f"The boxes of {FOLDER} cannot be read from {path.name} ({error}).") from error


def _inside(box: Box) -> Bool:
    x0, y0, x1, y1 = box
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[y0 : y1 + 1, x0 : x1 + 1] = True
    return mask


def _pixels(file: Path) -> UInt8:
    try:
        with Image.open(file) as image:
            return np.asarray(image.convert("RGB"))
    except OSError as error:
        raise DataUnavailableError(f"{file.name} of {FOLDER} cannot be read ({error}).") from error
