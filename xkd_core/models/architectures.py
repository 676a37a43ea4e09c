"""The allow-list of networks: a card names one of these, and nothing else is ever built.

Every one has an explicit seam, ``head(features(x)) == forward(x)``, and is explained there (seams.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from torch import nn

from xkd_core.errors import BadInputError, unknown_name
from xkd_core.models.attentive import ATTENTIVE_PLANS, AttentiveResNet, ExplainedResNet
from xkd_core.models.autoencoders import CAES
from xkd_core.models.fused import fused_flat, fused_gap, fused_net
from xkd_core.models.lenet import SIZED_UNITS, lenet5, net
from xkd_core.models.mobilenet import mobilenet_v3_small
from xkd_core.models.resnet import RESNET_PLANS, resnet, wide_resnet
from xkd_core.models.seams import GapHead, Network
from xkd_core.models.vgg import GAP_PLANS, KUANGLIU, SIZED, VGG_PLANS, Layer, VggFlat, VggGap, VggPlan, VggVoc

__all__ = [
    "ARCHITECTURES", "VGG_PLANS", "Architecture", "GapHead", "Layer", "Network", "VggGap", "VggPlan", "build",
    "check_input", "count_parameters", "has_cam",
]  # fmt: skip


class Make(Protocol):
    """(number of classes, width) -> network with random weights."""

    def __call__(self, n_classes: int, *, width: float) -> Network: ...


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """How to build it. has_cam: see Network.has_cam.

    input_px: the one image size it takes, None for any of which ``multiple_of`` is a divisor.
    """

    make: Make
    input_px: int | None = None
    multiple_of: int = 1
    has_cam: bool = True


ARCHITECTURES: Mapping[str, Architecture] = {
    **{name: Architecture(make=partial(VggGap, plan.layers, bias=plan.bias)) for name, plan in GAP_PLANS.items()},
    **{
        name: Architecture(make=partial(VggFlat, layers), input_px=32, has_cam=False)
        for name, layers in (*KUANGLIU.items(), *SIZED.items())
    },
    "vgg16_voc": Architecture(make=VggVoc, input_px=227, has_cam=False),
    "lenet5": Architecture(make=lenet5, input_px=28, has_cam=False),
    "lenet5_32": Architecture(make=partial(lenet5, padding=0), input_px=32, has_cam=False),
    "net": Architecture(make=net, input_px=28, has_cam=False),
    "net_sized": Architecture(make=partial(net, units=SIZED_UNITS), input_px=28, has_cam=False),
    "net_xd": Architecture(make=fused_net, input_px=28, has_cam=False),
    **{
        f"{name}{ending}": Architecture(make=partial(fused_gap, plan, cae), multiple_of=CAES[cae].reduction)
        for name, plan in GAP_PLANS.items()
        for ending, cae in (("_xd", "large"), ("_xd_small", "small"))
    },
    **{
        f"{name}_xd": Architecture(make=partial(fused_flat, name, "large"), input_px=32, has_cam=False)
        for name in ("vgg7", "vgg11")
    },
    **{name: Architecture(make=partial(resnet, plan)) for name, plan in RESNET_PLANS.items()},
    "wrn_28_10": Architecture(make=partial(wide_resnet, 28, 10, dropout=0.3)),
    "wrn_16_4": Architecture(make=partial(wide_resnet, 16, 4)),
    **{name: Architecture(make=partial(AttentiveResNet, plan)) for name, plan in ATTENTIVE_PLANS.items()},
    **{
        f"{name}_explained": Architecture(make=partial(ExplainedResNet, plan)) for name, plan in ATTENTIVE_PLANS.items()
    },
    **{
        name: Architecture(make=partial(mobilenet_v3_small, stride=stride), has_cam=False)
        for name, stride in (("mobilenet_v3_small", 32), ("mobilenet_v3_small_s16", 16), ("mobilenet_v3_small_s8", 8))
    },
}


def build(arch: str, n_classes: int, *, width: float = 1.0) -> Network:
    """Build a network of the allow-list with random weights (global torch generator).

    Args: arch, a key of ``ARCHITECTURES``; width, the fraction of the full channel counts, in (0, 1].
    Errors: UnknownNameError for another name, BadInputError for a width that leaves a layer empty.
    """
    return _known(arch).make(n_classes, width=width)


def has_cam(arch: str) -> bool:
    """Whether CAM exists for it, without building it. Errors: UnknownNameError."""
    return _known(arch).has_cam


def check_input(arch: str, size_px: int) -> None:
    """Errors: BadInputError for images of a size that the network does not take, UnknownNameError."""
    wanted = _known(arch).input_px
    if wanted not in (None, size_px):
        raise BadInputError(
            f"{arch} takes images of {wanted} px; these have {size_px}. Choose another architecture: those with "
            "global average pooling take any size."
        )
    unit = _known(arch).multiple_of
    if size_px % unit:
        raise BadInputError(
            f"{arch} takes images whose side is a multiple of {unit}, as its autoencoder does; these have {size_px}. "
            "Those that end in _xd_small take multiples of 4, and net_xd takes 28."
        )


def count_parameters(model: nn.Module) -> int:
    """Number of learnable values (batch-norm statistics are not counted)."""
    return sum(parameter.numel() for parameter in model.parameters())


def _known(arch: str) -> Architecture:
    if arch not in ARCHITECTURES:
        raise unknown_name("architecture", arch, ARCHITECTURES)
    return ARCHITECTURES[arch]
