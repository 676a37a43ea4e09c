"""Residual networks, each a chain in which a ReLU follows every sum: the stages' ends can be tapped.

CIFAR ResNet-18/34 (He et al. 2016 with kuangliu's 3x3 stem; paper 001), a ResNet-18 of half the width for 64 px (last
map 4x4), ResNet-34/50 with the ImageNet stem as in torchvision (papers 004, 000, 002), and wide ResNets (Zagoruyko &
Komodakis 2016; paper 001). All heads are global average pooling and one linear layer, so CAM is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from xkd_core.models.seams import GapHead, Network, scaled

WIDENING = (1, 2, 4, 8)


@dataclass(frozen=True, kw_only=True)
class ResNetPlan:
    """Blocks of each of the four stages, which block and stem, and channels of the first stage (doubled thrice)."""

    blocks: tuple[int, int, int, int]
    kind: Literal["basic", "bottleneck"] = "basic"
    stem: Literal["cifar", "strided", "imagenet"] = "cifar"
    channels: int = 64


RESNET_PLANS: Mapping[str, ResNetPlan] = {
    "resnet18_cifar": ResNetPlan(blocks=(2, 2, 2, 2)),
    "resnet18_small": ResNetPlan(blocks=(2, 2, 2, 2), stem="strided", channels=32),
    "resnet34_cifar": ResNetPlan(blocks=(3, 4, 6, 3)),
    "resnet34": ResNetPlan(blocks=(3, 4, 6, 3), stem="imagenet"),
    "resnet50": ResNetPlan(blocks=(3, 4, 6, 3), kind="bottleneck", stem="imagenet"),
}


class Residual(nn.Module):
    """body(x) + shortcut(x); the ReLU behind the sum is the next module of the chain."""

    def __init__(self, body: nn.Sequential, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, h, w) -> (B, K', h', w')."""
        total: Tensor = self.body(x) + self.shortcut(x)
        return total


MakeBlock = Callable[[nn.Sequential, nn.Module, int], nn.Module]
"""(body, shortcut, stage 0 to 3) -> block; attentive.py puts a gate behind some bodies."""


def resnet(plan: ResNetPlan, n_classes: int, *, width: float = 1.0) -> Network:
    """Build a residual network of ``plan``; ``width`` scales the channels of all stages."""
    return Network(*resnet_parts(plan, n_classes, width=width, make=_plain))


def resnet_parts(
    plan: ResNetPlan, n_classes: int, *, width: float, make: MakeBlock
) -> tuple[nn.Sequential, GapHead, list[int]]:
    """Features, head and the places where the stages end."""
    channels = scaled(plan.channels, width)
    chain, ends = _stem(plan.stem, channels), []
    for stage, count in enumerate(plan.blocks):
        inner = scaled(plan.channels * WIDENING[stage], width)
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            body, outer = _body(plan.kind, channels, inner, stride)
            chain += [make(body, _shortcut(channels, outer, stride), stage), nn.ReLU(inplace=True)]
            channels = outer
        ends.append(len(chain) - 1)
    return nn.Sequential(*chain), GapHead(channels, n_classes), ends


def wide_resnet(depth: int, factor: int, n_classes: int, *, width: float = 1.0, dropout: float = 0.0) -> Network:
    """WRN-depth-factor for 32 px.

    The norm and ReLU before each group's first block belong to both of its branches, so they are modules of the
    chain; groups end there, after ReLU (the published attention transfer taps the sum before it).
    """
    blocks = (depth - 4) // 6
    channels = scaled(16, width)
    chain: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1, bias=False)]
    ends = []
    for group, base in enumerate((16, 32, 64)):
        wider = scaled(base * factor, width)
        chain += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        if group > 0:
            ends.append(len(chain) - 1)
        stride = 2 if group > 0 else 1
        chain.append(
            Residual(_wide_body(channels, wider, stride, dropout), nn.Conv2d(channels, wider, 1, stride, bias=False))
        )
        chain += [_wide_block(wider, dropout) for _ in range(blocks - 1)]
        channels = wider
    chain += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    return Network(nn.Sequential(*chain), GapHead(channels, n_classes), [*ends, len(chain) - 1])


def _plain(body: nn.Sequential, shortcut: nn.Module, stage: int) -> nn.Module:
    return Residual(body, shortcut)


def _stem(kind: str, channels: int) -> list[nn.Module]:
    if kind != "imagenet":
        stride = 2 if kind == "strided" else 1
        convolution = nn.Conv2d(3, channels, 3, stride, padding=1, bias=False)
        return [convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
    convolution = nn.Conv2d(3, channels, 7, stride=2, padding=3, bias=False)
    return [convolution, nn.BatchNorm2d(channels), nn.ReLU(inplace=True), nn.MaxPool2d(3, stride=2, padding=1)]


def _body(kind: str, channels: int, inner: int, stride: int) -> tuple[nn.Sequential, int]:
    """The residual branch and the number of channels it ends with."""
    if kind == "basic":
        first = [nn.Conv2d(channels, inner, 3, stride, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(True)]
        second = [nn.Conv2d(inner, inner, 3, padding=1, bias=False), nn.BatchNorm2d(inner)]
        return nn.Sequential(*first, *second), inner
    outer = 4 * inner
    first = [nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(True)]
    second = [nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(True)]
    third = [nn.Conv2d(inner, outer, 1, bias=False), nn.BatchNorm2d(outer)]
    return nn.Sequential(*first, *second, *third), outer


def _shortcut(channels: int, outer: int, stride: int) -> nn.Module:
    if stride == 1 and channels == outer:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(channels, outer, 1, stride, bias=False), nn.BatchNorm2d(outer))


def _wide_body(channels: int, wider: int, stride: int, dropout: float) -> nn.Sequential:
    first = [nn.Conv2d(channels, wider, 3, stride, padding=1, bias=False), nn.BatchNorm2d(wider), nn.ReLU(True)]
    drop = [nn.Dropout(dropout)] if dropout > 0 else []
    return nn.Sequential(*first, *drop, nn.Conv2d(wider, wider, 3, padding=1, bias=False))


def _wide_block(wider: int, dropout: float) -> Residual:
    before = [nn.BatchNorm2d(wider), nn.ReLU(True)]
    return Residual(nn.Sequential(*before, *_wide_body(wider, wider, 1, dropout)), nn.Identity())
