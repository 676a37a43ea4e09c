"""MNIST and Tiny ImageNet: read from files of the real layout that the tests make, refused with a sentence else."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xkd_core.errors import BadInputError, DataUnavailableError, UnknownNameError
from xkd_core.images import datasets, mnist, tiny_imagenet

N_TRAIN, N_TEST = 12, 5


def write_idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(head + array.astype(np.uint8).tobytes())


@pytest.fixture
def small_mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[np.ndarray, np.ndarray]:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    generator = np.random.default_rng(0)
    images, labels = generator.integers(0, 256, (N_TRAIN, 28, 28)), generator.integers(0, 10, N_TRAIN)
    for name, pixels, classes in (("train", images, labels), ("t10k", images[:N_TEST], labels[:N_TEST])):
        write_idx(raw / f"{name}-images-idx3-ubyte", pixels)
        write_idx(raw / f"{name}-labels-idx1-ubyte", classes)
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path))
    monkeypatch.setitem(mnist.SPLITS, "test", N_TEST)
    mnist._read.cache_clear()
    return images.astype(np.uint8), labels


def test_mnist_is_read_as_it_lies_there(small_mnist: tuple[np.ndarray, np.ndarray]) -> None:
    images, labels = small_mnist
    data = datasets.load("mnist", "test")
    assert len(data) == N_TEST
    assert np.array_equal(data.pixels([3, 1])[..., 2], images[[3, 1]])
    sample = data[4]
    assert sample.labels == (labels[4],) and data.labels()[4, labels[4]] == 1
    assert np.array_equal(sample.masks[labels[4]], images[4] >= 128)
    with pytest.raises(BadInputError, match="0 to 4"):
        data[5]


def test_mnists_train_and_val_do_not_share_an_image() -> None:
    train, val = mnist._chosen("train"), mnist._chosen("val")
    assert (len(train), len(val)) == (55_000, 5_000)
    assert len(np.union1d(train, val)) == 60_000


def test_missing_or_damaged_mnist_is_one_sentence(small_mnist: object, tmp_path: Path, monkeypatch) -> None:
    images = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    images.write_bytes(images.read_bytes()[:100])
    with pytest.raises(DataUnavailableError, match="XKD_DATA_DIR"):
        datasets.load("mnist", "test")
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataUnavailableError, match="MNIST is not in"):
        datasets.load("mnist", "train")
    with pytest.raises(UnknownNameError):
        datasets.load("mnist", "all")


@pytest.fixture
def small_tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, count in (("train", 3), ("val", 1), ("test", 2)):
        monkeypatch.setitem(tiny_imagenet.PER_CLASS, name, count)
    root = tmp_path / tiny_imagenet.FOLDER
    generator = np.random.default_rng(1)
    for split, count in (("train", 4), ("val", 2)):
        for wnid in tiny_imagenet.CLASSES:
            folder = root / split / wnid / "images"
            folder.mkdir(parents=True)
            names = [f"{wnid}_{number}.JPEG" for number in range(count)]
            for name in names:
                Image.fromarray(generator.integers(0, 256, (64, 64), dtype=np.uint8)).save(folder / name, quality=95)
            (folder.parent / f"{wnid}_boxes.txt").write_text("".join(f"{name}\t10\t20\t12\t63\n" for name in names))
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path))
    tiny_imagenet._files.cache_clear()
    tiny_imagenet._boxes.cache_clear()
    return root


def test_tiny_imagenet_has_boxes_as_masks_and_grey_files_in_three_channels(small_tiny: Path) -> None:
    data = datasets.load("tiny-imagenet-50", "test")
    assert len(data) == 100 and data.labels().sum(axis=0).tolist() == [2] * 50
    sample = data[7]
    assert sample.labels == (3,) and sample.pixels.shape == (64, 64, 3)
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:, 10:13] = True  # both ends of a box are inside
    assert np.array_equal(sample.masks[3], mask)
    assert np.array_equal(data.pixels([7])[0], sample.pixels)
    assert np.array_equal(sample.pixels[..., 0], sample.pixels[..., 2])
    assert data.pixels([]).shape == (0, 64, 64, 3)
    with pytest.raises(BadInputError, match="0 to 99"):
        data[100]


def test_tiny_imagenets_train_and_val_part_the_training_files(small_tiny: Path) -> None:
    train, val = (tiny_imagenet._files(str(small_tiny), split) for split in ("train", "val"))
    assert (len(train), len(val)) == (150, 50) and not {file for file, _ in train} & {file for file, _ in val}


def test_an_incomplete_or_damaged_tiny_imagenet_is_one_sentence(small_tiny: Path) -> None:
    data = datasets.load("tiny-imagenet-50", "val")
    file = data._files[0][0]
    file.write_bytes(b"no picture")
    with pytest.raises(DataUnavailableError, match=file.name):
        data.pixels([0])
    (file.parents[1] / f"{file.parents[1].name}_boxes.txt").write_text("a\tb\n")
    with pytest.raises(DataUnavailableError, match="boxes"):
        data[0]
    file.unlink()
    tiny_imagenet._files.cache_clear()
    with pytest.raises(DataUnavailableError, match="holds 3"):
        datasets.load("tiny-imagenet-50", "train")
