"""The label that every result carries: was the map that judges a run also in the loss that the run was trained by?"""

from __future__ import annotations

from xkd_core.catalogue import INSTEAD, in_loss
from xkd_core.models.architectures import has_cam
from xkd_core.models.cards import Card


def was_in_loss(card: Card, explainer: str) -> bool:
    """Whether this explainer's map, of any seed ("rise~1"), was matched in the training of a run.

    A network without CAM is shown by its Grad-CAM instead, and there only that is the map that SWA matches.
    """
    gap, name = has_cam(card.arch), explainer.partition("~")[0]
    shown = name if gap else INSTEAD.get(name, name)
    return bool(card.beta) and in_loss(card.method, shown, gap=gap, layers=str(card.recipe.get("layers") or ""))
