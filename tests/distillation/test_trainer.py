"""Trainings on digits, small enough for seconds: they learn, they repeat, they survive."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from xkd_core.distillation.recipes import Recipe, recipe_from
from xkd_core.distillation.runs import distill, training_data
from xkd_core.distillation.targets import teacher_outputs
from xkd_core.distillation.task import Batch, objective
from xkd_core.distillation.trainer import train
from xkd_core.distillation.views import draw_views
from xkd_core.errors import BadInputError, TrainingError
from xkd_core.models.cards import Card, Metric
from xkd_core.models.checkpoints import load_run, read_card, write_card

SMALL = Recipe(
    dataset="digits",
    arch="vgg_gap_tiny",
    split="train",
    method="ce",
    limit=512,
    epochs=4,
    lr=6e-3,
    batch_size=32,
    warmup_epochs=0.5,
)


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XKD_HOME", str(place))
    return place


@pytest.fixture(scope="module")
def teacher(zoo: Path, tmp_path_factory: pytest.TempPathFactory) -> Card:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XKD_HOME", str(tmp_path_factory.mktemp("teacher_home")))
        return distill(SMALL, root=zoo)


def student(teacher: Card, **fields: object) -> Recipe:
    return replace(SMALL, **{"method": "kd", "width": 0.5, "teacher_id": teacher.id, **fields})


def test_a_teacher_learns(teacher: Card) -> None:
    assert teacher.curve[-1]["quality"] > 0.5 > 0.1  # ten classes
    assert teacher.role == "teacher" and teacher.ratio == 1 and teacher.lam is None


@pytest.mark.parametrize("method", ["kd", "ewa", "swa", "sswa"])
def test_a_student_repeats_to_the_byte(teacher: Card, zoo: Path, tmp_path: Path, method: str) -> None:
    recipe = student(teacher, method=method, epochs=1)
    first = distill(recipe, root=zoo)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / teacher.id).symlink_to(zoo / "digits" / teacher.id)
    assert distill(recipe, root=tmp_path).sha256 == first.sha256
    assert first.teacher_id == teacher.id and first.ratio > 3


def test_a_run_of_which_only_the_card_is_left_is_trained_again_to_the_same_bytes(teacher: Card, zoo: Path) -> None:
    recipe = student(teacher, epochs=1, seed=7)
    first = distill(recipe, root=zoo)
    folder = zoo / "digits" / first.id
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").unlink()
    measured = first.model_copy(update={"metrics": {"cosine/occlusion": Metric(value=0.5, n=200, split="test")}})
    write_card(folder, measured)
    assert distill(recipe, root=zoo) == read_card(folder) == measured
    assert (folder / "model.safetensors").read_bytes() == data


def test_a_run_that_is_trained_again_to_other_bytes_says_so(teacher: Card, zoo: Path) -> None:
    recipe = student(teacher, epochs=1, seed=9)
    first = distill(recipe, root=zoo)
    folder = zoo / "digits" / first.id
    write_card(folder, first.model_copy(update={"sha256": "0" * 64}))  # as another machine's
    (folder / "model.safetensors").unlink()
    again = distill(recipe, root=zoo)
    assert again.sha256 == first.sha256 and load_run(again.id, zoo).card == again
    assert "not the weights that results stored before were measured on" in again.note


def test_halves_of_files_that_a_killed_process_left_in_the_runs_folder_go(teacher: Card, zoo: Path) -> None:
    recipe = student(teacher, epochs=1, seed=8)
    folder = zoo / "digits" / recipe.run_id
    folder.mkdir()
    for name in (".model.safetensors.x1", ".card.json.x2"):
        (folder / name).write_bytes(b"half")
    distill(recipe, root=zoo)
    assert {path.name for path in folder.iterdir()} == {"model.safetensors", "card.json"}


def test_a_training_that_was_cut_after_an_epoch_ends_in_the_same_bytes(
    teacher: Card, zoo: Path, tmp_path: Path
) -> None:
    recipe = student(teacher, method="swa", epochs=2, seed=5)
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


def test_a_state_file_that_is_cut_short_starts_over_instead_of_failing(
    teacher: Card, zoo: Path, tmp_path: Path
) -> None:
    recipe = student(teacher, epochs=1)
    (tmp_path / "state").write_bytes(b"\x10\x00\x00")
    trained = train(recipe, training_data(recipe, root=zoo), state_path=tmp_path / "state")
    assert trained.progress.epoch == 1


def test_matching_moves_the_student_towards_the_teachers_map(teacher: Card, zoo: Path) -> None:
    naive = distill(student(teacher, epochs=3), root=zoo)
    matched = distill(student(teacher, method="swa", epochs=3, beta=8.0), root=zoo)
    assert matched.curve[-1]["cosine/cam"] > naive.curve[-1]["cosine/cam"]
    assert naive.role == "naive" and matched.role == "matched"


def test_the_gradient_of_matching_reaches_every_convolution(teacher: Card, zoo: Path) -> None:
    recipe = student(teacher, method="swa")
    data = training_data(recipe, root=zoo)
    model = load_run(teacher.id, zoo).model.requires_grad_(True).train()
    assert data.teacher is not None
    rows = np.arange(64)
    x = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    batch = Batch(
        x,
        torch.zeros(64, dtype=torch.int64),
        data.teacher.logits[0, rows],
        data.teacher.swa[0, rows].float(),
        data.teacher.targets[0, rows],
    )
    found = objective(model, batch, recipe, multi_label=False)
    found.parts["matching"].backward()
    for name, parameter in model.named_parameters():
        if parameter.ndim == 4:
            assert parameter.grad is not None and float(parameter.grad.abs().sum()) > 0, name


def test_the_parts_add_up_to_the_objective(teacher: Card, zoo: Path) -> None:
    recipe = student(teacher, method="swa", lam=0.3, beta=1.5)
    data = training_data(recipe, root=zoo)
    model = load_run(teacher.id, zoo).model
    assert data.teacher is not None
    batch = Batch(
        torch.randn(8, 3, 32, 32),
        torch.arange(8),
        data.teacher.logits[0, :8],
        data.teacher.swa[0, :8].float(),
        data.teacher.targets[0, :8],
    )
    found = objective(model, batch, recipe, multi_label=False)
    parts = {name: float(value) for name, value in found.parts.items()}
    expected = 0.7 * parts["task"] + 0.3 * parts["kd"] + 1.5 * parts["matching"]
    assert float(found.total) == pytest.approx(expected, rel=1e-6)


def test_cached_outputs_are_the_teachers_own(teacher: Card, zoo: Path) -> None:
    run = load_run(teacher.id, zoo)
    pixels = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    views = draw_views(6, n_views=2, shift_px=2, seed=0)
    computed, read = (teacher_outputs(run, pixels, views) for _ in range(2))
    assert computed.logits.shape == (2, 6, 10) and torch.equal(computed.swa, read.swa)
    lengths = computed.swa.float().flatten(2).norm(dim=2)
    assert bool((((lengths - 1).abs() < 1e-2) | (lengths == 0)).all())


def test_views_are_flips_and_shifts_of_the_image_itself() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 8, 8, 3), dtype=np.uint8)
    views = draw_views(3, n_views=2, shift_px=2, seed=1)
    assert np.array_equal(views.take(pixels, np.arange(3), 0), pixels)
    for image in range(3):
        padded = np.pad(pixels[image], ((2, 2), (2, 2), (0, 0)), mode="reflect")
        down, right = views.shift[1, image] + 2
        cut = padded[down : down + 8, right : right + 8]
        expected = cut[:, ::-1] if views.flip[1, image] else cut
        assert np.array_equal(views.take(pixels, np.array([image]), 1)[0], expected)


def test_a_loss_that_is_not_finite_ends_in_a_sentence(teacher: Card, zoo: Path, tmp_path: Path) -> None:
    recipe = student(teacher)
    data = training_data(recipe, root=zoo)
    assert data.teacher is not None
    broken = replace(data, teacher=replace(data.teacher, logits=data.teacher.logits * float("nan")))
    with pytest.raises(TrainingError, match="no longer finite in epoch 1"):
        train(recipe, broken, state_path=tmp_path / "state")


@pytest.mark.parametrize(("field", "value"), [("lam", 1.5), ("beta", -1.0), ("width", 0.0), ("method", "magic")])
def test_impossible_recipes_are_refused_with_the_field(field: str, value: object) -> None:
    with pytest.raises(BadInputError, match=field):
        replace(SMALL, **{field: value})


@pytest.mark.parametrize("method", ["ce", "kd"])
def test_weights_that_the_last_step_breaks_are_not_stored(teacher: Card, zoo: Path, method: str) -> None:
    own = {"method": method, "teacher_id": teacher.id if method == "kd" else None}
    recipe = replace(SMALL, **own, limit=32, epochs=1, lr=1e9, warmup_epochs=0.0)
    with pytest.raises(TrainingError, match=r"Weights are no longer finite after epoch 1\. Lower the lr"):
        distill(recipe, root=zoo)
    assert not (zoo / "digits" / recipe.run_id).exists()


def test_more_classes_than_there_are_cannot_be_matched(teacher: Card, zoo: Path) -> None:
    with pytest.raises(BadInputError, match="top_k must be at most 10"):
        distill(student(teacher, method="swa", top_k=11), root=zoo)


def test_fewer_images_than_a_batch_are_refused_and_not_left_untrained(zoo: Path) -> None:
    with pytest.raises(BadInputError, match="has 1297 images, not one batch of 1298"):
        distill(replace(SMALL, limit=None, batch_size=1298), root=zoo)


def test_a_teacher_of_other_classes_is_refused(teacher: Card, zoo: Path) -> None:
    with pytest.raises(BadInputError, match="10 classes that are not the 8 of scenes"):
        distill(student(teacher, dataset="scenes", arch="vgg_gap_64", split="transfer"), root=zoo)


def test_a_student_without_a_teacher_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XKD_CHECKPOINTS", str(tmp_path))
    with pytest.raises(BadInputError, match="--method ce"):
        recipe_from({"dataset": "digits", "method": "kd"})


def test_the_card_on_disk_says_what_was_done(teacher: Card, zoo: Path) -> None:
    written = json.loads((zoo / "digits" / teacher.id / "card.json").read_text())
    assert written["recipe"]["limit"] == 512 and written["recipe_hash"] == SMALL.hash
    assert written["versions"]["torch"] == torch.__version__
