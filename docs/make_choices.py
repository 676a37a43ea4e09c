"""How β and the number of epochs were chosen, from the cards' validation curves: ``python -m docs.make_choices``.

Test images have no part in it: a curve is measured on ``val`` after each epoch of the training itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from xkd_core.distillation.validation import FLAT_EPOCHS, FLAT_WITHIN
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import list_runs

HERE = Path(__file__).parent
HEAD = f"""# How β and the epochs were chosen

Written by `python -m docs.make_choices` from the cards in `checkpoints/`. All numbers are of the split `val`, measured
after the last epoch of each training; test images chose nothing.

**Epochs.** A run counts when its validation curve is flat over its last {FLAT_EPOCHS} epochs (quality,
agreement and cosine move by at most {FLAT_WITHIN:g}); the app marks every other run "not trained to the end". These are
named below. A round of pruning goes on from the weights of the round before, here for two epochs: its curve is that of
all rounds so far, of a first round its own two epochs. A flat curve says that it rests under this schedule, not that a
longer training would add nothing: the learning rate falls to 0, and every curve comes to rest there. Only another
number of epochs can tell.

**β.** 2 is the strength that paper 004's weight of 50 for SWA has as β(1 - cos) (2.04). It was chosen on first
students, no longer shipped, that saw 3,000 images for 20 epochs, a quarter of the optimiser's steps of the others:
there β = 8 cost the answers, and 2 a little beside .5, which gave up map similarity. So EWA, SWA and SSWA have 2, if
nothing else is said: EWA too, whose weight in the paper is 100, that is 4. NST and AB have KD-Zoo's 10. Trained
afterwards, with as many steps, are the students below, on 3,000 images (80 epochs) and on all 12,000: one seed each.
"""


def main() -> None:
    """Write docs/choices.md."""
    cards = [card for card in list_runs() if card.curve]
    blocks = [HEAD, "## β at 1/8 width, λ = .5, seed 0"]
    for title, label in (("3,000 images", "few"), ("12,000 images", "")):
        blocks.append(f"**scenes, {title}**\n\n" + _table(_by_beta(cards, label)))
    blocks.append("## Not trained to the end\n\n" + _unfinished(cards))
    (HERE / "choices.md").write_text("\n\n".join(block.strip() for block in blocks) + "\n")


def _by_beta(cards: Iterable[Card], label: str) -> list[Card]:
    """The naive student and SWA by ascending β."""
    found = [
        card for card in cards
        if card.dataset == "scenes" and card.method in ("kd", "swa") and card.width == 0.125 and card.lam == 0.5
        and card.seed == 0 and card.recipe.get("label", "") == label and card.recipe.get("split") == "transfer"
        and card.compression == "width"
    ]  # fmt: skip
    return sorted(found, key=lambda card: card.beta or 0.0)


def _table(cards: Iterable[Card]) -> str:
    rows = ["| run | β | mAP | agreement | cosine of CAM |", "|---|---|---|---|---|"]
    for card in cards:
        last = card.curve[-1]
        numbers = " | ".join(f"{last[name]:.3f}" for name in ("quality", "agreement", "cosine/cam"))
        rows.append(f"| `{card.id}` | {card.beta or 0:g} | {numbers} |")
    return "\n".join(rows)


def _unfinished(cards: Iterable[Card]) -> str:
    names = [f"- `{card.id}`" for card in cards if card.undertrained]
    return "\n".join(names) or "None."


if __name__ == "__main__":
    main()
