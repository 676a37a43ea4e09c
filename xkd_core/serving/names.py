"""What a run is called: its title, how small it is, how it was trained, each in a few words of the product."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from xkd_core.catalogue import EXPLAINERS
from xkd_core.models.cards import Card

OTHER_TITLES: Mapping[str, str] = {
    "at": "AT student", "nst": "NST student", "ab": "AB student", "xd": "XDistillation student",
    "surrogate": "Attentive student",
}  # fmt: skip
CONTROL_TITLES: Mapping[str, str] = {"shuffled": "Shuffled control", "untrained": "Untrained control"}
"""Of controls that were trained on what they should not learn from; the others are naive or matched students."""
LESS: Mapping[str, str] = {"parameters": "smaller", "nonzeros": "fewer non-zero weights", "bits": "fewer bits"}
"""What a ratio counts, as a word behind 'times'."""
ROUND_AMOUNT = 0.2
"""Of the living weights, what a round of iterative pruning takes off."""
CONTROL_WORDS: Mapping[str, str] = {
    "shuffled": "matched to maps of other images",
    "plain": "trained without the shortcut",
    "few": "trained on 3,000 images",
    "sized": "as large as XDistillation without its autoencoder",
    "untrained": "XDistillation with an untrained autoencoder",
}


def describe(card: Card) -> str:
    """What was trained, in a few words: '1/8 width, 63x smaller, λ 0.5, β 2'; of XDistillation its target too."""
    if card.role == "teacher":
        return f"{parameters(card.params)} parameters" + (f", seed {card.seed}" if card.seed else "")
    words = [smaller(card), target_of(card), f"λ {card.lam:g}" if card.lam is not None else ""]
    words.append(f"β {card.beta:g}" if card.beta else "")
    words.append(f"seed {card.seed}" if card.seed else "")
    words.append(CONTROL_WORDS.get(control_of(card), "") if card.role == "control" else "")
    return ", ".join(word for word in words if word)


def smaller(card: Card) -> str:
    """'1/8 width, 63x smaller': how it was made small and by how much, two numbers that must not be mixed up.

    Weights that were not pruned in rounds say so: 'weights pruned, 60% at once, 2.49x fewer non-zero weights'.
    """
    width = f"{Fraction(card.width).limit_denominator(64)} width" if card.width < 1 else "full width"
    form = {"structured": "filters pruned", "unstructured": "weights pruned", "int8": f"{width}, 8 bits"}
    return ", ".join(filter(None, (form.get(card.compression, width), at_once(card), how_much(card))))


def at_once(card: Card) -> str:
    """'60% at once': weights that were pruned by another share than the rounds' fifth; "" for all other runs."""
    amount = card.recipe.get("amount") or ROUND_AMOUNT
    return "" if card.compression != "unstructured" or amount == ROUND_AMOUNT else f"{100 * amount:g}% at once"


def target_of(card: Card) -> str:
    """'target Grad-CAM': whose maps an XDistillation student's autoencoder draws; "" where it draws none."""
    explainer = card.recipe.get("explained") or "gradient_shap"
    return f"target {EXPLAINERS[explainer].title}" if card.method == "xd" and explainer in EXPLAINERS else ""


def how_much(card: Card) -> str:
    """'63x smaller' or '249x fewer bits': the ratio, with the word for what it counts."""
    return f"{times(card.ratio)}x {LESS[card.ratio_of]}"


def times(ratio: float) -> str:
    """A ratio as people read it: 3.9, 15.7, 63."""
    return f"{ratio:.0f}" if ratio >= 20 else f"{ratio:.3g}"


def parameters(count: int) -> str:
    """1234567 -> '1.2 M'."""
    if count >= 1_000_000:
        return f"{count / 1e6:.1f} M"
    return f"{count / 1e3:.0f} k" if count >= 1000 else str(count)


def title(card: Card) -> str:
    """The product's word for a run: teacher, baseline, naive or matched student; controls must not look like one."""
    if card.role == "teacher":
        return "Teacher"
    if card.role == "control" and control_of(card) in CONTROL_TITLES:
        return CONTROL_TITLES[control_of(card)]
    if card.method not in ("kd", "ce"):
        return OTHER_TITLES.get(card.method, "Matched student")
    return "Naive student" if card.lam else "Baseline student"


def called(card: Card) -> str:
    """The title as it stands within a sentence: 'naive student', 'AT student'."""
    name = title(card)
    return name if name[1].isupper() else name[0].lower() + name[1:]


def control_of(card: Card) -> str:
    """What is different about a control: its label, its data, its autoencoder, or whose maps it was matched to."""
    if card.recipe.get("label"):
        return str(card.recipe["label"])
    if card.recipe.get("split") == "plain":
        return "plain"
    return "untrained" if card.recipe.get("explained") == "none" else "shuffled"
