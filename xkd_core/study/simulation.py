"""Studies that never happened, with a truth that we set: how much power, and how often a false alarm.

Each answer is drawn from the softmax of three utilities. The log odds of "teacher and matched" against "teacher and
naive" move with the person and with the item, so answers hang together in two crossed ways, as in earnest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from xkd_core.errors import BadInputError
from xkd_core.study.analysis.clusters import clustered_mean, crossed
from xkd_core.study.analysis.proportions import Share, wilson
from xkd_core.study.meaning import PAIRS
from xkd_core.types import Float64

PERSON_SD = 0.5
ITEM_SD = 0.6


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Probabilities of the three answers for a typical person and item, and how much people and items differ.

    matched, naive: the teacher is put with that student; the rest puts the students together. sd: of the log odds.
    """

    matched: float = 0.4
    naive: float = 0.3
    person_sd: float = PERSON_SD
    item_sd: float = ITEM_SD

    def __post_init__(self) -> None:
        if not (self.matched > 0 and self.naive > 0 and self.matched + self.naive <= 1):
            raise BadInputError(f"Shares must be above 0 and at most 1 together; got {self.matched}, {self.naive}.")
        if self.person_sd < 0 or self.item_sd < 0:
            raise BadInputError("Standard deviations must not be negative.")

    @property
    def is_null(self) -> bool:
        """True when the teacher is put with either student equally often."""
        return self.matched == self.naive


@dataclass(frozen=True, kw_only=True)
class Design:
    """How many people judge how many trials each, out of how many items."""

    participants: int = 40
    trials: int = 40
    items: int = 80

    def __post_init__(self) -> None:
        if self.participants < 2 or self.items < 2 or not 1 <= self.trials <= self.items:
            raise BadInputError(
                "A design needs at least 2 participants, 2 items and 1 trial, and no more trials than items; "
                f"got {self.participants}, {self.items} and {self.trials}."
            )


@dataclass(frozen=True, kw_only=True)
class Power:
    """How many of ``studies`` simulated studies the primary test rejected. undefined: those without a test."""

    design: Design
    truth: Truth
    alpha: float
    rejected: Share
    studies: int
    undefined: int


def simulate(design: Design, truth: Truth, *, seed: int) -> pd.DataFrame:
    """One study: columns participant, item, answer (TM, TN or NM), one row per trial, items balanced."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(design.participants), design.trials)
    item = _balanced(design, rng)
    pull = (
        rng.normal(0, truth.person_sd, design.participants)[person] + rng.normal(0, truth.item_sd, design.items)[item]
    )
    chances = answer_chances(truth, pull)  # (n, 3)
    answer = (rng.random(len(pull))[:, None] > chances.cumsum(axis=1)[:, :2]).sum(axis=1)
    return pd.DataFrame({"participant": person, "item": item, "answer": np.asarray(PAIRS)[answer]})


def answer_chances(truth: Truth, pull: Float64) -> Float64:
    """Probabilities of TM, TN, NM (n, 3) for people and items that pull the log odds of TM against TN by ``pull``."""
    students = max(0.0, 1 - truth.matched - truth.naive)
    weights = np.stack(
        [truth.matched * np.exp(pull / 2), truth.naive * np.exp(-pull / 2), np.full(len(pull), students)], axis=1
    )
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def expected_share(truth: Truth) -> float:
    """The share of TM among TM and TN over all people and items, by quadrature: what an analysis should give back."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(80)
    chances = answer_chances(truth, nodes * float(np.hypot(truth.person_sd, truth.item_sd)))
    matched, naive = weights @ chances[:, 0], weights @ chances[:, 1]
    return float(matched / (matched + naive))


def power(design: Design, truth: Truth, *, studies: int = 500, seed: int = 0, alpha: float = 0.05) -> Power:
    """Run the primary test on ``studies`` simulated studies; for a null truth this is its false-positive rate.

    Two-sided, at ``alpha``. For a truth that is not null only rejections in its direction count.
    """
    if studies < 1:
        raise BadInputError(f"At least one study must be simulated; got {studies}.")
    rejected = undefined = 0
    for number in range(studies):
        answers = simulate(design, truth, seed=int(np.random.SeedSequence([seed, number]).generate_state(1)[0]))
        paired = answers[answers["answer"] != "NM"]
        found = clustered_mean(crossed(paired["answer"] == "TM", paired["participant"], paired["item"]))
        undefined += np.isnan(found.p)
        right_way = truth.is_null or (found.mean > 0.5) == (truth.matched > truth.naive)
        rejected += bool(found.p < alpha and right_way)
    return Power(
        design=design, truth=truth, alpha=alpha, rejected=wilson(rejected, studies), studies=studies,
        undefined=int(undefined),
    )  # fmt: skip


def _balanced(design: Design, rng: np.random.Generator) -> np.ndarray:
    """Items of all trials in a row: through shuffled rounds of all items, so that none comes twice for a person."""
    start = np.arange(design.participants)[:, None] * design.trials + np.arange(design.trials)
    order = rng.permutation(design.items)
    return np.asarray(order[start % design.items]).ravel()
