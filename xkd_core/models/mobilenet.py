"""MobileNetV3-small (Howard et al. 2019; the student of paper 000), from torchvision, as a chain with a seam.

Its head has two linear layers behind the pooling, so CAM does not exist for it; Grad-CAM does. Its last features
are Hardswish, which may be negative: Grad-CAM++ can be singular there (definitions of that map say where).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from xkd_core.errors import BadInputError
from xkd_core.models.seams import Network

FULL_STRIDE = 32
MOMENTUM = 0.1  # torch's own


def mobilenet_v3_small(n_classes: int, *, width: float = 1.0, stride: int = FULL_STRIDE) -> Network:
    """Build it with a total stride of 32 (torchvision's) or 16, 8: the first strides are then 1.

    At 64 px the last map is 2x2, 4x4 or 8x8. Reducing strides changes no weight and adds no shortcut. With reduced
    strides, for small images and short trainings, the running means of batch norm follow ten times as fast as
    torchvision's (momentum .01), which are so far behind after some hundred steps that answers are at chance.
    width scales channels as torchvision's ``width_mult`` does (multiples of 8), the head's 1024 too.
    """
    if not 0 < width <= 1:
        raise BadInputError(f"width must be in (0, 1]; got {width}.")
    from torchvision import models  # late: a second of import that the other networks do not need

    made = models.mobilenet_v3_small(num_classes=n_classes, width_mult=width)
    *body, last = made.features
    features = nn.Sequential(*body[0], *body[1:], *last)
    _keep_exact(features)
    _reduce_strides(features, FULL_STRIDE // stride)
    if stride < FULL_STRIDE:
        _follow(features, MOMENTUM)
    head = nn.Sequential(made.avgpool, nn.Flatten(), *made.classifier)
    return Network(features, head, _ends(features))


def _follow(features: nn.Sequential, momentum: float) -> None:
    for module in features.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum


class Depthwise(nn.Conv2d):
    """A depthwise convolution that stays in float32 under autocast on the CPU.

    Its backward pass in bfloat16 is slow there: `pytest tests/benchmarks/test_training_step.py -k depthwise -s`.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Args: input (B, C, H, W). Returns: (B, C, H', W') in the type of ``input``."""
        if not torch.is_autocast_enabled("cpu"):
            return super().forward(input)
        with torch.autocast("cpu", enabled=False):
            return super().forward(input.float()).to(input.dtype)


def _keep_exact(features: nn.Sequential) -> None:
    """Depthwise convolutions become ``Depthwise``, with the same weights under the same names."""
    for parent in list(features.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.Conv2d) and child.groups == child.in_channels > 1:
                sizes = child.kernel_size, child.stride, child.padding, child.dilation, child.groups
                own = Depthwise(child.in_channels, child.out_channels, *sizes, bias=False, device="meta")  # type: ignore[arg-type]
                own.weight = child.weight
                setattr(parent, name, own)


def _reduce_strides(features: nn.Sequential, factor: int) -> None:
    for convolution in _strided(features):
        if factor > 1:
            convolution.stride = (1, 1)
            factor //= 2


def _ends(features: nn.Sequential) -> list[int]:
    """A stage ends before each block that still halves the map, and at the seam."""
    places = [place - 1 for place, block in enumerate(features) if place > 0 and _strided(block)]
    return [*places, len(features) - 1]


def _strided(part: nn.Module) -> list[nn.Conv2d]:
    return [module for module in part.modules() if isinstance(module, nn.Conv2d) and module.stride == (2, 2)]
