"""The training loop: one recipe in, one run out, resumable after every epoch.

Everything random is drawn from (seed, epoch), so a killed training ends in the very same bytes.
No method name appears here: what is minimised is task.py's business.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from xkd_core.distillation.autoencoding import Autoencoder
from xkd_core.distillation.kept import Kept
from xkd_core.distillation.optimizers import learning_rate, make_optimizer
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.state import Progress, load_state, save_state
from xkd_core.distillation.targets import TeacherOutputs
from xkd_core.distillation.task import Batch, Connectors, joint_layer, objective
from xkd_core.distillation.teaching import LiveTeacher, channels, guide
from xkd_core.distillation.validation import Validation, validate
from xkd_core.distillation.views import Views, batches
from xkd_core.errors import BadInputError, TrainingError
from xkd_core.models.architectures import Network, build
from xkd_core.models.fused import fusion_of, hold_still
from xkd_core.models.slimmable import STOPS, SlimVggGap, build_slim
from xkd_core.pruning.unstructured import Masks, hold, masks_of
from xkd_core.types import Int, UInt8

Student = Network | SlimVggGap
Report = Callable[[int, int, dict[str, float]], None]


@dataclass(frozen=True)
class TrainingData:
    """Pixels (N, H, W, 3) uint8, multi-hot labels (N, C), the fixed views, and the teacher's part.

    kept: what else of it a recipe needs, where that is small. live_teacher: the network itself, frozen and on the
    device, where it is not.
    start: the network that the training goes on from; its weights are copied. autoencoder: an xd student's.
    """

    pixels: UInt8
    labels: UInt8
    views: Views
    validation: Validation
    teacher: TeacherOutputs | None = None
    kept: Kept | None = None
    live_teacher: Network | None = None
    start: Network | None = None
    autoencoder: Autoencoder | None = None


@dataclass(frozen=True)
class Trained:
    """The network after its last epoch (eval mode, on the CPU) and how it got there."""

    model: Student
    progress: Progress


@dataclass(frozen=True)
class Learner:
    """What is trained: the network, what a method trains beside it (often nothing), and their optimizer.

    masks: which weights of a pruned network live. teacher: who teaches what the cache does not hold.
    """

    model: Student
    extras: nn.Module
    optimizer: torch.optim.Optimizer
    masks: Masks
    teacher: LiveTeacher | None

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters of the network and of what is beside it."""
        return [*self.model.parameters(), *self.extras.parameters()]


def train(recipe: Recipe, data: TrainingData, *, state_path: Path, report: Report | None = None) -> Trained:
    """Train ``recipe``; ``report(epoch, epochs, watched values)`` is called after every epoch.

    Errors: TrainingError when the loss or a weight is not finite; XKDError when the state cannot be written;
    UnknownNameError for a layer that one of the networks does not have; BadInputError for fewer images than a batch.
    """
    if len(data.pixels) < recipe.batch_size:  # only whole batches are trained on: there would be none
        raise BadInputError(
            f"{recipe.dataset}:{recipe.split} has {len(data.pixels)} images, not one batch of {recipe.batch_size}: "
            "choose a smaller batch_size."
        )
    learner = _fresh(recipe, data)
    progress = load_state(state_path, learner.model, learner.extras, learner.optimizer)
    while progress.epoch < recipe.epochs:
        started = time.perf_counter()
        with torch.random.fork_rng():
            torch.manual_seed(_seed(recipe, progress.epoch, 2))  # for dropout
            _one_epoch(learner, recipe, data, progress)
        watched = validate(learner.model, data.validation)
        _check_finite(learner.model, watched, progress.epoch)
        progress.epoch += 1
        progress.curve += (watched,)
        progress.seconds += time.perf_counter() - started
        save_state(state_path, learner.model, learner.extras, learner.optimizer, progress)
        if report is not None:
            report(progress.epoch, recipe.epochs, watched)
    return Trained(learner.model.cpu().eval(), progress)


