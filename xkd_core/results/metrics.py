"""Stored metrics of a data set as pages read them: values per image and run, with what is undefined and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from xkd_core.errors import XKDError
from xkd_core.metrics.statistics import Estimate
from xkd_core.results.metric_store import (
    ANSWERS,
    FACTS,
    place,
    read_refused,
    read_run,
    read_whole,
    reasons_of,
    stored_runs,
)

EVERY = "*"
NOT_MEASURED = "not measured"
KEPT_COLUMNS = 1024
CONTROL = "control:"
"""How ids begin of what is stored as a run and is no network."""
_NONE = pd.DataFrame()


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Everything that is stored for one split. rows: see metric_store.py, with run_id. problem: a damaged file.

    instead: (run, explainer) whose rows are those of the explainer that stands in for it (catalogue.INSTEAD).
    rightly: each run has only the images that it answers rightly (see `right_only`).
    """

    dataset: str
    split: str = "test"
    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    refused: pd.DataFrame = field(default_factory=pd.DataFrame)
    whole: pd.DataFrame = field(default_factory=pd.DataFrame)
    problem: str = ""
    instead: frozenset[tuple[str, str]] = frozenset()
    rightly: bool = False

    def right_only(self) -> Metrics:
        """Each run with the images that it answers rightly, as paper 000 filters; without stored answers with none.

        Controls answer nothing and keep all. Numbers of a whole split are as they were.
        """
        return replace(self, rightly=True)

    @property
    def runs(self) -> list[str]:
        """Runs with rows."""
        return sorted({run for run, _ in self._by})

    @property
    def explainers(self) -> list[str]:
        """Explainers with rows of any run."""
        return sorted({explainer for _, explainer in self._by})

    @property
    def names(self) -> list[str]:
        """Metrics with a column, in the catalogue's order."""
        return [str(name) for name in self.rows if name not in (*FACTS, "run_id")]

    def having(self, metric: str) -> frozenset[str]:
        """Explainers with a value of this metric of any run."""
        return self._having.get(metric, frozenset())

    def values(self, run_ids: Sequence[str], explainer: str, metric: str) -> pd.DataFrame:
        """One column per run, indexed by the images that all of them were asked about; NaN is undefined.

        Empty where a run was not measured so.
        """
        columns = [self._column(run_id, explainer, metric) for run_id in run_ids]
        if not columns or any(column is None for column in columns):
            return pd.DataFrame(columns=list(run_ids), dtype=np.float64)
        return pd.concat(columns, axis=1, join="inner", keys=run_ids).sort_index()

    def undefined(self, run_ids: Sequence[str], explainer: str, metric: str) -> Mapping[str, int]:
        """Reason -> how many images of these runs have no value for it."""
        found: Counter[str] = Counter()
        for run_id in run_ids:
            rows = self._of(run_id, explainer)
            for text, count in rows["undefined"].value_counts().items() if len(rows) else ():
                reason = reasons_of(text).get(metric)
                found.update({reason: int(count)} if reason is not None else {})
        return dict(found.most_common())

    def reason(self, run_id: str, explainer: str, metric: str, index: int) -> str | None:
        """Why there is no value for one image, or None."""
        rows = self._of(run_id, explainer)
        if rows.empty or index not in rows.index:
            return self.refusal(run_id, explainer, metric) or NOT_MEASURED
        return reasons_of(rows["undefined"][index]).get(metric) or self.refusal(run_id, explainer, metric)

    def refusal(self, run_id: str, explainer: str, metric: str) -> str | None:
        """Why this metric of this map cannot be measured for any image, or None."""
        return self._refusals.get((run_id, explainer, metric)) or self._refusals.get((run_id, explainer, EVERY))

    def of_all(self, run_id: str, metric: str) -> Estimate | None:
        """A metric that is one number for all images (mAP, F1, calibration error); None where it is not stored."""
        if self.whole.empty:
            return None
        rows = self.whole[(self.whole["run_id"] == run_id) & (self.whole["metric"] == metric)]
        if rows.empty:
            return None
        value, low, high = (float(rows[name].iloc[0]) for name in ("value", "low", "high"))
        n, undefined = (int(rows[name].iloc[0]) for name in ("n", "undefined"))
        return Estimate(mean=value, low=low, high=high, n=n, undefined=undefined)

    @cached_property
    def of_splits(self) -> frozenset[str]:
        """Metrics of which there is one number for all images."""
        return frozenset() if self.whole.empty else frozenset(self.whole["metric"].astype(str))

    def _column(self, run_id: str, explainer: str, metric: str) -> pd.Series[float] | None:
        """Values of the images that were asked about: those with a value or a reason. The last ones are kept."""
        key, kept = (run_id, explainer, metric), self._kept
        if len(kept) >= KEPT_COLUMNS:
            kept.clear()
        found = kept.get(key, False)  # another thread may empty it at any moment
        if found is False:
            found = kept[key] = self._asked(run_id, explainer, metric)
        return found  # type: ignore[no-any-return]

    def _asked(self, run_id: str, explainer: str, metric: str) -> pd.Series[float] | None:
        rows = self._of(run_id, explainer)
        if metric not in rows:
            return None
        values = rows[metric].astype(np.float64)
        texts = [text for text in rows["undefined"].unique() if metric in reasons_of(text)]
        asked = values.notna() | rows["undefined"].isin(texts)
        return values[asked] if asked.any() else None

    def _of(self, run_id: str, explainer: str) -> pd.DataFrame:
        return self._by.get((run_id, explainer), _NONE)

    @cached_property
    def _having(self) -> dict[str, frozenset[str]]:
        if self.rows.empty:
            return {}
        known = self.rows[self.names].notna().groupby(self.rows["explainer"].astype(str)).any()
        return {name: frozenset(known.index[known[name]].astype(str)) for name in self.names}

    @cached_property
    def _kept(self) -> dict[tuple[str, str, str], Any]:
        return {}

    @cached_property
    def _by(self) -> dict[tuple[str, str], pd.DataFrame]:
        if self.rows.empty:
            return {}
        groups = self.rows.groupby(["run_id", "explainer"], observed=True)
        found = {(str(run), str(name)): rows.set_index("index") for (run, name), rows in groups}
        return _answered_rightly(found) if self.rightly else found

    @cached_property
    def _refusals(self) -> dict[tuple[str, str, str], str]:
        if self.refused.empty:
            return {}
        names = ("run_id", "explainer", "metric", "reason")
        rows = zip(*(self.refused[name] for name in names), strict=True)
        return {(run, explainer, metric): reason for run, explainer, metric, reason in rows}


