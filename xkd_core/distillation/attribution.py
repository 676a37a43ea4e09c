"""The maps that are matched in a loss: SWA of one or more layers and classes, in closed form or by autograd.

SWA (paper 004 Eq. 4) is ReLU(sum_k α_k A_k) with α_k = mean_ij dz_c / dA_kij: Grad-CAM, from the same functions
that the explainers use. Behind global average pooling and a linear layer α_k = w_ck / N is known without a
backward pass; for every other layer or head autograd finds it, with a graph through it for the student.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from xkd_core.explainers.maps import cam_map, grad_cam
from xkd_core.models.seams import Network, Tapped, run_tapped
from xkd_core.models.slimmable import Slim

Keep = Tensor | None
"""Which channels stay, (1, K) or (B, K) of 0 and 1; None keeps all."""


@dataclass(frozen=True)
class SeamMaps:
    """logits (B, C), activation at the seam (B, K, h, w), and one SWA map an image (B, h, w), without a graph."""

    logits: Tensor
    activation: Tensor
    maps: Tensor


def swa_maps(
    model: Network | Slim,
    run: Tapped,
    layers: Sequence[str],
    target: Tensor,
    *,
    keep: Sequence[Keep] = (),
    create_graph: bool = False,
) -> tuple[Tensor, ...]:
    """SWA of each layer for classes (B, k): one (B, k, h, w) per layer, up to a positive factor per map.

    At the seam of a network with CAM the closed form is taken, else autograd's; the cosine sees no difference.
    """
    masks = list(keep) or [None] * len(layers)
    closed = [layer == "last" and model.has_cam for layer in layers]
    open_places = [place for place, known in enumerate(closed) if not known]
    found: dict[int, Tensor] = {}
    if open_places:
        taps = [run.taps[place] for place in open_places]
        maps = sensitivity_maps(
            run.logits, taps, target, keep=[masks[place] for place in open_places], create_graph=create_graph
        )
        found = dict(zip(open_places, maps, strict=True))
    for place, known in enumerate(closed):
        if known:
            found[place] = closed_maps(model, run.activation, target, keep=masks[place])
    return tuple(found[place] for place in range(len(layers)))


def closed_maps(model: Network | Slim, activation: Tensor, target: Tensor, *, keep: Keep = None) -> Tensor:
    """ReLU(CAM) of classes (B, k): (B, k, h, w), N times SWA. Errors: BadInputError for a network without CAM."""
    rows = [model.rows(column) for column in target.unbind(dim=1)]  # (B, K) each
    maps = [cam_map(activation, row if keep is None else row * keep).relu() for row in rows]
    return torch.stack(maps, dim=1)


def sensitivity_maps(
    logits: Tensor, taps: Sequence[Tensor], target: Tensor, *, keep: Sequence[Keep], create_graph: bool
) -> list[Tensor]:
    """ReLU(sum_k m_k α_k A_k) by autograd for taps that the logits were computed from: a (B, k, h, w) per tap.

    create_graph: the maps can be differentiated again, through A and through α. In train mode batch norm lets
    the score of one image depend on the others; their gradients are mixed a little, as in the authors' code.
    """
    columns: list[list[Tensor]] = [[] for _ in taps]
    for column in range(target.shape[1]):
        score = logits.gather(1, target[:, column : column + 1]).sum()
        gradients = torch.autograd.grad(score, list(taps), create_graph=create_graph, retain_graph=True)
        for place, (tap, gradient) in enumerate(zip(taps, gradients, strict=True)):
            columns[place].append(_weighted(_full(tap), _full(gradient), keep[place]))
    return [torch.stack(maps, dim=1) for maps in columns]


def seam_maps(model: Network, x: Tensor, target: Tensor | None = None, *, autocast: bool = False) -> SeamMaps:
    """Logits, activation and SWA at the seam without a graph; ``target`` (B,) None is the network's own top-1."""
    if model.has_cam:
        with torch.no_grad():
            run = run_tapped(model, x, autocast=autocast)
            chosen = run.logits.argmax(dim=1) if target is None else target
            maps = closed_maps(model, run.activation, chosen[:, None])
        return SeamMaps(run.logits, run.activation, maps[:, 0])
    with torch.enable_grad():
        # A frozen network records nothing unless its input asks for a gradient.
        run = run_tapped(model, x.detach().requires_grad_(), ("last",), autocast=autocast)
        chosen = run.logits.argmax(dim=1) if target is None else target
        (maps,) = sensitivity_maps(run.logits, run.taps, chosen[:, None], keep=[None], create_graph=False)
    return SeamMaps(run.logits.detach(), run.activation.detach(), maps[:, 0].detach())


def sswa_keep(channels: int, drop_prob: float, generator: torch.Generator) -> Tensor:
    """Draw the channels that stay, exactly K - floor(K p) of them, (K,): one draw per batch (authors' code)."""
    keep = torch.ones(channels)
    keep[torch.randperm(channels, generator=generator)[: int(channels * drop_prob)]] = 0
    return keep


def sswa_keep_each(n_images: int, channels: int, drop_prob: float, generator: torch.Generator) -> Tensor:
    """Draw m_k ~ Bernoulli(1 - p) for every image and channel, (B, K), as paper 004 Eq. 5 is printed."""
    return (torch.rand(n_images, channels, generator=generator) >= drop_prob).float()


def _weighted(activation: Tensor, gradient: Tensor, keep: Keep) -> Tensor:
    if keep is None:
        return grad_cam(activation, gradient).relu()
    return cam_map(activation, gradient.mean(dim=(2, 3)) * keep).relu()


def _full(values: Tensor) -> Tensor:
    return values.float() if values.dtype == torch.bfloat16 else values
