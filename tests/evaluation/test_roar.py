"""ROAR from end to end on tiny networks: what is removed, that it is resumable, and that it tells rankings apart."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from xkd_core import settings
from xkd_core.distillation import trainer
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.runs import distill
from xkd_core.distillation.views import pixel_array
from xkd_core.errors import BadInputError
from xkd_core.evaluation import roar as module
from xkd_core.evaluation.roar import NOTHING, _training_data, removed, retrain, roar, trials, without
from xkd_core.images import datasets
from xkd_core.images.sampling import first_images
from xkd_core.images.transforms import to_input
from xkd_core.metrics.localisation import resize_maps
from xkd_core.models.cards import Card
from xkd_core.results.metric_store import read_roar

COMMON = {"dataset": "digits", "arch": "vgg_gap_tiny", "split": "train", "limit": 256, "batch_size": 32}
FRESH = {"arch": "vgg_gap_tiny", "width": 0.5, "epochs": 2, "limit": 192, "batch_size": 32}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XKD_HOME", str(tmp_path_factory.mktemp("home")))
        yield tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def teacher(place: Path) -> Card:
    return distill(Recipe(**COMMON, method="ce", epochs=2), root=place)


def test_the_highest_pixels_of_each_map_go_and_get_the_mean_colour() -> None:
    maps = np.array([[[4.0, 1.0], [3.0, 2.0]], [[0.0, 9.0], [8.0, 7.0]]], dtype=np.float32)
    gone = removed(maps, 0.5)
    np.testing.assert_array_equal(gone, [[[True, False], [True, False]], [[False, True], [True, False]]])
    pixels = np.full((2, 2, 2, 3), 200, np.uint8)
    transform = datasets.info("digits").transform
    left = without(pixels, gone, transform)
    assert (left[~gone] == 200).all() and (left[gone] == round(0.3048 * 255)).all()
    assert to_input(left, transform)[0, :, 0, 0].abs().max() < 0.01  # 0 for the network, but for rounding
    assert removed(np.zeros((1, 8, 8), np.float32), 0.25).sum() == 16  # equal values by draw, as many as asked


def test_what_is_left_lacks_what_the_ranking_puts_first(teacher: Card, place: Path) -> None:
    trial = trials([teacher.id], ["cam"], rates=(0.1,), options=FRESH, root=place)[1]
    assert trial.explainer == "cam"
    left, _ = module._left(trial, "train", 8)
    data = datasets.load("digits", "train")
    pixels = np.asarray(pixel_array(data, first_images(data, 8)))
    maps = resize_maps(module._maps(trial, "train", pixels), pixels.shape[1:3]).reshape(8, -1)
    gone = np.zeros_like(maps, dtype=bool)
    np.put_along_axis(gone, np.argsort(-maps, axis=1, kind="stable")[:, : round(0.1 * maps.shape[1])], True, axis=1)
    grey = (left == round(0.3048 * 255)).all(axis=3).reshape(8, -1)
    changed = (left != pixels).any(axis=3).reshape(8, -1)
    for one, other, mine, values in zip(grey, changed, gone, maps, strict=True):
        border = values[mine].min()
        assert one[values > border].all() and not other[values < border].any()  # equal values at the border: by draw


def test_fresh_networks_see_no_mirrored_images_where_the_data_set_forbids_them(teacher: Card, place: Path) -> None:
    trial = trials([teacher.id], options=FRESH, root=place)[0]
    mirrored = [
        _training_data(replace(trial, recipe=replace(trial.recipe, flip=flip))).views.flip.any()
        for flip in (True, False)
    ]
    assert mirrored == [True, False]


def test_every_ranking_meets_the_random_one_and_nothing_removed(teacher: Card, place: Path) -> None:
    work = trials([teacher.id], ["cam", "centre_gaussian"], rates=(0.1, 0.9), options=FRESH, root=place)
    found = [(trial.explainer, trial.rate) for trial in work]
    assert found == [(NOTHING, 0.0)] + [
        (name, rate) for name in ("cam", "centre_gaussian", "random_map") for rate in (0.1, 0.9)
    ]
    assert len({trial.name for trial in work}) == 7 and {trial.recipe.width for trial in work} == {0.5}
    with pytest.raises(BadInputError, match="Rates"):
        trials([teacher.id], rates=(1.0,), root=place)


def test_a_whole_roar_is_stored_resumed_and_not_repeated(
    teacher: Card, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = [one for one in trials([teacher.id], rates=(0.9,), options=FRESH, root=place) if one.explainer != NOTHING]
    told: list[str] = []
    saved = trainer.save_state

    def dying(*given: object) -> None:
        saved(*given)
        raise KeyboardInterrupt

    monkeypatch.setattr(trainer, "save_state", dying)
    with pytest.raises(KeyboardInterrupt):
        roar(work, root=place)
    monkeypatch.setattr(trainer, "save_state", saved)
    epochs: list[int] = []
    one_epoch = trainer._one_epoch
    monkeypatch.setattr(
        trainer, "_one_epoch", lambda learner, recipe, data, progress: (
            epochs.append(progress.epoch), one_epoch(learner, recipe, data, progress)
        )
    )  # fmt: skip
    assert roar(work, root=place, report=lambda done, total, name: told.append(f"{done}/{total} {name}")) == 2
    assert epochs == [1, 0, 1]  # the first one goes on after its first epoch
    assert roar(work, root=place) == 0 and len(told) == 2
    assert not list((settings.home() / "training").iterdir())
    rows = read_roar("digits", root=place)
    assert set(rows["explainer"]) == {"cam", "random_map"} and set(rows["metric"]) == {"accuracy", "f1"}
    assert (rows["n"] == 300).all() and (rows["low"] <= rows["value"]).all() and (rows["value"] <= rows["high"]).all()
    assert json.loads(rows["recipe"][0])["width"] == 0.5


def test_the_number_is_that_of_a_network_trained_on_what_is_left(teacher: Card, place: Path, monkeypatch) -> None:
    trial = trials([teacher.id], rates=(0.5,), options=FRESH, root=place)[1]
    kept = []
    original = module.train
    monkeypatch.setattr(module, "train", lambda *given, **named: kept.append(original(*given, **named)) or kept[-1])
    rows = retrain(trial).set_index("metric")
    pixels, labels = module._left(trial, "test", None)
    share = (pixels == np.round(np.array(datasets.info("digits").transform.mean) * 255)).all(axis=-1).mean()
    assert share >= 0.5
    model, right = kept[0].model, 0
    for image, label in zip(pixels, labels.argmax(axis=1), strict=True):
        with torch.no_grad():
            logits = model(to_input(image[None], datasets.info("digits").transform))[0].tolist()
        right += logits.index(max(logits)) == label
    assert rows["value"]["accuracy"] == pytest.approx(right / 300, abs=0.004)