def read_metrics(dataset: str, *, split: str = "test", root: Path | None = None) -> Metrics:
    """Read all metrics of a split; a damaged file becomes the ``problem``, never an error."""
    try:
        frames = [
            read_run(dataset, run_id, split=split, root=root).assign(run_id=run_id)
            for run_id in stored_runs(dataset, split, root)
        ]
        refused = read_refused(dataset, split=split, root=root)
        whole = read_whole(dataset, split=split, root=root)
    except XKDError as error:
        return Metrics(dataset=dataset, split=split, problem=str(error))
    rows = _in_order(pd.concat(frames, ignore_index=True)) if frames else pd.DataFrame()
    return Metrics(dataset=dataset, split=split, rows=rows, refused=refused, whole=whole)


def _answered_rightly(by: Mapping[tuple[str, str], pd.DataFrame]) -> dict[tuple[str, str], pd.DataFrame]:
    right = {run: rows.index[rows["right"] == 1] for (run, name), rows in by.items()
             if name == ANSWERS and "right" in rows}  # fmt: skip
    nothing = pd.Index([], dtype=np.int64)
    return {
        (run, name): rows if run.startswith(CONTROL) else rows[rows.index.isin(right.get(run, nothing))]
        for (run, name), rows in by.items()
    }


def _in_order(rows: pd.DataFrame) -> pd.DataFrame:
    names = sorted((str(name) for name in rows if name not in (*FACTS, "run_id")), key=place)
    return rows[["run_id", "explainer", "index", "target", *names, "undefined"]]
