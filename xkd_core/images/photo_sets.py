"""Public data sets of photographs that a user may have: pets, VOC, ImageNet-S50, birds, cars, aircraft.

Read where torchvision or their authors put them, below ``XKD_DATA_DIR``; torchvision's readers where there are any.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xkd_core.images.on_disk import Box, Item, Kind, Listing, held_out, nonzero, photographs
from xkd_core.types import Bool, DatasetInfo, UInt8

PET, VOID = 1, 255
VOC = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog",
    "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def read_pets(place: Path) -> Listing:
    """torchvision's reader of both official splits; only breeds that have images are classes."""
    from torchvision.datasets import OxfordIIITPet

    parts = {split: OxfordIIITPet(place, split=split, download=False) for split in ("trainval", "test")}
    raw = {split: list(zip(part._images, part._labels, part._segs, strict=True)) for split, part in parts.items()}
    ids = sorted({label for rows in raw.values() for _, label, _ in rows})
    names = {label: file.stem.rsplit("_", 1)[0] for rows in raw.values() for file, label, _ in rows}
    items = {
        split: tuple(Item(file=file, labels=(ids.index(label),), mask=mask) for file, label, mask in rows)
        for split, rows in raw.items()
    }
    classes = tuple(names[one].replace("_", " ") for one in ids)
    return Listing(classes=classes, splits=_three(items["trainval"], items["test"]))


def trimap(file: Path, label: int) -> Bool:
    """1 is the pet, 2 the background, 3 the border, which is not counted as pet."""
    with Image.open(file) as image:
        pixels: UInt8 = np.asarray(image)
    return np.equal(pixels, PET).astype(bool)


def read_voc(place: Path) -> Listing:
    """train, val: the official classification images of "train", by box; test: "val" of segmentation, by mask.

    An image's labels are the classes of its objects that are not marked difficult.
    """
    from torchvision.datasets import VOCDetection, VOCSegmentation

    main = VOCDetection(place, year="2012", image_set="train")
    shown = VOCSegmentation(place, year="2012", image_set="val")
    boxed = tuple(_boxed(Path(file), Path(note)) for file, note in zip(main.images, main.annotations, strict=True))
    masked = tuple(
        Item(file=Path(file), labels=_objects(_note_of(Path(file))), mask=Path(mask))
        for file, mask in zip(shown.images, shown.masks, strict=True)
    )
    return Listing(classes=VOC, splits=_three(boxed, masked))


def voc_mask(file: Path, label: int) -> Bool:
    """Palette images: 0 is the background, class c has the number c + 1, 255 is the undecided border."""
    with Image.open(file) as image:
        pixels: UInt8 = np.asarray(image)
    return np.equal(pixels, label + 1).astype(bool)


def read_imagenet_s(place: Path) -> Listing:
    """ImageNet-S50 (Gao et al. 2022): train, and as test the validation images with their masks.

    ``validation-segmentation/<wnid>/<name>.png`` holds the class as red + 256 green, counted from 1.
    """
    root = place / "ImageNetS50"
    names = sorted(folder.name for folder in (root / "train").iterdir() if folder.is_dir())
    train = [
        Item(file=file, labels=(label,)) for label, name in enumerate(names) for file in _files(root / "train" / name)
    ]
    test = [
        Item(file=file, labels=(label,), mask=root / "validation-segmentation" / name / f"{file.stem}.png")
        for label, name in enumerate(names)
        for file in _files(root / "validation" / name)
    ]
    return Listing(classes=tuple(names), splits=_three(train, test))


def imagenet_s_mask(file: Path, label: int) -> Bool:
    """Where the class stands; 0 is everything else, 1000 is undecided."""
    with Image.open(file) as image:
        pixels = np.asarray(image.convert("RGB")).astype(np.int64)
    return np.asarray(pixels[..., 0] + 256 * pixels[..., 1] == label + 1)


def read_cub(place: Path) -> Listing:
    """CUB-200-2011 by its lists; with ``segmentations`` beside the images the bird's outline, else its box."""
    root = place / "CUB_200_2011"
    files, labels, train, boxes = (_table(root / name) for name in _CUB)
    names = [" ".join(name.split(".", 1)[1].split("_")) for name in _table(root / "classes.txt").values()]
    outlines = next((one for one in (root / "segmentations", place / "segmentations") if one.is_dir()), None)
    parts: dict[bool, list[Item]] = {True: [], False: []}
    for number, name in files.items():
        mask = None if outlines is None else (outlines / name).with_suffix(".png")
        x, y, width, height = (float(word) for word in boxes[number].split())
        box = (x, y, x + width - 1, y + height - 1)
        item = Item(file=root / "images" / name, labels=(int(labels[number]) - 1,), mask=mask, box=box)
        parts[train[number] == "1"].append(item)
    return Listing(classes=tuple(names), splits=_three(parts[True], parts[False]))


_CUB = ("images.txt", "image_class_labels.txt", "train_test_split.txt", "bounding_boxes.txt")


