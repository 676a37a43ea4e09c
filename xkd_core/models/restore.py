"""From a card and its weights to the network: the only place that knows how each kind of run is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from xkd_core.models.architectures import build
from xkd_core.models.cards import Card
from xkd_core.models.quantized import in_eight_bits
from xkd_core.models.seams import Network
from xkd_core.models.slimmable import build_slim
from xkd_core.models.vgg import VggFlat, VggGap, VggVoc

CHAINS: tuple[type[Network], ...] = (VggGap, VggFlat, VggVoc)
"""Networks whose filters can be taken off: a card's ``channels`` say how many are left."""


def restore(card: Card, state: Mapping[str, Tensor]) -> Network:
    """Build the network of ``card`` and load ``state`` into it. Errors: RuntimeError where they do not fit."""
    if card.compression == "slimmable":
        slim = build_slim(card.arch, len(card.classes))
        slim.load_state_dict(state)
        return slim.extract(card.width)
    model = _plain(card)
    if card.compression == "int8":
        model = in_eight_bits(model)
    model.load_state_dict(state)
    return model


def _plain(card: Card) -> Network:
    model = build(card.arch, len(card.classes), width=card.width)
    if card.channels is None:
        return model
    if not isinstance(model, CHAINS):
        raise RuntimeError("only chain VGGs have channels of their own")
    return _narrowed(model, card.channels)


def _narrowed(model: Network, channels: Sequence[int]) -> Network:
    """Give each convolution of a chain so many output channels, and what follows them as many inputs."""
    convolutions = [module for module in model.features if isinstance(module, nn.Conv2d)]
    if len(convolutions) != len(channels):
        raise RuntimeError(f"channels must be {len(convolutions)} numbers, one a convolution; got {len(channels)}")
    left, into = iter(channels), 3
    for place, module in enumerate(model.features):
        if isinstance(module, nn.Conv2d):
            out = next(left)
            model.features[place] = nn.Conv2d(into, out, 3, padding=1, bias=module.bias is not None)
            into = out
        elif isinstance(module, nn.BatchNorm2d):
            model.features[place] = nn.BatchNorm2d(into)
    _set_inputs(model.head, into / convolutions[-1].out_channels)
    return model


def _set_inputs(head: nn.Module, share: float) -> None:
    """The one linear layer of a chain's head for another number of channels, at as many cells of the map."""
    name, linear = next((name, part) for name, part in head.named_modules() if isinstance(part, nn.Linear))
    setattr(head, name, nn.Linear(round(linear.in_features * share), linear.out_features))
