"""The student of XDistillation (Alharbi et al. 2021): its own features beside those of an approximated explanation.

A frozen autoencoder draws from the image what the teacher's explanation would be, a second, half as wide copy of the
student's convolutions reads that map, and both meet at the seam, channel beside channel. So CAM and Grad-CAM show
what the explanation contributes too. The paper prints neither the second stack nor where the two meet.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xkd_core.models.autoencoders import LargeCAE, SmallCAE, build_cae
from xkd_core.models.lenet import net_head, net_stack
from xkd_core.models.seams import GapHead, Network
from xkd_core.models.vgg import KUANGLIU, Layer, VggPlan, last_channels, vgg_blocks

READER_WIDTH = 0.5  # of the student's own width


class Fusion(nn.Module):
    """Features of the image beside features of the map that a frozen autoencoder makes of it."""

    def __init__(self, own: nn.Sequential, cae: SmallCAE | LargeCAE, reader: nn.Sequential) -> None:
        super().__init__()
        self.own, self.cae, self.reader = own, cae, reader
        hold_still(self)

    def forward(self, x: Tensor) -> Tensor:
        """Images (B, 3, H, W) -> (B, K + k, h, w), the student's K channels first."""
        explanation = self.cae(x)[:, None]  # (B, 1, H, W)
        return torch.cat([self.own(x), self.reader(explanation)], dim=1)


@dataclass(frozen=True)
class Parts:
    """Learnable values of a fused network: all, without the autoencoder, and of the student's own part alone."""

    whole: int
    without_cae: int
    own: int


def fused_gap(plan: VggPlan, cae: str, n_classes: int, *, width: float = 1.0) -> Network:
    """A VGG-GAP student fused with an autoencoder ("small" or "large"). Errors: UnknownNameError, BadInputError."""
    narrow = READER_WIDTH * width
    fusion = Fusion(
        nn.Sequential(*vgg_blocks(plan.layers, width, bias=plan.bias)),
        build_cae(cae),
        nn.Sequential(*vgg_blocks(plan.layers, narrow, bias=plan.bias, channels=1)),
    )
    channels = last_channels(plan.layers, width) + last_channels(plan.layers, narrow)
    return Network(nn.Sequential(fusion), GapHead(channels, n_classes), [0])


def fused_flat(name: str, cae: str, n_classes: int, *, width: float = 1.0) -> Network:
    """kuangliu's VGG for 32 px fused with an autoencoder, before its last pool. Errors as ``fused_gap``."""
    layers: tuple[Layer, ...] = KUANGLIU[name]
    narrow = READER_WIDTH * width
    fusion = Fusion(
        nn.Sequential(*vgg_blocks(layers[:-1], width, bias=True)),
        build_cae(cae),
        nn.Sequential(*vgg_blocks(layers[:-1], narrow, bias=True, channels=1)),
    )
    channels = last_channels(layers, width) + last_channels(layers, narrow)
    cells = (32 >> layers.count("pool")) ** 2
    head = nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(channels * cells, n_classes))
    return Network(nn.Sequential(fusion), head, [0])


def fused_net(n_classes: int, *, width: float = 1.0) -> Network:
    """Paper 003's "Net" with the small autoencoder, whose map goes through a second, equal stack of convolutions."""
    fusion = Fusion(net_stack(width), build_cae("small"), net_stack(width))
    return Network(nn.Sequential(fusion), net_head(n_classes, width, stacks=2), [0])


def hold_still(model: nn.Module) -> None:
    """Freeze every autoencoder in ``model``: it is trained once, before the student (paper 003, phase 1)."""
    for module in model.modules():
        if isinstance(module, Fusion):
            module.cae.requires_grad_(False)


def fusion_of(model: nn.Module) -> Fusion | None:
    """The fusion of an XDistillation student; None for any other network."""
    return next((module for module in model.modules() if isinstance(module, Fusion)), None)


def parts_of(model: nn.Module) -> Parts | None:
    """Count the parts of an XDistillation student; None for any other network."""
    fusion = fusion_of(model)
    if fusion is None:
        return None
    whole, cae, own = (sum(value.numel() for value in part.parameters()) for part in (model, fusion.cae, fusion.own))
    return Parts(whole=whole, without_cae=whole - cae, own=own)
