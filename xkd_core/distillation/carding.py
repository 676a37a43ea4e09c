"""The card of a finished training: what it is, how it was made, how small it is. Metrics come later."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xkd_core import __version__
from xkd_core.distillation.named import differences
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.surrogate import collapse, maps_on, span
from xkd_core.distillation.trainer import Student, Trained, TrainingData, device
from xkd_core.distillation.validation import Curve, is_flat, is_flat_round
from xkd_core.errors import XKDError
from xkd_core.images.datasets import load
from xkd_core.models.architectures import count_parameters
from xkd_core.models.attentive import ExplainedResNet
from xkd_core.models.cards import Card, CardTransform, Compression, Stop
from xkd_core.models.checkpoints import find_card
from xkd_core.models.fused import parts_of
from xkd_core.models.restore import CHAINS
from xkd_core.models.slimmable import SlimVggGap
from xkd_core.pruning.accounting import Size, size_of, stored_size
from xkd_core.types import Float

SURROGATE_IMAGES = 500


def card_of(recipe: Recipe, trained: Trained, data: TrainingData, root: Path | None) -> Card:
    """Describe a run; its id is the recipe's, its sha256 is set when the weights are written."""
    info = load(recipe.dataset, "val").info
    teacher = None if recipe.teacher_id is None else find_card(recipe.teacher_id, root)
    has_kd, progress = recipe.method != "ce", trained.progress
    return Card(
        id=recipe.run_id,
        dataset=recipe.dataset,
        arch=recipe.arch,
        role=recipe.role,
        compression=_compression(recipe, teacher),
        method=recipe.method,
        teacher_id=recipe.teacher_id,
        source_id=recipe.source_id,
        channels=_channels(recipe, trained.model, root),
        width=recipe.width,
        lam=recipe.lam if has_kd else None,
        beta=(recipe.beta if recipe.transfers else 0.0) if has_kd else None,
        T=recipe.temperature if has_kd else None,
        seed=recipe.seed,
        transform=CardTransform(**asdict(info.transform)),
        classes=info.classes,
        multi_label=info.multi_label,
        recipe={**recipe.values, "label": recipe.label},
        recipe_hash=recipe.hash,
        curve=progress.curve,
        undertrained=not _rests(recipe, progress.curve, root),
        dead_maps=progress.dead / progress.seen if recipe.matches_maps and progress.seen else None,
        train_seconds=round(progress.seconds, 1),
        versions=versions(),
        sha256="0" * 64,
        note=" ".join(part for part in (_note(recipe), _collapsed(trained.model, data)) if part),
        extras=_extras(trained.model, data),
        differs=differences(recipe, teacher_arch=None if teacher is None else teacher.arch),
        **_size(recipe, trained.model, teacher, info.transform.size),
    )


def int8_card(recipe: Recipe, source: Card, stored: Mapping[str, Tensor], root: Path | None) -> Card:
    """The card of a run's int8 form, whose file holds ``stored``: the source's, but for what 8 bits change."""
    teacher = source if source.teacher_id is None else find_card(source.teacher_id, root)
    own = {
        "id": recipe.run_id,
        "role": "other" if source.role == "teacher" else source.role,
        "compression": "int8",
        "source_id": source.id,
        "teacher_id": teacher.id,
        "ratio_of": "bits",
        "recipe_hash": recipe.hash,
        "metrics": {},
        "versions": versions(),
        **_int8_size(stored, teacher),
    }
    return source.model_copy(update=own)


def _int8_size(stored: Mapping[str, Tensor], teacher: Card) -> dict[str, float]:
    """Ratio and non-zeros, of the file: a teacher's parameters have 32 bits each, an int8 form's what its file has."""
    size = stored_size(stored)
    return {"ratio": 32 * teacher.params / size.bits, "nonzeros": size.nonzeros}


def _rests(recipe: Recipe, curve: Curve, root: Path | None) -> bool:
    """Whether it was trained to the end: by its own curve, or that of all rounds of a pruning up to this one."""
    return is_flat_round([*_before(recipe.source_id, root), curve]) if recipe.compress else is_flat(curve)


def _before(source_id: str | None, root: Path | None) -> list[Curve]:
    """The curves of a run and of those that it goes on from, the first one first; as far back as they are here."""
    found: list[Curve] = []
    while source_id is not None:
        try:
            card = find_card(source_id, root)
        except XKDError:  # only the last one is needed to go on
            break
        found.insert(0, card.curve)
        source_id = card.source_id
    return found


