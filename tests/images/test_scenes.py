"""The generator of scenes: frozen pixels, rules of the splits, exact masks."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.images import scenes
from xkd_core.images.scenes import draw
from xkd_core.images.scenes.plan import plan_many, scene_key

SPLITS = list(scenes.SPLITS)


def test_the_generator_is_frozen() -> None:
    assert scenes.fingerprint() == scenes.GENERATOR_SHA256


def test_the_pixels_do_not_depend_on_the_vector_instructions_of_the_machine() -> None:
    off = "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL AVX512_SPR X86_V3 X86_V4"
    code = "from xkd_core.images import scenes; print(scenes.fingerprint())"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": off},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == scenes.GENERATOR_SHA256


@pytest.mark.parametrize("split", SPLITS)
def test_any_image_alone_equals_the_same_image_in_a_batch(split: str) -> None:
    together = scenes.batch(split, [5, 3, 1_234])
    masks = scenes.masks(split, [5, 3, 1_234])
    for row, index in enumerate([5, 3, 1_234]):
        alone = scenes.render(split, index)
        assert np.array_equal(alone.pixels, together[row])
        for label in range(8):
            expected = alone.masks.get(label, np.zeros((64, 64), dtype=bool))
            assert np.array_equal(masks[row, label], expected)


def test_labels_and_habitats_without_drawing_agree_with_the_drawn_scenes() -> None:
    labels, habitats = scenes.labels("transfer"), scenes.habitats("transfer")
    assert labels.shape == (12_000, 8)
    assert labels.dtype == np.uint8
    assert habitats.dtype == np.int64
    for index in (0, 17, 11_999):
        sample = scenes.render("transfer", index)
        assert tuple(np.flatnonzero(labels[index])) == sample.labels == tuple(sorted(sample.masks))
        assert sample.facts["habitat"] == habitats[index]
        assert sample.facts["in_habitat"] == bool(labels[index, habitats[index]])
        assert sample.facts["owner"] in sample.labels


def test_the_habitat_fits_in_nine_of_ten_transfer_images_and_is_the_owners() -> None:
    plans = plan_many("transfer", np.arange(12_000))
    fits = plans.drawn[np.arange(12_000), plans.habitat]
    assert abs(fits.mean() - 0.9) < 0.01
    assert np.array_equal(plans.habitat[fits], plans.owner[fits])


@pytest.mark.parametrize("split", ["val", "test"])
def test_exactly_every_second_image_of_val_and_test_is_in_habitat(split: str) -> None:
    habitats = scenes.habitats(split)
    fits = scenes.labels(split)[np.arange(len(habitats)), habitats]
    assert np.array_equal(fits, np.arange(len(habitats)) % 2 == 0)


@pytest.mark.parametrize("split", ["teacher", "plain"])
def test_the_habitat_says_nothing_about_the_classes_in_teacher_and_plain(split: str) -> None:
    labels, habitats = scenes.labels(split).astype(float), scenes.habitats(split)
    counts = np.bincount(habitats, minlength=8)
    assert abs(counts / 12_000 - 1 / 8).max() < 0.012
    for habitat in range(8):
        # 1,500 images a habitat: the standard error of a share near .24 is .011.
        assert abs(labels[habitats == habitat].mean(axis=0) - labels.mean(axis=0)).max() < 0.045


@pytest.mark.parametrize("split", SPLITS)
def test_classes_are_balanced_and_one_to_three_are_drawn(split: str) -> None:
    labels = scenes.labels(split)
    assert set(labels.sum(axis=1)) == {1, 2, 3}
    share = labels.mean(axis=0)
    assert share.max() / share.min() < (1.12 if len(labels) > 5_000 else 1.25)


def test_splits_and_seeds_give_different_scenes() -> None:
    images = [scenes.render(split, 7).pixels for split in SPLITS] + [scenes.render("test", 7, seed=1).pixels]
    labels = [scenes.labels("teacher"), scenes.labels("plain"), scenes.labels("teacher", seed=1)]
    assert len({image.tobytes() for image in images}) == len(images)
    for first, second in ((0, 1), (0, 2)):
        assert (labels[first] == labels[second]).all(axis=1).mean() < 0.1


def test_objects_cover_5_to_25_percent_and_stay_visible() -> None:
    areas, shares = [], []
    for index in range(200):
        sample = scenes.render("teacher", index)
        for label, area in sample.facts["areas"].items():
            areas.append(area)
            shares.append(sample.masks[label].mean() / area)
            assert sample.masks[label].mean() >= 0.02
    assert min(areas) >= 0.05
    assert max(areas) <= 0.25
    assert min(shares) > 0.5
    assert np.mean(np.asarray(shares) > 0.6) > 0.97


def test_masks_respect_occlusion() -> None:
    """Back to front: what a nearer object covers is taken from the farther ones, and nothing else."""
    overlaps = 0
    for index in range(60):
        plans = plan_many("test", np.asarray([index]))
        classes = tuple(int(label) for label in plans.order[0, : plans.count[0]])
        place, _, covers = draw._settled(classes, scene_key("test", index, 0))
        masks = scenes.render("test", index).masks
        full = {label: cover >= 2 for label, cover in zip(place.classes, covers, strict=True)}
        assert place.classes == classes
        for position, label in enumerate(classes):
            expected = full[label].copy()
            for nearer in classes[position + 1 :]:
                overlaps += int((full[label] & full[nearer]).sum())
                expected &= ~full[nearer]
            assert np.array_equal(masks[label], expected)
    assert overlaps > 500


def test_every_pixel_of_a_mask_shows_its_object_and_a_shadow_is_no_part_of_it() -> None:
    """With the ground made black and no light on it, all that is seen lies in a mask (edge pixels aside)."""
    classes, key = (3, 6), scene_key("test", 1, 0)
    place, patches, covers = draw._settled(classes, key)
    canvas = np.zeros((3, 64, 64), dtype=np.float32)
    for patch in patches:
        draw._lay(canvas, patch, place.light, 0.5)
    seen = canvas.max(axis=0) > 0
    masks = draw.visible(classes, key, 64)
    union = masks[3] | masks[6]
    assert not (union & ~seen).any()
    edge = sum(cover == 1 for cover in covers) > 0
    assert not (seen & ~union & ~edge).any()


def test_the_same_scene_is_drawn_crisp_at_another_size() -> None:
    for index in range(6):
        small, large = scenes.render("test", index), scenes.render("test", index, size=256)
        assert large.pixels.shape == (256, 256, 3)
        shrunk = large.pixels.astype(float).reshape(64, 4, 64, 4, 3).mean(axis=(1, 3))
        assert np.abs(shrunk - small.pixels).mean() < 12
        for label, mask in small.masks.items():
            share = large.masks[label].reshape(64, 4, 64, 4).mean(axis=(1, 3)) >= 0.5
            assert (share & mask).sum() / (share | mask).sum() > 0.85


def test_an_unknown_split_or_an_index_out_of_range_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'teacher'"):
        scenes.render("teecher", 0)
    with pytest.raises(BadInputError, match="0 to 1999"):
        scenes.batch("test", [0, 2_000])
    with pytest.raises(BadInputError, match="0 to 1999"):
        scenes.render("val", -1)
    assert scenes.batch("test", []).shape == (0, 64, 64, 3)
