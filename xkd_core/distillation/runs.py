"""From a recipe to a run on disk: data, teacher outputs, training, weights and card."""

from __future__ import annotations

import platform
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from xkd_core import __version__, settings
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.targets import teacher_outputs
from xkd_core.distillation.trainer import Report, Trained, TrainingData, device, train
from xkd_core.distillation.validation import Validation, is_flat
from xkd_core.distillation.views import draw_views, pixel_array
from xkd_core.files import remove_leftovers
from xkd_core.images.datasets import load
from xkd_core.models.architectures import count_parameters
from xkd_core.models.cards import Card, CardTransform
from xkd_core.models.checkpoints import CARD, LoadedRun, load_run, read_card, run_folder, save_run

VALIDATION_IMAGES = 2000
# The views belong to the data, not to a student's seed: students of all seeds share the teacher's cache.
VIEW_SEED = 0


def distill(recipe: Recipe, *, root: Path | None = None, report: Report | None = None) -> Card:
    """Train ``recipe`` unless its run exists; returns its card (without test metrics, see evaluation).

    Errors: DataUnavailableError, RunError for the teacher, TrainingError, XKDError for a full disk.
    """
    folder = run_folder(recipe.dataset, recipe.run_id, root)
    if (folder / CARD).exists():
        return read_card(folder)
    torch.use_deterministic_algorithms(True, warn_only=True)
    state_path = settings.home() / "training" / f"{recipe.run_id}.safetensors"
    data = training_data(recipe, root=root)
    trained = train(recipe, data, state_path=state_path, report=report)
    card = save_run(folder, trained.model, _card(recipe, trained, data, root))
    state_path.unlink(missing_ok=True)
    remove_leftovers(state_path)
    return card


def training_data(recipe: Recipe, *, root: Path | None = None) -> TrainingData:
    """Pixels, labels, views and, for a student, the teacher's cached outputs on them."""
    split = load(recipe.dataset, recipe.split)
    pixels = pixel_array(split, limit=recipe.limit)
    labels = split.labels()[: len(pixels)]
    n_views = recipe.epochs if recipe.method == "ce" else recipe.views
    seed = recipe.seed if recipe.method == "ce" else VIEW_SEED
    views = draw_views(len(pixels), n_views=n_views, shift_px=recipe.shift_px, seed=seed)
    teacher = None if recipe.teacher_id is None else load_run(recipe.teacher_id, root)
    outputs = None if teacher is None else teacher_outputs(teacher, pixels, views)
    live = teacher.model.to(device()) if teacher is not None and recipe.method == "sswa" else None
    return TrainingData(pixels, labels, views, _validation(recipe, teacher), outputs, live)


def _validation(recipe: Recipe, teacher: LoadedRun | None) -> Validation:
    data = load(recipe.dataset, "val")
    n = min(len(data), VALIDATION_IMAGES)
    pixels = pixel_array(data, limit=n)
    still = draw_views(n, n_views=1, shift_px=0, seed=0)
    outputs = None if teacher is None else teacher_outputs(teacher, pixels, still)
    return Validation(pixels, data.labels()[:n], data.info.transform, data.info.multi_label, outputs)


def _card(recipe: Recipe, trained: Trained, data: TrainingData, root: Path | None) -> Card:
    info = load(recipe.dataset, "val").info
    params = count_parameters(trained.model)
    teacher = None if recipe.teacher_id is None else load_run(recipe.teacher_id, root).card
    has_kd, progress = recipe.method != "ce", trained.progress
    return Card(
        id=recipe.run_id,
        dataset=recipe.dataset,
        arch=recipe.arch,
        role=recipe.role,
        compression="none" if recipe.width == 1 else "width",
        method=recipe.method,
        teacher_id=recipe.teacher_id,
        width=recipe.width,
        ratio=1.0 if teacher is None else teacher.params / params,
        lam=recipe.lam if has_kd else None,
        beta=(recipe.beta if recipe.matches_maps else 0.0) if has_kd else None,
        T=recipe.temperature if has_kd else None,
        seed=recipe.seed,
        params=params,
        transform=CardTransform(**asdict(info.transform)),
        classes=info.classes,
        multi_label=info.multi_label,
        recipe=asdict(recipe),
        recipe_hash=recipe.hash,
        curve=progress.curve,
        undertrained=not is_flat(progress.curve),
        dead_maps=progress.dead / progress.seen if recipe.matches_maps and progress.seen else None,
        train_seconds=round(progress.seconds, 1),
        versions=versions(),
        sha256="0" * 64,
        note=_note(recipe),
    )


def versions() -> dict[str, str]:
    """What the bytes of a run depend on besides its recipe."""
    return {
        "xkd_core": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "device": device().type,
    }


def _note(recipe: Recipe) -> str:
    if recipe.shuffled:
        return "Control: matched to the teacher's map of another image."
    if recipe.label == "full":
        return "Comparison: trained on every image of the split, where the main runs see a part of it."
    if recipe.split == "plain":
        return "Negative control: trained on images whose background says nothing about the class."
    return ""
