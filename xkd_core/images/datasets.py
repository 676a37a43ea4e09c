"""The data sets by name: what each is, and its splits. Nothing is read or drawn before it is asked for."""

from __future__ import annotations

from collections.abc import Callable

from xkd_core import settings
from xkd_core.errors import DataUnavailableError, unknown_name
from xkd_core.images import cifar, digits, folders, mnist, photos, scenes_data, tiny_imagenet
from xkd_core.images.on_disk import OnDisk, actual, listing_of
from xkd_core.images.photo_sets import KINDS
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
NAMES = (*_INFOS, *KINDS)


def info(name: str) -> DatasetInfo:
    """What is known of a data set without its images, and of one in files that are here, what they hold.

    Raises UnknownNameError, and for a folder (``folder:PATH``, see folders.py) DataUnavailableError.
    """
    if name in _INFOS:
        return _INFOS[name]
    if folders.is_folder(name):
        kind = folders.kind_of(name)
        return actual(kind, listing_of(kind, folders.place_of(name)))
    if name not in KINDS:
        raise unknown_name("data set", name, NAMES)
    try:
        return actual(KINDS[name], listing_of(KINDS[name], settings.data_dir()))
    except DataUnavailableError:
        return KINDS[name].info


def load(name: str, split: str, *, download: bool = False, progress: Progress | None = None) -> ImageData:
    """One split of a data set.

    ``download``: fetch the files if they are not on this machine (cifar10 only). ``progress`` is told bytes
    done and bytes in total. Raises UnknownNameError for a name or split, DataUnavailableError for missing files.
    """
    if folders.is_folder(name):
        return OnDisk(folders.kind_of(name), folders.place_of(name), split)
    if name in KINDS:
        return OnDisk(KINDS[name], settings.data_dir(), split)
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
