"""What a card says of a run beyond its name: sizes, whose maps it learned from, what is odd about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from xkd_core import catalogue
from xkd_core.models.cards import Card
from xkd_core.serving.names import describe, title
from xkd_core.serving.sentences import quality_words

EXTRAS: Mapping[str, str] = {
    "params/without_cae": "parameters without the autoencoder",
    "params/own_part": "parameters of its own",
    "mae/cae": "error of the autoencoder's maps (mean absolute)",
    "mae/mean_map": "error of the mean map instead",
    "mae/median_map": "error of the median map instead",
    "map/mean": "mean of its own maps",
    "map/span": "spread of its own maps",
}


def table(cards: Sequence[Card]) -> pd.DataFrame:
    """A column for each run and a row for each fact that one of them has, as text."""
    columns = {_heading(card, cards): _facts(card) for card in cards}
    names = list(dict.fromkeys(name for facts in columns.values() for name in facts))
    rows = {"": names} | {head: [facts.get(name, "") for name in names] for head, facts in columns.items()}
    return pd.DataFrame(rows)


def learned_from(card: Card) -> str:
    """Whose maps were matched, or drawn by the autoencoder; "" for a run that learned from none."""
    if card.method == "xd":
        target = card.recipe.get("explained") or "gradient_shap"
        drawn = target != "none"
        return f"the teacher's {_method(target)} maps, as its autoencoder draws them" if drawn else "maps of nobody"
    if card.method in ("swa", "sswa", "ewa", "at") and card.beta:
        return "the teacher's maps of other images" if card.recipe.get("shuffled") else "the teacher's activation maps"
    return ""


def _facts(card: Card) -> dict[str, str]:
    found = {
        "run": card.id,
        "what it is": describe(card),
        "quality": quality_words(card),
        "parameters": f"{card.params:,}",
        "non-zero weights": "" if card.nonzeros is None else f"{card.nonzeros:,}",
        "FLOPs for an image": "" if card.flops is None else f"{card.flops / 1e6:,.1f} M",
        "learned from": learned_from(card),
        **{words: _number(name, card.extras[name]) for name, words in EXTRAS.items() if name in card.extras},
        "note": card.note,
        "not as in the paper": "; ".join(card.differs),
    }
    return {name: text for name, text in found.items() if text}


def _number(name: str, value: float) -> str:
    return f"{value:,.0f}" if name.startswith("params/") else f"{value:.4g}"


def _heading(card: Card, cards: Sequence[Card]) -> str:
    name = title(card)
    twins = [one.id for one in cards if title(one) == name]
    return name if len(twins) < 2 else f"{name} {twins.index(card.id) + 1}"


def _method(name: str) -> str:
    return str(catalogue.get("explainer", name).title)
