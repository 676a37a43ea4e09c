"""Photographs in files: each data set in its real layout, made small here; masks, boxes, splits, plain refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from xkd_core.errors import BadInputError, DataUnavailableError, UnknownNameError
from xkd_core.images import datasets, on_disk, spec
from xkd_core.images.photo_sets import KINDS
from xkd_core.types import Sample

WIDE = (24, 16)
"""Width and height of all files: the middle square is columns 4 to 19."""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path))
    monkeypatch.setattr(on_disk, "_READ", {})
    return tmp_path


def photo(path: Path, *, grey: bool = False) -> None:
    """Red on the left half of the middle square, blue on the right, green outside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((WIDE[1], WIDE[0], 3), np.uint8)
    pixels[..., 1] = 255
    pixels[:, 4:12], pixels[:, 12:20] = (255, 0, 0), (0, 0, 255)
    image = Image.fromarray(pixels)
    (image.convert("L") if grey else image).save(path, quality=100, subsampling=0)


def painted(path: Path, values: np.ndarray, mode: str | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(values.astype(np.uint8))
    if mode == "P":
        image.putpalette([0] * 768)
    image.save(path)


def left_half(inside: int, outside: int = 0) -> np.ndarray:
    """A mask's file: the left half of the middle square is the object."""
    found = np.full((WIDE[1], WIDE[0]), outside)
    found[:, 4:12] = inside
    return found


def is_left_half(sample: Sample, label: int) -> None:
    mask, side = sample.masks[label], sample.pixels.shape[0]
    assert mask.shape == (side, side) and mask.dtype == bool
    assert mask[:, : side // 2].all() and not mask[:, side // 2 :].any()
    assert sample.pixels[side // 2, side // 4, 0] > 200 and sample.pixels[side // 2, -side // 4, 2] > 200


def lines(path: Path, *text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in text))


def make_pets(root: Path) -> None:
    base = root / "oxford-iiit-pet"
    names = {"Abyssinian": 1, "Bengal": 6}
    for split, count in (("trainval", 4), ("test", 2)):
        found = [(f"{name}_{split}{number}", label) for name, label in names.items() for number in range(count)]
        lines(base / "annotations" / f"{split}.txt", *(f"{name} {label} 1 1" for name, label in found))
        for name, _ in found:
            photo(base / "images" / f"{name}.jpg")
            values = left_half(1, 2)
            values[:, 12:14] = 3  # the border is not the pet
            painted(base / "annotations" / "trimaps" / f"{name}.png", values)


def make_voc(root: Path) -> None:
    base = root / "VOCdevkit" / "VOC2012"
    box = "<bndbox><xmin>5</xmin><ymin>1</ymin><xmax>12</xmax><ymax>16</ymax></bndbox>"
    for name, objects in (("a", ["dog"]), ("b", ["dog", "cat"]), ("c", ["cat"]), ("d", ["person", "dog"])):
        photo(base / "JPEGImages" / f"{name}.jpg")
        inside = "".join(f"<object><name>{one}</name><difficult>0</difficult>{box}</object>" for one in objects)
        hard = f"<object><name>bird</name><difficult>1</difficult>{box}</object>"
        lines(base / "Annotations" / f"{name}.xml", f"<annotation>{inside}{hard}</annotation>")
    lines(base / "ImageSets" / "Main" / "train.txt", "a", "b", "c")
    lines(base / "ImageSets" / "Segmentation" / "val.txt", "d")
    values = left_half(15)  # person: 14, counted from 0
    values[:, 12:20] = 12  # dog
    values[:, 11:13] = 255
    painted(base / "SegmentationClass" / "d.png", values, "P")


def make_imagenet_s(root: Path) -> None:
    base = root / "ImageNetS50"
    for number, wnid in enumerate(("n01443537", "n01491361"), 1):
        for one in range(2):
            photo(base / "train" / wnid / f"{wnid}_{one}.JPEG", grey=one == 1)
        photo(base / "validation" / wnid / f"v{number}.JPEG")
        rgb = np.stack([left_half(number), left_half(0), left_half(0)], axis=-1)
        rgb[:, 20:] = (232, 3, 0)  # 1000: undecided
        painted(base / "validation-segmentation" / wnid / f"v{number}.png", rgb)


def make_cub(root: Path, *, outlines: bool = True) -> None:
    base = root / "CUB_200_2011"
    names = [f"{label:03d}.Some_bird/B_{number}.jpg" for label in (1, 2) for number in range(3)]
    lines(base / "classes.txt", "1 001.Black_footed_Albatross", "2 002.Laysan_Albatross")
    lines(base / "images.txt", *(f"{n} {name}" for n, name in enumerate(names, 1)))
    lines(base / "image_class_labels.txt", *(f"{n} {1 + (n > 3)}" for n in range(1, 7)))
    lines(base / "train_test_split.txt", *(f"{n} {int(n not in (3, 6))}" for n in range(1, 7)))
    lines(base / "bounding_boxes.txt", *(f"{n} 4.0 0.0 8.0 16.0" for n in range(1, 7)))
    for name in names:
        photo(base / "images" / name)
        if outlines:
            painted((root / "segmentations" / name).with_suffix(".png"), left_half(255))


def make_cars(root: Path) -> None:
    base = root / "stanford_cars"
    (base / "devkit").mkdir(parents=True)
    kind = [("bbox_x1", "O"), ("bbox_y1", "O"), ("bbox_x2", "O"), ("bbox_y2", "O"), ("class", "O"), ("fname", "O")]
    for split, file in (("train", "devkit/cars_train_annos.mat"), ("test", "cars_test_annos_withlabels.mat")):
        rows = [(5, 1, 12, 16, label, f"{n:05d}.jpg") for n, label in enumerate((1, 1, 2, 2), 1)]
        savemat(base / file, {"annotations": np.array(rows, dtype=kind)})
        for row in rows:
            photo(base / f"cars_{split}" / row[5])
    savemat(base / "devkit" / "cars_meta.mat", {"class_names": np.array(["Acura RL", "Audi TT"], dtype=object)})


def make_aircraft(root: Path) -> None:
    base = root / "fgvc-aircraft-2013b" / "data"
    lines(base / "variants.txt", "707-320", "A300B4")
    boxes = []
    for split, first in (("train", 1), ("val", 3), ("test", 5)):
        names = [f"{number:07d}" for number in (first, first + 1)]
        pairs = zip(names, ("707-320", "A300B4"), strict=True)
        lines(base / f"images_variant_{split}.txt", *(f"{name} {variant}" for name, variant in pairs))
        boxes += [f"{name} 5 1 12 16" for name in names]
        for name in names:
            photo(base / "images" / f"{name}.jpg")
    lines(base / "images_box.txt", *boxes)


MAKERS = {
    "oxford-iiit-pet": (make_pets, ("Abyssinian", "Bengal"), {"train": 6, "val": 2, "test": 4}),
    "imagenet-s50": (make_imagenet_s, ("n01443537", "n01491361"), {"train": 2, "val": 2, "test": 2}),
    "cub200": (make_cub, ("Black footed Albatross", "Laysan Albatross"), {"train": 2, "val": 2, "test": 2}),
    "stanford-cars": (make_cars, ("Acura RL", "Audi TT"), {"train": 2, "val": 2, "test": 4}),
    "fgvc-aircraft": (make_aircraft, ("707-320", "A300B4"), {"train": 2, "val": 2, "test": 2}),
}


@pytest.mark.parametrize("name", MAKERS)
def test_files_of_the_real_layout_become_squares_with_masks_cut_alike(place: Path, name: str) -> None:
    make, classes, splits = MAKERS[name]
    make(place)
    info = datasets.info(name)
    assert (info.classes, dict(info.splits)) == (classes, splits)
    for split, count in splits.items():
        data = datasets.load(name, split)
        assert (len(data), data.split, data.info) == (count, split, info)
        side = info.transform.size
        assert data.pixels(range(count)).shape == (count, side, side, 3) and data.pixels([]).shape[0] == 0
        labels = data.labels()
        assert labels.shape == (count, 2) and (labels.sum(axis=1) == 1).all()
        with pytest.raises(BadInputError, match=f"0 to {count - 1}"):
            data[count]
    sample = datasets.load(name, "test")[count - 1]
    assert sample.labels == (1,)
    is_left_half(sample, 1)
    assert spec.parse(f"{name}:test:0-1") == (name, "test", range(2))


def test_voc_has_several_labels_an_image_and_masks_by_class(place: Path) -> None:
    make_voc(place)
    data = datasets.load("voc2012", "test")
    assert data.info.multi_label and len(data.info.classes) == 20 and data.info.splits["test"] == 1
    sample = data[0]
    assert sample.labels == (11, 14) and data.labels()[0].sum() == 2  # what is difficult is not counted
    person, dog = sample.masks[14], sample.masks[11]
    assert person.any() and dog.any() and not (person & dog).any()
    assert not (person | dog)[:, round(227 * 7.5 / 16)].any()  # the undecided border is nobody's
    train, val = datasets.load("voc2012", "train"), datasets.load("voc2012", "val")
    found = {one.labels: one for data in (train, val) for one in (data[index] for index in range(len(data)))}
    assert set(found) == {(11,), (7, 11), (7,)}
    is_left_half(found[11,], 11)
    assert not found[7, 11].masks  # a box of which of the two?


def test_birds_without_outlines_have_boxes(place: Path) -> None:
    make_cub(place, outlines=False)
    is_left_half(datasets.load("cub200", "test")[1], 1)


def test_train_and_val_share_no_file_and_are_drawn_once(place: Path) -> None:
    make_pets(place)
    listing = on_disk.listing_of(KINDS["oxford-iiit-pet"], place)
    train, val = ({item.file for item in listing.splits[name]} for name in ("train", "val"))
    assert not train & val and len(train | val) == 8
    again = on_disk.held_out([*listing.splits["train"], *listing.splits["val"]][:0])
    assert again == ((), ())


def test_a_folder_of_images_is_a_data_set_with_or_without_masks(place: Path) -> None:
    base = place / "birds"
    for split, count in (("train", 10), ("test", 2)):
        for name in ("crow", "owl"):
            for number in range(count):
                photo(base / split / name / f"{number}.jpg")
                painted(base / "masks" / split / name / f"{number}.png", left_half(255))
    (base / "masks" / "test" / "owl" / "1.png").unlink()
    for name in (f"folder:{base}", "folder-birds"):
        info = datasets.info(name)
        assert (info.name, info.classes, info.masks) == ("folder-birds", ("crow", "owl"), "class")
        assert dict(info.splits) == {"train": 18, "test": 2 * 2, "val": 2}
        is_left_half(datasets.load(name, "test")[0], 0)
        assert not datasets.load(name, "test")[3].masks
        assert spec.parse(f"{name}:test:1-2") == (name, "test", range(1, 3))
    for name in ("crow", "owl"):
        photo(place / "plain" / name / "a.png")
    assert dict(datasets.info("folder-plain").splits) == {"all": 2}
    assert datasets.info("folder-plain").masks == "none" and not datasets.load("folder-plain", "all")[0].masks


def test_missing_and_damaged_files_are_one_sentence(place: Path) -> None:
    for name in KINDS:
        assert not any(datasets.info(name).splits.values())
        with pytest.raises(DataUnavailableError, match="XKD_DATA_DIR"):
            datasets.load(name, "test")
    with pytest.raises(DataUnavailableError, match="CLASS"):
        datasets.info(f"folder:{place / 'nowhere'}")
    with pytest.raises(BadInputError, match="small letters"):
        datasets.info("folder-No Name")
    make_pets(place)
    with pytest.raises(UnknownNameError, match="split of oxford-iiit-pet"):
        datasets.load("oxford-iiit-pet", "all")
    data = datasets.load("oxford-iiit-pet", "test")
    trimap = place / "oxford-iiit-pet" / "annotations" / "trimaps" / "Abyssinian_test0.png"
    painted(trimap, np.ones((3, 3)))
    with pytest.raises(DataUnavailableError, match="mask Abyssinian_test0"):
        data[0]
    (place / "oxford-iiit-pet" / "images" / "Abyssinian_test0.jpg").write_bytes(b"no picture")
    with pytest.raises(DataUnavailableError, match="Abyssinian_test0"):
        data.pixels([0])
