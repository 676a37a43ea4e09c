"""Networks without CAM, and of another grid than the teacher's, stand beside the others with their Grad-CAM."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F

from pages._ui.viewer.look import Look
from pages._ui.viewer.payload import Scene, cell_words
from tests.made_zoo import make_zoo
from xkd_core.explainers.engine import cams
from xkd_core.images import datasets
from xkd_core.images.transforms import to_input
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.checkpoints import load_run, run_folder, save_run
from xkd_core.serving import exports, sheets, subjects
from xkd_core.serving.curves import explainers_with_rows
from xkd_core.serving.explaining import background, explain_image
from xkd_core.serving.results import Results
from xkd_core.serving.shelf import Shelf
from xkd_core.serving.zoo import read_zoo


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A zoo of scenes with one student more: MobileNetV3, whose head allows no CAM and whose grid has 4 x 4 cells."""
    made = make_zoo(tmp_path_factory.mktemp("mixed"), rows=False)
    torch.manual_seed(3)
    model = build("mobilenet_v3_small_s16", 8).eval()
    card = load_run(made.runs["kd 0.125 0.5"], made.root).card
    own = {"id": "scenes-kd-other-s0-0123456789ab", "arch": "mobilenet_v3_small_s16", "width": 1.0}
    card = card.model_copy(update=own | {"params": count_parameters(model)})
    return made, save_run(run_folder("scenes", card.id, made.root), model, card)


@pytest.fixture
def shown(mixed, monkeypatch):
    made, card = mixed
    monkeypatch.setenv("XKD_CHECKPOINTS", str(made.root))
    zoo = read_zoo("scenes")
    subject = subjects.subject(subjects.key_of("scenes", 2))
    view = explain_image(subject, [zoo.teacher, zoo.by_id[made.runs["ewa"]], card], names=["cam"], shelf=Shelf())
    return zoo, view, card


def test_its_grad_cam_stands_where_others_have_their_cam(mixed, shown) -> None:
    zoo, view, card = shown
    run, teacher = view.runs[card.id], view.runs[zoo.teacher.id]
    assert run.instead == {"cam": "grad_cam"}
    assert teacher.instead == {}
    loaded = load_run(card.id, mixed[0].root)
    x = to_input(view.subject.input[None], card.input_transform())
    expected = cams(loaded.model, x, torch.tensor([run.target]), ["grad_cam"])["grad_cam"]
    assert (run.maps["cam"].shape, teacher.maps["cam"].shape) == ((4, 4), (8, 8))
    np.testing.assert_allclose(run.maps["cam"], expected[0].numpy(), atol=1e-5)
    pooled = F.adaptive_avg_pool2d(torch.from_numpy(teacher.maps["cam"]).relu()[None], 4)
    a, b = (grid.double().flatten() / grid.double().norm() for grid in (pooled, expected[0].relu()))
    assert run.scores["cam"].cosine == pytest.approx(float(a @ b), abs=1e-4)


def test_the_panel_says_so(shown) -> None:
    zoo, view, card = shown
    choice = replace(zoo.default(), pair=(card.id, card.id))
    scene = Scene(view=view, zoo=zoo, choice=choice, look=Look(), explainers=("cam",), bars={},
                  results=Results(dataset="scenes"))  # fmt: skip
    _, caption = cell_words(scene, card, view.runs[card.id], "cam")
    assert "not in the loss, Grad-CAM: no CAM in this network, 4 x 4 cells" in caption
    _, caption = cell_words(scene, zoo.teacher, view.runs[zoo.teacher.id], "cam")
    assert "Grad-CAM" not in caption


def test_downloads_hold_both_grids(shown) -> None:
    zoo, view, card = shown
    sheet = sheets.grid(view, {"teacher": zoo.teacher, "naive": card}, ["cam"])
    raw = np.load(io.BytesIO(exports.npy(view, sheet, "cam")))
    assert raw.shape == (2, 4, 4)
    np.testing.assert_array_equal(raw[1], view.runs[card.id].maps["cam"])
    pooled = F.adaptive_avg_pool2d(torch.from_numpy(view.runs[zoo.teacher.id].maps["cam"])[None], 4)[0]
    np.testing.assert_allclose(raw[0], pooled.numpy(), atol=1e-6)
    assert "names=['grad_cam']" in exports.snippet(view, sheet)
    assert "names=['cam']" in exports.snippet(view, sheets.grid(view, {"teacher": zoo.teacher}, ["cam"]))


def test_stored_rows_of_its_grad_cam_answer_for_its_cam() -> None:
    maps = pd.DataFrame({
        "run_id": ["a", "b", "b"], "explainer": ["cam", "grad_cam", "occlusion"], "index": [0, 0, 0],
        "cosine": [0.5, 0.25, 0.125],
    })  # fmt: skip
    results = Results(dataset="scenes", maps=maps)
    assert [results.of_run(run)["cosine"][0] for run in ("a", "b")] == [0.5, 0.25]
    assert results.of_run("a", "occlusion").empty
    assert explainers_with_rows(results) == ("cam", "occlusion")


def test_data_sets_are_offered_with_their_networks() -> None:
    always = subjects.choices(lambda name: False)
    assert always == ("scenes", "cifar10", "photos", "digits", "upload")
    assert subjects.choices(lambda name: name == "mnist", networks_only=True) == ("scenes", "cifar10", "mnist")


def test_the_background_comes_from_what_students_were_trained_on(monkeypatch) -> None:
    asked = []
    real = datasets.load
    monkeypatch.setattr(datasets, "load", lambda name, split: asked.append((name, split)) or real("scenes", "test"))
    background.cache_clear()
    background("scenes")
    background("mnist")
    background.cache_clear()
    assert asked == [("scenes", "transfer"), ("mnist", "train")]
