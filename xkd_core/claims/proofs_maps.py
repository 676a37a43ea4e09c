"""Proofs about maps: what is equal by algebra, what is singular, what a library's score cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xkd_core.claims.base import Finding, Number, at_most, found
from xkd_core.explainers.maps import cam_map, grad_cam, grad_cam_pp, hires_cam, xgrad_cam
from xkd_core.metrics.superpixel_agreement import sign_agreement
from xkd_core.models.architectures import build
from xkd_core.models.seams import Network, run_tapped
from xkd_core.types import Float64

Net = TypeVar("Net", bound=nn.Module)
POOLED = ("vgg_gap_tiny", "resnet18_small", "mobilenet_v3_small_s8")
SIZES = {"lenet5": 28, "net": 28}
EQUAL = 1e-4
SINGULAR_SUMS = (-1.9, -2.0, -2.1)
CELLS = 7 * 7
LIME_AGREEMENT = {"KD": 50.1, "AT": 44.3, "NST": 44.4, "AB": 44.7, "XDistillation": 54.4}


def cams_alike(names: Sequence[str] = POOLED, *, seed: int = 0) -> Finding:
    """Largest difference of HiResCAM, XGrad-CAM and CAM to Grad-CAM, each map over its largest value."""
    numbers = []
    for name in names:
        generator = torch.Generator().manual_seed(seed)
        # In train mode norms see the batch: untrained statistics would leave the features near 0.
        model = filled(build(name, 10).train(), generator)
        side = SIZES.get(name, 32)
        apart = _largest_difference(model, torch.randn(4, 3, side, side, generator=generator))
        numbers.append(Number(label=f"{name}: largest difference, at most", value=at_most(apart), passes=apart < EQUAL))
    return found(
        all(one.passes for one in numbers),
        "Where a class score sees the activations through their mean only, its gradient is the same in every cell: "
        "the three maps are one formula. Their likeness is an identity and no evidence on the networks."
        if all(one.passes for one in numbers)
        else "The maps differ: a head that does not average over space gives each cell a gradient of its own.",
        *numbers,
    )


def grad_cam_pp_jumps(sums: Sequence[float] = SINGULAR_SUMS) -> Finding:
    """Weights of Grad-CAM++ for one channel with gradient 1 whose activations add up to ``sums``."""
    numbers = [Number(label=f"weight at a channel sum of {total:g}", value=channel_weight(total)) for total in sums]
    lowest = CELLS * float(F.hardswish(torch.linspace(-3, 0, 601)).min())
    singular = max(abs(one.value) for one in numbers) > 1e3 and len({one.value > 0 for one in numbers}) == 2
    reachable = Number(label=f"lowest sum of {CELLS} Hardswish cells", value=lowest, passes=lowest < min(sums))
    return found(
        singular and bool(reachable.passes),
        "Its weight g²/(2g² + S g³) has a pole at S g = -2 and changes sign there. ReLU features cannot reach it, the "
        "student's Hardswish features can." if singular else "The weights stay bounded for these sums.",
        *numbers, reachable,
    )  # fmt: skip


def channel_weight(total: float) -> float:
    """Grad-CAM++'s weight of a channel of one cell with this activation and gradient 1."""
    one = torch.full((1, 1, 1, 1), total, dtype=torch.float64)
    return float(grad_cam_pp(one, torch.ones_like(one)).item() / total)


def always_monotone(n_models: int = 6, *, correct: bool = False, seed: int = 0) -> Finding:
    """Share of random networks and random maps that a monotonicity score calls monotone.

    The library's procedure restated, for it is not installed beside the app: begin with a constant image and put the
    constant in, chunk by chunk; ``correct``: put the image's own pixels in. `tests/benchmarks/quantus_compare.py` runs
    the library itself on a small network.
    """
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(n_models):
        image, order, weights = rng.normal(size=64), rng.permutation(64), rng.normal(size=64)
        shares.append(_monotone(image, order, weights, np.full(64, image.min()), correct=correct))
    share = float(np.mean(shares))
    return found(
        share < 1,
        "As restated here, the library starts from a constant image and fills in the same constant: the image never "
        "changes, no answer can fall, and every map of every network is called monotone." if share == 1 else
        "With the image's own pixels put in, random maps of random networks are seldom monotone.",
        Number(label="random maps called monotone, restated", value=share, n=n_models, passes=share < 1),
    )  # fmt: skip


def agreement_by_chance(
    printed: dict[str, float] = LIME_AGREEMENT, *, n: int = 60_000, regions: int = 19, k: int = 2, seed: int = 0
) -> Finding:
    """Sign agreement of random values with random values, beside the printed one of LIME."""
    rng = np.random.default_rng(seed)
    values = sign_agreement(rng.normal(size=(n, regions)), rng.normal(size=(n, regions)), k=k)
    chance = 100 * float(np.nanmean(values))
    error = 196 * float(np.nanstd(values)) / float(np.isfinite(values).sum()) ** 0.5
    numbers = [Number(label="chance, %", value=chance, low=chance - error, high=chance + error, n=n)]
    numbers += [Number(label=f"{name} (printed), %", value=value, passes=value > 50 + error)
                for name, value in printed.items()]  # fmt: skip
    above = [one for one in numbers[1:] if one.passes]
    return found(
        len(above) == len(printed),
        f"Balanced random signs agree half of the time, and {len(above)} of the {len(printed)} printed shares lie "
        "above that. Shares below it say that zeros, which LIME's sparse fit gives, count as a sign of their own, or "
        "that positive and negative are not balanced: either way 50 is not what unrelated maps would have.",
        *numbers,
    )


def filled(model: Net, generator: torch.Generator) -> Net:
    """The network with weights from ``generator`` alone, and without dropout.

    Pages judge beside other threads that draw from torch's global generator: what it gives is not reproducible there.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            spread = (2 / module.weight[0].numel()) ** 0.5
            module.weight.data.normal_(std=spread, generator=generator)
            if module.bias is not None:
                module.bias.data.normal_(std=0.1, generator=generator)
        elif isinstance(module, nn.Dropout):
            module.eval()
    return model


def _largest_difference(model: Network, x: Tensor) -> float:
    run = run_tapped(model, x)
    target = run.logits.argmax(dim=1)
    (gradient,) = torch.autograd.grad(run.logits.gather(1, target[:, None]).sum(), run.activation)
    maps = [formula(run.activation, gradient) for formula in (grad_cam, hires_cam, xgrad_cam)]
    if model.has_cam:
        maps.append(cam_map(run.activation, model.rows(target)))
    flat = [each.detach().flatten(1) / each.detach().flatten(1).abs().amax(dim=1, keepdim=True) for each in maps]
    return max(float((each - flat[0]).abs().max()) for each in flat[1:])


def _monotone(image: Float64, order: np.ndarray, weights: Float64, blank: Float64, *, correct: bool) -> bool:
    shown, answers = blank.copy(), []
    for chunk in np.array_split(order, 8):
        shown[chunk] = image[chunk] if correct else blank[chunk]
        answers.append(1 / (1 + np.exp(-float(shown @ weights))))
    return bool((np.diff(answers) >= 0).all())
