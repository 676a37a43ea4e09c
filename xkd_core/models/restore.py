"""From a card and its weights to the network: the only place that knows how each kind of run is built."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from xkd_core.models.architectures import build
from xkd_core.models.cards import Card
from xkd_core.models.quantized import Int8VggGap
from xkd_core.models.seams import Network
from xkd_core.models.slimmable import build_slim
from xkd_core.models.vgg import GAP_PLANS, VggGap


def restore(card: Card, state: Mapping[str, Tensor]) -> Network:
    """Build the network of ``card`` and load ``state`` into it. Errors: RuntimeError where they do not fit."""
    if card.compression == "slimmable":
        slim = build_slim(card.arch, len(card.classes))
        slim.load_state_dict(state)
        return slim.extract(card.width)
    model = _plain(card)
    if card.compression == "int8":
        if not isinstance(model, VggGap):
            raise RuntimeError("only VGG-GAP networks have an int8 form")
        model = Int8VggGap(model)
    model.load_state_dict(state)
    return model


def _plain(card: Card) -> Network:
    if card.channels is None:
        return build(card.arch, len(card.classes), width=card.width)
    if card.arch not in GAP_PLANS:
        raise RuntimeError("only VGG-GAP networks have channels of their own")
    plan, left = GAP_PLANS[card.arch], iter(card.channels)
    layers = tuple(layer if layer == "pool" else next(left) for layer in plan.layers)
    return VggGap(layers, len(card.classes), bias=plan.bias)
