"""One pass of a run over a split: logits and class activation maps of the explained class, kept on disk.

The explained class is the teacher's top-1 of each image, the same for every run that is compared.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor

from xkd_core import __version__, settings
from xkd_core.explainers.engine import cams
from xkd_core.files import cached, write_atomic
from xkd_core.images.transforms import to_input
from xkd_core.models.checkpoints import LoadedRun
from xkd_core.types import Float, Int, UInt8

CAM, GRAD_CAM = "cam", "grad_cam"
OTHERS = ("grad_cam_pp", "ewa")


@dataclass(frozen=True)
class Pass:
    """logits (N, C) float32; maps: explainer -> (N, h, w) float32, signed; targets (N,) explained classes.

    The class map at the seam is CAM, or Grad-CAM for a network that has no CAM. With CAM the two are equal.
    """

    logits: Float
    maps: dict[str, Float]
    targets: Int

    @property
    def has_cam(self) -> bool:
        """Whether the network has CAM."""
        return CAM in self.maps

    def of(self, name: str) -> Float:
        """The maps called ``name``; Grad-CAM of a network with CAM is its CAM, up to a positive factor."""
        return self.maps[CAM if name == GRAD_CAM and self.has_cam else name]


def class_map(*passes: Pass) -> str:
    """What the class maps of networks that are compared are called: "cam" where all have it, else "grad_cam"."""
    return CAM if all(one.has_cam for one in passes) else GRAD_CAM


def forward_pass(run: LoadedRun, pixels: UInt8, targets: Int | None, *, batch_size: int = 200) -> Pass:
    """Logits and CAMs of ``pixels`` (N, H, W, 3); ``targets`` None explains the run's own top-1.

    Kept in the home's cache under the network's key, the images and the targets.
    """
    path = settings.home() / "cache" / "passes" / f"{_key(run, pixels, targets)}.safetensors"

    def write() -> None:
        write_atomic(path, dump_tensors(_compute(run, pixels, targets, batch_size)))

    return cached(path, write, _read)


def _read(path: Path) -> Pass:
    stored = parse_tensors(path.read_bytes())
    logits, targets = stored.pop("logits").numpy(), stored.pop("targets").numpy()
    return Pass(logits, {name: maps.numpy() for name, maps in stored.items()}, targets)


def _compute(run: LoadedRun, pixels: UInt8, targets: Int | None, batch_size: int) -> dict[str, Tensor]:
    parts: list[dict[str, Tensor]] = []
    names = (CAM if run.model.has_cam else GRAD_CAM, *OTHERS)
    for start in range(0, len(pixels), batch_size):
        x = to_input(pixels[start : start + batch_size], run.card.input_transform())
        with torch.no_grad():
            logits = run.model(x)
        own = logits.argmax(dim=1)
        chosen = own if targets is None else torch.from_numpy(targets[start : start + batch_size])
        parts.append({"logits": logits, "targets": chosen, **cams(run.model, x, chosen, names)})
    return {name: torch.cat([part[name] for part in parts]).contiguous() for name in parts[0]}


def _key(run: LoadedRun, pixels: UInt8, targets: Int | None) -> str:
    digest = hashlib.sha256(f"{run.card.network} {__version__} {torch.__version__} {len(pixels)}".encode())
    sample = np.linspace(0, len(pixels) - 1, num=min(len(pixels), 64), dtype=np.int64)
    digest.update(np.ascontiguousarray(pixels[sample]).tobytes())
    digest.update(b"own" if targets is None else targets.tobytes())
    return digest.hexdigest()[:32]
