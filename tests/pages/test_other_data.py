"""Data sets of another kind: no CAM, no matched student, no second teacher, no results; photographs with masks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.images.test_photo_sets import make_pets
from tests.made_zoo import make_zoo
from tests.pages.seen import payload
from xkd_core.distillation.recipes import Recipe
from xkd_core.explainers.engine import cams
from xkd_core.images import datasets, mnist, on_disk
from xkd_core.images.photo_sets import KINDS
from xkd_core.images.transforms import to_input
from xkd_core.metrics.localisation import pointing, resize_maps
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.cards import CardTransform
from xkd_core.models.checkpoints import load_run, run_folder, save_run
from xkd_core.serving import subjects

N = 6


@pytest.fixture(scope="module")
def digits_zoo(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """LeNet5 and two students of paper 003, untrained."""
    root = tmp_path_factory.mktemp("mnist_zoo")
    card = load_run(make_zoo(root / "other", rows=False).runs["kd 0.125 0.5"], root / "other").card
    teacher = _save(root, card, Recipe(dataset="mnist", arch="lenet5", method="ce", split="train"), None)
    runs = {"teacher": teacher}
    for lam in (0.0, 0.5):
        recipe = Recipe(dataset="mnist", arch="net", split="train", lam=lam, teacher_id=teacher)
        runs[f"net {lam:g}"] = _save(root, card, recipe, teacher)
    return root, runs


def _save(root: Path, card, recipe: Recipe, teacher: str | None) -> str:
    torch.manual_seed(recipe.seed)
    model = build(recipe.arch, 10).eval()
    info = mnist.INFO.transform
    own = {
        "id": recipe.run_id, "dataset": "mnist", "arch": recipe.arch, "role": recipe.role, "method": recipe.method,
        "compression": "none" if teacher is None else "architecture", "teacher_id": teacher, "width": 1.0,
        "ratio": 1.0 if teacher is None else 7.4, "params": count_parameters(model), "classes": mnist.INFO.classes,
        "lam": None if teacher is None else recipe.lam, "beta": None if teacher is None else 0.0,
        "multi_label": False, "transform": CardTransform(size=28, mean=info.mean, std=info.std), "metrics": {},
        "recipe": recipe.values, "recipe_hash": recipe.hash,
    }  # fmt: skip
    return save_run(run_folder("mnist", recipe.run_id, root), model, card.model_copy(update=own)).id


@pytest.fixture
def images(monkeypatch, tmp_path) -> np.ndarray:
    """Six made digits where the data set's files would be."""
    grey = np.random.default_rng(0).integers(0, 256, (N, 28, 28)).astype(np.uint8)
    monkeypatch.setitem(mnist.SPLITS, "test", N)
    monkeypatch.setattr(mnist, "_read", lambda place, train: (grey, np.arange(N) % 10))
    return grey


def test_every_page_shows_grad_cam_where_no_network_has_cam(open_page, digits_zoo, images) -> None:
    root, runs = digits_zoo
    app = open_page(root=root, data="mnist", image="3", maps="cam,occlusion")
    assert not app.exception
    shown = payload(app)["runs"]
    assert set(shown) == set(runs.values())
    cell = shown[runs["net 0.5"]]["cells"]["cam"]
    assert "Grad-CAM: no CAM in this network" in cell["badge"]
    found = load_run(runs["net 0.5"], root)
    x = to_input(np.repeat(images[3][None, ..., None], 3, axis=-1), found.card.input_transform())
    teacher = load_run(runs["teacher"], root).model
    expected = cams(found.model, x, teacher(x).argmax(dim=1), ["grad_cam"])["grad_cam"]
    assert (cell["height"], cell["width"]) == expected.shape[1:]
    assert any("Tiny" not in option and "MNIST" in option for option in app.selectbox(key="data").options)


