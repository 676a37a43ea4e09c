"""The attentive student of paper 002: a ResNet whose residual branches pass channel and spatial gates.

Gates as in CBAM (Woo et al. 2018), in every block of the last three stages, before the sum. What the gate takes
away, Δf = gated - ungated, is what the explanation network draws its map from: one forward pass explains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xkd_core.models.resnet import RESNET_PLANS, Residual, ResNetPlan, resnet_parts
from xkd_core.models.seams import Network

REDUCTION = 16
GATED_STAGES = (1, 2, 3)
HIDDEN = 32  # channels of the explanation network; the paper prints none
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


class ExplanationNet(nn.Module):
    """Δf of three scales -> one map: from coarse to fine, convolve, enlarge, and take the next scale beside it.

    Paper 002, Fig. 3, shows this order; its widths, its merging (here: concatenation) and its last enlargement are
    not printed.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        inputs = [channels[-1], *(HIDDEN + count for count in reversed(channels[:-1]))]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Conv2d(count, HIDDEN, 3, padding=1, bias=False), nn.BatchNorm2d(HIDDEN), nn.ReLU())
            for count in inputs
        )
        self.out = nn.Conv2d(HIDDEN, 1, 1)

    def forward(self, deltas: Sequence[Tensor], size: tuple[int, int]) -> Tensor:
        """Δf, fine to coarse, (B, K, h, w) each -> H (B, *size) in (0, 1)."""
        hidden: Tensor | None = None
        for block, delta in zip(self.blocks, reversed(deltas), strict=True):
            hidden = block(delta if hidden is None else torch.cat([_enlarged(hidden, delta.shape[-2:]), delta], dim=1))
        assert hidden is not None
        found: Tensor = self.out(_enlarged(hidden, size))[:, 0]
        return found.float().sigmoid()


class ExplainedResNet(AttentiveResNet):
    """The attentive student with its explanation network; ``explain`` needs one forward pass and no gradient."""

    def __init__(self, plan: ResNetPlan, n_classes: int, *, width: float = 1.0) -> None:
        super().__init__(plan, n_classes, width=width)
        self.explanation = ExplanationNet(self._gated_channels())

    def explain(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> H (B, H, W) in (0, 1): how much of each pixel the prediction needs."""
        found: Tensor = self.explanation(self.attend(x).deltas, (x.shape[-2], x.shape[-1]))
        return found

    def _gated_channels(self) -> list[int]:
        blocks = [self.features[end - 1] for end in self.ends]
        return [_channels(block.body) for block in blocks if isinstance(block, GatedResidual)]


def _enlarged(values: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(values, size=tuple(size), mode="bilinear", align_corners=False)


def _channels(body: nn.Sequential) -> int:
    norm = body[-1]
    assert isinstance(norm, nn.BatchNorm2d)
    return norm.num_features


def _gated(body: nn.Sequential, shortcut: nn.Module, stage: int) -> nn.Module:
    if stage not in GATED_STAGES:
        return Residual(body, shortcut)
    return GatedResidual(body, shortcut, _channels(body))
