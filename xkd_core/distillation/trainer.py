"""The training loop: one recipe in, one run out, resumable after every epoch.

Everything random is drawn from (seed, epoch), so a killed training ends in the very same bytes.
No method name appears here: what is minimised is task.py's business.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.state import Progress, load_state, save_state
from xkd_core.distillation.targets import TeacherOutputs
from xkd_core.distillation.task import Batch, objective, sswa_keep, sswa_teacher_map
from xkd_core.distillation.validation import Validation, validate
from xkd_core.distillation.views import Views
from xkd_core.errors import TrainingError
from xkd_core.images.transforms import to_input
from xkd_core.models.architectures import VggGap, build
from xkd_core.models.slimmable import STOPS, SlimVggGap, build_slim
from xkd_core.pruning.unstructured import Masks, hold, masks_of
from xkd_core.types import Int, UInt8

Student = VggGap | SlimVggGap
Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainingData:
    """Pixels (N, H, W, 3) uint8, multi-hot labels (N, C), the fixed views, and the teacher's part.

    start: the network that the training goes on from; its weights are copied.
    """

    pixels: UInt8
    labels: UInt8
    views: Views
    validation: Validation
    teacher: TeacherOutputs | None = None
    live_teacher: VggGap | None = None
    start: VggGap | None = None


@dataclass(frozen=True)
class Trained:
    """The network after its last epoch (eval mode, on the CPU) and how it got there."""

    model: Student
    progress: Progress


def train(recipe: Recipe, data: TrainingData, *, state_path: Path, report: Report | None = None) -> Trained:
    """Train ``recipe``; ``report(epoch, epochs, watched values)`` is called after every epoch.

    Errors: TrainingError when the loss is not finite; XKDError when the state cannot be written.
    """
    model, optimizer = _fresh(recipe, data)
    masks = masks_of(model) if recipe.compress == "unstructured" else {}
    progress = load_state(state_path, model, optimizer)
    while progress.epoch < recipe.epochs:
        started = time.perf_counter()
        _one_epoch(model, optimizer, recipe, data, progress, masks)
        watched = validate(model, data.validation)
        progress.epoch += 1
        progress.curve += (watched,)
        progress.seconds += time.perf_counter() - started
        save_state(state_path, model, optimizer, progress)
        if report is not None:
            report(progress.epoch, recipe.epochs, watched)
    return Trained(model.cpu().eval(), progress)


def _fresh(recipe: Recipe, data: TrainingData) -> tuple[Student, torch.optim.Optimizer]:
    model = copy.deepcopy(data.start).requires_grad_(True) if data.start is not None else _random(recipe, data)
    model = model.to(device(), memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    kernels = [value for value in model.parameters() if value.ndim > 1]
    others = [value for value in model.parameters() if value.ndim <= 1]
    groups = [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return model, torch.optim.AdamW(groups, lr=recipe.lr, foreach=True)


def _random(recipe: Recipe, data: TrainingData) -> Student:
    n_classes = data.labels.shape[1]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        return (
            build_slim(recipe.arch, n_classes)
            if recipe.slimmable
            else build(recipe.arch, n_classes, width=recipe.width)
        )


def _one_epoch(
    model: Student,
    optimizer: torch.optim.Optimizer,
    recipe: Recipe,
    data: TrainingData,
    progress: Progress,
    masks: Masks,
) -> None:
    model.train()
    batches = list(_batches(len(data.pixels), recipe, progress.epoch))
    for step, indices in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, progress.epoch + step / len(batches))
        found = objective(
            model, _batch(indices, recipe, data, progress.epoch, step), recipe, multi_label=data.validation.multi_label
        )
        if not math.isfinite(float(found.total.detach())):
            parts = ", ".join(f"{name} {float(value.detach()):g}" for name, value in found.parts.items())
            raise TrainingError(f"The loss is no longer finite in epoch {progress.epoch + 1} ({parts}). Lower the lr.")
        optimizer.zero_grad(set_to_none=True)
        found.total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        hold(model, masks)
        progress.dead += found.dead
        progress.seen += len(indices)


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """Linear warm-up, then a half cosine to zero, as a function of the (fractional) epoch."""
    if epoch < recipe.warmup_epochs:
        return recipe.lr * (epoch + 0.01) / recipe.warmup_epochs
    done = (epoch - recipe.warmup_epochs) / max(recipe.epochs - recipe.warmup_epochs, 1e-9)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _batches(n_images: int, recipe: Recipe, epoch: int) -> Iterator[Int]:
    order = np.random.default_rng([recipe.seed, epoch, 1]).permutation(n_images)
    whole = n_images - n_images % recipe.batch_size
    yield from (order[start : start + recipe.batch_size] for start in range(0, whole, recipe.batch_size))


def _batch(indices: Int, recipe: Recipe, data: TrainingData, epoch: int, step: int) -> Batch:
    view = epoch % len(data.views.flip)
    pixels = data.views.take(data.pixels, indices, view)
    x = to_input(pixels, data.validation.transform).to(device()).contiguous(memory_format=torch.channels_last)
    multi_hot = torch.from_numpy(data.labels[indices])
    labels = (multi_hot.float() if data.validation.multi_label else multi_hot.argmax(dim=1)).to(x.device)
    if data.teacher is None:
        return Batch(x, labels)
    rows = torch.from_numpy(indices)
    stops = sandwich(recipe, epoch, step) if recipe.slimmable else ()
    target = data.teacher.targets[view, rows].to(x.device)
    teacher_map = _teacher_map(x, rows, view, target, recipe, data, (epoch, step))
    return Batch(x, labels, data.teacher.logits[view, rows].to(x.device), teacher_map, target, stops)


def sandwich(recipe: Recipe, epoch: int, step: int) -> tuple[float, ...]:
    """The widths of one step: the narrowest, the widest and two between (Yu & Huang, ICCV 2019)."""
    between = np.random.default_rng([recipe.seed, epoch, step, 2]).choice(STOPS[1:-1], size=2, replace=False)
    return (STOPS[0], STOPS[-1], *(float(stop) for stop in between))


def _teacher_map(
    x: Tensor, rows: Tensor, view: int, target: Tensor, recipe: Recipe, data: TrainingData, moment: tuple[int, int]
) -> Tensor | None:
    if not recipe.matches_maps or data.teacher is None:
        return None
    if recipe.method == "sswa":
        if data.live_teacher is None:
            raise TrainingError("SSWA needs the teacher itself, not only its cached maps.")
        seed = int(np.random.SeedSequence([recipe.seed, *moment]).generate_state(1)[0])
        keep = sswa_keep(
            data.live_teacher.classifier.in_features, recipe.drop_prob, torch.Generator().manual_seed(seed)
        )
        return sswa_teacher_map(data.live_teacher, x, target, keep.to(x.device))
    maps = data.teacher.ewa if recipe.method == "ewa" else data.teacher.swa
    if recipe.shuffled:
        # The map of another image, always the same one: wrong attribution of the right statistics.
        rows = (rows + maps.shape[1] // 2) % maps.shape[1]
    return maps[view, rows].float().to(x.device)
