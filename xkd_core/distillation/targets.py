"""What the teacher says about every view of every training image, computed once and kept.

Maps are stored with unit norm as float16: the matching loss is 1 - cos, which knows no length.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn
from torch.nn import functional as F

from xkd_core import __version__, settings
from xkd_core.distillation.attribution import seam_maps
from xkd_core.distillation.views import Views
from xkd_core.explainers.maps import ewa
from xkd_core.files import cached, write_atomic
from xkd_core.models.checkpoints import LoadedRun
from xkd_core.types import UInt8


@dataclass(frozen=True)
class TeacherOutputs:
    """logits (V, N, C) float32; swa and ewa at the seam: maps (V, N, h, w) float16 of unit norm, or zero."""

    logits: Tensor
    swa: Tensor
    ewa: Tensor

    @property
    def targets(self) -> Tensor:
        """The teacher's top-1 class of each view, (V, N): the class whose map is matched."""
        return self.logits.argmax(dim=2)


def teacher_outputs(run: LoadedRun, pixels: UInt8, views: Views, *, batch_size: int = 250) -> TeacherOutputs:
    """Compute, or read from the home's cache, the teacher's logits and maps for all views of ``pixels``."""
    path = settings.home() / "cache" / "targets" / f"{outputs_key(run, pixels, views)}.safetensors"

    def write() -> None:
        with lent(run.model) as place:
            per_view = [_one_view(run, pixels, views, view, batch_size, place) for view in range(len(views.flip))]
        logits, swa, ewa = (torch.stack(parts) for parts in zip(*per_view, strict=True))
        write_atomic(path, dump_tensors({"logits": logits, "swa": swa, "ewa": ewa}))

    return cached(path, write, lambda file: TeacherOutputs(**parse_tensors(file.read_bytes())))


@contextmanager
def lent(model: nn.Module) -> Iterator[torch.device]:
    """Lend ``model`` to the device that trainings run on; whatever happens there, it comes back to where it was."""
    from xkd_core.distillation.trainer import device  # late: the trainer reads what is computed here

    home, place = next(chain(model.parameters(), model.buffers())).device, device()
    model.to(place)
    try:
        yield place
    finally:
        model.to(home)


def unit_maps(maps: Tensor) -> Tensor:
    """Scale each map (B, h, w) to length 1; a zero map stays zero."""
    return F.normalize(maps.flatten(1), dim=1).view_as(maps)


@torch.no_grad()
def _one_view(
    run: LoadedRun, pixels: UInt8, views: Views, view: int, batch_size: int, place: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    transform, parts = run.card.input_transform(), []
    for start in range(0, len(pixels), batch_size):
        indices = np.arange(start, min(start + batch_size, len(pixels)))
        found = seam_maps(run.model, views.batch(pixels, indices, view, transform, place))  # of its own top-1
        own = found.logits, unit_maps(found.maps).half(), unit_maps(ewa(found.activation)).half()
        parts.append([each.cpu() for each in own])
    logits, swa, squares = (torch.cat(column) for column in zip(*parts, strict=True))
    return logits, swa, squares


def outputs_key(run: LoadedRun, pixels: UInt8, views: Views) -> str:
    """Under which name of a cache file a network's outputs for these views are kept."""
    digest = hashlib.sha256(run.card.network.encode())
    sample = np.linspace(0, len(pixels) - 1, num=min(len(pixels), 64), dtype=np.int64)
    digest.update(np.ascontiguousarray(pixels[sample]).tobytes())
    digest.update(views.flip.tobytes() + views.shift.tobytes() + views.erase.tobytes() + b"black" * views.black)
    digest.update(json.dumps([len(pixels), torch.__version__, __version__]).encode())
    return digest.hexdigest()[:32]
