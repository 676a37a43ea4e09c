"""What stands where on screen: the grid of models and explainers, or the filmstrip of one explainer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from xkd_core import catalogue
from xkd_core.models.cards import Card
from xkd_core.serving.names import describe, title
from xkd_core.serving.sentences import answer_words, quality_words, unfinished, verdict
from xkd_core.serving.views import ImageView
from xkd_core.serving.zoo import Choice, Row, Zoo

ROW_TITLES: Mapping[Row, str] = {"teacher": "Teacher", "naive": "Naive student", "matched": "Matched student"}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One panel: a run as a kind of model, and an explainer.

    note: how the run differs from what was asked. lost: why the run has no maps ("" if it can have them).
    """

    row: Row
    card: Card
    explainer: str
    note: str = ""
    lost: str = ""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """columns: titles. heads: lines of words beside each row. rows: the panels, None where there is no run."""

    columns: tuple[str, ...]
    heads: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[Cell | None, ...], ...]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every panel that can have a map, once, row by row; the teacher stands in both rows of a filmstrip."""
        usable = [cell for row in self.rows for cell in row if cell is not None and not cell.lost]
        return tuple({(cell.card.id, cell.explainer): cell for cell in usable}.values())

    @property
    def cards(self) -> tuple[Card, ...]:
        """The runs, each once, in the order of the panels."""
        return tuple({cell.card.id: cell.card for cell in self.cells}.values())

    @property
    def explainers(self) -> tuple[str, ...]:
        """The explainers, each once."""
        return tuple(dict.fromkeys(cell.explainer for cell in self.cells))


def lost(view: ImageView, card: Card) -> str:
    """Why a run that exists is not in the view: its own weights are damaged, or those of the teacher; "" if it is."""
    if card.id in view.runs:
        return ""
    return "damaged" if card.id in view.broken else "the teacher is damaged"


def grid(view: ImageView, cards: Mapping[Row, Card], explainers: Sequence[str]) -> Sheet:
    """Models as rows, explainers as columns."""
    return Sheet(
        columns=tuple(catalogue.get("explainer", name).title for name in explainers),
        heads=tuple(_head(view, card) for card in cards.values()),
        rows=tuple(
            tuple(Cell(row=row, card=card, explainer=name, lost=lost(view, card)) for name in explainers)
            for row, card in cards.items()
        ),
    )


def film(view: ImageView, zoo: Zoo, choice: Choice, ratios: Iterable[float], explainer: str) -> Sheet:
    """The teacher, then one column for each compression; naive students above matched ones."""
    ratios = tuple(ratios)
    rows: tuple[Row, ...] = tuple(row for row in ("naive", "matched") if zoo.of(row, choice.family))
    found = {row: tuple(_cell(view, zoo, row, replace(choice, ratio=ratio), explainer) for ratio in ratios)
             for row in rows}  # fmt: skip
    teacher = _cell(view, zoo, "teacher", choice, explainer)
    return Sheet(
        columns=("Teacher", *(_title(zoo.how_small(ratio, choice.family)) for ratio in ratios)),
        heads=tuple((ROW_TITLES[row], f"λ {choice.lam:g}") for row in rows),
        rows=tuple((teacher, *found[row]) for row in rows),
    )


def _cell(view: ImageView, zoo: Zoo, row: Row, choice: Choice, explainer: str) -> Cell | None:
    pick = zoo.pick(row, choice)
    if pick is None:
        return None
    note = " · ".join(word for word in (pick.note, unfinished(pick.card)) if word)
    return Cell(row=row, card=pick.card, explainer=explainer, note=note, lost=lost(view, pick.card))


def _title(words: str) -> str:
    return words[0].upper() + words[1:]


def _head(view: ImageView, card: Card) -> tuple[str, ...]:
    if reason := lost(view, card):
        return title(card), describe(card), reason
    run = view.runs[card.id]
    lines = (title(card), describe(card), answer_words(run), verdict(view, run), quality_words(card))
    return tuple(line for line in lines if line)
