"""Stored rows of one data set as pages need them: one number per image and run, joined on the image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from xkd_core.catalogue import INSTEAD
from xkd_core.errors import XKDError
from xkd_core.results.store import TABLES, read_rows

_NONE = pd.DataFrame()
Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class Bar:
    """Mean cosines to the teacher's map: of a second, equally trained teacher, and of its maps of other images."""

    second: float
    other: float

    @property
    def value(self) -> float:
        """A map below it has moved: its cosine is nearer to what maps of other images have on the mean."""
        return (self.second + self.other) / 2


@dataclass(frozen=True, kw_only=True)
class Results:
    """maps, answers, images, gallery: the tables of results/store.py, empty when nothing is stored. problem: why."""

    dataset: str
    maps: pd.DataFrame = field(default_factory=pd.DataFrame)
    answers: pd.DataFrame = field(default_factory=pd.DataFrame)
    images: pd.DataFrame = field(default_factory=pd.DataFrame)
    gallery: pd.DataFrame = field(default_factory=pd.DataFrame)
    problem: str = ""

    def of_run(self, run_id: str, explainer: str = "cam") -> pd.DataFrame:
        """Rows of one run and explainer, by image index; empty when it was not evaluated.

        "cam" of a network that has no CAM is what stands in for it.
        """
        return self._maps_by.get((run_id, self.used(run_id, explainer)), _NONE)

    def used(self, run_id: str, explainer: str) -> str:
        """The explainer whose rows `of_run` gives."""
        other = INSTEAD.get(explainer, explainer)
        alone = (run_id, explainer) not in self._maps_by and (run_id, other) in self._maps_by
        return other if alone else explainer

    def answers_of(self, run_id: str) -> pd.DataFrame:
        """Answers of one run, by image index; empty when it was not evaluated."""
        return self._answers_by.get(run_id, _NONE)

    def once(self, key: tuple[str, ...], make: Callable[[], Made]) -> Made:
        """What ``make`` returns, made once for these rows: pages ask for the same means again and again."""
        if key not in self._made:
            self._made[key] = make()
        found: Made = self._made[key]
        return found

    @cached_property
    def _made(self) -> dict[tuple[str, ...], Any]:
        return {}

    @cached_property
    def _maps_by(self) -> dict[tuple[str, str], pd.DataFrame]:
        if self.maps.empty:
            return {}
        groups = self.maps.groupby(["run_id", "explainer"], observed=True)
        return {(str(run), str(name)): rows.set_index("index") for (run, name), rows in groups}

    @cached_property
    def _answers_by(self) -> dict[str, pd.DataFrame]:
        if self.answers.empty:
            return {}
        groups = self.answers.groupby("run_id", observed=True)
        return {str(run): rows.set_index("index") for run, rows in groups}

    def row(self, run_id: str, explainer: str, index: int) -> Mapping[str, object]:
        """The stored numbers of one map; empty when there are none."""
        rows = self.of_run(run_id, explainer)
        if rows.empty or index not in rows.index:
            return {}
        return dict(zip(map(str, rows.columns), list(rows.loc[index]), strict=True))

    def bar(self, second_teacher: str | None, explainer: str = "cam") -> Bar | None:
        """What a cosine is read against; None where no second teacher was evaluated with this explainer."""
        rows = _NONE if second_teacher is None else self.of_run(second_teacher, explainer)
        if rows.empty or rows["cosine"].isna().all() or rows["cosine_shuffled"].isna().all():
            return None
        return Bar(second=float(rows["cosine"].mean()), other=float(rows["cosine_shuffled"].mean()))


def read_results(dataset: str, *, root: Path | None = None) -> Results:
    """Read the tables of a data set; a damaged file becomes the ``problem``, never an error."""
    try:
        maps, answers, images, gallery = (read_rows(dataset, name, root=root) for name in TABLES)
    except XKDError as error:
        return Results(dataset=dataset, problem=str(error))
    return Results(dataset=dataset, maps=maps, answers=answers, images=images, gallery=gallery)


def joined(results: Results, runs: Mapping[str, str], *, explainer: str = "cam") -> pd.DataFrame:
    """One row per image that all ``runs`` (a word for each -> its id) were evaluated on; empty where one was not.

    Columns: those of the images table, and for each run, after its word, what it has of _right, _same, _prob,
    _cosine, _shuffled and, where the data set has masks, _pointing.
    """
    parts = [results.images.set_index("index")] if not results.images.empty else []
    for word, run_id in runs.items():
        answers, maps = results.answers_of(run_id), results.of_run(run_id, explainer)
        if answers.empty or maps.empty:
            return _NONE
        parts += [_columns(answers, word, _ANSWERS), _columns(maps, word, _MAPS)]
    return pd.concat(parts, axis=1, join="inner").sort_index()


_ANSWERS = {"right": "right", "same_answer": "same", "prob": "prob"}
_MAPS = {"cosine": "cosine", "cosine_shuffled": "shuffled", "pointing": "pointing"}


def _columns(frame: pd.DataFrame, word: str, names: Mapping[str, str]) -> pd.DataFrame:
    return frame[[name for name in names if name in frame]].rename(columns=lambda name: f"{word}_{names[str(name)]}")
