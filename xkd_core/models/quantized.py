"""Post-training quantization (Jacob et al., CVPR 2018): int8 kernels in the file, 8-bit values between layers.

Batch norm is folded into the convolution first. Sums of products are computed in float32 on whole numbers,
which is what an integer kernel computes up to the last bits of very large sums. Rounding has no gradient:
methods that need one at the pixels do not apply, maps at the seam and perturbation methods do.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xkd_core.errors import BadInputError
from xkd_core.models.seams import GapHead, Network, stage_ends
from xkd_core.models.vgg import VggGap

SMALLEST = 1e-12  # where all values are 0, their range
NO_GRADIENT = "8-bit values between the layers are rounded, and rounding has no gradient"


class Int8Conv(nn.Module):
    """3x3 convolution of 8-bit inputs with int8 kernels; each output channel has a scale of its own.

    weight = scale · int8; an input x becomes round(x / step), kept within [low, low + 255].
    """

    weight: Tensor
    scale: Tensor
    bias: Tensor
    step: Tensor

    def __init__(self, into: int, out: int, *, low: int) -> None:
        super().__init__()
        self.low = low
        self.register_buffer("weight", torch.zeros(out, into, 3, 3, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(out))
        self.register_buffer("bias", torch.zeros(out))
        self.register_buffer("step", torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """(B, K, H, W) -> (B, K', H, W), both in the units of the float network."""
        whole = (x / self.step).round().clamp(self.low, self.low + 255)
        sums = F.conv2d(whole, self.weight.to(x.dtype), padding=1)
        return sums * (self.scale * self.step)[:, None, None] + self.bias[:, None, None]


class Int8VggGap(VggGap):
    """A VGG-GAP of 8-bit layers behind the same seam; the head's weights lie on an int8 grid too."""

    no_gradient = NO_GRADIENT

    def __init__(self, plain: VggGap) -> None:
        # Its own layers, not those of a plain VGG-GAP.
        layers: list[nn.Module] = []
        for module in _folded(plain):
            layers.append(_empty(module, first=not layers) if isinstance(module, nn.Conv2d) else module)
        features = nn.Sequential(*layers)
        head = GapHead(plain.classifier.in_features, plain.classifier.out_features)
        Network.__init__(self, features, head, stage_ends(features))


@torch.no_grad()
def quantize(plain: Network, images: Tensor) -> Int8VggGap:
    """Quantize a trained network; ``images`` (n, 3, H, W), of the training data, set the range of each layer.

    Errors: BadInputError for a network that is not a chain of convolutions with a GAP head, or has 8 bits already.
    """
    if isinstance(plain, Int8VggGap):
        raise BadInputError("This run has 8-bit values already.")
    if not isinstance(plain, VggGap):
        raise BadInputError(f"Only VGG-GAP networks can be quantized; this run is a {type(plain).__name__}.")
    model = Int8VggGap(plain.eval())
    x = images
    for exact, layer in zip(_folded(plain), model.features, strict=True):
        if isinstance(layer, Int8Conv) and isinstance(exact, nn.Conv2d):
            layer.step.copy_(x.abs().max().clamp(min=SMALLEST) / (127 if layer.low else 255))
            _fill(layer, exact)
        x = exact(x)
    _round_head(model.head, plain.classifier)
    return model.eval().requires_grad_(False)


def _fill(layer: Int8Conv, exact: nn.Conv2d) -> None:
    scale = exact.weight.abs().amax(dim=(1, 2, 3)).clamp(min=SMALLEST) / 127
    layer.scale.copy_(scale)
    layer.weight.copy_((exact.weight / scale[:, None, None, None]).round().to(torch.int8))
    if exact.bias is not None:
        layer.bias.copy_(exact.bias)


def _round_head(head: GapHead, exact: nn.Linear) -> None:
    scale = exact.weight.abs().amax(dim=1, keepdim=True).clamp(min=SMALLEST) / 127
    head.linear.weight.copy_((exact.weight / scale).round() * scale)
    head.linear.bias.copy_(exact.bias)


def _empty(exact: nn.Conv2d, *, first: bool) -> Int8Conv:
    # Images are centred around 0, activations behind ReLU are not negative.
    return Int8Conv(exact.in_channels, exact.out_channels, low=-128 if first else 0)


def _folded(plain: VggGap) -> list[nn.Module]:
    """The layers of ``features`` with each batch norm folded into the convolution before it, as copies."""
    layers = [copy.deepcopy(module).eval() for module in plain.features]
    found: list[nn.Module] = []
    for before, module in pairwise([None, *layers]):
        if isinstance(module, nn.BatchNorm2d) and isinstance(before, nn.Conv2d):
            found[-1] = fuse_conv_bn_eval(before, module)
        elif module is not None:
            found.append(module)
    return found
