"""The label that every result carries: was the map that judges a run also in the loss that the run was trained by?"""

from __future__ import annotations

from collections.abc import Iterable

from xkd_core.catalogue import INSTEAD, in_loss
from xkd_core.models.cards import Card


def was_in_loss(card: Card, explainer: str) -> bool:
    """Whether this explainer's map, of any seed ("rise~1"), was matched in the training of a run.

    A network without CAM is shown by its Grad-CAM instead, and there only that is the map that SWA matches.
    """
    name, layers = explainer.partition("~")[0], str(card.recipe.get("layers") or "")
    if not card.beta or not in_loss(card.method, name, layers=layers):
        return False
    return have_cam([card]) or in_loss(card.method, INSTEAD.get(name, name), gap=False, layers=layers)


def have_cam(cards: Iterable[Card]) -> bool:
    """Whether all the networks have a head for CAM, so that some explainers are one map by algebra."""
    from xkd_core.models.architectures import has_cam  # imports torch, which most results do without

    return all(has_cam(card.arch) for card in cards)