def read_cars(place: Path) -> Listing:
    """Stanford Cars through torchvision, with the boxes of its own lists (counted from 1)."""
    from scipy.io import loadmat
    from torchvision.datasets import StanfordCars

    parts = {}
    for split in ("train", "test"):
        data = StanfordCars(place, split=split, download=False)
        notes = np.atleast_1d(loadmat(data._annotations_mat_path, squeeze_me=True)["annotations"])
        parts[split] = [
            Item(file=Path(file), labels=(int(label),), box=_car_box(note))
            for (file, label), note in zip(data._samples, notes, strict=True)
        ]
        classes = tuple(str(name) for name in data.classes)
    return Listing(classes=classes, splits=_three(parts["train"], parts["test"]))


def read_aircraft(place: Path) -> Listing:
    """FGVC-Aircraft's 100 variants through torchvision: its own train, val and test, with its boxes."""
    from torchvision.datasets import FGVCAircraft

    boxes = _table(place / "fgvc-aircraft-2013b" / "data" / "images_box.txt")
    splits = {}
    for split in ("train", "val", "test"):
        data = FGVCAircraft(place, split=split, download=False)
        pairs = zip(map(Path, data._image_files), data._labels, strict=True)
        splits[split] = tuple(
            Item(file=file, labels=(label,), box=_from_one(boxes[file.stem])) for file, label in pairs
        )
    return Listing(classes=tuple(data.classes), splits=splits)


def _three(train: Sequence[Item], test: Sequence[Item]) -> Mapping[str, tuple[Item, ...]]:
    own, val = held_out(train)
    return {"train": own, "val": val, "test": tuple(test)}


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in (".jpeg", ".jpg", ".png"))


def _table(path: Path) -> dict[str, str]:
    """First word of each line -> the rest of it."""
    lines = (line.split(" ", 1) for line in path.read_text().splitlines() if line)
    return {first: rest.strip() for first, rest in lines}


def _from_one(text: str) -> Box:
    """A box counted from 1, both ends inside."""
    x0, y0, x1, y1 = (float(word) - 1 for word in text.split())
    return x0, y0, x1, y1


def _car_box(note: Any) -> Box:
    x0, y0, x1, y1 = (float(note[f"bbox_{end}"]) - 1 for end in ("x1", "y1", "x2", "y2"))
    return x0, y0, x1, y1


def _note_of(image: Path) -> Path:
    return image.parents[1] / "Annotations" / f"{image.stem}.xml"


def _objects(note: Path) -> tuple[int, ...]:
    return tuple(sorted({VOC.index(name) for name, _ in _parsed(note)}))


def _boxed(file: Path, note: Path) -> Item:
    """With several objects there is no one box: the place of each class is known on images of test only."""
    found = _parsed(note)
    return Item(file=file, labels=_objects(note), box=found[0][1] if len(found) == 1 else None)


def _parsed(note: Path) -> list[tuple[str, Box]]:
    from xml.etree.ElementTree import parse

    found = []
    for one in parse(note).getroot().findall("object"):
        if (one.findtext("difficult") or "0").strip() == "0":
            ends = " ".join(one.findtext(f"bndbox/{end}") or "" for end in ("xmin", "ymin", "xmax", "ymax"))
            found.append((str(one.findtext("name")), _from_one(ends)))
    return found


def _info(name: str, title: str, size: int, masks: Any, note: str, *, multi_label: bool = False) -> DatasetInfo:
    return DatasetInfo(
        name=name, title=title, classes=(), multi_label=multi_label, transform=photographs(size),
        splits={"train": 0, "val": 0, "test": 0}, masks=masks, note=note,
    )  # fmt: skip


KINDS: Mapping[str, Kind] = {
    kind.info.name: kind
    for kind in (
        Kind(
            info=_info("oxford-iiit-pet", "Oxford-IIIT Pet", 128, "class", "Cats and dogs by breed, with trimaps."),
            read=read_pets,
            layout="oxford-iiit-pet/images and oxford-iiit-pet/annotations with trainval.txt, test.txt and trimaps",
            mask_of=trimap,
        ),
        Kind(
            info=_info(
                "voc2012", "Pascal VOC 2012", 227, "class", "Twenty classes, several an image.", multi_label=True
            ),
            read=read_voc,
            layout="VOCdevkit/VOC2012 with JPEGImages, Annotations, ImageSets and SegmentationClass",
            mask_of=voc_mask,
        ),
        Kind(
            info=_info("imagenet-s50", "ImageNet-S50", 224, "class", "Fifty classes of ImageNet with class masks."),
            read=read_imagenet_s,
            layout="ImageNetS50 with train, validation and validation-segmentation, a folder for each class",
            mask_of=imagenet_s_mask,
        ),
        Kind(
            info=_info("cub200", "CUB-200-2011", 224, "class", "Two hundred birds, with outlines or boxes."),
            read=read_cub,
            layout="CUB_200_2011 with images and its lists, and segmentations inside or beside it",
            mask_of=nonzero,
        ),
        Kind(
            info=_info("stanford-cars", "Stanford Cars", 224, "box", "Cars by model, with boxes."),
            read=read_cars,
            layout="stanford_cars with devkit, cars_train, cars_test and cars_test_annos_withlabels.mat",
        ),
        Kind(
            info=_info("fgvc-aircraft", "FGVC-Aircraft", 224, "box", "A hundred variants of aircraft, with boxes."),
            read=read_aircraft,
            layout="fgvc-aircraft-2013b/data with images, its lists and images_box.txt",
        ),
    )
}
