"""One set of weights for many widths: a slimmable VGG-GAP (Yu et al., Slimmable Neural Networks, ICLR 2019).

The network of width w uses the first w·C channels of each layer and batch norms of its own, because
the statistics of a layer change with the number of channels that feed it. A chosen width is copied out
as an ordinary VggGap, so that everything that explains or measures networks needs to know nothing of this.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xkd_core.errors import BadInputError, unknown_name
from xkd_core.models.vgg import VGG_PLANS, VggGap

STOPS = tuple(sixteenths / 16 for sixteenths in range(2, 9))  # 1/8 to 1/2 of the teacher's channels


class SlimVggGap(nn.Module):
    """Shared kernels at the widest stop, and for each stop its own batch norms; one shared linear head."""

    def __init__(self, arch: str, n_classes: int, *, stops: tuple[float, ...] = STOPS) -> None:
        super().__init__()
        self.arch, self.n_classes, self.stops = arch, n_classes, tuple(sorted(stops))
        widest = _plain(arch, n_classes, self.stops[-1])
        self.kernels = nn.ModuleList(module for module in widest.features if isinstance(module, nn.Conv2d))
        self.linear = widest.classifier
        self.norms = nn.ModuleDict({stop_key(stop): _norms(arch, n_classes, stop) for stop in self.stops})

    def at(self, stop: float) -> Slim:
        """The network of one width, with the parameters of this one (not a copy)."""
        check_stop(stop, self.stops)
        return Slim(self, stop)

    @torch.no_grad()
    def extract(self, stop: float) -> VggGap:
        """A copy of the network of one width as an ordinary VggGap. Errors: BadInputError for another stop."""
        check_stop(stop, self.stops)
        model = _plain(self.arch, self.n_classes, stop)
        kernels, norms = self._convolutions(), iter(self._norms_at(stop))
        for module in model.features:
            if isinstance(module, nn.Conv2d):
                module.weight.copy_(_cut(next(kernels).weight, module.out_channels, module.in_channels))
            elif isinstance(module, nn.BatchNorm2d):
                module.load_state_dict(next(norms).state_dict())
        model.classifier.weight.copy_(self.linear.weight[:, : model.classifier.in_features])
        model.classifier.bias.copy_(self.linear.bias)
        return model.train(self.training)

    def _convolutions(self) -> Iterator[nn.Conv2d]:
        return (module for module in self.kernels if isinstance(module, nn.Conv2d))

    def _norms_at(self, stop: float) -> list[nn.BatchNorm2d]:
        return [module for module in self.norms[stop_key(stop)].modules() if isinstance(module, nn.BatchNorm2d)]


class Slim:
    """A view of a slimmable network at one width; ``head(features(x))`` are its logits."""

    has_cam = True

    def __init__(self, whole: SlimVggGap, stop: float) -> None:
        self.whole, self.stop = whole, stop

    def features(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> activation (B, K, h, w) of the last layer, after ReLU."""
        kernels, norms = self.whole._convolutions(), iter(self.whole._norms_at(self.stop))
        for layer in VGG_PLANS[self.whole.arch].layers:
            if layer == "pool":
                x = F.max_pool2d(x, 2)
                continue
            norm = next(norms)
            x = F.conv2d(x, _cut(next(kernels).weight, norm.num_features, x.shape[1]), padding=1)
            x = F.relu(norm(x), inplace=True)
        return x

    def rows(self, target: Tensor) -> Tensor:
        """Weights (B, K) of the head for the classes ``target`` (B,), as CAM needs them."""
        return self.whole.linear.weight[target, : self._channels]

    def head(self, activation: Tensor) -> Tensor:
        """Activation (B, K, h, w) -> logits (B, C)."""
        linear = self.whole.linear
        return F.linear(activation.mean(dim=(2, 3)), linear.weight[:, : self._channels], linear.bias)

    @property
    def _channels(self) -> int:
        return self.whole._norms_at(self.stop)[-1].num_features


def check_stop(stop: float, stops: tuple[float, ...]) -> None:
    """Refuse a width that the network was not trained at. Errors: BadInputError that lists the widths."""
    if stop not in stops:
        known = ", ".join(f"{one:g}" for one in stops)
        raise BadInputError(f"This slimmable network has no width {stop:g}. Its widths: {known}.")


def stop_key(stop: float) -> str:
    """The name of a stop's batch norms in the file: '3/16' -> 'w3' (a dot would split the name)."""
    sixteenths = stop * 16
    if sixteenths != int(sixteenths):
        raise BadInputError(f"A stop must be a multiple of 1/16; got {stop:g}.")
    return f"w{int(sixteenths)}"


def build_slim(arch: str, n_classes: int) -> SlimVggGap:
    """A slimmable network with random weights. Errors: UnknownNameError for an architecture outside the family."""
    if arch not in VGG_PLANS:
        raise unknown_name("architecture", arch, VGG_PLANS)
    return SlimVggGap(arch, n_classes)


def _plain(arch: str, n_classes: int, stop: float) -> VggGap:
    return VggGap(VGG_PLANS[arch].layers, n_classes, width=stop)


def _norms(arch: str, n_classes: int, stop: float) -> nn.ModuleList:
    model = _plain(arch, n_classes, stop)
    return nn.ModuleList(module for module in model.features if isinstance(module, nn.BatchNorm2d))


def _cut(kernel: Tensor, out: int, into: int) -> Tensor:
    return kernel[:out, :into]
