"""The numbered sheet for a reader who has not seen the code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from xkd_core.images import scenes
from xkd_core.images.scenes import contact_sheet


def test_the_sheet_shows_forty_objects_five_of_each_class() -> None:
    chosen = contact_sheet.entries()
    assert len({index for index, _ in chosen}) == 40
    assert np.bincount([label for _, label in chosen]).tolist() == [5] * 8
    labels = scenes.labels("test")
    assert all(labels[index, label] for index, label in chosen)


def test_the_key_is_written_only_where_it_is_asked(tmp_path: Path) -> None:
    assert contact_sheet.main([str(tmp_path / "sheet.png")]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert min(sheet.size) > 1_000
    assert len(contact_sheet.key().splitlines()) == 40
