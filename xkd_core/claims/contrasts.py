"""The verdict on a claim that consists of comparisons of runs (`measuring`), and the sentences for it.

Wilcoxon's p of the means over seeds (of metrics of 0 and 1 the exact sign test's) is corrected by Holm over a claim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from xkd_core.claims import maps_used
from xkd_core.claims.base import Finding, Number, Verdict
from xkd_core.claims.columns import Check, MissingRowsError, Seeds
from xkd_core.claims.measuring import SIDES, SIGNIFICANT, Measured, measure
from xkd_core.claims.stored import Stored, read_stored
from xkd_core.images.datasets import info
from xkd_core.metrics.paired_tests import holm
from xkd_core.models.cards import Card

Outcome = Literal["passes", "not shown", "contrary", "open"]


@dataclass(frozen=True, kw_only=True)
class OfRuns:
    """The judge of a claim over the rows of one data set. make: measures what is missing of trained runs."""

    dataset: str
    checks: tuple[Check, ...]
    make: str

    def __call__(self, root: Path | None) -> Finding:
        """Judge from the rows below ``root``."""
        return judged(read_stored(self.dataset, root), self.checks, make=self.make)


def share_right(dataset: str) -> str:
    """What stored answers count as right: with several labels, the decision on the class that the teacher names first.

    There the teacher itself is right on nearly every image, and students are measured by how often they agree.
    """
    return f"Share of right answers{' on the explained class' if info(dataset).multi_label else ''}"


def of_runs(dataset: str, checks: Sequence[Check], *, make: str = "") -> OfRuns:
    """A judge by rows. make: the command that measures them, if it is not the data set's sweep."""
    collect = f"python -m xkd_core sweep collect {_sweep_file(dataset)}"
    return OfRuns(dataset=dataset, checks=tuple(checks), make=make or collect)


def judged(stored: Stored, checks: Sequence[Check], *, make: str) -> Finding:
    """Holds if every check passes. make: measures rows that are missing; runs that are, the sweep trains before."""
    try:
        measured = [measure(stored, check) for check in checks]
    except MissingRowsError as missing:
        train = f"python -m xkd_core sweep run {_sweep_file(stored.dataset)} && "
        reason = f"Not {'measured' if missing.trained else 'trained'} yet: {missing}."
        return Finding(verdict="not testable here", reason=reason, command=make if missing.trained else train + make)
    return decided(stored, checks, measured)


def decided(stored: Stored, checks: Sequence[Check], measured: Sequence[Measured]) -> Finding:
    """The finding of checks whose contrasts are measured."""
    adjusted = _holm([one.p for one in measured])
    outcomes = [outcome(check, one, p, comparisons=len(checks))
                for check, one, p in zip(checks, measured, adjusted, strict=True)]  # fmt: skip
    numbers = tuple(
        Number.of(check.label, one.estimate, seeds=one.seeds, passes=_PASSES[result])
        for check, one, result in zip(checks, measured, outcomes, strict=True)
    )
    verdict, single = _verdict(outcomes), any(one.seeds == 1 for one in measured)
    found = Finding(verdict=verdict, reason="", numbers=numbers, against=outcomes.count("contrary"),
                    one_seed=single and (verdict == "holds" or "contrary" in outcomes))  # fmt: skip
    said = (_in_short(found, outcomes), *_reasons(checks, measured, outcomes), maps_used.in_words(stored, checks),
            *_one_seed(checks, measured), _unpaired(measured), _left_out(checks, measured), _unfinished(stored, checks),
            _drew_nothing(stored, checks))  # fmt: skip
    return replace(found, reason=" ".join(filter(None, said)))