def test_a_student_alone_is_spoken_about(open_page, digits_zoo, images) -> None:
    app = open_page(root=digits_zoo[0], data="mnist", image="3", maps="cam")
    assert any(text.value.startswith("## ") and "naive student" in text.value for text in app.markdown)
    assert [str(one) for one in app.selectbox(key="g_order").options] == ["Largest naive drift first", "As numbered"]


def test_compression_says_that_nothing_is_stored(open_page, digits_zoo, images) -> None:
    app = open_page("compression", root=digits_zoo[0], data="mnist")
    assert not app.exception
    assert any("python -m xkd_core evaluate --dataset mnist" in str(info.value) for info in app.info)


@pytest.fixture
def pets_zoo(tmp_path, monkeypatch) -> tuple[Path, str]:
    """Untrained networks for photographs with masks, and four of these; the student's id."""
    monkeypatch.setattr(on_disk, "_READ", {})
    subjects._open.cache_clear()
    make_pets(tmp_path / "data")
    root = tmp_path / "pets_zoo"
    card = load_run(make_zoo(root / "other", rows=False).runs["kd 0.125 0.5"], root / "other").card
    teacher = _pet_run(root, card, Recipe(dataset="oxford-iiit-pet", arch="vgg_gap_64", method="ce", split="train"))
    student = Recipe(dataset="oxford-iiit-pet", arch="vgg_gap_64", split="train", lam=0.5, teacher_id=teacher)
    return root, _pet_run(root, card, student)


def _pet_run(root: Path, card, recipe: Recipe) -> str:
    torch.manual_seed(recipe.seed)
    model = build(recipe.arch, 2, width=0.125).eval()
    info, student = KINDS["oxford-iiit-pet"].info, recipe.teacher_id is not None
    own = {
        "id": recipe.run_id, "dataset": info.name, "arch": recipe.arch, "role": recipe.role, "method": recipe.method,
        "compression": "width" if student else "none", "teacher_id": recipe.teacher_id, "width": 0.125, "ratio": 1.0,
        "params": count_parameters(model), "classes": ("Abyssinian", "Bengal"), "multi_label": False, "metrics": {},
        "lam": recipe.lam if student else None, "beta": 0.0 if student else None, "recipe_hash": recipe.hash,
        "transform": CardTransform(size=info.transform.size, mean=info.transform.mean, std=info.transform.std),
        "recipe": recipe.values,
    }  # fmt: skip
    return save_run(run_folder(info.name, recipe.run_id, root), model, card.model_copy(update=own)).id


def test_photographs_with_masks_are_shown_with_their_outline(open_page, pets_zoo, monkeypatch, tmp_path) -> None:
    root, run_id = pets_zoo
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path / "data"))
    app = open_page(root=root, data="oxford-iiit-pet", image="1", maps="cam", target="label")
    assert not app.exception
    assert app.selectbox(key="data").value == "oxford-iiit-pet"
    found = load_run(run_id, root)
    data = datasets.load("oxford-iiit-pet", "test")
    x = to_input(data.pixels([1]), found.card.input_transform())
    label, mask = next(iter(data[1].masks.items()))
    cam = cams(found.model, x, torch.tensor([label]), ["cam"])["cam"]
    cell = payload(app)["runs"][run_id]["cells"]["cam"]
    assert (cell["height"], cell["width"]) == cam.shape[1:]
    on_it = pointing(resize_maps(cam.numpy(), mask.shape), mask[None])[0]
    assert ("peak on the object" if on_it else "peak off the object") in str(cell)


def test_photographs_that_are_not_here_are_asked_for(open_page, pets_zoo, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("XKD_DATA_DIR", str(tmp_path / "nothing"))
    app = open_page(root=pets_zoo[0], data="oxford-iiit-pet")
    assert not app.exception
    said = [str(one.value) for one in (*app.info, *app.warning, *app.error)]
    assert any("oxford-iiit-pet is not in" in text and "XKD_DATA_DIR" in text for text in said)
