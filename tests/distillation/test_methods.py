"""Trainings of every method and kind of network: they repeat, survive a kill, and do what their recipe says."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tests import restated_losses
from xkd_core.distillation.recipes import Recipe, recipe_from
from xkd_core.distillation.runs import distill, training_data
from xkd_core.distillation.task import Batch, Connectors, objective
from xkd_core.distillation.teaching import LiveTeacher, channels, guide
from xkd_core.distillation.trainer import train
from xkd_core.errors import BadInputError, TrainingError, UnknownNameError
from xkd_core.explainers.maps import ewa
from xkd_core.models.architectures import build
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import load_run
from xkd_core.models.seams import Network, run_tapped

pytestmark = pytest.mark.usefixtures("home")
SMALL = Recipe(
    dataset="digits", arch="vgg_gap_tiny", split="train", method="ce",
    limit=256, epochs=2, lr=6e-3, batch_size=32, warmup_epochs=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def teacher(zoo: Path, home: None) -> Card:
    return distill(replace(SMALL, epochs=4, limit=512), root=zoo)


def student(teacher: Card, **fields: object) -> Recipe:
    return replace(SMALL, **{"method": "kd", "width": 0.5, "teacher_id": teacher.id, **fields})


WAYS = {
    "at": {"method": "at"},
    "at as in the code": {"method": "at", "form": "code", "beta": 300.0},
    "at, kept": {"method": "at", "views": 2, "epochs": 3},
    "nst": {"method": "nst", "beta": 10.0},
    "sswa, kept": {"method": "sswa", "views": 2, "epochs": 3},
    "nst, kept": {"method": "nst", "beta": 10.0, "views": 2, "epochs": 3},
    "ab": {"method": "ab", "beta": 10.0, "init_epochs": 1},
    "swa of two layers": {"method": "swa", "layers": "last-1+last"},
    "swa of three classes": {"method": "swa", "top_k": 3},
    "sswa, a draw for each": {"method": "sswa", "mask": "independent"},
    "sswa, a draw for both": {"method": "sswa", "mask": "shared", "width": 1.0},
    "swa without cam": {"method": "swa", "arch": "lenet5_32", "width": 1.0},
    "dropout": {"arch": "mobilenet_v3_small_s8", "width": 0.25, "limit": 64},
    "radam, erasing": {"optimizer": "radam", "schedule": "constant", "clip_norm": 1.0, "erasing": 0.5},
    "sgd": {"optimizer": "sgd", "schedule": "steps 1", "lr": 0.05},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_training_that_was_cut_goes_on_to_the_same_bytes(teacher: Card, zoo: Path, tmp_path: Path, way: str) -> None:
    recipe = student(teacher, **{"limit": 128, **WAYS[way]})
    data = training_data(recipe, root=zoo)
    whole = train(recipe, data, state_path=tmp_path / "whole")

    def cut(epoch: int, epochs: int, watched: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, data, state_path=tmp_path / "cut", report=cut)
    resumed = train(recipe, data, state_path=tmp_path / "cut")
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name
    assert resumed.progress.curve == whole.progress.curve
    assert (resumed.progress.dead, resumed.progress.seen) == (whole.progress.dead, whole.progress.seen)


@pytest.mark.parametrize("method", ["at", "nst", "ab"])
def test_the_card_of_a_transfer_says_what_was_done(teacher: Card, zoo: Path, method: str) -> None:
    card = distill(student(teacher, method=method, beta=5.0, init_epochs=int(method == "ab")), root=zoo)
    assert (card.method, card.role, card.beta, card.lam) == (method, "other", 5.0, 0.5)
    assert card.id.startswith(f"digits-{method}-w2-l0.5-b5-s0-")
    assert (card.dead_maps is not None) == (method == "at")
    stored = load_run(card.id, zoo).model
    assert sum(value.numel() for value in stored.parameters()) == card.params  # connectors are not stored


def test_students_of_another_architecture_are_compressed_by_it(teacher: Card, zoo: Path) -> None:
    card = distill(student(teacher, arch="resnet18_cifar", width=0.125, limit=64, epochs=1), root=zoo)
    assert card.compression == "architecture" and card.id.startswith("digits-resnet18_cifar-kd-w8-")
    assert {"quality", "agreement", "cosine/cam"} == set(card.curve[0])  # maps of 4x4 and 8x8 on one grid
    assert load_run(card.id, zoo).model.has_cam


def test_networks_without_cam_are_watched_by_grad_cam_and_can_teach(teacher: Card, zoo: Path) -> None:
    lenet = replace(SMALL, arch="lenet5_32", epochs=1)
    own = distill(lenet, root=zoo)
    card = distill(student(own, method="swa", arch="lenet5_32", width=0.5, epochs=1), root=zoo)
    assert set(card.curve[0]) == {"quality", "agreement", "cosine/grad_cam"}
    assert card.dead_maps is not None and card.dead_maps < 1


def test_a_network_of_another_input_size_is_refused_before_anything_is_trained(teacher: Card, zoo: Path) -> None:
    with pytest.raises(BadInputError, match="vgg16_voc takes images of 227 px; these have 32"):
        distill(student(teacher, arch="vgg16_voc"), root=zoo)


def network(*, width: float = 0.5, seed: int = 0, arch: str = "vgg_gap_tiny") -> Network:
    torch.manual_seed(seed)
    return build(arch, 10, width=width)


def taught(teacher: Card, zoo: Path, recipe: Recipe, model: Network) -> tuple[Batch, Network]:
    """A batch of noise with everything that a live teacher shows for it."""
    own = load_run(teacher.id, zoo).model
    x = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    live = LiveTeacher(own, channels(model, recipe.layer_names, 32))
    logits = own(x)
    shown = guide(live, x, logits, recipe, moment=(0, 0))
    labels = torch.arange(16) % 10
    return Batch(x, labels, logits, target=logits.argmax(dim=1), guide=shown), own


@pytest.mark.parametrize("way", ["at", "nst", "swa of two layers", "swa of three classes", "sswa, a draw for each"])
def test_the_gradient_of_what_is_matched_reaches_every_convolution(teacher: Card, zoo: Path, way: str) -> None:
    recipe, model = student(teacher, **WAYS[way]), network().train()
    batch, _ = taught(teacher, zoo, recipe, model)
    found = objective(model, batch, recipe, multi_label=False)
    (name,) = set(found.parts) - {"task", "kd"}
    found.parts[name].backward()
    for each, parameter in model.named_parameters():
        if parameter.ndim == 4:
            assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, each


def test_the_teacher_gets_no_gradient_and_stays_as_it_was(teacher: Card, zoo: Path) -> None:
    recipe, model = student(teacher, **WAYS["swa of two layers"]), network().train()
    batch, own = taught(teacher, zoo, recipe, model)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    objective(model, batch, recipe, multi_label=False).total.backward()
    assert not own.training and all(value.grad is None and not value.requires_grad for value in own.parameters())
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
    assert batch.guide is not None and not any(each.requires_grad for each in batch.guide.maps)


def test_the_parts_of_a_transfer_add_up_over_its_layers(teacher: Card, zoo: Path) -> None:
    recipe, model = student(teacher, method="at", lam=0.3, beta=1.5, form="code"), network().eval()
    batch, own = taught(teacher, zoo, recipe, model)
    with torch.no_grad():
        found = objective(model, batch, recipe, multi_label=False)
        sides = [run_tapped(each, batch.x, recipe.layer_names, autocast=True).taps for each in (model, own)]
    parts = {name: float(value) for name, value in found.parts.items()}
    assert float(found.total) == pytest.approx(0.7 * parts["task"] + 0.3 * parts["kd"] + 1.5 * parts["matching"])
    expected = sum(
        restated_losses.attention_transfer(s.float().numpy(), t.float().numpy(), "code")
        for s, t in zip(*sides, strict=True)
    )
    assert parts["matching"] == pytest.approx(expected, rel=1e-4)
    assert found.maps == 3 * 16


def test_at_of_the_last_layer_is_ewa_live_and_cached(teacher: Card, zoo: Path) -> None:
    model = network().train()
    at, two = (student(teacher, method=method, layers=layers) for method, layers in (("at", "last"), ("ewa", "last")))
    batch, own = taught(teacher, zoo, at, model)
    losses = [objective(model, batch, at, multi_label=False).parts["matching"]]
    with torch.no_grad():
        activation = run_tapped(own, batch.x, autocast=True).activation
    cached = replace(batch, guide=None, teacher_map=ewa(activation))
    losses.append(objective(model, cached, two, multi_label=False).parts["matching"])
    assert torch.equal(*losses)


def test_ewa_of_more_layers_has_a_live_teacher(teacher: Card, zoo: Path) -> None:
    recipe, model = student(teacher, method="ewa", layers="last-1+last"), network().train()
    batch, _ = taught(teacher, zoo, recipe, model)
    whole = objective(model, batch, recipe, multi_label=False).parts["matching"]
    at = objective(model, batch, replace(recipe, method="at"), multi_label=False).parts["matching"]
    torch.testing.assert_close(whole, at)


def test_more_classes_are_the_teachers_best_ones(teacher: Card, zoo: Path) -> None:
    recipe, model = student(teacher, method="swa", top_k=3), network().eval()
    batch, own = taught(teacher, zoo, recipe, model)
    assert batch.guide is not None and batch.guide.targets is not None
    order = own(batch.x).argsort(dim=1, descending=True)
    assert torch.equal(batch.guide.targets, order[:, :3])
    assert objective(model, batch, recipe, multi_label=False).maps == 3 * 16


def test_ab_learns_boundaries_first_and_answers_after(teacher: Card, zoo: Path) -> None:
    recipe, model = student(teacher, method="ab", beta=10.0, init_epochs=1, layers="last"), network().train()
    batch, own = taught(teacher, zoo, recipe, model)
    torch.manual_seed(0)
    extras = Connectors(channels(model, ("last",), 32), channels(own, ("last",), 32))
    first = objective(model, replace(batch, initialising=True), recipe, multi_label=False, extras=extras)
    assert float(first.total.detach()) == pytest.approx(10 * float(first.parts["ab"].detach()))
    first.total.backward()
    assert model.classifier.weight.grad is None and float(extras[0][0].weight.grad.abs().sum()) > 0
    then = objective(model, replace(batch, guide=None), recipe, multi_label=False, extras=extras)
    assert set(then.parts) == {"task", "kd"}


def test_layers_of_ab_weigh_half_as_much_from_stage_to_stage_in_the_code(teacher: Card, zoo: Path) -> None:
    names = ("last-2", "last-1", "last")
    recipe, model = student(teacher, method="ab", beta=1.0, init_epochs=1, form="code"), network().eval()
    batch, own = taught(teacher, zoo, recipe, model)
    torch.manual_seed(0)
    extras = Connectors(channels(model, names, 32), channels(own, names, 32)).eval()
    batch = replace(batch, initialising=True)
    assert batch.guide is not None
    with torch.no_grad():
        found = objective(model, batch, recipe, multi_label=False, extras=extras)
        raw = run_tapped(model, batch.x, names, raw=True, autocast=True).taps
        each = [
            restated_losses.activation_boundary(connector(tap.float()).numpy(), theirs.numpy(), 1.0, "code")
            for connector, tap, theirs in zip(extras, raw, batch.guide.activations, strict=True)
        ]
    assert float(found.parts["ab"]) == pytest.approx(each[0] / 4 + each[1] / 2 + each[2], rel=1e-4)


def test_masks_of_sswa(teacher: Card, zoo: Path) -> None:
    model, wide = network(width=0.5), network(width=1.0)
    plain = taught(teacher, zoo, student(teacher, method="swa", layers="last"), model)[0].guide
    for mask, own in (("teacher", model), ("independent", model), ("shared", wide)):
        recipe = student(teacher, method="sswa", mask=mask, drop_prob=0.5)
        shown = taught(teacher, zoo, recipe, own)[0].guide
        again = taught(teacher, zoo, recipe, own)[0].guide
        assert shown is not None and again is not None and plain is not None
        assert torch.equal(shown.maps[0], again.maps[0]) and not torch.equal(shown.maps[0], plain.maps[0])
        if mask == "teacher":
            assert shown.keep == ()
            continue
        keep = shown.keep[0]
        assert keep is not None and keep.shape == ((1, 64) if mask == "shared" else (16, 32))
        assert (int(keep.sum()) == 32) == (mask == "shared")


def test_a_mask_for_both_needs_networks_of_one_width(teacher: Card, zoo: Path) -> None:
    recipe = student(teacher, method="sswa", mask="shared")
    with pytest.raises(BadInputError, match=r"the teacher has \(64,\), the student \(32,\)"):
        taught(teacher, zoo, recipe, network())


def test_it_is_refused_before_an_image_is_drawn(teacher: Card, zoo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xkd_core.distillation.runs.pixel_array", lambda *given: pytest.fail("images were drawn"))
    with pytest.raises(BadInputError, match=r"the teacher has \(64,\), the student \(32,\)"):
        distill(student(teacher, method="sswa", mask="shared"), root=zoo)


def test_a_layer_that_a_network_does_not_have_is_named(teacher: Card, zoo: Path, tmp_path: Path) -> None:
    recipe = student(teacher, method="at", arch="lenet5_32", width=1.0)
    with pytest.raises(UnknownNameError, match="last-2"):
        train(recipe, training_data(recipe, root=zoo), state_path=tmp_path / "state")


def test_a_live_teacher_is_asked_for(teacher: Card, zoo: Path, tmp_path: Path) -> None:
    recipe = student(teacher, method="nst")
    data = replace(training_data(recipe, root=zoo), live_teacher=None)
    with pytest.raises(TrainingError, match="nst needs the teacher itself"):
        train(recipe, data, state_path=tmp_path / "state")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"method": "swa", "form": "code"}, "form"),
        ({"method": "at", "form": "magic"}, "form must be one of cosine"),
        ({"method": "kd", "layers": "last"}, "layers is read by"),
        ({"method": "ewa", "top_k": 2}, "top_k is read by swa, sswa only"),
        ({"method": "swa", "mask": "shared"}, "mask is read by sswa only"),
        ({"method": "swa", "drop_prob": 0.1}, "drop_prob is read by sswa only"),
        ({"method": "kd", "amount": 0.2}, "amount must be 0 where nothing is pruned"),
        ({"method": "kd", "round": 2}, "round must be 0 where nothing is pruned"),
        ({"method": "ab"}, "init_epochs must be for ab 1 or more"),
        ({"method": "ab", "init_epochs": 2}, "fewer than epochs"),
        ({"method": "swa", "layers": "last+last"}, "different names"),
        ({"method": "swa", "layers": "last-1", "shuffled": True}, "shuffled works"),
        ({"method": "at", "slimmable": True}, "slimmable student"),
        ({"optimizer": "lion"}, "optimizer must be one of adamw"),
        ({"schedule": "steps"}, "steps 150 250"),
        ({"schedule": ""}, "schedule must be"),
        ({"kd_form": "magic"}, "kd_form must be one of t2"),
        ({"erasing": 1.5}, r"erasing must be in 0\.\.1"),
        ({"erasing": "0.5 red"}, "erasing must be .*'0.5 black'; got '0.5 red'"),
        ({"erasing": "0.5"}, "erasing must be"),
        ({"erasing": "0 black"}, "erasing must be"),
        ({"erasing": 0.5, "views": 1}, "erasing must be 0 with one view"),
        ({"freeze_norm": True, "epochs": 1}, "freeze_norm must be false with one epoch"),
        ({"kd_form": "reversed", "lam": 0.0}, "kd_form must be t2 at lam 0"),
        ({"weight_decay": float("inf")}, "weight_decay must be >= 0 and finite"),
        ({"momentum": 0.0}, "momentum must be 0.9 where the optimizer is not sgd or nesterov"),
        ({"momentum": 1.0, "optimizer": "sgd"}, r"momentum must be in \[0, 1\)"),
        ({"momentum": 0.0, "optimizer": "nesterov"}, "> 0 for nesterov"),
        ({"clip_norm": -1.0}, "clip_norm"),
        ({"seed": -1}, r"seed must be in 0\.\."),
        ({"seed": 2**63}, r"seed must be in 0\.\."),
        ({"shift_px": -1}, "shift_px must be >= 0"),
        ({"weight_decay": -0.1}, "weight_decay must be >= 0"),
        ({"weight_decay": float("nan")}, "weight_decay must be >= 0"),
        ({"warmup_epochs": -1.0}, "warmup_epochs must be >= 0"),
        ({"schedule": " "}, "schedule must be"),
        ({"split": "test"}, "split must be images to learn from"),
        ({"split": "val"}, "split must be images to learn from"),
        ({"method": "kd", "shuffled": True}, "shuffled works"),
        ({"method": "swa", "beta": 0.0, "shuffled": True}, "shuffled works"),
        ({"method": "swa", "slimmable": True, "width": 0.25}, "width 0.5"),
        ({"method": "kd", "slimmable": True, "width": 0.5, "source_id": "x"}, "begins with random weights"),
        ({"method": "ce", "slimmable": True, "width": 0.5}, "has a teacher"),
        ({"label": "../elsewhere"}, "No run can be called"),
        ({"label": "x" * 120}, "at most 120"),
        ({"dataset": "folder:/images"}, "folder-NAME"),
    ],
)
def test_recipes_that_no_training_could_use_are_refused(teacher: Card, fields: dict[str, object], said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        student(teacher, **fields)


def test_the_longest_of_the_papers_runs_has_an_id_that_a_card_takes() -> None:
    recipe = Recipe(
        dataset="tiny-imagenet-50", arch="attentive_resnet18_explained", split="train", method="surrogate",
        lam=0.25, l1_weight=5.0, teacher_id="t",
    )  # fmt: skip
    assert len(recipe.run_id) > 81
    assert re.match(Card.model_json_schema()["properties"]["id"]["pattern"], recipe.run_id)


def test_fields_that_came_later_leave_older_names_alone(teacher: Card) -> None:
    """Ids of runs that are shipped, made before any of the later fields existed."""
    known = Recipe(dataset="scenes", arch="vgg_gap_64", split="teacher", method="ce", epochs=8, warmup_epochs=1)
    assert known.run_id == "scenes-ce-w1-s0-f977c66bf589"
    recipe = student(teacher, method="swa")
    assert "layers" not in recipe.values and replace(recipe, layers="last").hash != recipe.hash
    assert replace(recipe, layers="").run_id == recipe.run_id


def test_defaults_of_the_command_line_fit_the_method(teacher: Card) -> None:
    given = {"dataset": "digits", "teacher_id": teacher.id, "epochs": 8}
    found = {method: recipe_from({**given, "method": method}) for method in ("kd", "at", "nst", "ab")}
    assert {method: recipe.beta for method, recipe in found.items()} == {"kd": 0, "at": 2, "nst": 10, "ab": 10}
    assert (found["ab"].init_epochs, found["at"].layer_names) == (2, ("last-2", "last-1", "last"))
    assert {recipe.width for recipe in found.values()} == {0.25}


def test_training_draws_dropout_from_the_epoch_and_leaves_the_callers_stream_alone(
    teacher: Card, zoo: Path, tmp_path: Path
) -> None:
    recipe = student(teacher, limit=64, epochs=1, arch="mobilenet_v3_small_s8", width=0.25)
    assert [module for module in build(recipe.arch, 10).modules() if isinstance(module, nn.Dropout)]
    data = training_data(recipe, root=zoo)
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        states.append(train(recipe, data, state_path=tmp_path / str(seed)).model.state_dict())
        assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert np.isfinite(float(states[0]["features.0.weight"].sum()))
