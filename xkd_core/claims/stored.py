"""Which runs a claim means, by the fields of their cards, and their stored values for each image."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path

import pandas as pd

from xkd_core import settings
from xkd_core.distillation.recipes import Recipe
from xkd_core.models.cards import Card
from xkd_core.results.metric_store import ANSWERS
from xkd_core.results.metrics import Metrics, read_metrics
from xkd_core.results.paired import ANY_SEED
from xkd_core.serving.results import Results, read_results
from xkd_core.serving.zoo import FAMILIES, VARIED, Zoo, base_of, family_of, fingerprint, read_zoo, rounded


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Runs that differ in the seed only. family: of serving/zoo.py, "teacher", or "naive" for KD and baseline.

    width None: whatever there is. beta None: the family's usual one. fields: of the recipe, else at its default.
    """

    family: str
    label: str
    width: float | None = None
    lam: float | None = 0.5
    beta: float | None = None
    fields: Mapping[str, object] = field(default_factory=dict)


TEACHER = Runs(family="teacher", label="teacher")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Cards and rows of one data set."""

    dataset: str
    zoo: Zoo
    results: Results
    metrics: Metrics

    def ids(self, runs: Runs) -> Mapping[int, str]:
        """Seed -> run id. The teacher, who is the same for every seed, stands at ``ANY_SEED``; empty: no such run."""
        if runs.family == "teacher":
            return {} if self.zoo.teacher is None else {ANY_SEED: self.zoo.teacher.id}
        chosen: dict[int, Card] = {}
        for card in sorted(self.zoo.cards, key=lambda card: (_round(card), card.id)):
            if self._fits(card, runs):
                chosen[card.seed] = card  # of the rounds of a pruning, the last
        return {seed: card.id for seed, card in sorted(chosen.items())}

    def lams(self, runs: Runs) -> tuple[float, ...]:
        """Every λ at which runs of the group are here, all else alike, ascending."""
        anywhere = replace(runs, lam=None)
        return tuple(sorted({card.lam or 0.0 for card in self.zoo.cards if self._fits(card, anywhere)}))

    def values(self, run_id: str, explainer: str, metric: str) -> pd.Series[float] | None:
        """Values by image, NaN where undefined; None where they are not stored. "cam" may be its Grad-CAM."""
        for series in (self._row_values(run_id, explainer, metric), self._metric_values(run_id, explainer, metric)):
            if series is not None:
                return series
        return None

    def _row_values(self, run_id: str, explainer: str, metric: str) -> pd.Series[float] | None:
        rows = self.results.answers_of(run_id) if explainer == ANSWERS else self.results.of_run(run_id, explainer)
        return rows[metric].astype(float) if metric in rows and len(rows) else None

    def _metric_values(self, run_id: str, explainer: str, metric: str) -> pd.Series[float] | None:
        for name in (explainer, "grad_cam") if explainer == "cam" else (explainer,):
            table = self.metrics.values([run_id], name, metric)
            if len(table):
                return table[run_id]
        return None

    def _fits(self, card: Card, runs: Runs) -> bool:
        if base_of(family_of(card)) != runs.family or card.role == "teacher":
            return False
        first = self.zoo.teacher
        same_teacher = first is not None and card.teacher_id == first.id
        width = runs.width is None or math.isclose(card.width, runs.width)
        lam = runs.lam is None or math.isclose(card.lam or 0.0, runs.lam)
        return same_teacher and width and lam and self._usual_beta(card, runs) and _varied(card, runs)

    def _usual_beta(self, card: Card, runs: Runs) -> bool:
        if runs.family not in self._betas and runs.beta is None:
            return True
        wanted = self._betas[runs.family] if runs.beta is None else runs.beta
        return math.isclose(card.beta or 0.0, wanted)

    @cached_property
    def _betas(self) -> Mapping[str, float]:
        """Family -> the β that most of its runs have, whether or not their weights are here: rows are."""
        counts = {family: Counter(rounded(card.beta) for card in self.zoo.known("matched", family)
                                  if card.beta is not None) for family in FAMILIES}  # fmt: skip
        return {family: count.most_common(1)[0][0] for family, count in counts.items() if count}


def read_stored(dataset: str, root: Path | None = None) -> Stored:
    """Read cards and rows of a data set as they are on the disk now; what is not there is empty."""
    return _read(dataset, root, stamp(root))


def stamp(root: Path | None = None) -> str:
    """Changes when a card, a table of results or a file of metrics is written, removed or replaced."""
    place = settings.checkpoints_dir() if root is None else root
    files = sorted(place.glob("*/results/metrics/*/*.parquet"))
    seen = [(str(path), status.st_mtime_ns, status.st_size) for path in files if (status := path.stat())]
    return hashlib.sha256(repr((fingerprint(root), seen)).encode()).hexdigest()[:16]


@lru_cache(maxsize=6)
def _read(dataset: str, root: Path | None, seen: str) -> Stored:
    return Stored(
        dataset=dataset,
        zoo=read_zoo(dataset, root=root),
        results=read_results(dataset, root=root),
        metrics=read_metrics(dataset, root=root),
    )


def _varied(card: Card, runs: Runs) -> bool:
    defaults = {name: Recipe.__dataclass_fields__[name].default for name in VARIED}
    return all(
        card.recipe.get(name, default) == runs.fields.get(name, default)
        for name, default in {**defaults, **{name: None for name in runs.fields if name not in defaults}}.items()
    )


def _round(card: Card) -> int:
    return int(card.recipe.get("round") or 0)
