"""Relative attributing propagation (Nam et al., AAAI 2020): which units helped less than others becomes negative.

Formulas as in the authors' code for a VGG. Batch norm is folded away before; theirs passes relevance through it
unchanged. Only chains: their rule for the branches of a residual network does not run.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xkd_core.errors import BadInputError
from xkd_core.explainers.base import Explanation, Request, picked
from xkd_core.explainers.chains import Summed
from xkd_core.explainers.propagation import chain_of, in_parts
from xkd_core.models.lenet import Grey

Weighted = nn.Conv2d | nn.Linear


def rap(request: Request) -> dict[str, Explanation]:
    """Relative attributing propagation of the target's logit to the pixels.

    Returns: maps (B, H, W), summed over colours, in logits: they add up to the logit. Negative means less than
    the others, not against the class; for a negative logit all signs are turned. Errors: BadInputError for a
    network that is not a chain with a ReLU before each layer but the first, or has no gradient.
    """
    found = {}
    for name, model in request.models.items():
        layers = chain_of(model, "RAP")
        _check(layers)
        found[name] = request.explanation(name, in_parts(request, name, partial(_relevance, layers)))
    return found


def _check(layers: nn.Sequential) -> None:
    """Errors: BadInputError unless this is a chain in which all layers but the first one see values >= 0."""
    if any(isinstance(layer, Summed) for layer in layers):
        raise BadInputError("RAP is defined for chains of layers; this network adds branches. LRP explains it.")
    kinds = [layer for layer in layers if isinstance(layer, nn.Conv2d | nn.Linear | nn.ReLU)]
    bare = any(isinstance(a, Weighted) and isinstance(b, Weighted) for a, b in pairwise(kinds))
    first = next((kind for kind in kinds if isinstance(kind, Weighted)), None)
    if bare or not isinstance(layers[-1], nn.Linear) or not isinstance(first, nn.Conv2d):
        raise BadInputError(
            "RAP needs a convolution first, a linear layer last and a ReLU between any two. LRP needs none of that."
        )


def _relevance(layers: nn.Sequential, x: Tensor, targets: Tensor) -> Tensor:
    """From the targets' logits back to the images (b, 3, H, W), summed over colours: (b, H, W)."""
    *hidden, last = layers
    assert isinstance(last, nn.Linear)  # `_check`
    first = next(layer for layer in hidden if isinstance(layer, nn.Conv2d))
    seen = [x.detach()]
    with torch.no_grad():
        for layer in hidden:
            seen.append(layer(seen[-1].clone()))
        relevance = _of_output(last, seen.pop(), targets)
    for layer in reversed(hidden):
        relevance = _boxed(layer, seen.pop(), relevance) if layer is first else _through(layer, seen.pop(), relevance)
    return relevance.sum(dim=1)


def _of_output(last: nn.Linear, x: Tensor, targets: Tensor) -> Tensor:
    """Absolute influence: the logit shared out by |x w_c|, (b, n)."""
    influence = (x * last.weight[targets]).abs()
    logit = picked(last(x), targets)[:, None]
    return logit * _over(influence, influence.sum(dim=1, keepdim=True))


def _through(layer: nn.Module, x: Tensor, relevance: Tensor) -> Tensor:
    """The relevance of what came into a layer behind the first one, from that of what came out."""
    if isinstance(layer, Weighted):
        return _shifted(_shared(layer, x, relevance), relevance)
    if isinstance(layer, nn.ReLU):
        return relevance
    if isinstance(layer, nn.Flatten):
        return relevance.reshape(x.shape)
    if isinstance(layer, Grey):
        return relevance.expand_as(x) / x.shape[1]
    return x * _pulled(layer, x, relevance)  # pooling: by share of the mean, or to the maximum


def _shared(layer: Weighted, x: Tensor, relevance: Tensor) -> Tensor:
    """x >= 0 -> its relevance before the shift.

    With P and N, the positive and the absolute negative input of each unit: R > 0 goes back along the positive
    weights and, times N / (P + N), along the negative ones too; R < 0 goes back along the negative ones, twice.
    """
    plus, minus = layer.weight.clamp(min=0), -layer.weight.clamp(max=0)
    above, below = _applied(layer, x, plus), _applied(layer, x, minus)  # P, N
    helped, hurt = relevance.clamp(min=0), relevance.clamp(max=0)
    along_plus = _over(helped, above)
    along_minus = _over(relevance * _over(below, above + below) + hurt, below)
    return x * (_back(layer, x, plus, along_plus) + _back(layer, x, minus, along_minus))


def _shifted(shared: Tensor, relevance: Tensor) -> Tensor:
    """Take what is too much from all active units evenly, so that each image's sum stays."""
    active = (shared != 0).to(shared)
    surplus, count = (part.flatten(1).sum(dim=1).reshape(-1, *[1] * (shared.ndim - 1)) for part in (shared, active))
    total = relevance.flatten(1).sum(dim=1).reshape(surplus.shape)
    return shared - active * _over(surplus - total, count)


def _boxed(layer: nn.Conv2d, x: Tensor, relevance: Tensor) -> Tensor:
    """The first layer by the z-box rule (Montavon et al. 2017), between the image's own least and largest value."""
    low = torch.ones_like(x) * x.amin(dim=(1, 2, 3), keepdim=True)
    high = torch.ones_like(x) * x.amax(dim=(1, 2, 3), keepdim=True)
    parts = (
        (x, layer.weight.detach()),
        (-low, layer.weight.detach().clamp(min=0)),
        (-high, layer.weight.detach().clamp(max=0)),
    )
    total = torch.stack([_applied(layer, field, weight) for field, weight in parts]).sum(dim=0)
    share = _over(relevance, total)
    return torch.stack([field * _back(layer, field, weight, share) for field, weight in parts]).sum(dim=0)


def _applied(layer: Weighted, x: Tensor, weight: Tensor) -> Tensor:
    """The layer with other weights and no bias."""
    if isinstance(layer, nn.Linear):
        return F.linear(x, weight)
    return F.conv2d(x, weight, None, layer.stride, layer.padding, layer.dilation, layer.groups)


def _back(layer: Weighted, x: Tensor, weight: Tensor, share: Tensor) -> Tensor:
    """The transposed layer: for each input the sum of weight x share of the units that it goes to."""
    with torch.enable_grad():
        leaf = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(_applied(layer, leaf, weight), leaf, share)
    return found


def _pulled(pool: nn.Module, x: Tensor, relevance: Tensor) -> Tensor:
    with torch.enable_grad():
        leaf = x.detach().clone().requires_grad_()
        out = pool(leaf)
        (found,) = torch.autograd.grad(out, leaf, _over(relevance, out.detach()))
    return found


def _over(a: Tensor, b: Tensor) -> Tensor:
    """a / b, and 0 where b is 0."""
    return torch.where(b == 0, 0.0, a / torch.where(b == 0, 1.0, b))
