"""Everything that is said about a study, as one value: for the live page, for the export, as JSON."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from xkd_core.study.analysis import agreement, exclusions, proportions
from xkd_core.study.analysis.agreement import Alpha, PositionBias
from xkd_core.study.analysis.clusters import Clustered, clustered_mean, crossed
from xkd_core.study.analysis.exclusions import Excluded
from xkd_core.study.analysis.predictors import Predictor, predictors
from xkd_core.study.analysis.primary import Primary, primary
from xkd_core.study.analysis.proportions import Share
from xkd_core.study.store.frames import StudyData


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Answers about one pair of students: its ratio and λ, the shares, the share of TM among TM and TN, and p.

    p_holm: the p value corrected for having asked every pair of students.
    """

    students: int
    naive: str
    matched: str
    ratio: float | None
    lam: float | None
    shares: Mapping[str, Share]
    test: Clustered
    p_holm: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """The analysis of a study at one moment.

    shares: of TM, TN, NM among the counted answers; chance: of each. reference: paper 003's shares, where they can be
    compared; majorities: how many people gave each answer most often, and reference_people: paper 003's counts.
    """

    config_sha256: str
    rules: tuple[str, ...]
    excluded: tuple[Excluded, ...]
    participants: int
    answers: int
    chance: float
    shares: Mapping[str, Share]
    reference: Mapping[str, Share]
    majorities: Mapping[str, int]
    reference_people: Mapping[str, int]
    primary: Primary
    position: PositionBias
    alpha: Alpha
    repeats: Share
    catches: Share
    cells: tuple[Cell, ...]
    predictors: tuple[Predictor, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; undefined numbers are None."""
        plain: dict[str, Any] = _plain(dataclasses.asdict(self))
        return plain


def analyse(data: StudyData, *, seed: int = 0, resamples: int = 2000, model: bool = True) -> Report:
    """Analyse what is stored so far. model: also fit the mixed model, which takes the most time."""
    config = data.study.config
    out = exclusions.excluded(data.trials, config.exclusions)
    answers = exclusions.counted(data.trials, out)
    kept = data.trials[~data.trials["participant"].isin({one.participant for one in out})]
    return Report(
        config_sha256=data.study.config_sha256,
        rules=exclusions.rules(config.exclusions),
        excluded=out,
        participants=int(answers["participant"].nunique()),
        answers=len(answers),
        chance=config.chance,
        shares=proportions.answer_shares(answers["answer"], config.question),
        reference=proportions.reference(config),
        majorities=proportions.majorities(answers),
        reference_people=proportions.PAPER_003,
        primary=primary(answers, seed=seed, resamples=resamples, model=model),
        position=agreement.position_bias(answers, slots=2 if config.question == "two_alternative" else 3),
        alpha=agreement.krippendorff_alpha(answers, seed=seed, resamples=max(1, resamples // 2)),
        repeats=agreement.repeat_consistency(kept),
        catches=_catches(data.trials),
        cells=_cells(data, answers),
        predictors=predictors(answers, _similarities(data.items), seed=seed, resamples=resamples),
    )


def _catches(trials: pd.DataFrame) -> Share:
    """Right answers to catch trials, of everyone, the excluded too."""
    answered = trials[(trials["kind"] == "catch") & trials["choice"].notna()]
    return proportions.wilson(int(answered["correct"].fillna(False).astype(bool).sum()), len(answered))


def _cells(data: StudyData, answers: pd.DataFrame) -> tuple[Cell, ...]:
    config = data.study.config
    found = []
    for place, pair in enumerate(config.pairs):
        own = answers[answers["students"] == place]
        paired = own[own["answer"] != "NM"]
        test = clustered_mean(crossed(paired["answer"] == "TM", paired["participant"], paired["item"]))
        shares = proportions.answer_shares(own["answer"], config.question)
        found.append(Cell(students=place, **pair.model_dump(), shares=shares, test=test, p_holm=float("nan")))
    return tuple(
        dataclasses.replace(cell, p_holm=p)
        for cell, p in zip(found, _holm([cell.test.p for cell in found]), strict=True)
    )


def _holm(values: list[float]) -> list[float]:
    """Holm 1979 over the pairs that have a test; NaN stays NaN."""
    from statsmodels.stats.multitest import multipletests  # slow to import

    known = [value for value in values if not math.isnan(value)]
    adjusted = iter(multipletests(known, method="holm")[1] if known else ())
    return [value if math.isnan(value) else float(next(adjusted)) for value in values]


def _similarities(items: pd.DataFrame) -> Mapping[int, Any]:
    return dict(zip(items["item"].astype(int), items["similarities"], strict=True))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
