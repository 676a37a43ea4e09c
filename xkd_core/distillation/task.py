"""The objective of one recipe: from a batch of views to named loss parts and their weighted sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from xkd_core.distillation.losses import kd_loss, matching_loss, task_loss
from xkd_core.distillation.recipes import Recipe
from xkd_core.explainers.maps import cam_map, ewa
from xkd_core.models.architectures import VggGap
from xkd_core.models.slimmable import Slim, SlimVggGap


@dataclass(frozen=True)
class Batch:
    """One step's data. labels: (B,) or (B, C). teacher_*: None for a training without a teacher.

    stops: the widths at which a slimmable network takes this step.
    """

    x: Tensor
    labels: Tensor
    teacher_logits: Tensor | None = None
    teacher_map: Tensor | None = None
    target: Tensor | None = None
    stops: tuple[float, ...] = ()


@dataclass(frozen=True)
class Objective:
    """The sum to minimise, its unweighted parts, and the number of maps without a gradient."""

    total: Tensor
    parts: Mapping[str, Tensor]
    dead: int = 0


def objective(model: VggGap | SlimVggGap, batch: Batch, recipe: Recipe, *, multi_label: bool) -> Objective:
    """The objective of one network, or the mean over the widths ``batch.stops`` of a slimmable one."""
    if not isinstance(model, SlimVggGap):
        return _objective(model, batch, recipe, multi_label)
    each = [_objective(model.at(stop), batch, recipe, multi_label) for stop in batch.stops]
    parts = {name: torch.stack([one.parts[name] for one in each]).mean() for name in each[0].parts}
    return Objective(torch.stack([one.total for one in each]).mean(), parts, sum(one.dead for one in each))


def _objective(model: VggGap | Slim, batch: Batch, recipe: Recipe, multi_label: bool) -> Objective:
    """(1-λ) task + λ T² KD + β (1 - cos), of which a recipe without a teacher has the first term only.

    The body runs in bfloat16 (autocast), the head, the maps and the losses in float32.
    """
    with torch.autocast(batch.x.device.type, dtype=torch.bfloat16):
        activation = model.features(batch.x)
    activation = activation.float()
    logits = model.head(activation)
    parts = {"task": task_loss(logits, batch.labels, multi_label=multi_label)}
    if batch.teacher_logits is None:
        return Objective(parts["task"], parts)
    parts["kd"] = kd_loss(logits, batch.teacher_logits, temperature=recipe.temperature, multi_label=multi_label)
    total = (1 - recipe.lam) * parts["task"] + recipe.lam * parts["kd"]
    if not recipe.matches_maps or batch.teacher_map is None or batch.target is None:
        return Objective(total, parts)
    matching = matching_loss(student_map(model, activation, batch.target, method=recipe.method), batch.teacher_map)
    parts["matching"] = matching.loss
    return Objective(total + recipe.beta * matching.loss, parts, matching.dead)


def student_map(model: VggGap | Slim, activation: Tensor, target: Tensor, *, method: str) -> Tensor:
    """The student's map in the loss: EWA's sum of squares, or ReLU(CAM) of the target class, (B, h, w).

    Behind global average pooling and a linear head α_k = w_ck / N, so SWA is ReLU(CAM) up to a
    factor that the cosine does not see, without a second backward pass (definitions 2.5).
    """
    if method == "ewa":
        return ewa(activation)
    rows = model.rows(target) if isinstance(model, Slim) else model.classifier.weight[target]
    return cam_map(activation, rows).relu()


@torch.no_grad()
def sswa_teacher_map(teacher: VggGap, x: Tensor, target: Tensor, keep: Tensor) -> Tensor:
    """SSWA: the teacher's ReLU(CAM) with the channels outside ``keep`` (K,) hidden (paper 004 Eq. 5)."""
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        activation = teacher.features(x)
    return cam_map(activation.float(), teacher.classifier.weight[target] * keep).relu()


def sswa_keep(channels: int, drop_prob: float, generator: torch.Generator) -> Tensor:
    """Draw the channels that stay, exactly K - floor(K p) of them, one draw per batch (authors' code)."""
    keep = torch.ones(channels)
    keep[torch.randperm(channels, generator=generator)[: int(channels * drop_prob)]] = 0
    return keep
