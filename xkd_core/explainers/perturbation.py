"""Maps from hiding parts of the image: occlusion windows, and KernelSHAP on superpixels.

Hidden pixels become 0 in normalised space, the mean colour. All networks see the same windows or coalitions.
Occlusion computes only what a window changes (`patches`); the fit of KernelSHAP is in `shapley`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from xkd_core.catalogue import windows
from xkd_core.errors import BadInputError
from xkd_core.explainers.base import PIXELS_PER_BATCH, Explanation, Request, chunks, picked, target_logits
from xkd_core.explainers.fast import prepared
from xkd_core.explainers.patches import Layers, plan, reaches, window_logits
from xkd_core.explainers.shapley import coalitions, fit
from xkd_core.explainers.superpixels import superpixels
from xkd_core.types import Bool, Float64, Int, UInt8

Networks = Mapping[str, nn.Module]


@dataclass(frozen=True)
class Grid:
    """Square windows on an image of ``size`` (H, W): where rows and columns of them start, and their side."""

    size: tuple[int, int]
    starts: tuple[tuple[int, ...], tuple[int, ...]]
    window: int

    @staticmethod
    def over(size: tuple[int, int], window: int, stride: int) -> Grid:
        """The grid for a window and stride in px; 0 is a quarter and an eighth of the image's height."""
        window, stride, rows = windows(size[0], {"window": window, "stride": stride})
        _, _, columns = windows(size[1], {"window": window, "stride": stride})
        starts = tuple(range(0, rows * stride, stride)), tuple(range(0, columns * stride, stride))
        return Grid(size, starts, window)

    def hidden(self) -> Tensor:
        """The pixels that each window covers, row by row of the grid: (M, H, W) bool."""
        places = [
            torch.arange(side) - torch.tensor(start)[:, None]
            for side, start in zip(self.size, self.starts, strict=True)
        ]
        rows, columns = ((place >= 0) & (place < self.window) for place in places)
        return (rows[:, None, :, None] & columns[None, :, None, :]).flatten(0, 1)


def occlusion(request: Request, *, window: int = 0, stride: int = 0) -> dict[str, Explanation]:
    """Fall of the target's logit when a square window is hidden (Zeiler & Fergus 2014).

    Args: window and stride in px, 0 for a quarter and an eighth of the image. The last window of a row is
    cut off at the border where it does not fit. Returns: maps (B, H, W), the mean over the windows that
    cover a pixel, in logits; native "grid" (B, gh, gw), one score per window.
    """
    grid = Grid.over((request.x.shape[-2], request.x.shape[-1]), window, stride)
    hidden = grid.hidden()
    networks = prepare(request)
    scores = [_window_scores(request, networks, index, grid, hidden) for index in range(len(request.x))]
    share = hidden.flatten(1).float() / hidden.flatten(1).sum(dim=0)  # (M, HW)
    found = {}
    for model in request.models:
        score = torch.stack([of_image[model] for of_image in scores])  # (B, 1 + M)
        falls = score[:, :1] - score[:, 1:]
        maps = (falls @ share).reshape(-1, *grid.size)
        native = falls.reshape(-1, *map(len, grid.starts))
        found[model] = request.explanation(model, maps, grid=native.numpy())
    return found


def kernel_shap(request: Request, *, n_samples: int = 256, n_superpixels: int = 19) -> dict[str, Explanation]:
    """Shapley values of SLIC superpixels for the target's logit (Lundberg & Lee 2017).

    Every network sees the same superpixels and coalitions of an image. Returns: maps (B, H, W), each pixel
    the value of its superpixel, in logits; native "coefficients" (B, n), NaN beyond an image's own number
    of superpixels, and "superpixels" (B, H, W). Errors: BadInputError without the uint8 images.
    """
    labels = superpixels(images_of(request), n_segments=n_superpixels)
    networks = prepare(request)
    fits = [_fit_image(request, networks, index, labels[index], n_samples) for index in range(len(labels))]
    return spread(request, fits, labels)


