"""Drift against compression or λ with the quality beside it, and one dot for each image of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from xkd_core.models.cards import Card
from xkd_core.serving.results import Results
from xkd_core.serving.zoo import Choice, Row, Zoo, describe

Axis = Literal["ratio", "lam"]
QUALITY = ("mAP", "accuracy")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run on a curve. value: mean over ``n`` images of 1 - cosine; half: half of its 95 % interval."""

    run_id: str
    words: str
    x: float
    value: float
    half: float
    n: int
    shuffled: float
    quality: float | None
    quality_name: str
    undertrained: bool


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points of one kind of student, ascending in x; several seeds give several points at one x."""

    row: Row
    points: tuple[Point, ...]

    def means(self) -> list[tuple[float, float, float | None]]:
        """(x, mean drift, mean quality) over the seeds at each x."""
        found = []
        for x in sorted({point.x for point in self.points}):
            here = [point for point in self.points if point.x == x]
            qualities = [point.quality for point in here if point.quality is not None]
            quality = sum(qualities) / len(qualities) if qualities else None
            found.append((x, sum(point.value for point in here) / len(here), quality))
        return found


@dataclass(frozen=True, kw_only=True)
class Bands:
    """What a drift is read against: of shuffled images (chance) and of a second teacher (noise), or None."""

    shuffled: float | None
    noise: float | None


def curve(results: Results, zoo: Zoo, choice: Choice, *, row: Row, axis: Axis, explainer: str) -> Curve:
    """Every run of a kind along ``axis``, the rest as chosen (all seeds, the chosen β)."""
    cards = [card for card in zoo.of(row, choice.family) if _on_curve(card, choice, row, axis)]
    points = [point for card in cards if (point := _point(results, card, axis, explainer)) is not None]
    return Curve(row=row, points=tuple(sorted(points, key=lambda point: (point.x, point.run_id))))


def bands(results: Results, zoo: Zoo, curves: Sequence[Curve], *, explainer: str) -> Bands:
    """The two bars: mean drift to the teacher's map of another image, and of the second teacher."""
    chance = [point.shuffled for line in curves for point in line.points if not math.isnan(point.shuffled)]
    second = zoo.second_teacher
    rows = pd.DataFrame() if second is None else results.of_run(second.id, explainer)
    return Bands(
        shuffled=sum(chance) / len(chance) if chance else None,
        noise=None if rows.empty else float(1 - rows["cosine"].mean()),
    )


def explainers_with_rows(results: Results) -> tuple[str, ...]:
    """Explainers of which anything is stored, CAM first."""
    if results.maps.empty:
        return ()
    found = set(results.maps["explainer"].unique())
    return tuple(sorted(found, key=lambda name: (name != "cam", name)))


def dots(results: Results, run_id: str, *, explainer: str) -> pd.DataFrame:
    """One row per image of a run: index, prob of the explained class, cosine, same_answer, right."""
    answers, maps = results.answers_of(run_id), results.of_run(run_id, explainer)
    if answers.empty or maps.empty:
        return pd.DataFrame()
    table = answers[["prob", "same_answer", "right"]].join(maps[["cosine"]], how="inner")
    return table.dropna(subset=["cosine"]).reset_index()


def _on_curve(card: Card, choice: Choice, row: Row, axis: Axis) -> bool:
    fixed = card.lam if axis == "ratio" else card.ratio
    wanted = choice.lam if axis == "ratio" else choice.ratio
    near = fixed is not None and math.isclose(fixed, wanted, rel_tol=1e-3, abs_tol=1e-6)
    beta = row != "matched" or math.isclose(card.beta or 0.0, choice.beta, rel_tol=1e-3)
    return near and beta


def _point(results: Results, card: Card, axis: Axis, explainer: str) -> Point | None:
    rows = results.of_run(card.id, explainer)
    drift = (1 - rows["cosine"]).dropna() if not rows.empty else pd.Series(dtype=float)
    if drift.empty:
        return None
    name = next((name for name in QUALITY if name in card.metrics), "")
    return Point(
        run_id=card.id,
        words=describe(card),
        x=float(card.ratio if axis == "ratio" else card.lam or 0.0),
        value=float(drift.mean()),
        half=1.96 * float(drift.std(ddof=1)) / math.sqrt(len(drift)) if len(drift) > 1 else 0.0,
        n=len(drift),
        shuffled=float((1 - rows["cosine_shuffled"]).mean()),
        quality=card.metrics[name].value if name else None,
        quality_name=name,
        undertrained=card.undertrained,
    )
