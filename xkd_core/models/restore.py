"""From a card and its weights to the network: the only place that knows how each kind of run is built."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from xkd_core.models.architectures import VGG_PLANS, VggGap, build
from xkd_core.models.cards import Card
from xkd_core.models.quantized import Int8VggGap
from xkd_core.models.slimmable import build_slim


def restore(card: Card, state: Mapping[str, Tensor]) -> VggGap:
    """Build the network of ``card`` and load ``state`` into it. Errors: RuntimeError where they do not fit."""
    if card.compression == "slimmable":
        slim = build_slim(card.arch, len(card.classes))
        slim.load_state_dict(state)
        return slim.extract(card.width)
    plain = _plain(card)
    model = Int8VggGap(plain) if card.compression == "int8" else plain
    model.load_state_dict(state)
    return model


def _plain(card: Card) -> VggGap:
    if card.channels is None:
        return build(card.arch, len(card.classes), width=card.width)
    left = iter(card.channels)
    layers = tuple(layer if layer == "pool" else next(left) for layer in VGG_PLANS[card.arch].layers)
    return VggGap(layers, len(card.classes))
