"""What a loss needs of the teacher besides answers, where it is small: computed once, kept, and shared by trainings.

Maps of layers (EWA, AT, SWA, SSWA) and NST's matrices hold a hundredth of the activations that they come from, and
the teacher's forward pass costs several times as much as a narrow student's step. Each file holds one view of all
images, or, for masks that are drawn anew for every batch, one epoch: a killed training loses at most that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from safetensors.torch import save as dump_tensors
from torch import Tensor

from xkd_core import settings
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.targets import outputs_key, unit_maps
from xkd_core.distillation.task import Guide
from xkd_core.distillation.teaching import LiveTeacher, guide
from xkd_core.distillation.transfer import selectivity
from xkd_core.distillation.views import Views, batches
from xkd_core.files import alone_with, cached, write_atomic
from xkd_core.models.checkpoints import LoadedRun
from xkd_core.types import Int, UInt8

MOST_BYTES = 2 << 30
BATCH = 250

Moment = tuple[int, int]
"""(epoch, step)."""


@dataclass(frozen=True)
class Lessons:
    """Which images the teacher is asked about, in which views, and its answers to them, logits (V, N, C)."""

    teacher: LoadedRun
    pixels: UInt8
    views: Views
    logits: Tensor


@dataclass(frozen=True)
class Kept:
    """The teacher's side of ``recipe``; files are read, or made, when an epoch first asks for them."""

    recipe: Recipe
    lessons: Lessons
    _read: dict[int, tuple[Tensor, ...]] = field(default_factory=dict)

    def guide(self, epoch: int, rows: Tensor, place: torch.device) -> Guide:
        """The part that belongs to the images ``rows`` (B,) in one epoch."""
        number = epoch if _anew(self.recipe) else epoch % len(self.lessons.views.flip)
        if number not in self._read:
            self._read[number] = _stored(self.recipe, self.lessons, number)
        found = tuple(layer[rows].float().to(place) for layer in self._read[number])
        return Guide(selectivity=found) if self.recipe.method == "nst" else Guide(maps=found)


def keep(recipe: Recipe, lessons: Lessons) -> Kept | None:
    """What to keep for ``recipe``; None where a live teacher is the better way. The passes run where the teacher is.

    That is: for maps of several classes, for masks of the student's channels, for ab, for no more epochs than views,
    for nst between networks of two kinds, whose grids may differ, and for more than 2 GiB.
    """
    views, anew = len(lessons.views.flip), _anew(recipe)
    if not _small(recipe, lessons) or not (anew or recipe.epochs > views):
        return None
    one = _seen(recipe, lessons, 0, (0, 0), np.arange(1))
    each = len(lessons.pixels) * sum(layer.nbytes for layer in one)
    return Kept(recipe, lessons) if (recipe.epochs if anew else views) * each <= MOST_BYTES else None


def _anew(recipe: Recipe) -> bool:
    return recipe.method == "sswa"


def _small(recipe: Recipe, lessons: Lessons) -> bool:
    if recipe.method == "nst":
        return recipe.arch == lessons.teacher.card.arch
    masked = recipe.method == "sswa" and recipe.mask != "teacher"
    return recipe.method in ("ewa", "at", "swa", "sswa") and recipe.top_k == 1 and not masked


def _stored(recipe: Recipe, lessons: Lessons, number: int) -> tuple[Tensor, ...]:
    path = settings.home() / "cache" / "kept" / f"{_key(recipe, lessons, number)}.safetensors"
    with alone_with(path):  # who comes second reads what the first one made
        stored = cached(path, lambda: _write(path, _pass(recipe, lessons, number)), load_file)
    return tuple(stored[str(place)] for place in range(len(recipe.layer_names)))


def _write(path: Path, layers: list[Tensor]) -> None:
    write_atomic(path, dump_tensors({str(place): layer for place, layer in enumerate(layers)}))


def _key(recipe: Recipe, lessons: Lessons, number: int) -> str:
    """EWA and AT ask for the same; of SSWA the drawn masks count, and the batches that they are drawn for."""
    kind = "ewa" if recipe.method == "at" else recipe.method
    asked: tuple[object, ...] = (kind, recipe.layer_names, number)
    asked += (recipe.seed, recipe.batch_size, recipe.drop_prob) if _anew(recipe) else ()
    own = outputs_key(lessons.teacher, lessons.pixels, lessons.views)
    return hashlib.sha256(f"{own} {asked}".encode()).hexdigest()[:32]


def _pass(recipe: Recipe, lessons: Lessons, number: int) -> list[Tensor]:
    """Per layer (N, ..) float16 of one view or epoch; zero for the images of an epoch's last, broken batch."""
    found: list[Tensor] = []
    for moment, indices in _steps(recipe, len(lessons.pixels), number):
        parts = _seen(recipe, lessons, number % len(lessons.views.flip), moment, indices)
        found = found or [part.new_zeros(len(lessons.pixels), *part.shape[1:]) for part in parts]
        for layer, part in zip(found, parts, strict=True):
            layer[torch.from_numpy(indices)] = part
    return found


def _steps(recipe: Recipe, n_images: int, number: int) -> Iterator[tuple[Moment, Int]]:
    if _anew(recipe):
        order = batches(n_images, recipe.batch_size, seed=recipe.seed, epoch=number)
        yield from (((number, step), indices) for step, indices in enumerate(order))
    else:
        parts = np.array_split(np.arange(n_images), -(-n_images // BATCH))
        yield from (((0, 0), indices) for indices in parts)


def _seen(recipe: Recipe, lessons: Lessons, view: int, moment: Moment, indices: Int) -> list[Tensor]:
    """Per layer maps (B, 1, h, w) of length 1, or nst's matrices (B, N, N), on the CPU."""
    model = lessons.teacher.model
    place = next(model.parameters()).device
    x = lessons.views.batch(lessons.pixels, indices, view, lessons.teacher.card.input_transform(), place)
    x = x.contiguous(memory_format=torch.channels_last)
    logits = lessons.logits[view, torch.from_numpy(indices)].to(place)
    shown = guide(LiveTeacher(model, ()), x, logits, recipe, moment=moment)
    own = [selectivity(each) for each in shown.activations] or [unit_maps(each[:, 0])[:, None] for each in shown.maps]
    return [each.half().cpu() for each in own]
