"""Images that stand for a split: mixed where it lies class by class; files that changed are read again."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xkd_core.distillation.views import pixel_array
from xkd_core.evaluation.heavy import files_state
from xkd_core.evaluation.split import Split
from xkd_core.images import on_disk
from xkd_core.images.background import background, background_is_shuffled, training_split
from xkd_core.images.datasets import info, load
from xkd_core.images.sampling import class_by_class, fingerprint, first_images


class Made:
    """So many images with these labels, of which nothing else is asked."""

    def __init__(self, labels: list[int], *, multi_label: bool = False) -> None:
        self.info, self._labels = replace(info("digits"), multi_label=multi_label), labels

    def __len__(self) -> int:
        return len(self._labels)

    def labels(self) -> np.ndarray:
        return np.eye(10, dtype=np.uint8)[self._labels]


def test_the_first_images_are_the_first_unless_they_come_class_by_class() -> None:
    mixed, by_class = Made([1, 0, 2, 1, 0]), Made([0] * 40 + [1] * 40 + [2] * 40)
    assert first_images(mixed, 3).tolist() == [0, 1, 2] and first_images(mixed, 9).tolist() == [0, 1, 2, 3, 4]
    assert first_images(Made([0, 0, 1, 1], multi_label=True), 2).tolist() == [0, 1]
    few = first_images(by_class, 30)
    assert set(few // 40) == {0, 1, 2} and len(set(few)) == 30
    assert first_images(by_class, 60)[:30].tolist() == few.tolist()  # a smaller sample is the beginning of a larger
    assert sorted(first_images(by_class, 500)) == list(range(120))


def test_class_by_class_is_sorted_with_more_than_one_class() -> None:
    assert class_by_class(Made([0, 0, 1]).labels())
    assert not class_by_class(Made([0, 0, 0]).labels()) and not class_by_class(Made([1, 0]).labels())


def test_of_the_data_sets_here_those_without_files_are_mixed() -> None:
    assert not background_is_shuffled("digits", training_split("digits"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty dark cats and twenty bright dogs."""
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(on_disk, "_READ", {})
    background_is_shuffled.cache_clear()
    for name, base in (("cat", 10), ("dog", 200)):
        (tmp_path / "own" / "train" / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.full((8, 8, 3), base + number, dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "own" / "train" / name / f"{number:02}.png")
    return tmp_path / "own"


def read(folder: Path):
    on_disk._READ.clear()  # as in a new process
    return load(f"folder:{folder}", "train")


def test_a_small_folder_has_a_background_of_both_classes(folder: Path) -> None:
    data = read(folder)
    assert class_by_class(data.labels()) and background_is_shuffled(f"folder:{folder}", "train")
    whole = background(f"folder:{folder}", "train")
    assert len(whole) == len(data) < 50
    few = background(f"folder:{folder}", "train", 10).mean(dim=(1, 2, 3))
    assert float(few.max() - few.min()) > 1


def test_a_file_that_went_to_another_class_is_read_again(folder: Path) -> None:
    before = pixel_array(read(folder))
    state = fingerprint(read(folder))
    assert state and state == fingerprint(read(folder)) and fingerprint(Made([0])) == ""
    (folder / "train" / "cat" / "05.png").rename(folder / "train" / "dog" / "05b.png")
    data = read(folder)
    after = pixel_array(data)
    assert fingerprint(data) != state and after.shape == before.shape
    dark = after[:, 0, 0, 0] < 100
    moved = int(np.flatnonzero(dark & (data.labels()[:, 1] == 1))[0])
    assert after[moved, 0, 0, 0] == 15
    assert np.array_equal(after, data.pixels(list(range(len(data)))))


def test_maps_with_a_background_are_kept_under_the_state_of_its_images_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XKD_DATA_DIR", str(folder.parent))
    name = "folder-own"

    def states() -> list[list[str]]:
        on_disk._READ.clear()
        split = Split(load(name, "val"), np.zeros(0, dtype=np.int64))
        return [files_state(split, explainer) for explainer in ("occlusion", "gradient_shap")]

    before = states()
    learned = {item.file for item in load(name, "train")._items}
    os.utime(sorted(learned)[0], (1, 1))
    after = states()
    assert after[0] == before[0] != [] and after[1] != before[1]
