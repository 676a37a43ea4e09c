"""What an explainer gets (a request) and gives back (explanations), the same for all of them.

An explainer is a function ``(request, **params) -> {model id: Explanation}``. It keeps no state, draws
its randomness from ``request.seed`` alone and shares masks, samples and superpixels over the models.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import metadata

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

import xkd_core
from xkd_core.errors import BadInputError, XKDError
from xkd_core.types import Float, UInt8

Progress = Callable[[float, str], None]
"""Called between batches with the done share (0 to 1) of all work and the explainer's name."""

PIXELS_PER_BATCH = 64 * 64 * 64
"""Bounds memory; larger batches are no faster (measured on a CPU)."""


class CancelledError(XKDError):
    """The caller asked for an end before the work was done."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Maps of one explainer and network for a batch of images.

    maps: (B, h, w) float32, raw and signed, at the resolution the method has; its unit is the score's.
    native: what the map was made of: occlusion "grid" (B, gh, gw); kernel_shap "coefficients" (B, n), NaN
    beyond an image's own count, and "superpixels" (B, H, W). meta: plain values, ready for JSON.
    """

    maps: Float
    meta: Mapping[str, object]
    native: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)


@dataclass(kw_only=True)
class Ticker:
    """Counts forwards, reports them and stops the work when it is told to."""

    total: int
    progress: Progress | None = None
    cancel: threading.Event | None = None
    done: int = 0

    def tick(self, n_forwards: int, name: str) -> None:
        """Add ``n_forwards``; errors: CancelledError once ``cancel`` is set."""
        self.done += n_forwards
        if self.cancel is not None and self.cancel.is_set():
            raise CancelledError(f"Stopped on request while computing {name}.")
        if self.progress is not None:
            self.progress(min(1.0, self.done / max(1, self.total)), name)


@dataclass(frozen=True, kw_only=True)
class Request:
    """Which networks to explain, on which images, for which classes.

    models: id -> network. x: (B, 3, S, S) normalised. targets: id -> (B,) class indices. images: the same
    pixels as uint8 (B, S, S, 3), for superpixels. background: (n, 3, S, S) normalised, for GradientSHAP.
    """

    models: Mapping[str, nn.Module]
    x: Tensor
    targets: Mapping[str, Tensor]
    seed: int = 0
    images: UInt8 | None = None
    background: Tensor | None = None
    ticker: Ticker = field(default_factory=lambda: Ticker(total=0))
    name: str = ""
    params: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what cannot be explained, with the reason."""
        if self.x.ndim != 4 or not len(self.x):
            raise BadInputError(f"x must be a batch (B, 3, H, W) of at least one image; got {tuple(self.x.shape)}.")
        for name in self.models:
            check_targets(self.targets.get(name), self.x, name)

    def ask(self, name: str, params: Mapping[str, object]) -> Request:
        """The same request for one explainer with its parameters."""
        return replace(self, name=name, params=params)

    def tick(self, n_forwards: int) -> None:
        """Report ``n_forwards`` more forwards; errors: CancelledError."""
        self.ticker.tick(n_forwards, self.name)

    def explanation(
        self,
        model: str,
        maps: Tensor | Float,
        *,
        layer: str = "input",
        score: str = "logit of the target",
        **native: NDArray[np.generic],
    ) -> Explanation:
        """Wrap maps (B, h, w) of network ``model`` with everything needed to repeat them."""
        array = maps.detach().cpu().numpy() if isinstance(maps, Tensor) else maps
        meta = {
            "explainer": self.name,
            "model": model,
            "layer": layer,
            "score": score,
            "targets": self.targets[model].tolist(),
            "parameters": dict(self.params),
            "seed": self.seed,
            "device": self.x.device.type,
            "versions": versions(),
        }
        return Explanation(maps=np.ascontiguousarray(array, dtype=np.float32), meta=meta, native=native)


def check_targets(targets: Tensor | None, x: Tensor, name: str = "the network") -> None:
    """Errors: BadInputError unless there is one integer class index for each image."""
    if targets is None or targets.shape != x.shape[:1] or targets.is_floating_point():
        came = "nothing" if targets is None else f"{tuple(targets.shape)} {targets.dtype}"
        raise BadInputError(f"targets of {name} must be {len(x)} class indices (int64), one per image; got {came}.")


def chunks(total: int, x: Tensor, *, pixels: int = PIXELS_PER_BATCH) -> Iterator[slice]:
    """Cut ``total`` inputs of the size of ``x`` (.., H, W) into slices of about ``pixels``."""
    step = max(1, pixels // (x.shape[-1] * x.shape[-2]))
    for start in range(0, total, step):
        yield slice(start, min(total, start + step))


def target_logits(model: nn.Module, batch: Tensor, targets: Tensor) -> Tensor:
    """The score explained: (n, 3, H, W), (n,) -> the logit of each image's target, (n,)."""
    return picked(model(batch), targets)


def picked(logits: Tensor, targets: Tensor) -> Tensor:
    """The logit of each row's target: (n, C), (n,) -> (n,); errors: BadInputError for a class that is not there."""
    if int(targets.max()) >= logits.shape[1] or int(targets.min()) < 0:
        worst = sorted(set(targets.tolist()))
        raise BadInputError(f"The network knows classes 0 to {logits.shape[1] - 1}; targets are {worst}.")
    own = targets[:, None].clone()  # of this grad mode, also when the caller's is inference mode
    return logits.gather(1, own)[:, 0]


@cache
def versions() -> dict[str, str]:
    """Versions of everything a map depends on; what is not installed had no part in it."""
    found = {"xkd_core": xkd_core.__version__}
    for package in ("torch", "numpy", "captum", "grad-cam", "scikit-image", "zennit"):
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
