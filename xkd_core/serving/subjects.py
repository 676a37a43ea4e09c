"""The image that is looked at: its pixels for the network and for the eye, its labels, masks and facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from xkd_core import rendering
from xkd_core.errors import BadInputError, DataUnavailableError
from xkd_core.images import datasets
from xkd_core.images.on_disk import OnDisk
from xkd_core.images.photo_sets import KINDS
from xkd_core.types import Bool, DatasetInfo, ImageData, Sample, UInt8

DISPLAY_PX = 256
UPLOAD = "upload"
# Images of these are explained by networks that were trained on something else.
OUTSIDE: Mapping[str, str] = {"photos": "cifar10", "digits": "cifar10", UPLOAD: "cifar10"}
SPLITS: Mapping[str, str] = {
    "scenes": "test", "cifar10": "test", "tiny-imagenet-50": "test", "mnist": "test", "digits": "test", "photos": "all",
    **dict.fromkeys(KINDS, "test"),
}  # fmt: skip
ALWAYS = ("scenes", "cifar10")
DOWNLOADABLE = ("cifar10",)


@dataclass(frozen=True, kw_only=True)
class ImageKey:
    """Which image: data set, split and index; for an upload its sha256 stands in ``split``."""

    dataset: str
    split: str
    index: int

    @property
    def networks(self) -> str:
        """The data set whose networks explain this image."""
        return OUTSIDE.get(self.dataset, self.dataset)

    @property
    def outside(self) -> bool:
        """True when the networks never saw this kind of image in training."""
        return self.dataset in OUTSIDE

    @property
    def spec(self) -> str:
        """As the command line takes it: NAME:SPLIT:INDEX."""
        return f"{self.dataset}:{self.split}:{self.index}"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """An image ready to explain.

    input: (S, S, 3) uint8, what the network sees. photo: (256, 256, 3) uint8, the same scene for the eye.
    masks: class -> (256, 256) bool. facts: plain values of the data set, see ``Sample``.
    """

    key: ImageKey
    classes: tuple[str, ...]
    multi_label: bool
    input: UInt8
    photo: UInt8
    labels: tuple[int, ...]
    masks: Mapping[int, Bool]
    native_masks: Mapping[int, Bool]
    facts: Mapping[str, object]

    @property
    def caption(self) -> str:
        """What is known to be in the image, for an alt text: 'mug, fish'."""
        named = [self.classes[label] for label in self.labels if not self.key.outside]
        return ", ".join(named) or str(self.facts.get("title", self.key.dataset))


def choices(with_runs: Callable[[str], bool], *, networks_only: bool = False) -> tuple[str, ...]:
    """The data sets to offer: those with networks of their own (``with_runs``), then what these can be shown."""
    own = [name for name in SPLITS if name not in OUTSIDE and (name in ALWAYS or with_runs(name))]
    return (*own, *(() if networks_only else OUTSIDE))


def images_in(dataset: str) -> int:
    """How many images of a data set a visitor can look at; 1 while it is unknown because the files are not here."""
    return datasets.info(dataset).splits.get(SPLITS[dataset], 0) or 1


def key_of(dataset: str, index: int) -> ImageKey:
    """The key of a visible image; an index outside the split is brought to its nearest end."""
    last = images_in(dataset) - 1
    return ImageKey(dataset=dataset, split=SPLITS[dataset], index=max(min(index, last), 0))


def subject(key: ImageKey, *, upload: UInt8 | None = None, crisp: bool = True) -> Subject:
    """Read or draw an image; ``crisp``: again at 256 px where it can be, which for scenes takes most of the time.

    Errors: DataUnavailableError, BadInputError for an upload that did not come.
    """
    info = datasets.info(key.networks)
    sample, pixels = _upload(key, upload, info) if key.dataset == UPLOAD else _stored(key)
    large = _crisp(key) if crisp else None
    photo = large.pixels if large is not None else rendering.enlarge(sample.pixels, DISPLAY_PX)
    masks = large.masks if large is not None else sample.masks
    return Subject(
        key=key,
        classes=info.classes,
        multi_label=info.multi_label,
        input=pixels,
        photo=photo,
        labels=sample.labels,
        masks={label: rendering.fit_mask(mask, DISPLAY_PX) for label, mask in masks.items()},
        native_masks=sample.masks,
        facts=sample.facts,
    )


def thumbnails(dataset: str, indices: tuple[int, ...]) -> UInt8:
    """Small pictures for a gallery: (n, S, S, 3) uint8 at the network's size."""
    return _open(dataset, SPLITS[dataset]).pixels(indices)


def available(dataset: str) -> str | None:
    """None when the images of a data set can be read; otherwise the sentence that says what to do."""
    try:
        _open(dataset, SPLITS[dataset])
    except DataUnavailableError as error:
        return str(error)
    return None


def download(dataset: str, *, progress: Callable[[int, int], None]) -> None:
    """Fetch a data set on the user's wish. Errors: DataUnavailableError without a network."""
    datasets.load(dataset, SPLITS[dataset], download=True, progress=progress)
    _open.cache_clear()


@lru_cache(maxsize=4)
def _open(dataset: str, split: str) -> ImageData:
    return datasets.load(dataset, split)


def _stored(key: ImageKey) -> tuple[Sample, UInt8]:
    data = _open(key.dataset, key.split)
    if not 0 <= key.index < len(data):
        raise BadInputError(f"{key.dataset}:{key.split} has the images 0 to {len(data) - 1}; got {key.index}.")
    sample = data[key.index]
    if sample.pixels.shape[0] == data.info.transform.size:
        return sample, sample.pixels
    return sample, data.pixels([key.index])[0]


def _upload(key: ImageKey, pixels: UInt8 | None, info: DatasetInfo) -> tuple[Sample, UInt8]:
    from xkd_core.images.photos import centred_square
    from xkd_core.images.transforms import to_input, to_pixels

    if pixels is None:
        raise BadInputError("Choose an image file to explain: PNG, JPEG or WebP, up to 10 MB.")
    square = centred_square(pixels)
    small = to_pixels(to_input(square[None], info.transform), info.transform)[0]
    return Sample(pixels=square, labels=(), facts={"title": "your image"}), np.asarray(small)


def _crisp(key: ImageKey) -> Sample | None:
    """The image at 256 px if it can be drawn, or read, larger than networks see it."""
    from xkd_core.images import scenes

    if key.dataset == "scenes":
        return scenes.render(key.split, key.index, size=DISPLAY_PX)
    data = _open(key.dataset, key.split) if key.dataset in KINDS else None
    return data.at(key.index, DISPLAY_PX) if isinstance(data, OnDisk) else None
