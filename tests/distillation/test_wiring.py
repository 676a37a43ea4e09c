"""From the recipe to the step: what a batch holds is what the teacher says of the very images the student sees."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from xkd_core.distillation.attribution import seam_maps
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.runs import TrainingData, distill, training_data
from xkd_core.distillation.state import Progress
from xkd_core.distillation.task import Batch
from xkd_core.distillation.trainer import _batch, _fresh, _one_epoch
from xkd_core.distillation.validation import is_flat, is_flat_round
from xkd_core.distillation.views import batches
from xkd_core.explainers.maps import ewa
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import load_run
from xkd_core.models.seams import Network

pytestmark = pytest.mark.usefixtures("home")
SMALL = Recipe(
    dataset="digits", arch="vgg_gap_tiny", split="train", method="ce",
    limit=128, epochs=4, lr=6e-3, batch_size=32, warmup_epochs=0.5,
)  # fmt: skip
EPOCHS = 4


@pytest.fixture(scope="module")
def teacher(zoo: Path, home: None) -> Card:
    return distill(SMALL, root=zoo)


def student(teacher: Card, **fields: object) -> Recipe:
    own = {"width": 0.5, "teacher_id": teacher.id, "epochs": 8, "limit": 96, "views": 3}
    return replace(SMALL, **{**own, **fields})


def steps(recipe: Recipe, data: TrainingData) -> Iterator[tuple[np.ndarray, Batch]]:
    """Images and batch of each step of a few epochs, one more than there are views."""
    live = _fresh(recipe, data).teacher
    for epoch in range(EPOCHS):
        for step, rows in enumerate(batches(len(data.pixels), recipe.batch_size, seed=recipe.seed, epoch=epoch)):
            yield rows, _batch(rows, recipe, data, live, (epoch, step))


@pytest.mark.parametrize("frozen", [False, True])
def test_frozen_norms_keep_the_statistics_of_the_first_epoch(
    teacher: Card, zoo: Path, tmp_path: Path, frozen: bool
) -> None:
    """Paper 000's code: nothing returns the network to train mode after it was validated once."""
    recipe = student(teacher, method="kd", epochs=3, freeze_norm=frozen)
    kept: list[Tensor] = []
    data = training_data(recipe, root=zoo)
    learner = _fresh(recipe, data)
    for epoch in range(2):
        _one_epoch(learner, recipe, data, Progress(epoch))
        kept.append(learner.model.state_dict()["features.1.running_mean"].clone())
    assert torch.equal(*kept) == frozen
    assert recipe.hash != replace(recipe, freeze_norm=not frozen).hash


def matched(batch: Batch) -> Tensor:
    """The teacher's maps (B, cells) of a step, of length 1; kept or cached."""
    found = batch.teacher_map if batch.teacher_map is not None else batch.guide.maps[-1][:, 0]
    return torch.nn.functional.normalize(found.float().flatten(1), dim=1)


