"""A network as a plain chain of layers with known rules of propagation, copied, batch norm folded away.

Layer-wise rules see modules: a sum or mean written with an operator would be passed by its gradient instead, a
mean over the map, for instance, by spreading its relevance evenly. So those become modules here, and what has
no rule is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from zennit.layer import Sum

from xkd_core.errors import BadInputError
from xkd_core.models.lenet import Grey
from xkd_core.models.resnet import Residual
from xkd_core.models.seams import GapHead

LAYERS = (nn.Conv2d, nn.Linear, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, Grey)
SILENT = (nn.Identity, nn.Dropout)  # in eval mode


class Summed(nn.Module):
    """body(x) + shortcut(x), with the sum as a module that a rule can be given to."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Sequential) -> None:
        super().__init__()
        self.body, self.shortcut, self.sum = body, shortcut, Sum()

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, h, w) -> (B, K', h', w')."""
        total: Tensor = self.sum(torch.stack([self.body(x), self.shortcut(x)], dim=-1))
        return total


def chain(own: nn.Module, method: str) -> nn.Sequential:
    """The layers of ``own``, a folded private copy, in order.

    Errors: BadInputError that names ``method``, for a network with a layer that has no rule.
    """
    return nn.Sequential(*_layers(own, method))


def _layers(part: nn.Module, method: str) -> Iterator[nn.Module]:
    if type(part) is nn.Sequential:
        for layer in part:
            yield from _layers(layer, method)
    elif isinstance(part, GapHead):
        yield from (nn.AdaptiveAvgPool2d(1), nn.Flatten(), part.linear)
    elif type(part) is Residual:
        yield Summed(*(nn.Sequential(*_layers(branch, method)) for branch in (part.body, part.shortcut)))
    elif isinstance(part, nn.ReLU):
        yield nn.ReLU()  # not in place: rules look at what came in
    elif type(part) in LAYERS:
        yield part
    elif type(part) not in SILENT:
        raise BadInputError(_refusal(part, method))


def _refusal(part: nn.Module, method: str) -> str:
    what = type(part).__name__
    if isinstance(part, nn.BatchNorm2d):
        what = "a batch norm with no convolution right before it"
    return (
        f"{method} has no rule for {what}: it explains convolutions, pooling, ReLU, linear layers and plain residual "
        "sums. Grad-CAM, occlusion and RISE work with every network."
    )
