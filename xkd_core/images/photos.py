"""Real photographs that lie inside the scikit-image wheel; nothing is downloaded.

They belong to no class that a network here was trained on, so a page marks them 'outside the training data'.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from xkd_core.errors import BadInputError, DataUnavailableError, unknown_name
from xkd_core.images import cifar
from xkd_core.types import DatasetInfo, Sample, UInt8

# File -> title. Test charts, drawings and scans of text in the same folder are left out.
TITLES = {
    "astronaut.png": "Astronaut Eileen Collins",
    "brick.png": "Brick pavement",
    "camera.png": "Man with a camera",
    "chelsea.png": "Chelsea the cat",
    "clock_motion.png": "Clock in motion",
    "coffee.png": "Cup of coffee",
    "coins.png": "Greek coins from Pompeii",
    "grass.png": "Grass",
    "gravel.png": "Gravel",
    "hubble_deep_field.jpg": "Hubble eXtreme Deep Field",
    "ihc.png": "Stained colon tissue",
    "moon.png": "Surface of the moon",
    "motorcycle_left.png": "Motorcycle",
    "retina.jpg": "Human retina",
    "rocket.jpg": "Rocket on the launch pad",
}
INFO = DatasetInfo(
    name="photos",
    title="Photographs (scikit-image)",
    classes=(),
    multi_label=True,
    transform=cifar.INFO.transform,
    splits={"all": len(TITLES)},
    masks="none",
    note="Photographs without labels. They are explained by the cifar10 networks: outside the training data.",
)


class Photos:
    """All photographs, in the order of their file names. Raises DataUnavailableError when one is missing."""

    info = INFO

    def __init__(self, split: str = "all") -> None:
        if split not in INFO.splits:
            raise unknown_name("split of photos", split, INFO.splits)
        self.split = split
        folder = _folder()
        self._paths = [folder / name for name in sorted(TITLES)]
        missing = [path.name for path in self._paths if not path.is_file()]
        if missing:
            raise DataUnavailableError(
                f"This scikit-image lacks {', '.join(missing)}. Install the version that requirements.txt lists."
            )

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> Sample:
        """``pixels``: the centred square (S, S, 3). facts: title, file, full (the whole picture, (H, W, 3))."""
        if not 0 <= index < len(self):
            raise BadInputError(f"photos:all has the images 0 to {len(self) - 1}; got {index}.")
        path = self._paths[index]
        with Image.open(path) as image:
            full: UInt8 = np.asarray(image.convert("RGB"))
        facts = {"title": TITLES[path.name], "file": path.name, "full": full}
        return Sample(pixels=centred_square(full), labels=(), facts=facts)

    def pixels(self, indices: Sequence[int]) -> UInt8:
        """(n, 32, 32, 3) uint8: the centred squares as the networks see them."""
        from xkd_core.images.transforms import to_input, to_pixels

        chosen = np.asarray(indices, dtype=np.int64).tolist()
        small = [to_pixels(to_input(self[i].pixels[None], INFO.transform), INFO.transform) for i in chosen]
        size = INFO.transform.size
        return np.concatenate(small) if small else np.zeros((0, size, size, 3), dtype=np.uint8)

    def labels(self) -> UInt8:
        """(len, 0) uint8: nothing is known."""
        return np.zeros((len(self), 0), dtype=np.uint8)


def crops(n: int, size: int, *, seed: int = 0) -> UInt8:
    """``n`` random squares of the photographs, (n, size, size, 3): natural images where no training data is at hand.

    Sides are a quarter to the whole of the shorter side; photograph i mod 15 gives crop i.
    """
    from xkd_core.images.transforms import to_input, to_pixels

    photos, chance = Photos(), np.random.default_rng(seed)
    transform = replace(INFO.transform, size=size)
    found = []
    for number in range(n):
        full: UInt8 = np.asarray(photos[number % len(photos)].facts["full"])
        side = int(min(full.shape[:2]) * chance.uniform(0.25, 1))
        top, left = (int(chance.integers(length - side + 1)) for length in full.shape[:2])
        square = full[None, top : top + side, left : left + side]
        found.append(to_pixels(to_input(square, transform), transform))
    return np.concatenate(found)


def centred_square(pixels: UInt8) -> UInt8:
    """Cut the largest centred square out of (H, W, 3)."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(pixels[top : top + side, left : left + side])


def _folder() -> Path:
    spec = importlib.util.find_spec("skimage")
    if spec is None or spec.origin is None:
        raise DataUnavailableError("scikit-image is not installed: pip install -r requirements.txt.")
    return Path(spec.origin).parent / "data"
