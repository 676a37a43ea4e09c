"""The optimizer and learning rate of a recipe: AdamW with a cosine by default, or what the papers used."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from xkd_core.distillation.checks import milestones
from xkd_core.distillation.recipes import Recipe

MOMENTUM = 0.9


def make_optimizer(recipe: Recipe, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """adamw: weight decay on kernels only. sgd, nesterov (momentum .9), radam: on everything, as the papers' code."""
    if recipe.optimizer == "adamw":
        kernels = [value for value in parameters if value.ndim > 1]
        others = [value for value in parameters if value.ndim <= 1]
        groups = [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=recipe.lr, foreach=True)
    if recipe.optimizer == "radam":
        return torch.optim.RAdam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, foreach=True)
    return torch.optim.SGD(
        parameters,
        lr=recipe.lr,
        momentum=MOMENTUM,
        weight_decay=recipe.weight_decay,
        nesterov=recipe.optimizer == "nesterov",
        foreach=True,
    )


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
