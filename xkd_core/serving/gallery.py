"""Which images to show: filters and orders over the stored rows of the runs on screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from xkd_core.serving.results import Results
from xkd_core.serving.stories import patterns
from xkd_core.serving.zoo import Choice, Zoo

Habitat = Literal["any", "in", "out"]
Outcome = Literal["any", "right", "wrong", "moved"]
Order = Literal["index", "naive drift", "matched drift", "gap"]

HABITATS: dict[Habitat, str] = {
    "any": "Any background",
    "in": "Object's own habitat",
    "out": "Habitat of another class",
}
OUTCOMES: dict[Outcome, str] = {
    "any": "Any answer",
    "right": "Naive student right",
    "wrong": "Naive student wrong",
    "moved": "Same answer, different map",
}
ORDERS: dict[Order, str] = {
    "naive drift": "Largest naive drift first",
    "matched drift": "Largest matched drift first",
    "gap": "Matching helps most first",
    "index": "As numbered",
}
COSINES = ("naive_cosine", "matched_cosine")


def orders(zoo: Zoo, choice: Choice) -> dict[Order, str]:
    """The orders on offer: what asks for a matched student, only where there is one."""
    alone = zoo.pick("matched", choice) is None
    return {name: words for name, words in ORDERS.items() if not (alone and name in ("matched drift", "gap"))}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a visitor wants to see. target: class index that is explained, or None for all."""

    target: int | None = None
    habitat: Habitat = "any"
    outcome: Outcome = "any"
    order: Order = "naive drift"


@dataclass(frozen=True, kw_only=True)
class Found:
    """Indices in order, the cosines of each student's map there, and why results are missing ("" if not)."""

    indices: tuple[int, ...]
    cosines: tuple[tuple[float, ...], ...] = ()
    missing: str = ""


def find(results: Results, zoo: Zoo, choice: Choice, wish: Wish, *, n_images: int) -> Found:
    """Images of the test split that fit the wish; all of them by number when no results are stored."""
    table, _ = patterns(results, zoo, choice)
    if table.empty:
        missing = results.problem or (
            "No stored results for these runs: images come by number and filters do nothing. "
            f"`python -m xkd_core evaluate --dataset {zoo.dataset}` makes them."
        )
        return Found(indices=tuple(range(n_images)), missing=missing)
    chosen = _ordered(table[_fits(table, wish)], wish.order)
    cosines = tuple(zip(*(chosen[name].astype(float) for name in COSINES if name in chosen), strict=True))
    return Found(indices=tuple(int(index) for index in chosen.index), cosines=cosines)


def _fits(table: pd.DataFrame, wish: Wish) -> pd.Series[bool]:
    fits = pd.Series(True, index=table.index)
    if wish.target is not None:
        fits &= table["target"] == wish.target
    if wish.habitat != "any" and "in_habitat" in table:
        fits &= table["in_habitat"].astype(bool) == (wish.habitat == "in")
    if wish.outcome in ("right", "wrong"):
        fits &= table["naive_right"] == (wish.outcome == "right")
    if wish.outcome == "moved":
        fits &= table["naive_same"] & table["naive_moved"]
    return fits


def _ordered(table: pd.DataFrame, order: Order) -> pd.DataFrame:
    if order == "index":
        return table
    key = {"naive drift": "naive_cosine", "matched drift": "matched_cosine", "gap": "gap"}[order]
    return table.sort_values(key, ascending=order != "gap", kind="stable", na_position="last")
