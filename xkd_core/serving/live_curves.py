"""Insertion and deletion of one image, all models on one plot, and the masked images that they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from xkd_core.evaluation.rows import compared
from xkd_core.metrics.curves import area, deletion_swaps, edges, insertion_swaps
from xkd_core.metrics.masking import Pictures, Swap, fitted
from xkd_core.metrics.planner import Case, Settings, ask
from xkd_core.models.cards import Card
from xkd_core.serving.live import Key, Ticks
from xkd_core.serving.shelf import Shelf
from xkd_core.serving.views import ImageView
from xkd_core.types import Float, Float64, UInt8

Order = Literal["own", "teacher"]
"""Whose map orders the pixels: each model's own, or the teacher's for all, so that all see the same masked images."""
WAYS = ("insertion", "deletion")
SETTINGS = Settings()


@dataclass(frozen=True, kw_only=True)
class Line:
    """Curves of one model (steps + 1,), NaN where its map orders nothing; random: the same by a random map."""

    run_id: str
    insertion: Float64
    deletion: Float64
    random_insertion: Float64
    random_deletion: Float64

    def areas(self, way: str) -> tuple[float, float]:
        """Area under the curve, and under that of the random map."""
        return float(area(getattr(self, way)[None])[0]), float(area(getattr(self, f"random_{way}")[None])[0])


@dataclass(frozen=True, kw_only=True)
class Curves:
    """All models on one image and class. shares (steps + 1,): of the pixels that went, or came."""

    shares: Float64
    lines: tuple[Line, ...]

    @property
    def steps(self) -> int:
        """The last place of the scrubber."""
        return len(self.shares) - 1


def key(view: ImageView, cards: Sequence[Card], explainer: str, order: Order) -> Key:
    """What decides the curves."""
    return ("curves", view.subject.key, view.policy, tuple(card.network for card in cards), explainer, order)


def forwards(cards: Sequence[Card]) -> int:
    """What they cost: two curves of the map and of a random one, for each model."""
    return 4 * SETTINGS.n_steps * len(cards)


def curves(
    view: ImageView, cards: Sequence[Card], explainer: str, *, order: Order, shelf: Shelf, tick: Ticks
) -> Curves:
    """Measure. The first card is the teacher; every model is asked for the class that was explained for it.

    Errors: CancelledError, RunError for a damaged run, KeyError where a map is missing.
    """
    from xkd_core.evaluation.scorers import scorer

    cases = {}
    for card in cards:
        run, score = view.runs[card.id], scorer(shelf.take(card).model)
        shown = ordering(view, cards, card, explainer, order)
        target = np.array([run.target])
        cases[card.id] = Case(score=score, maps=shown, targets=target)
        cases[f"random {card.id}"] = Case(score=score, maps=random_map(view, cards[0]), targets=target)
    n_pixels = view.subject.input[..., 0].size
    swaps = {way: swaps_of(way, n_pixels) for way in WAYS}
    settings = Settings(multi_label=view.subject.multi_label)
    found = ask(_input(view, cards[0]), cases, [one for way in WAYS for one in swaps[way]], settings, tick=tick)
    lines = [
        Line(
            run_id=card.id,
            insertion=found[card.id].prob(swaps["insertion"])[0],
            deletion=found[card.id].prob(swaps["deletion"])[0],
            random_insertion=found[f"random {card.id}"].prob(swaps["insertion"])[0],
            random_deletion=found[f"random {card.id}"].prob(swaps["deletion"])[0],
        )
        for card in cards
    ]
    return Curves(shares=np.array(edges(n_pixels, SETTINGS.n_steps)) / n_pixels, lines=tuple(lines))


def swaps_of(way: str, n_pixels: int) -> list[Swap]:
    """The masked images of one curve, as the stored metric shows them."""
    return (insertion_swaps if way == "insertion" else deletion_swaps)(n_pixels, SETTINGS.n_steps)


def ordering(view: ImageView, cards: Sequence[Card], card: Card, explainer: str, order: Order) -> Float:
    """The map (1, h, w) that orders the pixels for a model, as metrics take it."""
    owner = cards[0] if order == "teacher" else card
    return compared(view.runs[owner.id].maps[explainer], explainer)[None]


def random_map(view: ImageView, card: Card) -> Float:
    """Uniform numbers for each pixel (1, S, S), the same for every model: an order that says nothing."""
    height, width = view.subject.input.shape[:2]
    seed = [0, view.subject.key.index, card.transform.size]
    return np.random.default_rng(seed).random((1, height, width)).astype(np.float32)


def masked(
    view: ImageView, cards: Sequence[Card], card: Card, explainer: str, *, order: Order, step: int
) -> dict[str, UInt8]:
    """What a model is shown at a place of the scrubber: way -> (S, S, 3) uint8."""
    import torch

    from xkd_core.images.transforms import to_pixels

    x, maps = fitted(_input(view, card), ordering(view, cards, card, explainer, order))
    swaps = [swaps_of(way, maps[0].size)[step] for way in WAYS]
    pictures, zeros = Pictures(x, maps, swaps), np.zeros(1, dtype=np.int64)
    made = [pictures.make(zeros, zeros, np.array([place])) for place in range(len(swaps))]
    pixels = to_pixels(torch.from_numpy(np.concatenate(made)), card.input_transform())
    return dict(zip(WAYS, pixels, strict=True))


def table(found: Curves, names: dict[str, str]) -> pd.DataFrame:
    """One row per model and place: both curves and those of the random map. names: run id -> word."""
    return pd.DataFrame([
        {"model": names[line.run_id], "run": line.run_id, "share of pixels": share, "insertion": line.insertion[place],
         "deletion": line.deletion[place], "insertion, random map": line.random_insertion[place],
         "deletion, random map": line.random_deletion[place]}
        for line in found.lines for place, share in enumerate(found.shares)
    ])  # fmt: skip


def _input(view: ImageView, card: Card) -> Float:
    from xkd_core.images.transforms import to_input

    return np.asarray(to_input(view.subject.input[None], card.input_transform()).numpy())
