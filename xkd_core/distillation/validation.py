"""Validation during training: quality, agreement and map similarity on ``val``, never on ``test``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, takewhile

import numpy as np
import torch
from torch import Tensor

from xkd_core.distillation.attribution import seam_maps
from xkd_core.distillation.losses import matching_loss, same_grid
from xkd_core.distillation.targets import TeacherOutputs
from xkd_core.images.transforms import to_input
from xkd_core.models.seams import Network
from xkd_core.models.slimmable import SlimVggGap
from xkd_core.types import Transform, UInt8

FLAT_EPOCHS = 3
FLAT_WITHIN = 0.01
ROUNDING = 1e-6  # of the watched values, which are means in float32
Curve = Sequence[Mapping[str, float]]
"""What was watched after each epoch."""


@dataclass(frozen=True)
class Validation:
    """The images a training is watched on: pixels (N, H, W, 3), multi-hot labels (N, C)."""

    pixels: UInt8
    labels: UInt8
    transform: Transform
    multi_label: bool
    teacher: TeacherOutputs | None


def validate(model: Network | SlimVggGap, data: Validation, *, batch_size: int = 250) -> dict[str, float]:
    """quality (mean AP or accuracy) and, with a teacher, agreement of answers and mean cosine of the last maps.

    The maps are CAM, or Grad-CAM for a network without CAM, of the teacher's top-1 and after ReLU.
    Of a slimmable network at its narrowest and its widest stop, as quality@0.125 and so on.
    """
    if isinstance(model, SlimVggGap):
        ends = {stop: _laid_out(model, stop) for stop in (model.stops[0], model.stops[-1])}
        each = {stop: validate(plain, data, batch_size=batch_size) for stop, plain in ends.items()}
        return {f"{name}@{stop:g}": value for stop, values in each.items() for name, value in values.items()}
    was_training = model.training
    model.eval()
    logits, maps = _forward(model, data, batch_size)
    model.train(was_training)
    found = {"quality": quality(logits.numpy(), data.labels, multi_label=data.multi_label)}
    if data.teacher is not None:
        theirs, target = data.teacher.logits[0], data.teacher.targets[0]
        found["agreement"] = float(_same(logits, theirs, target, data.multi_label).float().mean())
        name = "cosine/cam" if model.has_cam else "cosine/grad_cam"
        found[name] = 1 - float(matching_loss(*same_grid(maps, data.teacher.swa[0].float())).loss)
    return found


def quality(logits: np.ndarray, labels: UInt8, *, multi_label: bool) -> float:
    """Mean over classes of average precision (multi-label), or accuracy; (N, C) both, in 0..1.

    A class that no image shows has no average precision and is left out of the mean; 0 where no class is shown.
    """
    if multi_label:
        shown = np.flatnonzero(labels.any(axis=0))
        each = [average_precision(labels[:, c], logits[:, c]) for c in shown]
        return float(np.mean(each)) if each else 0.0
    return float((logits.argmax(axis=1) == labels.argmax(axis=1)).mean())


def average_precision(labels: UInt8, scores: np.ndarray) -> float:
    """Sum over thresholds of (recall gained) x precision, (N,) both; equal scores are one threshold; 0 without a hit.

    Equal to scikit-learn's average_precision_score, which is not where networks are only trained.
    """
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(labels[order], dtype=np.int64)
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # the last image of each threshold
    gained = np.diff(hits[ends], prepend=0)
    return float((gained * hits[ends] / (ends + 1)).sum() / max(hits[-1], 1))


def is_flat(curve: Curve, *, shortest: int = FLAT_EPOCHS + 1) -> bool:
    """Whether every watched value moved by at most .01 over the last three epochs.

    shortest: with fewer epochs nothing can be told, so the curve is not flat.
    """
    if len(curve) < shortest:
        return False
    last = curve[-FLAT_EPOCHS - 1 :]
    spans = (max(row[name] for row in last) - min(row[name] for row in last) for name in last[0])
    return all(span <= FLAT_WITHIN + ROUNDING for span in spans)


def is_flat_round(curves: Sequence[Curve]) -> bool:
    """Whether a round of pruning was trained to the end, judged over the chain of rounds; ``curves``: its own last.

    Each round goes on from the weights of the one before, for two epochs or so: those of the rounds before it count,
    as far back as the same values were watched. A first round has its own epochs only and is judged over these, if
    they are two or more.
    """
    alike = list(takewhile(lambda curve: len(curve) and curve[0].keys() == curves[-1][0].keys(), reversed(curves)))
    return is_flat(list(chain.from_iterable(reversed(alike))), shortest=2)


def _laid_out(model: SlimVggGap, stop: float) -> Network:
    place = next(model.parameters()).device
    plain: Network = model.extract(stop).to(place, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return plain


def _forward(model: Network, data: Validation, batch_size: int) -> tuple[Tensor, Tensor]:
    device = next(model.parameters()).device
    all_logits, all_maps = [], []
    for start in range(0, len(data.pixels), batch_size):
        x = to_input(data.pixels[start : start + batch_size], data.transform).to(device)
        target = None
        if data.teacher is not None:
            target = data.teacher.targets[0][start : start + batch_size].to(device)
        found = seam_maps(model, x.contiguous(memory_format=torch.channels_last), target, autocast=True)
        all_logits.append(found.logits.cpu())
        all_maps.append(found.maps.cpu())
    return torch.cat(all_logits), torch.cat(all_maps)


def _same(logits: Tensor, theirs: Tensor, target: Tensor, multi_label: bool) -> Tensor:
    if not multi_label:
        return logits.argmax(dim=1) == theirs.argmax(dim=1)
    mine, other = (values.gather(1, target[:, None]) > 0 for values in (logits, theirs))
    return mine == other
