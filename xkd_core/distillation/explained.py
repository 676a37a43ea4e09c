"""What the autoencoder of XDistillation is to draw: the teacher's explanations, superpixel by superpixel.

Paper 003, III-A: an explanation is summed in each SLIC superpixel and every pixel gets its superpixel's sum. Sums
easily leave the range of the tanh that ends the autoencoder, so each map is divided by its largest absolute value
(the paper does not say how it scales).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as dump_arrays
from torch.nn import functional as F

from xkd_core import __version__, settings
from xkd_core.distillation.targets import lent
from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import explain
from xkd_core.explainers.superpixels import superpixels
from xkd_core.files import cached, write_atomic
from xkd_core.images.transforms import to_input
from xkd_core.metrics.superpixel_agreement import superpixel_sums
from xkd_core.models.checkpoints import LoadedRun
from xkd_core.types import Float, Int, UInt8

EXPLAINERS: Mapping[str, Mapping[str, object]] = {
    "gradient_shap": {"n_samples": 20},
    "grad_cam": {},
    "lime": {},
}
"""The explainers of paper 003 and their parameters here; paper 003 gives none."""
BLOCK, AT_ONCE = 250, 50
BACKGROUND_IMAGES = 50


@dataclass(frozen=True)
class Wanted:
    """Which explanations: of this teacher, by this explainer, on about so many superpixels, drawn with this seed."""

    teacher: LoadedRun
    explainer: str
    n_superpixels: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.explainer not in EXPLAINERS:
            raise BadInputError(f"Targets can be made by {', '.join(EXPLAINERS)}; got {self.explainer!r}.")
        if not 3 <= self.n_superpixels <= 20:
            raise BadInputError(f"Superpixels of a target must be 3 to 20 (paper 003); got {self.n_superpixels}.")

    @property
    def params(self) -> dict[str, Any]:
        """Of the explainer; LIME's values are of the very superpixels that the targets have."""
        own = {"n_superpixels": self.n_superpixels} if self.explainer == "lime" else {}
        return {**EXPLAINERS[self.explainer], **own}

    def key(self, pixels: UInt8) -> str:
        """Names these explanations of these images on disk."""
        digest = hashlib.sha256(self.teacher.card.network.encode())
        sample = np.linspace(0, len(pixels) - 1, num=min(len(pixels), 64), dtype=np.int64)
        digest.update(np.ascontiguousarray(pixels[sample]).tobytes())
        how = [
            self.explainer,
            self.params,
            self.n_superpixels,
            self.seed,
            len(pixels),
            torch.__version__,
            __version__,
        ]
        digest.update(json.dumps(how).encode())
        return digest.hexdigest()[:32]


def explanation_targets(wanted: Wanted, pixels: UInt8) -> Float:
    """The teacher's explanations of its own top-1 on images (N, H, W, 3), as the autoencoder learns them.

    Returns: (N, S, S) float32 in -1..1, constant within a superpixel; a map without any value stays zero. Kept on
    disk in blocks, so that a killed computation loses one block at most.
    """
    folder = settings.home() / "cache" / "explained" / wanted.key(pixels)
    ground = to_input(np.asarray(pixels[:BACKGROUND_IMAGES]), wanted.teacher.card.input_transform())
    blocks = [
        _block(folder / f"{start}.safetensors", wanted, np.asarray(pixels[start : start + BLOCK]), ground)
        for start in range(0, len(pixels), BLOCK)
    ]
    return np.concatenate(blocks)


def in_superpixels(maps: Float, labels: Int, *, mean: bool = False) -> Float:
    """Maps (n, H, W) as their sums in superpixels ``labels`` (n, H, W), each divided by its largest absolute sum.

    mean: means instead, for maps that hold a superpixel's value at each of its pixels.
    """
    sums = superpixel_sums(maps, labels, mean=mean)  # (n, k), NaN beyond an image's own number
    largest = np.nanmax(np.abs(sums), axis=1, keepdims=True)
    scaled = sums / np.where(largest > 0, largest, 1.0)
    spread = np.take_along_axis(scaled, labels.reshape(len(labels), -1), axis=1)
    return spread.reshape(labels.shape).astype(np.float32)


def _block(path: Path, wanted: Wanted, pixels: UInt8, background: torch.Tensor) -> Float:
    def write() -> None:
        write_atomic(path, dump_arrays({"maps": _explained(wanted, pixels, background).astype(np.float16)}))

    stored: Float = cached(path, write, lambda file: parse_arrays(file.read_bytes())["maps"].astype(np.float32))
    return stored


def _explained(wanted: Wanted, pixels: UInt8, background: torch.Tensor) -> Float:
    card, model = wanted.teacher.card, wanted.teacher.model
    with lent(model) as place:
        x = to_input(pixels, card.input_transform()).to(place)
        with torch.no_grad():
            target = torch.cat([model(part).argmax(dim=1) for part in torch.split(x, AT_ONCE)])
        found = explain(
            {card.id: model},
            x,
            {card.id: target},
            names=[wanted.explainer],
            params={wanted.explainer: wanted.params},
            seed=wanted.seed,
            images=pixels,
            background=background.to(place),
        )
    maps = torch.from_numpy(found[card.id][wanted.explainer].maps)[:, None]
    maps = maps.relu() if wanted.explainer == "grad_cam" else maps  # Grad-CAM ends in a ReLU; SHAP and LIME are signed
    large = F.interpolate(maps, size=pixels.shape[1:3], mode="bilinear", align_corners=False)[:, 0]
    labels = superpixels(pixels, n_segments=wanted.n_superpixels)
    return in_superpixels(large.numpy(), labels, mean=wanted.explainer == "lime")
