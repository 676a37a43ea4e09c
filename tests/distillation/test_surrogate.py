"""The attentive surrogate: its sizes, its loss, its collapse, and the map that it hands out as an explainer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from xkd_core.distillation.recipes import Recipe, recipe_from
from xkd_core.distillation.runs import distill, training_data
from xkd_core.distillation.surrogate import collapse, kept_answer_loss, maps_on, see
from xkd_core.distillation.task import Batch, objective
from xkd_core.distillation.trainer import train
from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import explain
from xkd_core.images import datasets
from xkd_core.images.transforms import to_input
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.attentive import HIDDEN
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import load_run

ARCH = "attentive_resnet18_explained"
pytestmark = pytest.mark.usefixtures("home")
SMALL = Recipe(
    dataset="digits", arch="vgg_gap_tiny", split="train", method="ce",
    limit=256, epochs=3, lr=6e-3, batch_size=32, warmup_epochs=0.5,
)  # fmt: skip


@pytest.fixture(scope="module")
def teacher(zoo: Path, home: None) -> Card:
    return distill(SMALL, root=zoo)


def student(teacher: Card, **fields: object) -> Recipe:
    own = {"method": "surrogate", "arch": ARCH, "width": 0.0625, "teacher_id": teacher.id, "epochs": 1, "limit": 64}
    return replace(SMALL, **{**own, "temperature": 1.0, **fields})


@pytest.fixture(scope="module")
def made(teacher: Card, zoo: Path) -> Card:
    return distill(student(teacher), root=zoo)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return build(ARCH, 10, width=0.0625)


def test_masked_images_leave_the_statistics_of_a_student_that_judges_itself_alone(teacher: Card, zoo: Path) -> None:
    model, x = network().train(), torch.randn(4, 3, 32, 32)
    before = {name: value.clone() for name, value in model.state_dict().items() if "running" in name}
    kept_answer_loss(model, x, torch.rand(4, 32, 32), torch.randn(4, 10), multi_label=False)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    see(model, x)  # the images themselves count as ever
    assert not all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())


def test_the_explanation_network_takes_the_three_gated_stages_from_coarse_to_fine() -> None:
    model, plain = network(), build("attentive_resnet18", 10, width=0.0625)
    fine, middle, coarse = 8, 16, 32  # a sixteenth of 128, 256, 512
    inputs = (coarse, HIDDEN + middle, HIDDEN + fine)
    by_hand = sum(9 * count * HIDDEN + 2 * HIDDEN for count in inputs) + HIDDEN + 1
    assert count_parameters(model) - count_parameters(plain) == by_hand
    x = torch.randn(2, 3, 32, 32)
    assert [tuple(delta.shape[1:]) for delta in model.eval().attend(x).deltas] == [(8, 16, 16), (16, 8, 8), (32, 4, 4)]
    drawn = model.explain(x)
    assert drawn.shape == (2, 32, 32) and 0 < drawn.min() < drawn.max() < 1


def test_each_scale_reaches_the_map() -> None:
    model = network().eval()
    deltas = [delta.detach().requires_grad_() for delta in model.attend(torch.randn(2, 3, 32, 32)).deltas]
    model.explanation(deltas, (32, 32)).sum().backward()
    assert all(float(delta.grad.abs().sum()) > 0 for delta in deltas)


def by_hand(masked: np.ndarray, logits: np.ndarray, *, multi_label: bool) -> float:
    if multi_label:
        p, q = 1 / (1 + np.exp(-logits)), 1 / (1 + np.exp(-masked))
        return float((p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).mean())
    p, q = (np.exp(values) / np.exp(values).sum(axis=1, keepdims=True) for values in (logits, masked))
    return float((p * np.log(p / q)).sum(axis=1).mean())


@pytest.mark.parametrize("multi_label", [False, True])
def test_the_answer_that_is_kept_is_that_to_the_masked_image(multi_label: bool) -> None:
    torch.manual_seed(1)
    keeper, x, drawn = build("vgg_gap_tiny", 10).eval(), torch.randn(4, 3, 32, 32), torch.rand(4, 32, 32)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        activation = keeper.features(x * drawn.reshape(4, 1, 32, 32).expand(4, 3, 32, 32))
    masked, logits = keeper.head(activation.float()).detach(), torch.randn(4, 10)
    found = kept_answer_loss(keeper, x, drawn, logits, multi_label=multi_label)
    expected = by_hand(masked.double().numpy(), logits.double().numpy(), multi_label=multi_label)
    assert float(found.detach()) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("through", ["teacher", "student"])
def test_the_objective_is_the_sum_of_its_four_parts(through: str) -> None:
    torch.manual_seed(2)
    model, live, x = (
        network().train(),
        build("vgg_gap_tiny", 10).eval().requires_grad_(False),
        torch.randn(4, 3, 32, 32),
    )
    recipe = Recipe(
        dataset="digits", arch=ARCH, split="train", method="surrogate", teacher_id="t", through=through,
        l1_weight=0.7, lam=0.25, temperature=1.0,
    )  # fmt: skip
    batch = Batch(x, torch.tensor([0, 1, 2, 3]), teacher_logits=torch.randn(4, 10), live=live)
    found = objective(model, batch, recipe, multi_label=False)
    parts = {name: float(value.detach()) for name, value in found.parts.items()}
    assert float(found.total.detach()) == pytest.approx(
        0.75 * parts["task"] + 0.25 * parts["kd"] + parts["explanation"] + 0.7 * parts["l1"], rel=1e-5
    )
    found.total.backward()
    assert all(value.grad is not None for value in model.explanation.parameters())
    assert all(value.grad is None for value in live.parameters())


def test_the_two_keepers_are_different_losses() -> None:
    torch.manual_seed(3)
    model, live, x = network().eval(), build("vgg_gap_tiny", 10).eval(), torch.randn(4, 3, 32, 32)
    seen, logits = see(model, x), torch.randn(4, 10)
    pair = [kept_answer_loss(keeper, x, seen.map, logits, multi_label=False) for keeper in (model, live)]
    assert float(pair[0].detach()) != float(pair[1].detach())


@pytest.mark.parametrize(
    ("maps", "word"),
    [
        (np.full((3, 4, 4), 0.99), "all ones"),
        (np.full((3, 4, 4), 0.001), "all zeros"),
        (np.full((3, 4, 4), 0.5), "flat"),
        (np.tile(np.linspace(0, 1, 4), (3, 4, 1)), ""),
    ],
)
def test_a_collapse_is_named(maps: np.ndarray, word: str) -> None:
    assert collapse(maps.astype(np.float32)) == word


def test_an_l1_weight_that_is_too_large_ends_in_a_collapse_that_the_card_tells(teacher: Card, zoo: Path) -> None:
    card = distill(student(teacher, l1_weight=500.0, epochs=3), root=zoo)
    assert "explanation network collapsed" in card.note
    assert "-h500-" in card.id


def test_a_run_says_what_its_maps_are_like(made: Card, zoo: Path) -> None:
    assert (made.method, made.role, made.beta) == ("surrogate", "other", 0.0)
    data = datasets.load("digits", "val")
    stored = maps_on(load_run(made.id, zoo).model, data.pixels(range(len(data))), made.input_transform())
    assert made.extras["map/mean"] == pytest.approx(float(stored.mean()), abs=2e-3)  # kernels are stored as float16
    assert made.extras["map/n"] == len(data)


def test_the_explainer_gives_what_the_explanation_network_draws(made: Card, teacher: Card, zoo: Path) -> None:
    model = load_run(made.id, zoo).model
    x = to_input(datasets.load("digits", "test").pixels(range(5)), made.input_transform())
    found = explain({"s": model}, x, {"s": torch.arange(5)}, names=["surrogate"])["s"]["surrogate"]
    with torch.no_grad():
        deltas = model.attend(x).deltas
        hidden = model.explanation.blocks[0](deltas[2])
        for block, delta in zip(model.explanation.blocks[1:], (deltas[1], deltas[0]), strict=True):
            large = F.interpolate(hidden, size=delta.shape[-2:], mode="bilinear", align_corners=False)
            hidden = block(torch.cat([large, delta], dim=1))
        large = F.interpolate(hidden, size=(32, 32), mode="bilinear", align_corners=False)
        expected = torch.sigmoid(model.explanation.out(large))[:, 0].numpy()
    np.testing.assert_allclose(found.maps, expected, atol=1e-6)
    with pytest.raises(BadInputError, match="surrogate"):
        explain({"t": load_run(teacher.id, zoo).model}, x, {"t": torch.arange(5)}, names=["surrogate"])


def test_a_cut_training_goes_on_to_the_same_bytes(teacher: Card, zoo: Path, tmp_path: Path) -> None:
    recipe = student(teacher, epochs=2)
    data = training_data(recipe, root=zoo)
    whole = train(recipe, data, state_path=tmp_path / "whole")

    def cut(epoch: int, epochs: int, watched: dict[str, float]) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, data, state_path=tmp_path / "cut", report=cut)
    resumed = train(recipe, data, state_path=tmp_path / "cut")
    for name, value in whole.model.state_dict().items():
        assert torch.equal(value, resumed.model.state_dict()[name]), name


def test_the_command_line_finds_the_architecture_and_refuses_others(teacher: Card) -> None:
    given = {"dataset": "digits", "method": "surrogate", "teacher_id": teacher.id}
    assert recipe_from(given).arch == ARCH
    with pytest.raises(BadInputError, match="_explained"):
        recipe_from({**given, "arch": "vgg_gap_tiny"})
    with pytest.raises(BadInputError, match="through must be"):
        student(teacher, through="both")