def outcome(check: Check, measured: Measured, p: float, *, comparisons: int = 1) -> Outcome:
    """Whether a contrast is as the check says; comparisons: of the claim, Holm's largest factor.

    "contrary": the other way round, by the same evidence as "passes" needs; "not shown": neither. "open": a margin that
    lies in the interval or that another seed of a side with one may pass, a difference of one seed that another seed
    makes as well, a side of 0 that no run could reach or not with a p small enough, or values that cannot tell.
    """
    if check.undecided:
        return "open"
    if check.rule in SIDES:
        side, large = measured.estimate.side * SIDES[check.rule], not measured.floor.covers(measured.estimate.mean)
        if side > 0 and p < SIGNIFICANT:
            return "passes" if large else "open"
        if measured.out_of_reach(comparisons):
            return "open"
        return "contrary" if side < 0 and p < SIGNIFICANT and large else "not shown"
    (low, high), margin = measured.ends, check.margin
    if check.rule == "not below":
        return "passes" if low > -margin else "contrary" if high < -margin else "open"
    inside, outside = -margin < low and high < margin, low > margin or high < -margin
    return "passes" if inside else "contrary" if outside else "open"


def _sweep_file(dataset: str) -> str:
    return f"checkpoints/{dataset}/sweep.yaml"


_PASSES: dict[Outcome, bool | None] = {"passes": True, "not shown": False, "contrary": False, "open": None}


def _holm(values: Sequence[float]) -> list[float]:
    known = {str(place): value for place, value in enumerate(values)}
    return list(holm(known, family="the comparisons of one claim").values())


def _verdict(outcomes: Sequence[Outcome]) -> Verdict:
    if all(one == "passes" for one in outcomes):
        return "holds"
    return "does not hold" if {"not shown", "contrary"} & set(outcomes) else "not testable here"


def _in_short(found: Finding, outcomes: Sequence[Outcome]) -> str:
    """How many comparisons are as the claim says, and where a claim does not hold, how many are the contrary."""
    passed, every = outcomes.count("passes"), len(outcomes)
    words = f"{passed} of {every} comparison{'s' if every > 1 else ''} as claimed"
    if not found.how:
        return f"{words}."
    count = f"{found.against} {'is' if found.against == 1 else 'are'}" if found.against else "none is"
    return f"{found.how.capitalize()}: {words}, {count} the other way round."


def _reasons(checks: Sequence[Check], measured: Sequence[Measured], outcomes: Sequence[Outcome]) -> list[str]:
    """A sentence for each comparison that is not as the claim says."""
    every = zip(checks, measured, outcomes, strict=True)
    return [f"{check.label}: {_why_not(check, one, result, len(checks))}."
            for check, one, result in every if result != "passes"]  # fmt: skip


def _left_out(checks: Sequence[Check], measured: Sequence[Measured]) -> str:
    """Names the seeds that are not measured, and of which comparisons if it is not all of them."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for check, one in zip(checks, measured, strict=True):
        if one.left_out:
            groups.setdefault(one.left_out, []).append(check.label)
    whose = {seeds: "" if len(of) == len(checks) else f" ({'; '.join(of)})" for seeds, of in groups.items()}
    said = [f"seed {', '.join(map(str, seeds))}{whose[seeds]}" for seeds in groups]
    return f"Trained but not measured, and left out: {'; '.join(said)}." if said else ""


def _unfinished(stored: Stored, checks: Sequence[Check]) -> str:
    """Names the runs that were still getting better when their training ended: more epochs may turn a verdict."""
    labels = sorted({label for label, card in _used(stored, checks) if card.undertrained})
    return f"Not trained to the end: {', '.join(labels)}." if labels else ""


def _drew_nothing(stored: Stored, checks: Sequence[Check]) -> str:
    """Names runs whose autoencoder draws no image's explanation better than one map for all of them would."""
    labels = sorted({label for label, card in _used(stored, checks)
                     if card.extras.get("mae/cae", 0.0) >= card.extras.get("mae/median_map", math.inf)})  # fmt: skip
    return f"Its autoencoder draws no better than the median map: {', '.join(labels)}." if labels else ""


def _used(stored: Stored, checks: Sequence[Check]) -> list[tuple[str, Card]]:
    """Label and card of every run that the checks are about."""
    cards = {card.id: card for card in stored.zoo.cards}
    found = {(term.runs.label, run_id) for check in checks for term in check.terms
             for run_id in stored.ids(term.runs).values()}  # fmt: skip
    return [(label, cards[run_id]) for label, run_id in sorted(found) if run_id in cards]


