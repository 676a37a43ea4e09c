"""Runs that differ in nothing but the seed, as one group: what a line of a table or a box of a chart stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from xkd_core.models.cards import Card

WRITTEN_OUT = ("amount", "compress", "round", "slimmable")
"""Fields of a recipe that the oldest cards write out at their default, which later ones leave away."""


def seed_groups(cards: Sequence[Card]) -> Mapping[str, tuple[str, ...]]:
    """Label -> run ids in the order of their seeds. The label is the id without seed and hash.

    Groups whose labels would be equal (they differ in what the id does not say) keep their first run's whole id.
    """
    found: dict[str, list[Card]] = {}
    for card in cards:
        found.setdefault(_setting(card), []).append(card)
    groups = [sorted(group, key=lambda card: (card.seed, card.id)) for group in found.values()]
    labels = [_label(group[0]) for group in groups]
    return {
        label if labels.count(label) == 1 else group[0].id: tuple(card.id for card in group)
        for label, group in zip(labels, groups, strict=True)
    }


def _setting(card: Card) -> str:
    """Everything that decides the run but its seed. An int8 form and a width of a slimmable run are their own."""
    own = {name: value for name, value in card.recipe.items() if name not in ("seed", "source_id")}
    recipe = {name: value for name, value in own.items() if value or name not in WRITTEN_OUT}
    facts = [card.dataset, card.arch, card.role, card.method, card.compression, card.width, card.teacher_id]
    return json.dumps([facts, recipe], sort_keys=True, default=str)


def _label(card: Card) -> str:
    whole, at, width = card.id.partition("@")
    int8 = whole.endswith("-int8")
    parts = whole.removesuffix("-int8").rsplit("-", 2)
    cut = len(parts) == 3 and parts[1].startswith("s") and parts[1][1:].isdigit()
    return (parts[0] if cut else whole) + ("-int8" if int8 else "") + at + width
