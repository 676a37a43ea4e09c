"""What EWA and AT of several layers, and NST, need of the teacher: small enough to be computed once and kept.

So seeds and epochs share the teacher's forward passes, which cost several times as much as a narrow student's step.
Each view of the images is a file of its own: a killed training loses at most one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from safetensors.torch import load_file
from safetensors.torch import save as dump_tensors
from torch import Tensor

from xkd_core import settings
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.targets import outputs_key, unit_maps
from xkd_core.distillation.task import Guide
from xkd_core.distillation.transfer import selectivity
from xkd_core.distillation.views import Views
from xkd_core.explainers.maps import ewa
from xkd_core.files import alone_with, write_atomic
from xkd_core.models.checkpoints import LoadedRun
from xkd_core.models.seams import run_tapped
from xkd_core.types import Int, UInt8

MOST_BYTES = 2 << 30
BATCH = 250

FORMS: Mapping[str, Callable[[Tensor], Tensor]] = {
    "ewa": lambda activation: unit_maps(ewa(activation)),
    "at": lambda activation: unit_maps(ewa(activation)),
    "nst": selectivity,
}
"""What a method needs of an activation (B, K, h, w): maps (B, h, w) of length 1, or matrices (B, N, N)."""


@dataclass(frozen=True)
class Kept:
    """values[v][layer]: what `FORMS` makes of the teacher's layer for view v of all images, (N, ..) float16."""

    method: str
    values: tuple[tuple[Tensor, ...], ...]

    def guide(self, view: int, rows: Tensor, place: torch.device) -> Guide:
        """The part that belongs to the images ``rows`` (B,) of one view."""
        found = tuple(layer[rows].float().to(place) for layer in self.values[view])
        return Guide(selectivity=found) if self.method == "nst" else Guide(maps=tuple(each[:, None] for each in found))


@dataclass(frozen=True)
class Lessons:
    """Which images the teacher is asked about."""

    teacher: LoadedRun
    pixels: UInt8
    views: Views


def keep(recipe: Recipe, lessons: Lessons) -> Kept | None:
    """Compute, or read from the home's cache, what ``recipe`` needs; None where a live teacher is the better way.

    The passes run where the teacher is. Live is better for other methods, for no more epochs than views, for more
    than 2 GiB, and for nst between networks of two kinds, whose grids may differ.
    """
    views = len(lessons.views.flip)
    if recipe.method not in FORMS or recipe.epochs <= views:
        return None
    if recipe.method == "nst" and recipe.arch != lessons.teacher.card.arch:
        return None
    one = _seen(recipe, lessons, 0, np.arange(1))
    if views * len(lessons.pixels) * sum(each.nbytes for each in one) > MOST_BYTES:
        return None
    return Kept(recipe.method, tuple(_view(recipe, lessons, view) for view in range(views)))


def _view(recipe: Recipe, lessons: Lessons, view: int) -> tuple[Tensor, ...]:
    key = hashlib.sha256(outputs_key(lessons.teacher, lessons.pixels, lessons.views).encode())
    key.update(f"{FORMS[recipe.method] is selectivity} {recipe.layer_names} {view}".encode())
    path = settings.home() / "cache" / "kept" / f"{key.hexdigest()[:32]}.safetensors"
    with alone_with(path):  # who comes second reads what the first one made
        if not path.exists():
            places = np.array_split(np.arange(len(lessons.pixels)), max(1, len(lessons.pixels) // BATCH))
            parts = [_seen(recipe, lessons, view, indices) for indices in places]
            layers = [torch.cat(column) for column in zip(*parts, strict=True)]
            write_atomic(path, dump_tensors({str(place): layer for place, layer in enumerate(layers)}))
    stored = load_file(path)
    return tuple(stored[str(place)] for place in range(len(recipe.layer_names)))


@torch.no_grad()
def _seen(recipe: Recipe, lessons: Lessons, view: int, indices: Int) -> tuple[Tensor, ...]:
    teacher = lessons.teacher
    place = next(teacher.model.parameters()).device
    x = lessons.views.batch(lessons.pixels, indices, view, teacher.card.input_transform(), place)
    x = x.contiguous(memory_format=torch.channels_last)
    taps = run_tapped(teacher.model, x, recipe.layer_names, autocast=True).taps
    return tuple(FORMS[recipe.method](tap.float()).half().cpu() for tap in taps)
