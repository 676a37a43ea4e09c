"""VGG (Simonyan & Zisserman 2015): chains of 3x3 convolutions and max-pools, with three kinds of head.

``vgg_gap_*`` are this project's own: global average pooling and one linear layer (Zhou et al. 2016), so CAM is
exact and the last map stays 8x8. ``vgg7/11/16`` are kuangliu's for CIFAR (papers 001 base, 003), whose last map
is 2x2; their ``_gap8`` and ``_gap4`` forms keep every layer but the late pools. ``vgg16_voc`` is paper 004's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from xkd_core.models.seams import GapHead, Network, scaled, stage_ends

Layer = int | Literal["pool"]


@dataclass(frozen=True, kw_only=True)
class VggPlan:
    """Output channels of each convolution at full width, with the 2x2 max-pools between them.

    bias: whether the convolutions have one. input_px: the size it was made for; others work too.
    """

    layers: tuple[Layer, ...]
    input_px: int
    bias: bool = False


VGG_PLANS: Mapping[str, VggPlan] = {
    "vgg_gap_64": VggPlan(layers=(32, "pool", 64, 64, "pool", 128, 128, "pool", 256, 256), input_px=64),
    "vgg_gap_32": VggPlan(layers=(64, 64, "pool", 128, 128, "pool", 256, 256, 256), input_px=32),
    # Small enough for drills and tests: seconds an epoch, the same seam and the same 8x8 last map.
    "vgg_gap_tiny": VggPlan(layers=(16, "pool", 32, "pool", 64), input_px=32),
}

KUANGLIU: Mapping[str, tuple[Layer, ...]] = {
    # Paper 003 gives VGG7's count (2,781,386), not its layers: the dimensionally natural of the two lists that fit.
    "vgg7": (64, 64, "pool", 128, "pool", 256, 256, 256, "pool", 256, 256, "pool"),
    "vgg11": (64, "pool", 128, "pool", 256, 256, "pool", 512, 512, "pool", 512, 512, "pool"),
    "vgg16": (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool"),
}

# 9/8 of the channels: about as many parameters as the XDistillation student has without its autoencoder.
SIZED: Mapping[str, tuple[Layer, ...]] = {
    f"{name}_sized": tuple(layer if layer == "pool" else layer * 9 // 8 for layer in KUANGLIU[name])
    for name in ("vgg7", "vgg11")
}


def without_late_pools(layers: tuple[Layer, ...], pools: int) -> tuple[Layer, ...]:
    """The same convolutions with only the first ``pools`` max-pools: the last map stays larger."""
    kept: list[Layer] = []
    for layer in layers:
        if layer != "pool" or kept.count("pool") < pools:
            kept.append(layer)
    return tuple(kept)


def _gap_forms(pools: int) -> dict[str, VggPlan]:
    return {
        f"{name}_gap{32 >> pools}": VggPlan(layers=without_late_pools(layers, pools), input_px=32, bias=True)
        for name, layers in KUANGLIU.items()
    }


GAP_PLANS: Mapping[str, VggPlan] = {**VGG_PLANS, **_gap_forms(2), **_gap_forms(3)}
VOC_CELLS = 7 * 7  # of the map behind the last pool at 227 px


class VggGap(Network):
    """A VGG whose ``features`` end in a ReLU and whose ``head`` is global average pooling and a linear layer."""

    head: GapHead

    def __init__(self, layers: tuple[Layer, ...], n_classes: int, *, width: float = 1.0, bias: bool = False) -> None:
        features = nn.Sequential(*vgg_blocks(layers, width, bias=bias))
        super().__init__(features, GapHead(last_channels(layers, width), n_classes), stage_ends(features))


class VggFlat(Network):
    """kuangliu's VGG for 32 px: behind the last ReLU (the seam) a pool and a linear layer on the flattened rest."""

    def __init__(self, layers: tuple[Layer, ...], n_classes: int, *, width: float = 1.0) -> None:
        features = nn.Sequential(*vgg_blocks(layers[:-1], width, bias=True))
        side = 32 >> layers.count("pool")
        inputs = last_channels(layers, width) * side**2
        head = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(inputs, n_classes))
        super().__init__(features, head, stage_ends(features))


class VggVoc(Network):
    """Paper 004's VGG16 for VOC at 227 px: torchvision's vgg16_bn layers, then dropout and one linear layer.

    The seam is the 14x14 ReLU that the authors' evaluation hooks; "pool5" is the 7x7 map their training matches.
    """

    def __init__(self, n_classes: int, *, width: float = 1.0) -> None:
        layers = KUANGLIU["vgg16"]
        features = nn.Sequential(*vgg_blocks(layers[:-1], width, bias=True))
        inputs = last_channels(layers, width) * VOC_CELLS
        head = nn.Sequential(
            nn.MaxPool2d(2), nn.AvgPool2d(1), nn.Dropout(0.5), nn.Flatten(), nn.Linear(inputs, n_classes)
        )
        super().__init__(features, head, stage_ends(features), {"pool5": len(features)})


def vgg_blocks(layers: tuple[Layer, ...], width: float, *, bias: bool, channels: int = 3) -> list[nn.Module]:
    """Convolutions with batch norm and ReLU, and pools, for images of ``channels`` channels."""
    blocks: list[nn.Module] = []
    for layer in layers:
        if layer == "pool":
            blocks.append(nn.MaxPool2d(2))
            continue
        wider = scaled(layer, width)
        blocks += [nn.Conv2d(channels, wider, 3, padding=1, bias=bias), nn.BatchNorm2d(wider), nn.ReLU(inplace=True)]
        channels = wider
    return blocks


def last_channels(layers: tuple[Layer, ...], width: float) -> int:
    """Channels of the last convolution at a fraction ``width``."""
    return scaled(next(layer for layer in reversed(layers) if layer != "pool"), width)
