"""The data sets by name: what each is, and its splits. Nothing is read or drawn before it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from xkd_core.errors import unknown_name
from xkd_core.images import cifar, digits, mnist, photos, scenes_data, tiny_imagenet
from xkd_core.types import DatasetInfo, ImageData

Progress = Callable[[int, int], None]

_INFOS: dict[str, DatasetInfo] = {
    "scenes": scenes_data.INFO,
    "cifar10": cifar.INFO,
    "digits": digits.INFO,
    "photos": photos.INFO,
    "mnist": mnist.INFO,
    tiny_imagenet.FOLDER: tiny_imagenet.INFO,
}
NAMES = tuple(_INFOS)


def info(name: str) -> DatasetInfo:
    """What is known of a data set without its images. Raises UnknownNameError."""
    if name not in _INFOS:
        raise unknown_name("data set", name, NAMES)
    return _INFOS[name]


def load(name: str, split: str, *, download: bool = False, progress: Progress | None = None) -> ImageData:
    """One split of a data set.

    ``download``: fetch the files if they are not on this machine (cifar10 only). ``progress`` is told bytes
    done and bytes in total. Raises UnknownNameError for a name or split, DataUnavailableError for missing files.
    """
    splits = info(name).splits
    if split not in splits:
        raise unknown_name(f"split of {name}", split, splits)
    if name == "cifar10":
        return cifar.Cifar10(split, download=download, progress=progress)
    makers: dict[str, Callable[[str], ImageData]] = {
        "scenes": scenes_data.Scenes,
        "digits": digits.Digits,
        "photos": photos.Photos,
        "mnist": mnist.Mnist,
        tiny_imagenet.FOLDER: tiny_imagenet.TinyImageNet,
    }
    return makers[name](split)
