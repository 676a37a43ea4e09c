"""The fixed sample: stratified, repeatable, without a choice by hand."""

from __future__ import annotations

import numpy as np

from xkd_core.evaluation.evaluate import gallery_positions
from xkd_core.evaluation.split import Split, target_masks
from xkd_core.images.datasets import load


def scenes_split() -> Split:
    data = load("scenes", "test")
    return Split(data, data.labels().argmax(axis=1).astype(np.int64))


def test_the_sample_takes_the_same_share_of_every_class_and_habitat() -> None:
    split = scenes_split()
    chosen = split.sample(200)
    rows = split.image_rows()
    assert len(chosen) == len(set(chosen)) == 200
    assert np.array_equal(chosen, split.sample(200))
    all_counts = rows.groupby(["target", "in_habitat"]).size()
    counts = rows[rows["index"].isin(chosen)].groupby(["target", "in_habitat"]).size()
    assert ((counts - all_counts / 10).abs() <= 1).all()


def test_the_gallery_is_a_part_of_the_sample() -> None:
    positions = gallery_positions(200)
    assert len(positions) == 60
    assert positions.min() >= 0 and positions.max() < 200


def test_masks_are_of_the_explained_class_and_empty_when_it_is_absent(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XKD_HOME", str(tmp_path))
    data = load("digits", "test")
    shown = data.labels().argmax(axis=1).astype(np.int64)
    assert all(mask.any() for mask in target_masks(data, shown))
    absent = (shown + 1) % 10
    assert not target_masks(data, absent).any()
    again = target_masks(data, shown)  # read from the cache this time
    assert np.array_equal(again[0], data[0].masks[int(shown[0])])
