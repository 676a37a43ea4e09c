"""Four metrics by λ and CAM method, in the form of paper 000's Fig. 2: a panel each, the teacher beside students."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from xkd_core.catalogue import EXPLAINERS
from xkd_core.models.cards import Card
from xkd_core.results.compare import SHARES, common
from xkd_core.results.metrics import Metrics
from xkd_core.serving.metrics_view import Five, arrow, five_of, title_of
from xkd_core.serving.zoo import Choice, Zoo, rounded
from xkd_core.types import Float64

METRICS = ("faithfulness_estimate", "monotonicity_correlation", "pointing", "attribution_localisation")
"""FE, MS, PG and AL of paper 000."""
METHODS = ("cam", "grad_cam", "grad_cam_pp", "hires_cam", "xgrad_cam")
TEACHER = "teacher"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One box: a method at one place. five: over images and seeds, None of shares; mean: over the same."""

    place: str
    method: str
    five: Five | None
    mean: float
    seeds: int


@dataclass(frozen=True, kw_only=True)
class Panel:
    """All boxes of a metric, over the same ``images``. family: the kind of students; ratio: how much smaller."""

    metric: str
    family: str
    ratio: float
    cells: tuple[Cell, ...]
    images: int


def panels(metrics: Metrics, zoo: Zoo, choice: Choice) -> tuple[Panel, ...]:
    """A panel for each of `METRICS` that is stored of several λ of the chosen students.

    At the chosen size; where not all of them are stored there, at the size where most are.
    """
    found: tuple[Panel, ...] = ()
    for cards in _by_size(zoo, choice):
        if len(found) < len(METRICS):
            found = max(found, _panels(metrics, zoo, cards), key=len)  # the first of two that are as long
    return found


def _by_size(zoo: Zoo, choice: Choice) -> list[list[Card]]:
    """The students of the chosen kind, size by size, the chosen one first."""
    cards = [card for card in zoo.known("matched", choice.family) or zoo.known("naive", choice.family)
             if not card.beta or rounded(card.beta) == choice.beta]  # fmt: skip
    first = rounded(choice.ratio)
    sizes = sorted({rounded(card.ratio) for card in cards}, key=lambda size: (size != first, size))
    return [[card for card in cards if rounded(card.ratio) == size] for size in sizes]


def _panels(metrics: Metrics, zoo: Zoo, cards: Sequence[Card]) -> tuple[Panel, ...]:
    groups = _groups(zoo.teacher, cards)
    found = (_panel(metrics, groups, metric, cards[0], zoo.family(cards[0])) for metric in METRICS)
    return tuple(panel for panel in found if len({cell.place for cell in panel.cells} - {TEACHER}) > 1)


def table(found: tuple[Panel, ...]) -> pd.DataFrame:
    """A row for each box."""
    return pd.DataFrame([
        {
            "metric": f"{title_of(panel.metric)} {arrow(panel.metric)}", "students": cell.place,
            "map": EXPLAINERS[cell.method].title, "mean": cell.mean,
            "median": None if cell.five is None else cell.five.median, "seeds": cell.seeds, "images": panel.images,
        }
        for panel in found for cell in panel.cells
    ])  # fmt: skip


def _groups(teacher: Card | None, cards: Sequence[Card]) -> Mapping[str, tuple[str, ...]]:
    """'teacher' and 'λ 0.25' -> the runs of all seeds."""
    found: dict[str, tuple[str, ...]] = {} if teacher is None else {TEACHER: (teacher.id,)}
    for card in sorted(cards, key=lambda card: (card.lam or 0.0, card.seed)):
        place = f"λ {card.lam:g}"
        found[place] = (*found.get(place, ()), card.id)
    return found


def _panel(metrics: Metrics, groups: Mapping[str, tuple[str, ...]], metric: str, student: Card, family: str) -> Panel:
    tables = {
        (place, method): _values(metrics, ids, method, metric) for place, ids in groups.items() for method in METHODS
        if not any((run_id, method) in metrics.instead for run_id in ids)  # no second box of one map
    }  # fmt: skip
    known = {key: values for key, values in tables.items() if values.notna().any().any()}
    images = common(list(known.values()))
    cells = tuple(_cell(key, values.reindex(images).to_numpy(), metric) for key, values in known.items())
    cells = cells if len(images) else ()
    return Panel(metric=metric, family=family, ratio=rounded(student.ratio), cells=cells, images=len(images))


def _values(metrics: Metrics, run_ids: Sequence[str], method: str, metric: str) -> pd.DataFrame:
    """A column for each run that was measured: seeds without rows take nothing from the others."""
    known = [run_id for run_id in run_ids if not metrics.values([run_id], method, metric).empty]
    return metrics.values(known, method, metric) if known else pd.DataFrame()


def _cell(key: tuple[str, str], values: Float64, metric: str) -> Cell:
    five = None if metric in SHARES else five_of(values.ravel())
    return Cell(place=key[0], method=key[1], five=five, mean=float(values.mean()), seeds=values.shape[1])
