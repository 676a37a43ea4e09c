"""What cards know of the training itself: validation quality by F_R after some epochs, and hours in all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from docs.lines import Line
from docs.text import table
from xkd_core.evaluation.summary import over_seeds
from xkd_core.models.cards import Card

STEPS = 5
FIGURE_8 = """Paper 003's Fig. 8 shows the accuracy while the network is trained, for several F_R. Here it is quality
on the validation images after so many epochs, with the smallest and the largest of several seeds; a test image is in
none of it."""


def by_fr_weight(found: Sequence[Line]) -> str:
    """Quality on the validation images by F_R; "" where no two F_R of one explanation were trained."""
    own = [line for line in found if line.first.method == "xd" and not line.first.recipe.get("explained")]
    if len({fr_weight(line.first) for line in own}) < 2:
        return ""
    longest = max(len(line.first.curve) for line in own)
    epochs = [max(1, round(longest * step / STEPS)) for step in range(1, STEPS + 1)]
    rows = [
        [f"{fr_weight(line.first):g}", str(len(line.cards)), *(_after(line.cards, epoch) for epoch in epochs)]
        for line in sorted(own, key=lambda line: fr_weight(line.first))
    ]
    head = ("F_R", "seeds", *(f"after {epoch} epochs" for epoch in epochs))
    return "\n\n".join(["## XDistillation: F_R during training", FIGURE_8, table(head, rows)])


def fr_weight(card: Card) -> float:
    """F_R of an XDistillation run; the paper's 5e-4 where its recipe does not say."""
    return float(card.recipe.get("fr_weight", 5e-4))


def hours(cards: Iterable[Card]) -> str:
    """How long all these trainings took, a slimmable run's once and 8-bit copies not at all: as a sentence."""
    whole = {card.id.partition("@")[0]: card.train_seconds for card in cards if card.compression != "int8"}
    known = [seconds for seconds in whole.values() if seconds is not None]
    total = sum(known) / 3600
    return f"Training took {total:.1f} hours of the clock for {len(known)} runs, side by side on shared machines."


def _after(cards: Sequence[Card], epoch: int) -> str:
    return over_seeds([card.curve[epoch - 1]["quality"] if len(card.curve) >= epoch else None for card in cards], ".4f")
