"""Numbers that the papers print beside ours for the same comparison: values, gaps to one row, and their direction.

The printed numbers are in docs/printed.json. Networks, data and recipes are others there, so only directions are
compared, and each table names both settings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from docs.lines import measured, of_how_many
from docs.text import interval, scaled, table
from xkd_core.claims.measuring import Measured, MissingRowsError, between, measure
from xkd_core.claims.stored import Runs, Stored
from xkd_core.evaluation.summary import over_seeds
from xkd_core.metrics.statistics import Estimate

HERE = Path(__file__).parent
HEAD = ("what", "size", "method", "paper", "here", "seeds", "paper: gap", "here: gap", "paired", "direction")
EXPLAINED = """Paper and settings are named. "gap" is to the row that the table names; ours is paired over the same
images and the seeds that both have, if there are two ("paired" says how many; else all seeds of each side enter), so
that it need not be the difference of the two values; its 95 % interval is over images, and over seeds where there are
several. mAP has no value for an image, so no gap.
"same" and "other": our interval excludes 0, with the printed sign or the other one; "open": it contains 0, or the gap
of one seed is no larger than what another seed is known to make. No correction for the number of rows. Images count
whether the network is right or wrong on them; paper 004 leaves out the wrong ones. "n": where a value is of far fewer
images than the others of its column."""
FEW = 0.9
"""A value of fewer than this share of its column's images says of how many."""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A printed column and what is measured here: a metric of an explainer's map, or of answers and cards.

    printed: table -> column, None where the paper prints none. card: the cards' own metric, for the value. metric: ""
    where no image has a value of its own. scale: of our value, 100 where the paper prints percent.
    """

    title: str
    printed: tuple[str, str] | None
    explainer: str
    metric: str
    card: str = ""
    scale: float = 1.0

    @property
    def digits(self) -> int:
        """Of our values."""
        return 2 if self.scale > 1 else 3


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method at one size. key: how its printed row begins; () where the paper has none.

    only: the explainers for which the printed row is meant, () for all. shuffled: the control of the runs, not
    themselves.
    """

    size: str
    name: str
    key: tuple[str, ...]
    runs: Runs
    only: tuple[str, ...] = ()
    shuffled: bool = False


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A comparison. base: the method that gaps are to. settings: theirs and ours. make: measures what is not stored."""

    title: str
    there: str
    here: str
    base: str
    rows: tuple[Row, ...]
    measures: tuple[Measure, ...]
    note: str = ""
    make: str = ""


@cache
def tables() -> Mapping[str, Mapping[str, Any]]:
    """Table id -> the printed table."""
    return {one["id"]: one for one in json.loads((HERE / "printed.json").read_text())}


def printed(row: Row, wanted: Measure) -> float | None:
    """The paper's number for a row, or None. Errors: KeyError for a row or column that the table does not have."""
    if wanted.printed is None or not row.key or (row.only and wanted.explainer not in row.only):
        return None
    name, column = wanted.printed
    found = tables()[name]
    place = found["columns"].index(column)
    for line in found["rows"]:
        if tuple(line[: len(row.key)]) == row.key:
            return None if line[place] is None else float(line[place])
    raise KeyError(f"{name} has no row {row.key}")


def block(one: Beside, stored: Stored) -> str:
    """The comparison as Markdown."""
    head = f"### {one.title}\n\nThere: {one.there} Here: {one.here} Gaps are to {one.base}. {one.note}".rstrip()
    rows = [line for wanted in one.measures for line in _lines(one, wanted, stored)]
    return f"{head}\n\n{table(HEAD, rows)}"


def wanting(one: Beside, stored: Stored) -> bool:
    """Whether rows of trained runs are not measured yet."""
    trained = [row for row in one.rows if stored.ids(row.runs)]
    return any(_here(row, wanted, stored)[0] == "not measured" for row in trained for wanted in one.measures)


def _lines(one: Beside, wanted: Measure, stored: Stored) -> Iterator[Sequence[str]]:
    usual = max((_n(row, wanted, stored) for row in one.rows), default=0)
    bases = {row.size: row for row in one.rows if row.name == one.base}
    for row in one.rows:
        base = bases.get(row.size) or bases.get("")
        value, theirs = printed(row, wanted), None if base is None else printed(base, wanted)
        gap = None if value is None or theirs is None or row is base else value - theirs
        ours = None if base is None or row is base or row.shuffled else _gap(row, base, wanted, stored)
        here, seeds = _here(row, wanted, stored)
        here += f", n = {n}" if 0 < (n := _n(row, wanted, stored)) < FEW * usual else ""
        estimate = None if ours is None else scaled(ours.estimate, wanted.scale)
        yield (wanted.title, row.size, row.name, _plain(value), here, seeds, _plain(gap, sign=True),
               interval(estimate, wanted.digits), "-" if ours is None else str(ours.seeds),
               _direction(gap, ours))  # fmt: skip


def _n(row: Row, wanted: Measure, stored: Stored) -> int:
    """Of how many images our value is; 0 where it is none of images."""
    found = None if wanted.card else _estimate(row, wanted, stored)
    return 0 if found is None else found.n


def _estimate(row: Row, wanted: Measure, stored: Stored) -> Estimate | None:
    ids = tuple(stored.ids(row.runs).values())
    metric = f"{wanted.metric}_shuffled" if row.shuffled else wanted.metric
    return measured(stored, ids, wanted.explainer, metric) if ids else None


def _here(row: Row, wanted: Measure, stored: Stored) -> tuple[str, str]:
    """Our value and of how many seeds."""
    ids = tuple(stored.ids(row.runs).values())
    if not ids:
        return "not trained", "0"
    if wanted.card:
        cards = [stored.zoo.by_id[run_id] for run_id in ids]
        values = [card.metrics[wanted.card].value for card in cards if wanted.card in card.metrics]
        ours = [None if value is None else wanted.scale * value for value in values]
        return over_seeds(ours, ".2f") if ours else "not measured", str(len(ids))
    found = _estimate(row, wanted, stored)
    some = of_how_many(stored, ids, wanted.explainer, wanted.metric) or str(len(ids))
    return "not measured" if found is None else interval(scaled(found, wanted.scale), wanted.digits), some


def _gap(row: Row, base: Row, wanted: Measure, stored: Stored) -> Measured | None:
    if not wanted.metric:
        return None
    try:
        return measure(stored, between(row.name, row.runs, base.runs, wanted.explainer, wanted.metric))
    except MissingRowsError:
        return None


def _plain(value: float | None, *, sign: bool = False) -> str:
    return "-" if value is None else f"{value:+.4g}" if sign else f"{value:.5g}"


def _direction(printed_gap: float | None, ours: Measured | None) -> str:
    if printed_gap is None or ours is None or not printed_gap:
        return "-"
    side = ours.estimate.side
    if not side or ours.floor.covers(ours.estimate.mean):
        return "open"
    return "same" if (side > 0) == (printed_gap > 0) else "other"