def _compression(recipe: Recipe, teacher: Card | None) -> Compression:
    pruned: dict[str, Compression] = {"structured": "structured", "unstructured": "unstructured"}
    if recipe.slimmable or recipe.compress in pruned:
        return "slimmable" if recipe.slimmable else pruned[recipe.compress]
    if teacher is not None and teacher.arch != recipe.arch:
        return "architecture"
    return "none" if recipe.width == 1 else "width"


def _channels(recipe: Recipe, model: Student, root: Path | None) -> tuple[int, ...] | None:
    """Of a network whose filters were pruned, now or in a run that it goes on from."""
    if recipe.source_id is None:
        return None
    if recipe.compress == "structured" and isinstance(model, CHAINS):
        from xkd_core.pruning.structured import channels_of

        return channels_of(model)
    return find_card(recipe.source_id, root).channels


def _size(recipe: Recipe, model: Student, teacher: Card | None, input_px: int) -> dict[str, Any]:
    """How small the run is: counts, and the ratio with what it counts."""
    if isinstance(model, SlimVggGap):
        return _stops(model, teacher, input_px)
    size = size_of(model, input_px=input_px)
    found: dict[str, Any] = {"params": size.parameters, "nonzeros": size.nonzeros, "flops": size.flops}
    of_zeros = recipe.compress == "unstructured"
    whole = size.parameters if teacher is None else teacher.params
    ratio = whole / (size.nonzeros if of_zeros else size.parameters)
    return found | {"ratio": ratio, "ratio_of": "nonzeros" if of_zeros else "parameters"}


def _extras(model: Student, data: TrainingData) -> dict[str, float]:
    """Of an XDistillation student: its parts counted, and how well its autoencoder draws. Of a surrogate: its maps."""
    if isinstance(model, ExplainedResNet):
        maps = _maps(model, data)
        return {"map/mean": float(maps.mean()), "map/span": span(maps), "map/n": float(len(maps))}
    parts = parts_of(model)
    if parts is None:
        return {}
    found = {"params/without_cae": float(parts.without_cae), "params/own_part": float(parts.own)}
    errors = None if data.autoencoder is None else data.autoencoder.errors
    if errors is None:
        return found
    return found | {f"mae/{name}": float(value) for name, value in asdict(errors).items()}


def _maps(model: ExplainedResNet, data: TrainingData) -> Float:
    return maps_on(model, data.validation.pixels[:SURROGATE_IMAGES], data.validation.transform)


def _stops(model: SlimVggGap, teacher: Card | None, input_px: int) -> dict[str, Any]:
    sizes = {f"{stop:g}": size_of(model.extract(stop), input_px=input_px) for stop in model.stops}
    widest = max(size.parameters for size in sizes.values())
    whole = widest if teacher is None else teacher.params
    stops = {stop: _stop(size, whole) for stop, size in sizes.items()}
    return {"params": count_parameters(model), "ratio": whole / widest, "stops": stops}


def _stop(size: Size, whole: int) -> Stop:
    ratio = whole / size.parameters
    return Stop(params=size.parameters, ratio=ratio, nonzeros=size.nonzeros, flops=size.flops)


def versions() -> dict[str, str]:
    """What the bytes of a run depend on besides its recipe."""
    return {
        "xkd_core": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "threads": str(torch.get_num_threads()),
        "device": device().type,
    }


def _collapsed(model: Student, data: TrainingData) -> str:
    found = collapse(_maps(model, data)) if isinstance(model, ExplainedResNet) else ""
    return f"Its explanation network collapsed: its maps are {found}." if found else ""


def _note(recipe: Recipe) -> str:
    if recipe.shuffled:
        return "Control: matched to the teacher's map of another image."
    if recipe.label == "few":
        return f"Comparison: trained on the first {recipe.limit:,} images, where the main runs see all of the split."
    if recipe.label == "sized":
        return "Control: as many parameters as an XDistillation student has without its autoencoder."
    if recipe.method == "xd" and recipe.explained_by == "none":
        return "Control: its autoencoder was never trained."
    if recipe.split == "plain":
        return "Negative control: trained on images whose background says nothing about the class."
    return ""
