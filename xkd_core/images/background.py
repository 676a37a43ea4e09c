"""Images that stand for 'the data': GradientSHAP's background, and those that give random networks their statistics.

The stored rows and the app take the same ones.
"""

from __future__ import annotations

from functools import cache

from torch import Tensor

from xkd_core.images import datasets
from xkd_core.images.sampling import class_by_class, first_images
from xkd_core.images.transforms import to_input

BACKGROUND_IMAGES = 50


def background(dataset: str, split: str, size: int = BACKGROUND_IMAGES) -> Tensor:
    """``size`` images (size, 3, S, S) of a split, normalised, as of `first_images`: mixed where they come by class."""
    data = datasets.load(dataset, split)
    return to_input(data.pixels(first_images(data, size).tolist()), data.info.transform)


def training_split(dataset: str) -> str:
    """The split that students learn from."""
    return "transfer" if dataset == "scenes" else "train"


@cache
def background_is_shuffled(dataset: str, split: str) -> bool:
    """Whether the images of a training split come class by class."""
    data = datasets.load(dataset, split)
    return not data.info.multi_label and class_by_class(data.labels())
