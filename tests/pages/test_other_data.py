"""A data set of another kind: no network has CAM, no student is matched, no second teacher, no results."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.made_zoo import make_zoo
from tests.pages.seen import payload
from xkd_core.distillation.recipes import Recipe
from xkd_core.explainers.engine import cams
from xkd_core.images import mnist
from xkd_core.images.transforms import to_input
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.cards import CardTransform
from xkd_core.models.checkpoints import load_run, run_folder, save_run

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


def test_compression_says_that_nothing_is_stored(open_page, digits_zoo, images) -> None:
    app = open_page("compression", root=digits_zoo[0], data="mnist")
    assert not app.exception
    assert any("python -m xkd_core evaluate --dataset mnist" in str(info.value) for info in app.info)
