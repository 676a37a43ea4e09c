"""LRP and excitation backprop by zennit's rules, on a private copy of the network.

The rules are hooks that swap parameters for the time of a call: nobody else sees the copy, so there is no lock.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from zennit.composites import EpsilonPlusFlat, ExcitationBackprop
from zennit.core import Composite

from xkd_core.errors import BadInputError
from xkd_core.explainers.base import Explanation, Request, chunks, picked
from xkd_core.explainers.chains import chain
from xkd_core.explainers.engine import seam
from xkd_core.explainers.fast import folded
from xkd_core.explainers.gradient import PIXELS_AT_ONCE, differentiable

Half = Callable[[Tensor], Tensor]


def lrp(request: Request) -> dict[str, Explanation]:
    """Layer-wise relevance propagation (Bach et al. 2015) by zennit's composite epsilon-plus-flat.

    Epsilon in linear layers, z+ in convolutions, flat in the first of them; batch norm is folded before. Returns:
    maps (B, H, W), summed over colours, in logits: they add up to the target's logit but for what the biases take.
    Errors: BadInputError for a network with layers that have no rule, or without a gradient.
    """
    found = {}
    for name, model in request.models.items():
        maps = in_parts(request, name, partial(_lrp, chain_of(model, "LRP")))
        found[name] = request.explanation(name, maps)
    return found


def excitation_backprop(request: Request, *, layer: str = "seam") -> dict[str, Explanation]:
    """Probability that the class's signal comes from each cell (Zhang et al., ECCV 2016), by zennit's composite.

    p(cell | unit above) goes with activation x positive weight, without biases. Args: layer, "seam" (the last
    activation, where paper 004 reads it) or "input". Returns: maps (B, h, w) >= 0 that add up to 1, or are 0
    where no positive weight meets the image. Errors: as `lrp`; BadInputError for another layer.
    """
    if layer not in ("seam", "input"):
        raise BadInputError(f"Excitation backprop is read at the layer seam or input; got {layer!r}.")
    found = {}
    for name, model in request.models.items():
        maps = in_parts(request, name, partial(_excitation, *_halves(model, layer)))
        where = "features" if layer == "seam" else "input"
        found[name] = request.explanation(name, maps, layer=where, score="probability of the signal")
    return found


def chain_of(model: nn.Module, method: str) -> nn.Sequential:
    """The whole network as a chain of layers with rules; errors: BadInputError with the reason."""
    own = folded(differentiable(model))
    return chain(nn.Sequential(*map(_module, seam(own))), method)


def _halves(model: nn.Module, layer: str) -> tuple[Half, nn.Sequential]:
    """What is only computed, and what is propagated through."""
    if layer == "input":
        return lambda x: x, chain_of(model, "Excitation backprop")
    features, head = seam(folded(model))
    return features, chain(_module(head), "Excitation backprop")


def _module(half: Half) -> nn.Module:
    if not isinstance(half, nn.Module):
        raise BadInputError("Rules of propagation need `.features` and `.head` that are modules, not functions.")
    return half


def in_parts(request: Request, name: str, explain: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """``explain`` (images, targets) -> maps (b, h, w), for some images at a time: (B, h, w)."""
    maps = []
    for part in chunks(len(request.x), request.x, pixels=PIXELS_AT_ONCE):
        own = request.x[part].clone()  # of this grad mode; a first layer may be in-place
        maps.append(explain(own, request.targets[name][part]))
        request.tick(2 * len(maps[-1]))
    return torch.cat(maps)


def _lrp(network: nn.Sequential, x: Tensor, targets: Tensor) -> Tensor:
    return _relevance(network, EpsilonPlusFlat(), x, targets, lambda logit: logit)


def _excitation(before: Half, network: nn.Sequential, x: Tensor, targets: Tensor) -> Tensor:
    with torch.no_grad():
        activation = before(x)
    return _relevance(network, ExcitationBackprop(zero_params=["bias"]), activation, targets, torch.ones_like)


def _relevance(network: nn.Sequential, rules: Composite, x: Tensor, targets: Tensor, start: Half) -> Tensor:
    """Propagate ``start`` (of the targets' logits) back to x (B, K, h, w) and sum over K: (B, h, w)."""
    with torch.enable_grad(), rules.context(network) as ruled:
        leaf = x.detach().clone().requires_grad_()
        score = picked(ruled(leaf), targets)
        (relevance,) = torch.autograd.grad(score, leaf, start(score.detach()))
    return relevance.sum(dim=1)