def _is_unknown(one: Measured) -> bool:
    """Whether nobody knows what another seed would make of it, or of some of its runs."""
    return one.seeds == 1 and (one.floor.value is None or one.floor.partial)


def _one_seed(checks: Sequence[Check], measured: Sequence[Measured]) -> list[str]:
    """What is said of comparisons of one seed: that another seed's part is not known, or known from another λ."""
    unknown = {check.label: one for check, one in zip(checks, measured, strict=True)
               if _is_unknown(one) and not one.floor.covers(one.estimate.mean)}  # fmt: skip
    of_some = any(one.floor.partial and one.floor.value is not None for one in unknown.values())
    borrowed: dict[str, set[str]] = {}
    for one in measured:
        if one.floor.borrowed:
            borrowed.setdefault(one.floor.borrowed, set()).add(f"{one.floor.value:.2g}")
    whose = "" if len(unknown) == len(checks) else f" ({'; '.join(unknown)})"
    known = "known of some of the runs only" if of_some else "not known"
    each = "One seed on a side" if any(one.seeds == 1 and one.unpaired for one in measured) else "One seed each"
    said = [f"{each}{whose}: what another seed would change is {known}."] if unknown else []
    return said + [f"{each} here; at {place} two seeds lie {' or '.join(sorted(apart))} apart."
                   for place, apart in borrowed.items()]  # fmt: skip


def _unpaired(measured: Sequence[Measured]) -> str:
    """Names the seeds on each side where those of all could not be paired."""
    groups: dict[str, set[Seeds]] = {}
    for label, seeds in (group for one in measured for group in one.unpaired):
        groups.setdefault(label, set()).add(seeds)
    said = [f"{label} has {' or '.join(', '.join(map(str, own)) for own in sorted(every))}"
            for label, every in groups.items()]  # fmt: skip
    return f"Seeds not paired: {'; '.join(said)}." if said else ""


def _why_open(check: Check, measured: Measured, comparisons: int) -> str:
    """Why a check with a side of 0 is open."""
    if measured.estimate.side == SIDES[check.rule] and measured.floor.covers(measured.estimate.mean):
        place = f" at {measured.floor.borrowed}" if measured.floor.borrowed else ""
        return f"one seed only, and two seeds of one training lie as far apart ({measured.floor.value:.2g}{place})"
    if measured.best is None or not measured.best.left:
        return "cannot be shown, no run could be better than what it is compared with"
    images = f"{measured.best.left:,} image{'s are' if measured.best.left > 1 else ' is'}"
    p = min(1.0, measured.best.p * comparisons)
    return f"cannot be shown, only {images} left to gain, and even all of them would give p = {p:.2g}"


def _why_undecided(check: Check, measured: Measured) -> str:
    """Why a check with a margin is open: for its interval or, where that is clear, for a side with one seed."""
    found, margins = measured.estimate, (-check.margin, check.margin)[: 2 if check.rule == "within" else 1]
    if measured.floor.value is None or any(found.low <= margin <= found.high for margin in margins):
        return f"undecided, the interval reaches over the margin of {check.margin:g}"
    place = f" at {measured.floor.borrowed}" if measured.floor.borrowed else ""
    apart = f"two seeds of one training lie as far apart ({measured.floor.value:.2g}{place})"
    return f"undecided, one seed only, and {apart} as it is from the margin of {check.margin:g}"


def _why_not(check: Check, measured: Measured, result: Outcome, comparisons: int) -> str:
    found = measured.estimate
    if check.undecided:
        return check.undecided
    if result == "open" and check.rule in SIDES:
        return _why_open(check, measured, comparisons)
    if result == "open":
        return _why_undecided(check, measured)
    if check.rule in ("not below", "within"):
        return f"beyond the margin of {check.margin:g}"
    if not found.side:
        return "the interval contains 0, no difference is shown"
    if result == "contrary":
        return "the other way round"
    side = "" if found.side == SIDES[check.rule] else "on the other side, but "
    small = measured.floor.covers(found.mean)
    return side + ("no further than another seed moves it" if small else "not significant after Holm's correction")
