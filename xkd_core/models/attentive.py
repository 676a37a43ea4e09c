"""The attentive student of paper 002: a ResNet whose residual branches pass channel and spatial gates.

Gates as in CBAM (Woo et al. 2018), in every block of the last three stages, before the sum. What the gate takes
away, Δf = gated - ungated, is handed to the explanation network (which is not here).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xkd_core.models.resnet import RESNET_PLANS, Residual, ResNetPlan, resnet_parts
from xkd_core.models.seams import Network

REDUCTION = 16
GATED_STAGES = (1, 2, 3)
ATTENTIVE_PLANS: Mapping[str, ResNetPlan] = {
    "attentive_resnet18": RESNET_PLANS["resnet18_cifar"],
    "attentive_resnet50": RESNET_PLANS["resnet50"],
}


class Gate(nn.Module):
    """att = channel gate x spatial gate, both in (0, 1), for features (B, K, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        fewer = max(1, channels // REDUCTION)
        self.squeeze = nn.Sequential(nn.Linear(channels, fewer), nn.ReLU(), nn.Linear(fewer, channels))
        self.spatial = nn.Sequential(nn.Conv2d(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1, momentum=0.01))

    def forward(self, f: Tensor) -> Tensor:
        """The attention (B, K, h, w) of f: sigma(MLP(avg) + MLP(max)), then sigma(conv([max_k, mean_k]))."""
        pooled = self.squeeze(f.mean(dim=(2, 3))) + self.squeeze(f.amax(dim=(2, 3)))  # (B, K)
        channel = pooled.sigmoid()[:, :, None, None]
        gated = f * channel
        both = torch.cat([gated.amax(dim=1, keepdim=True), gated.mean(dim=1, keepdim=True)], dim=1)  # (B, 2, h, w)
        attention: Tensor = channel * self.spatial(both).sigmoid()
        return attention


class GatedResidual(Residual):
    """att ⊙ body(x) + shortcut(x)."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Module, channels: int) -> None:
        super().__init__(body, shortcut)
        self.gate = Gate(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, h, w) -> (B, K', h', w')."""
        return self.parts(x)[0]

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The block's output and Δf = (att - 1) ⊙ f, the part that the gate suppresses (<= 0 where f >= 0)."""
        f: Tensor = self.body(x)
        attention = self.gate(f)
        return attention * f + self.shortcut(x), (attention - 1) * f


@dataclass(frozen=True)
class Attended:
    """The activation at the seam, and Δf of the last block of each gated stage, fine to coarse."""

    activation: Tensor
    deltas: tuple[Tensor, ...]


class AttentiveResNet(Network):
    """A residual network with gates; ``attend`` also gives what the explanation network takes."""

    def __init__(self, plan: ResNetPlan, n_classes: int, *, width: float = 1.0) -> None:
        super().__init__(*resnet_parts(plan, n_classes, width=width, make=_gated))

    def attend(self, x: Tensor) -> Attended:
        """Images (B, 3, H, W) -> activation and Δf at three scales.

        The paper does not say which block of a stage is tapped: the last one is, an inference.
        """
        deltas: dict[int, Tensor] = {}
        for place, module in enumerate(self.features):
            if isinstance(module, GatedResidual):
                x, deltas[place] = module.parts(x)
            else:
                x = module(x)
        return Attended(x, tuple(deltas[end - 1] for end in self.ends if end - 1 in deltas))


def _gated(body: nn.Sequential, shortcut: nn.Module, stage: int) -> nn.Module:
    if stage not in GATED_STAGES:
        return Residual(body, shortcut)
    norm = body[-1]
    assert isinstance(norm, nn.BatchNorm2d)
    return GatedResidual(body, shortcut, norm.num_features)
