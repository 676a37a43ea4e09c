"""The optimizer and learning rate of a recipe: AdamW with a cosine by default, or what the papers used."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from xkd_core.distillation.checks import milestones
from xkd_core.distillation.recipes import Recipe


def make_optimizer(
    recipe: Recipe, parameters: Sequence[nn.Parameter], *, free: Sequence[Tensor] = ()
) -> torch.optim.Optimizer:
    """adamw: weight decay on kernels only. sgd, nesterov (with momentum), radam: on everything, as the papers' code.

    free: parameters without weight decay, because the loss itself holds them small. Frozen ones are left out.
    """
    kept = {id(value) for value in free}
    learned = [value for value in parameters if value.requires_grad]
    if recipe.optimizer == "adamw":
        kept |= {id(value) for value in learned if value.ndim <= 1}
    groups = [
        {"params": [value for value in learned if id(value) not in kept], "weight_decay": recipe.weight_decay},
        {"params": [value for value in learned if id(value) in kept], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr, foreach=True)
    if recipe.optimizer == "radam":
        return torch.optim.RAdam(groups, lr=recipe.lr, foreach=True)
    nesterov = recipe.optimizer == "nesterov"
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, foreach=True)


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The rate at a (fractional) epoch: linear warm-up, then a half cosine to zero, steps of a tenth, or constant."""
    if epoch < recipe.warmup_epochs:
        return recipe.lr * (epoch + 0.01) / recipe.warmup_epochs
    if recipe.schedule == "constant":
        return recipe.lr
    steps = milestones(recipe.schedule)
    if steps is not None:
        return recipe.lr * 0.1 ** sum(epoch >= step for step in steps)
    done = (epoch - recipe.warmup_epochs) / max(recipe.epochs - recipe.warmup_epochs, 1e-9)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
