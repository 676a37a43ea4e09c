"""Any folder of images sorted by class, with or without masks, as a data set: ``folder:PATH`` or ``folder-NAME``.

PATH/train/CLASS/*.jpg, and val and test where there are; or PATH/CLASS/*.jpg, which is one split, "all". A mask is
PATH/masks/SPLIT/CLASS/NAME.png (without splits PATH/masks/CLASS/NAME.png), white where the object is.
``folder-NAME`` is the folder NAME below ``XKD_DATA_DIR``: a name that runs may be called by.
"""

from __future__ import annotations

import re
from pathlib import Path

from xkd_core import settings
from xkd_core.errors import BadInputError
from xkd_core.images.on_disk import Item, Kind, Listing, held_out, photographs
from xkd_core.types import DatasetInfo

PREFIXES = ("folder:", "folder-")
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
SIZE = 64
MASKS = "masks"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,40}")


def is_folder(name: str) -> bool:
    """Whether a data set's name is that of a folder."""
    return name.startswith(PREFIXES)


def place_of(name: str) -> Path:
    """Where the folder lies. Errors: BadInputError for a NAME that runs could not be called by."""
    word = name[len(PREFIXES[0]) :]
    if name.startswith(PREFIXES[0]):
        return Path(word).expanduser()
    if not _NAME.fullmatch(word):
        raise BadInputError(
            f"A folder's name is small letters, digits, dots and dashes; got {word!r}. Rename it, or write folder:PATH."
        )
    return settings.data_dir() / word


def kind_of(name: str) -> Kind:
    """The kind of one folder; its masks are looked for."""
    place = place_of(name)
    masks = (place / MASKS).is_dir()
    info = DatasetInfo(
        name=name if name.startswith(PREFIXES[1]) else f"folder-{_slug(place.name)}",
        title=place.name,
        classes=(),
        multi_label=False,
        transform=photographs(SIZE),
        splits={},
        masks="class" if masks else "none",
        note=f"Your folder {place.name}{', with masks' if masks else ''}.",
    )
    return Kind(info=info, read=read_folder, layout="train/CLASS/*.jpg (and val, test, masks), or CLASS/*.jpg")


def read_folder(place: Path) -> Listing:
    """Classes are the folders of the first split; a missing val is a tenth of train."""
    splits = [name for name in ("train", "val", "test") if (place / name).is_dir()]
    if not splits:
        classes = _classes(place)
        return Listing(classes=classes, splits={"all": _items(place, place / MASKS, classes)})
    classes = _classes(place / splits[0])
    found = {name: _items(place / name, place / MASKS / name, classes) for name in splits}
    if "train" in found and "val" not in found:
        found["train"], found["val"] = held_out(found["train"])
    return Listing(classes=classes, splits=found)


def _classes(place: Path) -> tuple[str, ...]:
    found = tuple(sorted(folder.name for folder in place.iterdir() if folder.is_dir() and folder.name != MASKS))
    if not found:
        raise ValueError(f"{place.name} holds no folders of classes")
    return found


def _items(place: Path, masks: Path, classes: tuple[str, ...]) -> tuple[Item, ...]:
    found = []
    for label, name in enumerate(classes):
        files = sorted((place / name).iterdir()) if (place / name).is_dir() else []
        for file in (one for one in files if one.suffix.lower() in ENDINGS):
            mask = masks / name / f"{file.stem}.png"
            found.append(Item(file=file, labels=(label,), mask=mask if mask.exists() else None))
    return tuple(found)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.") or "images"