def spread(request: Request, fits: Sequence[Mapping[str, Float64]], labels: Int) -> dict[str, Explanation]:
    """Explanations of superpixels: each pixel gets the value of its own.

    Args: fits, for each image the values (n,) by network; labels (B, H, W). How many an image has is in ``meta``.
    """
    found = {}
    for model in request.models:
        maps = np.stack([of_image[model][label] for of_image, label in zip(fits, labels, strict=True)])
        coefficients = np.full((len(labels), int(labels.max()) + 1), np.nan)
        for row, of_image in zip(coefficients, fits, strict=True):
            row[: len(of_image[model])] = of_image[model]
        made = request.explanation(model, maps.astype(np.float32), coefficients=coefficients, superpixels=labels)
        counts = [int(label.max()) + 1 for label in labels]
        found[model] = replace(made, meta={**made.meta, "superpixels": counts})
    return found


def images_of(request: Request) -> UInt8:
    """The uint8 pixels (B, H, W, 3) that superpixels are cut in. Errors: BadInputError without them."""
    wanted = (len(request.x), *request.x.shape[-2:], 3)
    if request.images is None or request.images.shape != wanted:
        came = "none" if request.images is None else str(request.images.shape)
        raise BadInputError(f"Superpixels are cut in the pixels the network sees: images must be {wanted}; got {came}.")
    return request.images


def prepare(request: Request) -> dict[str, nn.Module]:
    """The private fast copies of all networks of a request."""
    return {name: prepared(model) for name, model in request.models.items()}


def masked_scores(request: Request, networks: Networks, index: int, keep: Tensor) -> dict[str, Tensor]:
    """Score image ``index`` of the request under each mask.

    Args: networks, from `prepare`; keep (M, H, W) bool, True = shown. Returns: name -> (M,) float32 target
    logits on the CPU. Every masked batch is made once and shown to all networks.
    """
    image = request.x[index]
    parts: dict[str, list[Tensor]] = {name: [] for name in networks}
    with torch.inference_mode():
        for part in chunks(len(keep), request.x):
            batch = image * keep[part, None].to(image.device, image.dtype)  # (m, 3, H, W)
            for name, network in networks.items():
                own = batch.clone(memory_format=torch.channels_last)  # a first layer may be in-place
                target = request.targets[name][index].expand(len(batch))
                parts[name].append(target_logits(network, own, target).float().cpu())
            request.tick(len(batch) * len(networks))
    return {name: torch.cat(scores) for name, scores in parts.items()}


def _window_scores(request: Request, networks: Networks, index: int, grid: Grid, hidden: Tensor) -> dict[str, Tensor]:
    """Score the whole image and each window, name -> (1 + M,); only what a window changes where that is known."""
    layers = {name: reaches(network) for name, network in networks.items()}
    others = {name: network for name, network in networks.items() if layers[name] is None}
    found = {}
    if others:
        found = masked_scores(request, others, index, torch.cat([torch.ones_like(hidden[:1]), ~hidden]))
    for name, known in layers.items():
        if known is not None:
            logits = _patched_logits(request, networks[name], index, grid, known)
            found[name] = picked(logits, request.targets[name][index].cpu().expand(len(logits)))
    return found


def _patched_logits(request: Request, network: nn.Module, index: int, grid: Grid, layers: Layers) -> Tensor:
    image = request.x[index : index + 1]
    parts: list[Tensor] = []
    at_once = max(1, PIXELS_PER_BATCH // (grid.size[0] * grid.size[1] * len(grid.starts[1])))
    with torch.inference_mode():
        for first in range(0, len(grid.starts[0]), at_once):
            starts = grid.starts[0][first : first + at_once], grid.starts[1]
            whole, logits = window_logits(network, image, plan(layers, grid.size, starts, grid.window))
            parts += [logits] if parts else [whole, logits]
            request.tick(len(logits))
        return torch.cat(parts).float().cpu()


def _fit_image(request: Request, networks: Networks, index: int, labels: Int, n_samples: int) -> dict[str, Float64]:
    n_features = int(labels.max()) + 1
    shown, weights = coalitions(n_features, n_samples, seed=request.seed)
    ends: Bool = np.repeat([[False], [True]], n_features, axis=1)
    keep = torch.from_numpy(np.concatenate([ends, shown])[:, labels])  # (2 + m, H, W)
    scores = masked_scores(request, networks, index, keep)
    return {
        name: fit(shown, score[2:].double().numpy(), weights, empty=float(score[0]), full=float(score[1]))
        for name, score in scores.items()
    }
