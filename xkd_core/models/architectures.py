"""Networks with an explicit seam: ``head(features(x)) == forward(x)``, explained at the seam.

VGG-GAP: plain 3x3 convolutions (Simonyan & Zisserman 2015) whose head is global average pooling
and one linear layer (Zhou et al. 2016), so CAM is exact and the last map stays 8x8.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from xkd_core.errors import BadInputError, unknown_name

Layer = int | Literal["pool"]


@dataclass(frozen=True, kw_only=True)
class VggPlan:
    """Output channels of each convolution at full width, with the 2x2 max-pools between them."""

    layers: tuple[Layer, ...]
    input_px: int


VGG_PLANS: Mapping[str, VggPlan] = {
    "vgg_gap_64": VggPlan(layers=(32, "pool", 64, 64, "pool", 128, 128, "pool", 256, 256), input_px=64),
    "vgg_gap_32": VggPlan(layers=(64, 64, "pool", 128, 128, "pool", 256, 256, 256), input_px=32),
    # Small enough for drills and tests: seconds an epoch, the same seam and the same 8x8 last map.
    "vgg_gap_tiny": VggPlan(layers=(16, "pool", 32, "pool", 64), input_px=32),
}


class GapHead(nn.Module):
    """Global average pooling and a linear layer: activation (B, K, h, w) -> logits (B, C)."""

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, n_classes)

    def forward(self, activation: Tensor) -> Tensor:
        """Activation (B, K, h, w) -> logits (B, C)."""
        logits: Tensor = self.linear(activation.mean(dim=(2, 3)))
        return logits


class VggGap(nn.Module):
    """VGG-GAP: ``features`` (B, 3, H, W) -> activation (B, K, h, w) after ReLU; ``head`` -> logits (B, C)."""

    def __init__(self, layers: tuple[Layer, ...], n_classes: int, *, width: float = 1.0) -> None:
        super().__init__()
        self.features = nn.Sequential(*_blocks(layers, width))
        self.head = GapHead(_scaled(_last_channels(layers), width), n_classes)

    @property
    def classifier(self) -> nn.Linear:
        """The linear layer whose row c weighs the channels in the CAM of class c."""
        return self.head.linear

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> logits (B, C)."""
        logits: Tensor = self.head(self.features(x))
        return logits


def build(arch: str, n_classes: int, *, width: float = 1.0) -> VggGap:
    """Build a network of the allow-list with random weights (global torch generator).

    Args: arch, a key of ``VGG_PLANS``; width, the fraction of the full channel counts, in (0, 1].
    Errors: UnknownNameError for another name, BadInputError for a width that leaves a layer empty.
    """
    if arch not in VGG_PLANS:
        raise unknown_name("architecture", arch, VGG_PLANS)
    return VggGap(VGG_PLANS[arch].layers, n_classes, width=width)


def count_parameters(model: nn.Module) -> int:
    """Number of learnable values (batch-norm statistics are not counted)."""
    return sum(parameter.numel() for parameter in model.parameters())


def _blocks(layers: tuple[Layer, ...], width: float) -> list[nn.Module]:
    blocks: list[nn.Module] = []
    channels = 3
    for layer in layers:
        if layer == "pool":
            blocks.append(nn.MaxPool2d(2))
            continue
        wider = _scaled(layer, width)
        blocks += [nn.Conv2d(channels, wider, 3, padding=1, bias=False), nn.BatchNorm2d(wider), nn.ReLU(inplace=True)]
        channels = wider
    return blocks


def _last_channels(layers: tuple[Layer, ...]) -> int:
    return next(layer for layer in reversed(layers) if layer != "pool")


def _scaled(channels: int, width: float) -> int:
    scaled = round(channels * width)
    if not 0 < width <= 1 or scaled < 1:
        raise BadInputError(f"width must be in (0, 1] and leave every layer a channel; got {width} of {channels}.")
    return scaled
