"""Which runs no other run beats in quality, drift and size at once: the Pareto front over all that is stored.

Sizes are compared only where they count the same thing: there is a front for parameters, one for non-zero weights
and one for bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import pandas as pd

from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card
from xkd_core.results.in_loss import was_in_loss
from xkd_core.serving.curves import drift
from xkd_core.serving.metrics_view import family_words
from xkd_core.serving.names import describe, title
from xkd_core.serving.results import Results
from xkd_core.serving.sentences import QUALITY
from xkd_core.serving.zoo import Zoo

Group = Literal["naive", "matched", "other", "control"]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One run. quality: mAP or accuracy, in 0..1; drift: 1 - cosine; ratio: times smaller, in what ``counted`` says.

    contends: whether it may be on the front; controls, second teachers and unfinished runs may not. in_loss: whether
    it was trained on the map whose drift this is; finished: whether it was trained to the end. params, nonzeros,
    flops: of the card, None where it does not say.
    """

    run_id: str
    words: str
    group: Group
    quality: float
    quality_name: str
    drift: Estimate
    ratio: float
    counted: str
    contends: bool
    in_loss: bool
    finished: bool
    on_front: bool = False
    params: int | None = None
    nonzeros: int | None = None
    flops: int | None = None


def candidates(results: Results, zoo: Zoo, *, explainer: str) -> tuple[Candidate, ...]:
    """Every run but the teacher whose quality and drift are stored, those on the front marked; by run id."""
    cards = sorted(zoo.cards, key=lambda card: card.id)
    found = [one for card in cards if card is not zoo.teacher and (one := _candidate(results, zoo, card, explainer))]
    for counted in {one.counted for one in found}:
        places = [place for place, one in enumerate(found) if one.contends and one.counted == counted]
        best = undominated([(found[place].quality, -found[place].drift.mean, found[place].ratio) for place in places])
        for place, is_best in zip(places, best, strict=True):
            found[place] = replace(found[place], on_front=is_best)
    return tuple(found)


def undominated(points: Sequence[tuple[float, ...]]) -> list[bool]:
    """For each point: does no other reach at least its value in every coordinate and more in one? More is better."""
    return [not any(_beats(other, point) for other in points) for point in points]


def table(found: Sequence[Candidate]) -> pd.DataFrame:
    """The candidates as rows, the front first, for a download."""
    rows = sorted(found, key=lambda one: (not one.on_front, -one.ratio, one.run_id))
    return pd.DataFrame([
        {
            "run": one.run_id, "kind": one.group, "in words": one.words, "on the front": one.on_front,
            "times smaller": one.ratio, "counted in": one.counted, "parameters": one.params,
            "non-zero weights": one.nonzeros, "FLOPs": one.flops, one.quality_name: one.quality,
            "drift": one.drift.mean, "drift_low": one.drift.low, "drift_high": one.drift.high, "images": one.drift.n,
            "undefined": one.drift.undefined, "may be on the front": one.contends,
            "map in the loss": one.in_loss, "not trained to the end": not one.finished,
        }
        for one in rows
    ])  # fmt: skip


def _beats(other: tuple[float, ...], point: tuple[float, ...]) -> bool:
    pairs = list(zip(other, point, strict=True))
    return all(a >= b for a, b in pairs) and any(a > b for a, b in pairs)


def _candidate(results: Results, zoo: Zoo, card: Card, explainer: str) -> Candidate | None:
    moved = drift(results, card.id, explainer)
    name = next((name for name in QUALITY if name in card.metrics), "")
    quality = card.metrics[name].value if name else None
    if moved is None or quality is None:
        return None
    group = _group(card)
    return Candidate(
        run_id=card.id,
        words=_words(zoo, card),
        group=group,
        quality=quality,
        quality_name=name,
        drift=moved,
        ratio=card.ratio,
        counted=card.ratio_of,
        contends=group != "control" and not card.undertrained,
        in_loss=was_in_loss(card, explainer),
        finished=not card.undertrained,
        params=card.params,
        nonzeros=card.nonzeros,
        flops=card.flops,
    )


def _words(zoo: Zoo, card: Card) -> str:
    """Its kind and its description; what both say, such as an XDistillation's target, once."""
    parts = f"{_kind(zoo, card)}, {describe(card)}".split(", ")
    return ", ".join(dict.fromkeys(parts))


def _kind(zoo: Zoo, card: Card) -> str:
    """'SWA (slimmable)': the method too, which the title of a matched student leaves open."""
    named = card.role in ("teacher", "control") or card.lam is None
    return title(card) if named else family_words(zoo.family(card))


def _group(card: Card) -> Group:
    if card.role in ("teacher", "control"):
        return "control"
    if card.method in ("kd", "ce"):
        return "naive"
    return "matched" if card.role == "matched" else "other"