def said(network: Network, method: str, x: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of the images of a step and maps, of length 1, computed here and now."""
    own = seam_maps(network, x)
    maps = ewa(own.activation) if method in ("ewa", "at") else own.maps
    return own.logits, torch.nn.functional.normalize(maps.flatten(1), dim=1)


WAYS = [{"method": "swa"}, {"method": "ewa"}, {"method": "at"}, {"method": "swa", "erasing": 0.8},
        {"method": "swa", "erasing": "0.8 black"},
        {"method": "swa", "flip": False}]  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_answers_and_maps_are_of_the_very_images_of_the_step(teacher: Card, zoo: Path, way: dict[str, object]) -> None:
    recipe = student(teacher, **way)
    data, network = training_data(recipe, root=zoo), load_run(teacher.id, zoo).model
    assert data.views.flip.any() == recipe.flip
    for _, batch in steps(recipe, data):
        logits, maps = said(network, recipe.method, batch.x)
        torch.testing.assert_close(batch.teacher_logits, logits, rtol=1e-3, atol=1e-3)
        known = maps.norm(dim=1) > 0
        assert known.any()
        assert float((maps * matched(batch)).sum(dim=1)[known].min()) > 0.999


def test_the_control_is_matched_to_maps_of_other_images_always_the_same_ones(teacher: Card, zoo: Path) -> None:
    plain, shuffled = (student(teacher, method="swa", shuffled=one) for one in (False, True))
    sides = zip(*(steps(recipe, training_data(recipe, root=zoo)) for recipe in (plain, shuffled)), strict=True)
    for (rows, own), (_, other) in sides:
        torch.testing.assert_close(own.teacher_logits, other.teacher_logits)  # the answers stay its own
        data = training_data(plain, root=zoo)
        partner = (rows + 48) % 96  # half of the images further
        view = matched(own)
        assert not torch.allclose(view, matched(other))
        for row, map_ in zip(partner, matched(other), strict=True):
            stored = data.teacher.swa[:, row].float().flatten(1)
            cosines = torch.nn.functional.normalize(stored, dim=1) @ map_
            assert map_.norm() == 0 or float(cosines.max()) > 0.999


def test_erasing_hides_a_part_of_the_images_from_both(teacher: Card, zoo: Path) -> None:
    plain, erased = (student(teacher, method="swa", erasing=share) for share in (0.0, 0.8))
    seen = [torch.cat([batch.x for _, batch in steps(recipe, training_data(recipe, root=zoo))])
            for recipe in (plain, erased)]  # fmt: skip
    changed = (seen[0] != seen[1]).flatten(1).any(dim=1).float().mean()
    assert 0.3 < float(changed) < 0.95  # of the views one is the image as it is


def test_every_parameter_is_in_the_optimizer_once_with_the_recipes_decay(teacher: Card, zoo: Path) -> None:
    recipe = student(teacher, method="swa", weight_decay=0.1)
    learner = _fresh(recipe, training_data(recipe, root=zoo))
    decay = {id(one): group["weight_decay"] for group in learner.optimizer.param_groups for one in group["params"]}
    norms = {id(one) for part in learner.model.modules() if isinstance(part, torch.nn.BatchNorm2d)
             for one in part.parameters()}  # fmt: skip
    biases = {id(one) for name, one in learner.model.named_parameters() if name.endswith("bias")}
    assert sum(len(group["params"]) for group in learner.optimizer.param_groups) == len(decay)
    assert decay == {id(one): 0.0 if id(one) in norms | biases else 0.1 for one in learner.model.parameters()}


@pytest.mark.parametrize(("clip_norm", "moves"), [(0.0, True), (1e-9, False)])
def test_gradients_are_clipped_where_the_recipe_says_so(
    teacher: Card, zoo: Path, clip_norm: float, moves: bool
) -> None:
    recipe = student(teacher, method="kd", optimizer="sgd", clip_norm=clip_norm, lr=0.3, weight_decay=0.0, epochs=1)
    first = dict(_fresh(recipe, training_data(recipe, root=zoo)).model.named_parameters())
    last = dict(load_run(distill(recipe, root=zoo).id, zoo).model.named_parameters())
    apart = max(float((last[name] - first[name].detach()).abs().max()) for name in first)
    assert (apart > 5e-3) == moves  # files hold float16


FLAT = {"quality": 0.9, "cosine": 0.8}


@pytest.mark.parametrize(
    ("curve", "flat"),
    [([FLAT] * 3, False), ([FLAT] * 4, True), ([{**FLAT, "cosine": 0.5}, *[FLAT] * 4], True),
     ([*[FLAT] * 4, {**FLAT, "cosine": 0.811}], False), ([*[FLAT] * 4, {**FLAT, "quality": 0.909}], True)],
)  # fmt: skip
def test_a_curve_rests_when_no_watched_value_moved_by_more_than_a_hundredth(curve: list, flat: bool) -> None:
    assert is_flat(curve) is flat


def epochs(*cosines: float) -> list[dict[str, float]]:
    return [{**FLAT, "cosine": cosine} for cosine in cosines]


@pytest.mark.parametrize(
    ("rounds", "flat"),
    [([epochs(0.8, 0.801)], True), ([epochs(0.8, 0.82)], False), ([epochs(0.8)], False),
     ([[{"quality": 0.2}] * 8, epochs(0.8, 0.801)], True),  # a teacher, of which another thing was watched
     ([epochs(0.78, 0.8), epochs(0.79, 0.79)], False), ([epochs(0.795, 0.8), epochs(0.79, 0.79)], True),
     ([epochs(0.5, 0.6), epochs(0.8, 0.8), epochs(0.8, 0.801)], True),
     ([epochs(0.7), epochs(0.8), epochs(0.8), epochs(0.8)], False),
     ([epochs(0.8, 0.8), [{"quality": 0.2}], epochs(0.8, 0.9)], False),
     ([epochs(0.5, 0.5), epochs(0.8, 0.8, 0.8, 0.8)], True), ([epochs(0.867), epochs(0.857)], True)],
)  # fmt: skip
def test_a_round_of_pruning_is_judged_over_the_last_four_epochs_of_all_rounds(rounds: list, flat: bool) -> None:
    assert is_flat_round(rounds) is flat
