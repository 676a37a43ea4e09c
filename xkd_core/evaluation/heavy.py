"""Occlusion, GradientSHAP and KernelSHAP of one run on fixed images, kept on disk.

One run at a time is sound: masks, noise, background and superpixels depend on the seed and the images only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as dump_arrays

from xkd_core import __version__, settings
from xkd_core.evaluation.split import Split, hash_of
from xkd_core.explainers.engine import explain
from xkd_core.files import cached, write_atomic
from xkd_core.images.background import background, background_is_shuffled, training_split
from xkd_core.images.datasets import load
from xkd_core.images.sampling import fingerprint
from xkd_core.images.transforms import to_input
from xkd_core.models.checkpoints import LoadedRun
from xkd_core.types import Float, Int

HEAVY = ("occlusion", "gradient_shap", "kernel_shap")
NATIVE = {"occlusion": "grid", "kernel_shap": "coefficients"}
IMAGES_AT_ONCE = 10


@dataclass(frozen=True)
class Heavy:
    """maps (n, H, W) float32 signed; native: occlusion grids (n, g, g) or superpixel values (n, k), or None."""

    maps: Float
    native: Float | None


def heavy_maps(
    run: LoadedRun,
    split: Split,
    indices: Int,
    explainer: str,
    *,
    seed: int = 0,
    tick: Callable[[int], None] | None = None,
) -> Heavy:
    """Explain the split's targets on ``indices`` (n,) with one perturbation method; cached in the home."""
    path = settings.home() / "cache" / "heavy" / f"{_key(run, split, indices, explainer, seed)}.safetensors"

    def write() -> None:
        write_atomic(path, dump_arrays(_compute(run, split, indices, explainer, seed, tick)))

    return cached(path, write, _heavy)


def _heavy(path: Path) -> Heavy:
    stored = parse_arrays(path.read_bytes())
    return Heavy(stored["maps"], stored.get("native"))


def files_state(split: Split, explainer: str) -> list[str]:
    """What a cache's key needs besides names: of images in files, their state; how the background was chosen."""
    states = [fingerprint(split.data)]
    if explainer == "gradient_shap":
        name = split.data.info.name
        ground = training_split(name)
        states += [fingerprint(load(name, ground)), "shuffled" if background_is_shuffled(name, ground) else ""]
    return [state for state in states if state]


def _compute(
    run: LoadedRun, split: Split, indices: Int, explainer: str, seed: int, tick: Callable[[int], None] | None
) -> dict[str, np.ndarray]:
    dataset = run.card.dataset
    ground = background(dataset, training_split(dataset)) if explainer == "gradient_shap" else None
    parts = []
    for start in range(0, len(indices), IMAGES_AT_ONCE):
        rows = indices[start : start + IMAGES_AT_ONCE]
        images = np.asarray(split.pixels[rows])
        found = explain(
            {run.card.id: run.model},
            to_input(images, run.card.input_transform()),
            {run.card.id: torch.from_numpy(split.targets[rows])},
            names=[explainer],
            seed=seed,
            images=images,
            background=ground,
        )
        parts.append(found[run.card.id][explainer])
        if tick is not None:
            tick(len(rows))
    arrays = {"maps": np.concatenate([part.maps for part in parts])}
    if explainer in NATIVE:
        arrays["native"] = _padded([np.asarray(part.native[NATIVE[explainer]], np.float32) for part in parts])
    return arrays


def _padded(parts: list[Float]) -> Float:
    """Stack blocks whose last axis differs (superpixel counts); what is not there is NaN."""
    width = max(part.shape[-1] for part in parts)
    filled = [np.pad(p, [(0, 0)] * (p.ndim - 1) + [(0, width - p.shape[-1])], constant_values=np.nan) for p in parts]
    return np.concatenate(filled)


def _key(run: LoadedRun, split: Split, indices: Int, explainer: str, seed: int) -> str:
    said = [
        run.card.network,
        explainer,
        seed,
        split.data.info.name,
        split.data.split,
        __version__,
        hash_of(indices),
        hash_of(split.targets[indices]),
        *files_state(split, explainer),
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
