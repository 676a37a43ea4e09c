"""Post-training quantization (Jacob et al., CVPR 2018): int8 kernels in the file, 8-bit inputs of layers.

Of a VGG-GAP batch norm is folded into the convolution first; any other network keeps its norms as floats and has each
convolution and linear layer replaced. Sums of products are computed in float32 on whole numbers, which is what an
integer kernel computes up to the last bits of very large sums. Rounding has no gradient: methods that need one at the
pixels do not apply, maps at the seam and perturbation methods do.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xkd_core.errors import BadInputError
from xkd_core.models.attentive import ExplainedResNet
from xkd_core.models.seams import GapHead, Network, stage_ends
from xkd_core.models.vgg import VggGap

SMALLEST = 1e-12  # where all values are 0, their range
NO_GRADIENT = "8-bit values between the layers are rounded, and rounding has no gradient"
LEVELS = 255
AT_ONCE = 64

Layer = nn.Conv2d | nn.ConvTranspose2d | nn.Linear


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


class Int8Layer(nn.Module):
    """A convolution, of either direction, or linear layer of 8-bit inputs with int8 weights, scaled by output channel.

    An input x becomes round(x / step), kept within [low, low + 255]; 0 stays exactly 0, so that padding does too.
    """

    whole: Tensor
    scale: Tensor
    bias: Tensor | None
    step: Tensor
    low: Tensor

    def __init__(self, exact: Layer) -> None:
        nn.Module.__init__(self)
        self.apply_to, self.axis = _operation(exact), int(isinstance(exact, nn.ConvTranspose2d))
        self.register_buffer("whole", torch.zeros_like(exact.weight, dtype=torch.int8))
        self.register_buffer("scale", torch.ones(exact.weight.shape[self.axis]))
        self.register_buffer("bias", None if exact.bias is None else torch.zeros_like(exact.bias))
        self.register_buffer("step", torch.ones(()))
        self.register_buffer("low", torch.zeros((), dtype=torch.int16))

    @property
    def weight(self) -> Tensor:
        """The weights in the units of the float layer, in its shape."""
        return self.whole * _along(self.scale, self.axis, self.whole.ndim)

    def forward(self, x: Tensor) -> Tensor:
        """The layer's own shapes, in the units of the float network. Gradients pass as if nothing was rounded."""
        inside = (x / self.step).clamp(self.low, self.low + LEVELS)
        rounded = inside.round() + (inside - inside.detach())  # the difference is 0, with a gradient of 1
        sums: Tensor = self.apply_to(rounded, self.whole.to(x.dtype))
        channels = 1 if sums.ndim == 4 else sums.ndim - 1
        values = sums * _along(self.scale * self.step, channels, sums.ndim)
        return values if self.bias is None else values + _along(self.bias, channels, sums.ndim)

    @torch.no_grad()
    def fill(self, exact: Layer, lowest: float, highest: float) -> None:
        """Round the weights of ``exact``; its inputs lie in [lowest, highest], which contains 0."""
        others = [axis for axis in range(exact.weight.ndim) if axis != self.axis]
        self.scale.copy_(exact.weight.abs().amax(dim=others).clamp(min=SMALLEST) / 127)
        self.whole.copy_((exact.weight / _along(self.scale, self.axis, exact.weight.ndim)).round())
        if self.bias is not None and exact.bias is not None:
            self.bias.copy_(exact.bias)
        self.step.fill_(max(highest - lowest, SMALLEST) / LEVELS)
        self.low.copy_((lowest / self.step).round().clamp(-LEVELS, 0))


class Int8Linear(Int8Layer, nn.Linear):  # type: ignore[override, misc] # its weight is computed
    """A linear layer of 8 bits; it is one for CAM too, whose rows are ``weight``."""

    reset_parameters = None  # type: ignore[assignment] # what is on a grid has no random start

    def __init__(self, exact: nn.Linear) -> None:
        super().__init__(exact)
        self.in_features, self.out_features = exact.in_features, exact.out_features


def in_eight_bits(plain: Network) -> Network:
    """A copy of ``plain`` whose layers are of 8 bits and hold nothing yet: to be filled, or to load a state into."""
    if isinstance(plain, VggGap):
        return Int8VggGap(plain.eval())
    model = copy.deepcopy(plain)
    for name, exact in _layers(plain).items():
        parent, _, own = name.rpartition(".")
        made = Int8Linear(exact) if isinstance(exact, nn.Linear) else Int8Layer(exact)
        setattr(model.get_submodule(parent), own, made)
    vars(model)["no_gradient"] = NO_GRADIENT
    return model.eval().requires_grad_(False)


@torch.no_grad()
def quantize(plain: Network, images: Tensor) -> Network:
    """Quantize a trained network; ``images`` (n, 3, H, W), of the training data, set the range of each layer.

    Errors: BadInputError for a network that has 8 bits already, or with a layer that no image passes.
    """
    if any(isinstance(module, Int8Conv | Int8Layer) for module in plain.modules()):
        raise BadInputError("This run has 8-bit values already.")
    if isinstance(plain, VggGap):
        return _quantize_folded(plain, images)
    model, exact = in_eight_bits(plain), _layers(plain)
    for name, (lowest, highest) in _ranges(plain.eval(), exact, images).items():
        layer = model.get_submodule(name)
        assert isinstance(layer, Int8Layer)
        layer.fill(exact[name], lowest, highest)
    return model


def _layers(model: nn.Module) -> dict[str, Layer]:
    return {name: module for name, module in model.named_modules() if isinstance(module, Layer)}


def _ranges(model: Network, layers: Mapping[str, Layer], images: Tensor) -> dict[str, tuple[float, float]]:
    """The smallest and the largest input of each layer, and 0, over all images and all its uses."""
    found: dict[str, tuple[float, float]] = {}

    def watch(name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        low, high = found.get(name, (0.0, 0.0))
        found[name] = min(low, float(inputs[0].min())), max(high, float(inputs[0].max()))

    handles = [layer.register_forward_pre_hook(partial(watch, name)) for name, layer in layers.items()]
    try:
        for part in torch.split(images, AT_ONCE):
            model(part)
            if isinstance(model, ExplainedResNet):
                model.explain(part)  # its answers do not need the explanation network
    finally:
        for handle in handles:
            handle.remove()
    unseen = [name for name in layers if name not in found]
    if unseen:
        raise BadInputError(f"No image passes {', '.join(unseen)}, so nothing sets the range of its inputs.")
    return found


def _operation(exact: Layer) -> Callable[[Tensor, Tensor], Tensor]:
    """What the layer computes of inputs and weights, without its bias."""
    if isinstance(exact, nn.Linear):
        return F.linear
    if exact.padding_mode != "zeros":
        raise BadInputError(f"Only padding with zeros has an 8-bit form; got {exact.padding_mode!r}.")
    how: dict[str, object] = {name: getattr(exact, name) for name in ("stride", "padding", "dilation", "groups")}
    if isinstance(exact, nn.Conv2d):
        return partial(F.conv2d, **how)
    return partial(F.conv_transpose2d, output_padding=exact.output_padding, **how)  # type: ignore[arg-type]


def _along(values: Tensor, axis: int, ndim: int) -> Tensor:
    """Values (n,) laid out along one axis of a tensor of ``ndim`` axes."""
    return values.view([-1 if place == axis else 1 for place in range(ndim)])


def _quantize_folded(plain: VggGap, images: Tensor) -> Int8VggGap:
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
