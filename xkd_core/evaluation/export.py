"""Maps of one run as an .npz file: raw, signed, with everything needed to make them again."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import explain
from xkd_core.explainers.targets import choose_targets, parse_target
from xkd_core.files import write_atomic
from xkd_core.images.background import BACKGROUND_IMAGES, background, training_split
from xkd_core.images.datasets import info, load
from xkd_core.images.photos import crops
from xkd_core.images.spec import parse
from xkd_core.images.transforms import image_sha256, to_input
from xkd_core.models.checkpoints import LoadedRun, load_run
from xkd_core.types import UInt8

IMAGES_AT_ONCE = 50


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to explain: run id, data as NAME:SPLIT:A-B, explainer, target policy or class, seed."""

    run: str
    data: str
    explainer: str
    target: str = "teacher"
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse a seed that no generator takes."""
        if self.seed < 0:
            raise BadInputError(f"seed must be 0 or more; got {self.seed}.")


def write_maps(order: Order, out: Path, *, root: Path | None = None) -> str:
    """Explain and write ``maps`` (n, h, w) float32, ``targets``, ``logits``, ``image_sha256`` and ``meta`` (JSON).

    Returns: a warning, where the images are of another kind than those the run was trained on, or "".
    Errors: those of the run, the data and the explainer; BadInputError for an ``out`` that is not .npz.
    """
    if out.suffix != ".npz":
        raise BadInputError(f"--out must end in .npz; got {out.name!r}.")
    buffer = io.BytesIO()
    arrays = _arrays(order, root)
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomic(out, buffer.getvalue())
    outside = json.loads(str(arrays["meta"])).get("outside_training_data")
    return f"Images of {outside} are outside the training data of {order.run}." if outside else ""


def _arrays(order: Order, root: Path | None) -> dict[str, np.ndarray]:
    run = load_run(order.run, root)
    name, split, indices = parse(order.data)
    data = load(name, split)
    pixels, labels = data.pixels(list(indices)), data.labels()[np.asarray(indices)]
    asked = run.card.teacher_id is not None and parse_target(order.target)[0] == "teacher"
    teacher = load_run(str(run.card.teacher_id), root) if asked else run
    parts = [
        _block(order, run, teacher, pixels[start : start + IMAGES_AT_ONCE], labels[start : start + IMAGES_AT_ONCE])
        for start in range(0, len(pixels), IMAGES_AT_ONCE)
    ]
    arrays = {key: np.concatenate([np.asarray(part[key]) for part in parts]) for key in ("maps", "targets", "logits")}
    arrays["image_sha256"] = np.array([image_sha256(image) for image in pixels])
    meta = {
        **parts[0]["meta"],
        "run": run.card.id,
        "run_sha256": run.card.sha256,
        "data": order.data,
        "target": order.target,
    }
    meta |= {"outside_training_data": name} if name != run.card.dataset else {}
    meta.pop("targets", None)  # the array holds them for all images, this one only for the first block
    return arrays | {"meta": np.array(json.dumps(meta, sort_keys=True))}


def _block(order: Order, run: LoadedRun, teacher: LoadedRun, pixels: UInt8, labels: UInt8) -> dict[str, Any]:
    x = to_input(pixels, run.card.input_transform())
    with torch.no_grad():
        logits, theirs = run.model(x), teacher.model(x)
    policy, index = parse_target(order.target)
    targets = choose_targets(policy, own=logits, teacher=theirs, labels=labels, index=index)
    found = explain(
        {run.card.id: run.model},
        x,
        {run.card.id: targets},
        names=[order.explainer],
        seed=order.seed,
        images=pixels,
        background=_background(run.card.dataset, order) if order.explainer == "gradient_shap" else None,
    )[run.card.id][order.explainer]
    return {"maps": found.maps, "targets": targets.numpy(), "logits": logits.numpy(), "meta": found.meta}


def _background(dataset: str, order: Order) -> torch.Tensor:
    """As in the app: training images, or squares of the built-in photographs for images of another kind."""
    if parse(order.data)[0] == dataset:
        return background(dataset, training_split(dataset))
    transform = info(dataset).transform
    return to_input(crops(BACKGROUND_IMAGES, transform.size), transform)
