"""Gradients at the pixels through captum: integrated gradients, saliency, input x gradient, SmoothGrad.

The score is the target's logit, and a map is (B, H, W): values of the three colours are summed, but where a
method takes the strongest. Each network is used through a private fast copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from captum.attr import InputXGradient, IntegratedGradients, Saliency
from torch import Tensor

from xkd_core.explainers.base import Explanation, Request, chunks, target_logits
from xkd_core.explainers.fast import laid_out, prepared
from xkd_core.explainers.gradient import PIXELS_AT_ONCE, differentiable
from xkd_core.types import Float


def integrated_gradients(request: Request, *, n_steps: int = 50) -> dict[str, Explanation]:
    """Integrated gradients from the mean colour (Sundararajan et al. 2017), through captum.

    Returns: maps (B, H, W), in logits; they add up to the fall of the score, but for the n_steps.
    """
    found = {}
    for name, model in request.models.items():
        network = prepared(differentiable(model))
        method = IntegratedGradients(lambda points, own=network: own(points.clone()))  # a first layer may be in-place
        maps = [_integrated(request, method, index, request.targets[name], n_steps) for index in range(len(request.x))]
        found[name] = request.explanation(name, torch.cat(maps))
    return found


def saliency(request: Request) -> dict[str, Explanation]:
    """Size of the gradient at each pixel, of the strongest colour (Simonyan et al. 2014), through captum.

    Returns: maps (B, H, W) >= 0, in logits per unit of normalised colour.
    """
    return _by_captum(request, Saliency, _slope_size)


def input_x_gradient(request: Request) -> dict[str, Explanation]:
    """Normalised colour times gradient (Shrikumar et al. 2017), through captum. Returns: maps (B, H, W), in logits."""
    return _by_captum(
        request,
        InputXGradient,
        lambda method, x, targets: method.attribute(x, additional_forward_args=targets).sum(dim=1),
    )


def smooth_grad(request: Request, *, n_samples: int = 50, noise: float = 0.15) -> dict[str, Explanation]:
    """Saliency of the mean gradient of noisy images (Smilkov et al. 2017); the gradients come from captum.

    Args: noise, its standard deviation as a share of the image's range of values. Every image and network gets
    the same draws. Returns: maps (B, H, W) >= 0, of the strongest colour, in logits per unit of normalised colour.
    """
    draws = torch.from_numpy(noises(n_samples, request.x.shape[1:], seed=request.seed)).to(request.x)

    def smooth(method: Saliency, x: Tensor, targets: Tensor) -> Tensor:
        return torch.stack([_mean_slope(method, *pair, draws, noise) for pair in zip(x, targets, strict=True)])

    return _by_captum(request, Saliency, smooth, passes=n_samples)


def noises(n_samples: int, shape: tuple[int, ...], *, seed: int) -> Float:
    """Standard normal draws of SmoothGrad, (n_samples, 3, H, W)."""
    return np.random.default_rng(seed).standard_normal((n_samples, *shape), dtype=np.float32)


def _by_captum(
    request: Request, library: Callable[..., Any], attribute: Callable[[Any, Tensor, Tensor], Tensor], passes: int = 1
) -> dict[str, Explanation]:
    """``attribute`` (method, images, targets) -> maps, for some images at a time."""
    found = {}
    for name, model in request.models.items():
        network = prepared(differentiable(model))
        # Copies, as a first layer may be in-place.
        method = library(lambda points, targets, own=network: target_logits(own, points.clone(), targets))
        maps = []
        for part in chunks(len(request.x), request.x, pixels=PIXELS_AT_ONCE):
            with torch.enable_grad():
                points = laid_out(request.x[part]).clone().requires_grad_()
                maps.append(attribute(method, points, request.targets[name][part]).detach())
            request.tick(2 * passes * len(points))
        found[name] = request.explanation(name, torch.cat(maps))
    return found


def _slope_size(method: Saliency, x: Tensor, targets: Tensor) -> Tensor:
    values: Tensor = method.attribute(x, additional_forward_args=targets, abs=True)
    return values.amax(dim=1)


def _mean_slope(method: Saliency, image: Tensor, target: Tensor, draws: Tensor, noise: float) -> Tensor:
    """The strongest colour of the mean gradient (H, W) over the noisy forms of one image."""
    image = image.detach()
    width = noise * (image.max() - image.min())
    total = torch.zeros_like(image)
    for part in chunks(len(draws), image, pixels=PIXELS_AT_ONCE):
        points = laid_out(image + width * draws[part]).requires_grad_()
        total += method.attribute(points, additional_forward_args=target.expand(len(points)), abs=False).sum(dim=0)
    return (total / len(draws)).abs().amax(dim=0)


def _integrated(request: Request, method: IntegratedGradients, index: int, targets: Tensor, n_steps: int) -> Tensor:
    image = laid_out(request.x[index : index + 1])
    at_once = max(1, PIXELS_AT_ONCE // (image.shape[-1] * image.shape[-2]))
    target = int(targets[index])
    with torch.enable_grad():
        values: Tensor = method.attribute(image.clone(), target=target, n_steps=n_steps, internal_batch_size=at_once)
    request.tick(2 * n_steps)
    return values.detach().sum(dim=1)  # (1, H, W)
