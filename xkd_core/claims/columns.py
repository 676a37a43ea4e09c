"""What is asked of stored rows (`Check`), and the values that it is made of: a table of images and seeds for each term.

Seeds that two sides share are paired, as runs of one seed share the teacher and the order of the data. Where fewer than
two are shared, every measured seed enters on its own side: one chosen among several would decide by its luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from xkd_core.claims.stored import TEACHER, Runs, Stored
from xkd_core.results.metric_store import ANSWERS
from xkd_core.results.paired import ANY_SEED, shared_seeds

Rule = Literal["above", "below", "not below", "within"]
Seeds = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Term:
    """One group of runs in a contrast. to_teacher: |value - the teacher's value| of the image instead of the value.

    beyond: the similarity beyond chance, (value - shuffled) / (1 - mean shuffled), where "shuffled" is the likeness to
    the teacher's map of another image: 0 for maps that are of no image, 1 for the teacher's own.
    """

    weight: float
    runs: Runs
    explainer: str
    metric: str
    to_teacher: bool = False
    beyond: bool = False


@dataclass(frozen=True, kw_only=True)
class Check:
    """What the claim says of a contrast. margin: for "not below" (-margin) and "within" (both sides).

    right_only: images that every run of the contrast answers right. undecided: why the stored values cannot tell
    whether it is so, whatever comes out.
    """

    label: str
    terms: tuple[Term, ...]
    rule: Rule = "above"
    margin: float = 0.0
    right_only: bool = False
    undecided: str = ""


class MissingRowsError(Exception):
    """Rows that a check needs are not stored; the message says whose. trained: whether the runs are there."""

    def __init__(self, message: str, *, trained: bool = True) -> None:
        super().__init__(message)
        self.trained = trained


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The values of a check. tables: of each term, its images (the same for all) and its seeds, which ``seeds`` names.

    left_out: seeds that would stand in them, were they measured.
    """

    tables: tuple[pd.DataFrame, ...]
    seeds: tuple[Seeds, ...]
    left_out: Seeds = ()


def columns(stored: Stored, check: Check) -> Columns:
    """Read what a check needs, of every seed that is measured. Errors: MissingRowsError for runs without any."""
    trained = [tuple(stored.ids(term.runs)) for term in check.terms]
    for term, own in zip(check.terms, trained, strict=True):
        if not own:
            raise MissingRowsError(f"{term.runs.label} on {stored.dataset}", trained=False)
    measured = [_measured(stored, check, term.runs) for term in check.terms]
    chosen = choose(measured)
    away = {seed for wanted, own in zip(choose(trained), measured, strict=True) for seed in wanted if seed not in own}
    return Columns(tables=_tables(stored, check, chosen), seeds=chosen, left_out=tuple(sorted(away)))


def choose(groups: Sequence[Seeds]) -> tuple[Seeds, ...]:
    """The seeds of each group that enter: those that groups of several share, if there are two, else all of each.

    A group of one run, such as the teacher, stands as it is beside every seed of the others.
    """
    several = [own for own in groups if len(own) > 1]
    shared = shared_seeds(*several) if several else ()
    return tuple(shared if len(own) > 1 and len(shared) > 1 else own for own in groups)


def _measured(stored: Stored, check: Check, runs: Runs) -> Seeds:
    """Seeds of a group of which every row is stored. Errors: MissingRowsError, of the first seed, where none is."""
    terms = [term for term in check.terms if term.runs == runs]
    missing: list[MissingRowsError] = []
    kept = []
    for seed in stored.ids(runs):
        try:
            for term in terms:
                column(stored, term, seed)
            if check.right_only:
                _values(stored, runs, seed, ANSWERS, "right")
        except MissingRowsError as error:
            missing.append(error)
        else:
            kept.append(seed)
    if not kept:
        raise missing[0]
    return tuple(kept)


def _tables(stored: Stored, check: Check, chosen: Sequence[Seeds]) -> tuple[pd.DataFrame, ...]:
    """A table for each term, on the images that all runs have and, if asked, answer right; NaN where undefined."""
    tables = [
        pd.concat([column(stored, term, seed) for seed in own], axis=1, join="inner").set_axis(list(own), axis=1)
        for term, own in zip(check.terms, chosen, strict=True)
    ]
    images = tables[0].index
    for table in tables[1:]:
        images = images.intersection(table.index)
    if check.right_only:
        for term, own in zip(check.terms, chosen, strict=True):
            for seed in own:
                images = images[_values(stored, term.runs, seed, ANSWERS, "right").reindex(images) == 1.0]
    return tuple(table.loc[images.sort_values()] for table in tables)


def column(stored: Stored, term: Term, seed: int) -> pd.Series[float]:
    """A term's values by image, without its weight. Errors: MissingRowsError."""
    own = _values(stored, term.runs, seed, term.explainer, term.metric)
    if term.beyond:
        another = _values(stored, term.runs, seed, term.explainer, f"{term.metric}_shuffled")
        return (own - another) / (1.0 - float(another.mean()))
    if not term.to_teacher:
        return own
    return (own - _values(stored, TEACHER, seed, term.explainer, term.metric)).abs()


def _values(stored: Stored, runs: Runs, seed: int, explainer: str, metric: str) -> pd.Series[float]:
    ids = stored.ids(runs)
    if not ids:
        raise MissingRowsError(f"{runs.label} on {stored.dataset}", trained=False)
    values = stored.values(ids[ANY_SEED] if ANY_SEED in ids else ids[seed], explainer, metric)
    if values is None:
        raise MissingRowsError(f"{metric} of {explainer} of {runs.label} on {stored.dataset}")
    return values