def _fresh(recipe: Recipe, data: TrainingData) -> Learner:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        model = copy.deepcopy(data.start).requires_grad_(True) if data.start is not None else _random(recipe, data)
        hold_still(model)
        live = _live(model, recipe, data)
        extras = _extras(live, recipe, data)
    model = model.to(device(), memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    extras = extras.to(device())
    masks = masks_of(model) if recipe.compress == "unstructured" else {}
    free = [joint_layer(model).weight] if recipe.method == "xd" else []  # the loss itself keeps it small
    optimizer = make_optimizer(recipe, [*model.parameters(), *extras.parameters()], free=free)
    return Learner(model, extras, optimizer, masks, live)


def _random(recipe: Recipe, data: TrainingData) -> Student:
    n_classes = data.labels.shape[1]
    if recipe.slimmable:
        return build_slim(recipe.arch, n_classes)
    model = build(recipe.arch, n_classes, width=recipe.width)
    fusion = fusion_of(model)
    if fusion is not None and data.autoencoder is not None:
        fusion.cae.load_state_dict(data.autoencoder.state)
    return model


def _live(model: Student, recipe: Recipe, data: TrainingData) -> LiveTeacher | None:
    if not recipe.needs_live_teacher or data.kept is not None:
        return None
    if data.live_teacher is None:
        raise TrainingError(f"{recipe.method} needs the teacher itself, not only its cached outputs.")
    size = data.validation.transform.size
    own = () if isinstance(model, SlimVggGap) else channels(model, recipe.layer_names, size)
    return LiveTeacher(data.live_teacher, own)


def _extras(live: LiveTeacher | None, recipe: Recipe, data: TrainingData) -> nn.Module:
    if recipe.method != "ab" or live is None:
        return nn.Module()
    theirs = channels(live.model, recipe.layer_names, data.validation.transform.size)
    return Connectors(live.student_channels, theirs)


def _one_epoch(learner: Learner, recipe: Recipe, data: TrainingData, progress: Progress) -> None:
    learner.model.train(not (recipe.freeze_norm and progress.epoch))
    order = list(batches(len(data.pixels), recipe.batch_size, seed=recipe.seed, epoch=progress.epoch))
    for step, indices in enumerate(order):
        for group in learner.optimizer.param_groups:
            group["lr"] = learning_rate(recipe, progress.epoch + step / len(order))
        batch = _batch(indices, recipe, data, learner.teacher, (progress.epoch, step))
        multi_label = data.validation.multi_label
        found = objective(learner.model, batch, recipe, multi_label=multi_label, extras=learner.extras)
        if not math.isfinite(float(found.total.detach())):
            parts = ", ".join(f"{name} {float(value.detach()):g}" for name, value in found.parts.items())
            raise TrainingError(f"The loss is no longer finite in epoch {progress.epoch + 1} ({parts}). Lower the lr.")
        learner.optimizer.zero_grad(set_to_none=True)
        found.total.backward()  # type: ignore[no-untyped-call]
        if recipe.clip_norm:
            nn.utils.clip_grad_norm_(learner.parameters, recipe.clip_norm)
        learner.optimizer.step()
        hold(learner.model, learner.masks)
        progress.dead += found.dead
        progress.seen += found.maps


def _check_finite(model: Student, watched: dict[str, float], epoch: int) -> None:
    """The last step of an epoch may break what its loss did not show; kernels are float16 in the file."""
    values = (value for value in model.state_dict().values() if value.is_floating_point())
    stored = (value.half() if value.ndim == 4 else value for value in values)
    if not all(map(math.isfinite, watched.values())) or not all(bool(value.isfinite().all()) for value in stored):
        raise TrainingError(f"Weights are no longer finite after epoch {epoch + 1}. Lower the lr.")


def device() -> torch.device:
    """The GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _batch(
    indices: Int, recipe: Recipe, data: TrainingData, live: LiveTeacher | None, moment: tuple[int, int]
) -> Batch:
    view = moment[0] % len(data.views.flip)
    x = data.views.batch(data.pixels, indices, view, data.validation.transform, device())
    x = x.contiguous(memory_format=torch.channels_last)
    multi_hot = torch.from_numpy(data.labels[indices])
    labels = (multi_hot.float() if data.validation.multi_label else multi_hot.argmax(dim=1)).to(x.device)
    if data.teacher is None:
        return Batch(x, labels)
    rows = torch.from_numpy(indices)
    stops = sandwich(recipe, *moment) if recipe.slimmable else ()
    logits, target = data.teacher.logits[view, rows].to(x.device), data.teacher.targets[view, rows].to(x.device)
    if data.kept is not None:
        return Batch(x, labels, logits, None, target, stops, data.kept.guide(moment[0], rows, x.device))
    if live is None:
        return Batch(x, labels, logits, _cached_map(rows, view, recipe, data.teacher, x.device), target, stops)
    if recipe.method == "surrogate":
        return Batch(x, labels, logits, None, target, live=live.model)
    initialising = moment[0] < recipe.init_epochs
    shown = guide(live, x, logits, recipe, moment=moment) if initialising or not recipe.init_epochs else None
    return Batch(x, labels, logits, None, target, stops, shown, initialising)


def sandwich(recipe: Recipe, epoch: int, step: int) -> tuple[float, ...]:
    """The widths of one step: the narrowest, the widest and two between (Yu & Huang, ICCV 2019)."""
    between = np.random.default_rng([recipe.seed, epoch, step, 2]).choice(STOPS[1:-1], size=2, replace=False)
    return (STOPS[0], STOPS[-1], *(float(stop) for stop in between))


def _cached_map(rows: Tensor, view: int, recipe: Recipe, teacher: TeacherOutputs, place: torch.device) -> Tensor | None:
    if not recipe.matches_maps:
        return None
    maps = teacher.ewa if recipe.method == "ewa" else teacher.swa
    if recipe.shuffled:
        # The map of another image, always the same one: wrong attribution of the right statistics.
        rows = (rows + maps.shape[1] // 2) % maps.shape[1]
    return maps[view, rows].float().to(place)


def _seed(recipe: Recipe, *moment: int) -> int:
    return int(np.random.SeedSequence([recipe.seed, *moment]).generate_state(1)[0])
