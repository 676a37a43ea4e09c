"""Who does not count, by the rules of the configuration, which were fixed and hashed before the first answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from xkd_core.study.config import Exclusions


@dataclass(frozen=True, kw_only=True)
class Excluded:
    """A participant who does not count, and why: one sentence per rule."""

    participant: str
    reasons: tuple[str, ...]


def rules(given: Exclusions) -> tuple[str, ...]:
    """The rules in words, for the report."""
    found = []
    if given.failed_catches is not None:
        found.append(f"{given.failed_catches} or more wrong catch trials")
    if given.fast_share is not None:
        found.append(f"more than {given.fast_share:.0%} of the trials answered in under {given.fast_ms} ms")
    if given.slot_share is not None:
        found.append(f"one place chosen in more than {given.slot_share:.0%} of at least {given.slot_min_trials} trials")
    if given.unfinished:
        found.append("not all trials answered")
    return tuple(found)


def excluded(trials: pd.DataFrame, given: Exclusions) -> tuple[Excluded, ...]:
    """Apply the rules. trials: all drawn trials, with ``choice`` empty where there is no answer.

    Practice never counts. Only people who answered at least one trial can be excluded: the others count for nothing.
    """
    shown = trials[trials["kind"] != "practice"]
    found = []
    for participant, own in shown.groupby("participant", sort=False):
        reasons = _reasons(own, given) if own["choice"].notna().any() else ()
        if reasons:
            found.append(Excluded(participant=str(participant), reasons=tuple(reasons)))
    return tuple(found)


def counted(trials: pd.DataFrame, out: Sequence[Excluded]) -> pd.DataFrame:
    """The answered main trials of everyone who counts: what every share and test is made of."""
    names = {one.participant for one in out}
    keep = (trials["kind"] == "main") & trials["choice"].notna() & ~trials["participant"].astype(str).isin(names)
    return trials[keep]


def _reasons(own: pd.DataFrame, given: Exclusions) -> Sequence[str]:
    answered = own[own["choice"].notna()]
    found = []
    wrong = int((answered.loc[answered["kind"] == "catch", "correct"] == False).sum())  # noqa: E712  # None is not wrong
    if given.failed_catches is not None and wrong >= given.failed_catches:
        found.append(f"{wrong} wrong catch trials")
    times = answered["rt_client_ms"].astype(float)
    fast = float((times < given.fast_ms).mean())
    if given.fast_share is not None and fast > given.fast_share:
        found.append(f"{fast:.0%} of the answers in under {given.fast_ms} ms")
    slots: Mapping[object, float] = answered["choice"].value_counts(normalize=True).to_dict()
    most = max(slots.values(), default=0.0)
    if given.slot_share is not None and len(answered) >= given.slot_min_trials and most > given.slot_share:
        found.append(f"one place in {most:.0%} of the answers")
    if given.unfinished and len(answered) < len(own):
        found.append(f"{len(own) - len(answered)} trials not answered")
    return found
