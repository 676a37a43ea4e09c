"""What a live teacher shows for one batch: activations, maps and masks, in bfloat16 features and without a graph.

Answers and last maps come from the cache (targets.py), small things of other layers too (kept.py); whatever is too
large for it, or drawn anew for every batch, is computed here, with the teacher in eval mode and frozen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from xkd_core.distillation.attribution import Keep, sswa_keep, sswa_keep_each, swa_maps
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.task import Guide
from xkd_core.errors import BadInputError
from xkd_core.explainers.maps import ewa
from xkd_core.models.seams import Network, Tapped, run_tapped

SEAM = ("last",)
SQUARED = ("ewa", "at")
"""Methods that ask for one map per layer: the sum of squares over its channels."""


@dataclass(frozen=True)
class LiveTeacher:
    """The teacher itself, frozen and in eval mode, and the student's channels at each layer of the recipe."""

    model: Network
    student_channels: tuple[int, ...]


def guide(teacher: LiveTeacher, x: Tensor, logits: Tensor, recipe: Recipe, *, moment: tuple[int, int]) -> Guide:
    """The teacher's side of ``recipe`` for images x (B, 3, H, W).

    Args: logits, its answers (B, C), whose best ``top_k`` classes are explained; moment, (epoch, step), from
    which sswa's masks are drawn. Errors: UnknownNameError for a layer that it does not have, BadInputError for a
    shared mask between networks of different width.
    """
    targets = logits.argmax(dim=1)[:, None] if recipe.top_k == 1 else logits.topk(recipe.top_k, dim=1).indices
    if recipe.method not in ("swa", "sswa"):
        with torch.no_grad():
            run = run_tapped(teacher.model, x, recipe.layer_names, autocast=True)
        taps = tuple(tap.float() for tap in run.taps)
        return Guide(maps=tuple(ewa(tap)[:, None] for tap in taps)) if recipe.method in SQUARED else Guide(taps)
    run = _for_maps(teacher.model, x, recipe.layer_names)
    theirs, ours = _masks(run, teacher.student_channels, x, recipe, moment)
    maps = swa_maps(teacher.model, run, recipe.layer_names, targets, keep=theirs)
    return Guide(maps=tuple(each.detach() for each in maps), targets=targets, keep=ours)


def channels(model: Network, layers: tuple[str, ...], size_px: int) -> tuple[int, ...]:
    """The number of channels of each named layer. Errors: UnknownNameError."""
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    with torch.no_grad():
        taps = run_tapped(model, torch.zeros(1, 3, size_px, size_px, device=device), layers).taps
    model.train(was_training)
    return tuple(tap.shape[1] for tap in taps)


def check_shared(theirs: tuple[int, ...], ours: tuple[int, ...]) -> None:
    """Refuse a mask for teacher and student together where a layer of one has other channels. Errors: BadInputError."""
    if ours != theirs:
        raise BadInputError(
            f"mask 'shared' hides the same channels in both networks, so they need equal widths; the teacher has "
            f"{theirs}, the student {ours}. Use mask 'teacher' or 'independent'."
        )


def _for_maps(teacher: Network, x: Tensor, layers: tuple[str, ...]) -> Tapped:
    """One forward pass, recorded only where autograd must find the weights."""
    if layers == SEAM and teacher.has_cam:
        with torch.no_grad():
            return run_tapped(teacher, x, layers, autocast=True)
    with torch.enable_grad():
        # A frozen network records nothing unless its input asks for a gradient.
        return run_tapped(teacher, x.detach().requires_grad_(), layers, autocast=True)


def _masks(
    run: Tapped, own: tuple[int, ...], x: Tensor, recipe: Recipe, moment: tuple[int, int]
) -> tuple[tuple[Keep, ...], tuple[Keep, ...]]:
    """The channels that sswa leaves to the teacher and to the student, per layer; () where nothing is hidden."""
    if recipe.method != "sswa":
        return (), ()
    widths = tuple(tap.shape[1] for tap in run.taps)
    generator = torch.Generator().manual_seed(_seed(recipe, moment))
    if recipe.mask == "independent":
        theirs, ours = (
            tuple(sswa_keep_each(len(x), width, recipe.drop_prob, generator).to(x.device) for width in each)
            for each in (widths, own)
        )
        return theirs, ours
    drawn = tuple(sswa_keep(width, recipe.drop_prob, generator)[None].to(x.device) for width in widths)
    if recipe.mask == "teacher":
        return drawn, ()
    check_shared(widths, own)
    return drawn, drawn


def _seed(recipe: Recipe, moment: tuple[int, int]) -> int:
    return int(np.random.SeedSequence([recipe.seed, *moment]).generate_state(1)[0])
