"""XDistillation: what the autoencoder is taught, that it learns it, and what the student's loss adds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from xkd_core.distillation import autoencoding
from xkd_core.distillation.autoencoding import Lesson, held_out_errors, split_off, train_autoencoder
from xkd_core.distillation.explained import Wanted, explanation_targets, in_superpixels
from xkd_core.distillation.optimizers import make_optimizer
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.runs import distill, training_data
from xkd_core.distillation.task import Batch, joint_layer, objective
from xkd_core.distillation.trainer import train
from xkd_core.distillation.views import pixel_array
from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import explain
from xkd_core.explainers.superpixels import superpixels
from xkd_core.images.datasets import load
from xkd_core.images.transforms import to_input
from xkd_core.models.architectures import build
from xkd_core.models.autoencoders import build_cae
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import load_run
from xkd_core.models.fused import fusion_of

pytestmark = pytest.mark.usefixtures("home")
SMALL = Recipe(
    dataset="digits", arch="vgg_gap_tiny", split="train", method="ce",
    limit=256, epochs=4, lr=6e-3, batch_size=32, warmup_epochs=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def teacher(zoo: Path, home: None) -> Card:
    return distill(SMALL, root=zoo)


@pytest.fixture(scope="module")
def pixels(home: None) -> np.ndarray:
    return pixel_array(load("digits", "train"), np.arange(60))


def student(teacher: Card, **fields: object) -> Recipe:
    own = {"method": "xd", "arch": "vgg_gap_tiny_xd_small", "width": 0.5, "teacher_id": teacher.id, "epochs": 2}
    return replace(SMALL, **{**own, "limit": 96, "cae_limit": 60, "cae_epochs": 2, "explained": "grad_cam", **fields})


def lesson(teacher: Card, zoo: Path, pixels: np.ndarray, **fields: object) -> Lesson:
    wanted = Wanted(load_run(teacher.id, zoo), "grad_cam", 12)
    return replace(Lesson(wanted, pixels, teacher.input_transform(), epochs=2, seed=0), **fields)


def test_superpixels_hold_their_sum_over_the_largest() -> None:
    maps = np.array([[[1.0, 2.0, 5.0], [-4.0, -2.0, 1.0]], [[0.0] * 3] * 2], dtype=np.float32)
    labels = np.array([[[0, 0, 2], [1, 1, 2]], [[0, 0, 0], [0, 1, 1]]])
    by_hand = np.array([[[0.5, 0.5, 1.0], [-1.0, -1.0, 1.0]], [[0.0] * 3] * 2])
    assert np.array_equal(in_superpixels(maps, labels), by_hand)


def test_of_maps_that_hold_a_superpixels_value_everywhere_the_means_are_taken() -> None:
    maps = np.array([[[1.0] * 7 + [3.0]]], dtype=np.float32)
    labels = np.array([[[0] * 7 + [1]]])
    assert in_superpixels(maps, labels)[0, 0, ::7].tolist() == [1.0, pytest.approx(3 / 7)]
    assert in_superpixels(maps, labels, mean=True)[0, 0, ::7].tolist() == [pytest.approx(1 / 3), 1.0]


@pytest.mark.parametrize("n_superpixels", [19, 8])
def test_targets_of_lime_are_its_coefficients_over_the_largest(
    teacher: Card, zoo: Path, pixels: np.ndarray, n_superpixels: int
) -> None:
    found = explanation_targets(Wanted(load_run(teacher.id, zoo), "lime", n_superpixels), pixels[:2])
    run, images = load_run(teacher.id, zoo), np.asarray(pixels[:2])
    x = to_input(images, run.card.input_transform())
    target, params = run.model(x).argmax(dim=1), {"lime": {"n_superpixels": n_superpixels}}
    asked = explain({"it": run.model}, x, {"it": target}, names=["lime"], seed=0, images=images, params=params)
    for one, wanted in zip(found, asked["it"]["lime"].maps, strict=True):
        np.testing.assert_allclose(one, wanted / np.abs(wanted).max(), atol=2e-3)


def test_targets_are_the_teachers_maps_of_its_own_answer(teacher: Card, zoo: Path, pixels: np.ndarray) -> None:
    model, images = load_run(teacher.id, zoo).model, np.asarray(pixels[:3])
    found = explanation_targets(Wanted(load_run(teacher.id, zoo), "grad_cam", 12), pixels)
    labels = superpixels(images, n_segments=12)
    x = to_input(images, teacher.input_transform())
    with torch.no_grad():
        activation, target = model.features(x), model(x).argmax(dim=1)
        rows = model.classifier.weight[target] / activation[0, 0].numel()
        cam = F.relu(torch.einsum("bk,bkhw->bhw", rows, activation)).double()
    for place in range(3):
        large = F.interpolate(cam[place][None, None], size=(32, 32), mode="bilinear", align_corners=False)[0, 0].numpy()
        sums = [large[labels[place] == one].sum() for one in range(labels[place].max() + 1)]
        expected = np.array(sums)[labels[place]] / np.abs(sums).max()
        assert np.allclose(found[place], expected, atol=2e-3)  # kept as float16


def test_targets_of_several_blocks_are_computed_once(teacher: Card, zoo: Path, pixels: np.ndarray, monkeypatch) -> None:
    monkeypatch.setattr("xkd_core.distillation.explained.BLOCK", 25)
    wanted = Wanted(load_run(teacher.id, zoo), "gradient_shap", 9)
    first = explanation_targets(wanted, pixels)
    assert first.shape == (60, 32, 32) and first.min() < 0 < first.max() == np.abs(first).max() == 1
    monkeypatch.setattr("xkd_core.distillation.explained.explain", None)
    assert np.array_equal(explanation_targets(wanted, pixels), first)


@pytest.mark.parametrize(("fields", "words"), [(("saliency", 12), "grad_cam"), (("grad_cam", 2), "3 to 20")])
def test_other_targets_are_refused(teacher: Card, zoo: Path, fields: tuple[str, int], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        Wanted(load_run(teacher.id, zoo), *fields)


def test_errors_are_those_of_the_held_out_images() -> None:
    targets = np.arange(20, dtype=np.float32)[:, None, None] * np.ones((1, 2, 2), dtype=np.float32)
    learned, held_out = split_off(20)
    assert list(held_out) == [9, 19] and len(learned) == 18
    errors = held_out_errors(targets[held_out] + 0.25, targets, learned, held_out)
    mean = (sum(range(20)) - 28) / 18
    assert errors.cae == 0.25
    assert errors.mean_map == pytest.approx((abs(9 - mean) + abs(19 - mean)) / 2)
    median = 9  # of 0 to 18 without 9: between 8 and 10
    assert errors.median_map == pytest.approx((abs(9 - median) + abs(19 - median)) / 2)
    assert errors.n == 2


def test_an_autoencoder_learns_and_a_cut_training_ends_in_the_same_bytes(
    teacher: Card, zoo: Path, pixels: np.ndarray, monkeypatch, tmp_path: Path
) -> None:
    def fresh():
        torch.manual_seed(3)
        return build_cae("small")

    monkeypatch.setenv("XKD_HOME", str(tmp_path / "one"))
    short = train_autoencoder(fresh(), lesson(teacher, zoo, pixels, epochs=1))
    whole = train_autoencoder(fresh(), lesson(teacher, zoo, pixels, epochs=30))
    assert whole.errors.cae < short.errors.cae
    assert whole.errors.mean_map == short.errors.mean_map

    monkeypatch.setenv("XKD_HOME", str(tmp_path / "two"))
    real, steps = autoencoding._step, []

    def cut(*args: object) -> None:
        steps.append(args)
        if len(steps) == 12:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(autoencoding, "_step", cut)
    with pytest.raises(KeyboardInterrupt):
        train_autoencoder(fresh(), lesson(teacher, zoo, pixels, epochs=30))
    resumed = train_autoencoder(fresh(), lesson(teacher, zoo, pixels, epochs=30))
    assert len(steps) == 12 + 30 - 11  # one step an epoch; eleven epochs were whole
    assert all(torch.equal(value, resumed.state[name]) for name, value in whole.state.items())
    assert resumed.errors == whole.errors


def test_what_an_autoencoder_becomes_does_not_depend_on_which_students_was_trained_before(
    teacher: Card, zoo: Path, pixels: np.ndarray, monkeypatch, tmp_path: Path
) -> None:
    """Two students of different width begin with different autoencoders."""
    found = {}
    for order in ((1, 2), (2, 1)):
        monkeypatch.setenv("XKD_HOME", str(tmp_path / str(order[0])))
        for seed in order:
            torch.manual_seed(seed)
            found[order, seed] = train_autoencoder(build_cae("small"), lesson(teacher, zoo, pixels, epochs=1)).state
    for seed in (1, 2):
        one, other = (found[order, seed] for order in ((1, 2), (2, 1)))
        assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_the_objective_adds_the_squared_weights_of_the_joint_layer() -> None:
    torch.manual_seed(0)
    model, x, labels = build("vgg_gap_tiny_xd_small", 10).eval(), torch.randn(4, 3, 32, 32), torch.tensor([1, 2, 3, 4])
    batch = Batch(x, labels, teacher_logits=torch.randn(4, 10))
    recipe = Recipe(
        dataset="digits", arch="vgg_gap_tiny_xd_small", split="train", method="xd", teacher_id="t",
        kd_form="added", lam=0.1, temperature=1.0, fr_weight=0.3,
    )  # fmt: skip
    found = objective(model, batch, recipe, multi_label=False)
    plain = objective(model, batch, replace(recipe, method="kd", fr_weight=5e-4), multi_label=False)
    squares = sum(float(value) ** 2 for value in model.head.linear.weight.flatten())
    assert float(found.total - plain.total) == pytest.approx(0.3 * squares, rel=1e-5)
    assert float(plain.total) == pytest.approx(float(plain.parts["task"] + 0.1 * plain.parts["kd"]), rel=1e-6)


@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "radam"])
def test_the_joint_layer_is_not_decayed_a_second_time(optimizer: str) -> None:
    model = build("vgg_gap_tiny_xd_small", 10)
    recipe = replace(SMALL, optimizer=optimizer, weight_decay=0.5, lr=0.1)
    chosen = make_optimizer(recipe, list(model.parameters()), free=[joint_layer(model).weight])
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for value in model.parameters():
        value.grad = torch.zeros_like(value)
    chosen.step()
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert "head.linear.weight" not in moved and "features.0.own.0.weight" in moved
    assert not any(name.startswith("features.0.cae") for name in moved)


def test_a_run_keeps_its_autoencoder_and_says_how_well_it_draws(teacher: Card, zoo: Path) -> None:
    card = distill(student(teacher), root=zoo)
    assert (card.method, card.role, card.compression, card.beta) == ("xd", "other", "architecture", 0.0)
    assert card.extras["params/without_cae"] == card.params - 1077
    assert card.extras["mae/median_map"] > 0
    assert card.extras["mae/n"] == 6 and card.extras["mae/cae"] > 0 and card.extras["mae/mean_map"] > 0
    drawn = training_data(student(teacher), root=zoo).autoencoder
    stored = fusion_of(load_run(card.id, zoo).model).cae.state_dict()
    assert all(torch.allclose(value, drawn.state[name], atol=1e-3) for name, value in stored.items())


def test_a_cut_training_of_a_student_goes_on_to_the_same_bytes(teacher: Card, zoo: Path, tmp_path: Path) -> None:
    recipe, data = student(teacher), training_data(student(teacher), root=zoo)
    whole = train(recipe, data, state_path=tmp_path / "whole")

    def cut(epoch: int, epochs: int, watched: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, data, state_path=tmp_path / "cut", report=cut)
    resumed = train(recipe, data, state_path=tmp_path / "cut")
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_the_control_has_an_autoencoder_that_was_never_trained(teacher: Card, zoo: Path) -> None:
    recipe = student(teacher, explained="none")
    card = distill(recipe, root=zoo)
    assert card.role == "control" and "never trained" in card.note and "mae/cae" not in card.extras
    assert "-none-" in card.id


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"arch": "vgg_gap_tiny"}, "vgg_gap_64_xd"),
        ({"explained": "rise"}, "explained must be"),
        ({"n_superpixels": 2}, "3..20"),
        ({"method": "kd"}, "read by xd only"),
        ({"slimmable": True}, "one width"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(teacher: Card, fields: dict[str, object], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        student(teacher, **fields)
