"""How often each answer was given: shares with Wilson's interval (1927) and the exact one, against blind guessing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from xkd_core.errors import BadInputError
from xkd_core.study.config import Question, StudyConfig
from xkd_core.study.meaning import PAIRS


@dataclass(frozen=True, kw_only=True)
class Share:
    """hits of n with Wilson's interval and the exact one (Clopper & Pearson), which is wider; NaN for n = 0.

    These intervals take answers for independent; the primary test does not.
    """

    hits: int
    n: int
    share: float
    low: float
    high: float
    exact_low: float
    exact_high: float


def wilson(hits: int, n: int, *, level: float = 0.95) -> Share:
    """A share with both intervals."""
    from statsmodels.stats.proportion import proportion_confint  # slow to import

    if not 0 <= hits <= n:
        raise BadInputError(f"hits must be 0 to n; got {hits} of {n}.")
    if n == 0:
        nan = float("nan")
        return Share(hits=0, n=0, share=nan, low=nan, high=nan, exact_low=nan, exact_high=nan)
    low, high = proportion_confint(hits, n, alpha=1 - level, method="wilson")
    exact_low, exact_high = proportion_confint(hits, n, alpha=1 - level, method="beta")
    return Share(
        hits=hits, n=n, share=hits / n, low=float(low), high=float(high),
        exact_low=float(exact_low), exact_high=float(exact_high),
    )  # fmt: skip


def answer_shares(answers: pd.Series, question: Question) -> Mapping[str, Share]:
    """Share of TM, TN and NM among all answers; a two-alternative question has no NM."""
    asked = PAIRS[:2] if question == "two_alternative" else PAIRS
    return {pair: wilson(int((answers == pair).sum()), len(answers)) for pair in asked}


def majorities(answers: pd.DataFrame) -> Mapping[str, int]:
    """How many people gave each answer most often, "tie" where two came first: paper 003 counted people."""
    counts = {**dict.fromkeys(PAIRS, 0), "tie": 0}
    for _, own in answers.groupby("participant")["answer"]:
        most = own.value_counts()
        best = most.index[most == most.max()]
        counts[str(best[0]) if len(best) == 1 else "tie"] += 1
    return counts


PAPER_003: Mapping[str, int] = {"TM": 18, "NM": 5, "TN": 7}
"""Paper 003, sec. IV-C: 18 of 30 chose teacher and XDistillation, 5 XDistillation and KD. 7 = 30 - 18 - 5."""


def reference(config: StudyConfig) -> Mapping[str, Share]:
    """Paper 003's shares with their intervals, for the questions that it can be compared with."""
    if config.question == "two_alternative":
        return {}
    return {pair: wilson(PAPER_003[pair], sum(PAPER_003.values())) for pair in PAIRS}
