"""What a claim is, and what is found out about it. The code that finds out is in the other modules."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from xkd_core.metrics.statistics import Estimate

Verdict = Literal["holds", "does not hold", "not testable here"]
VERDICTS: tuple[Verdict, ...] = ("holds", "does not hold", "not testable here")
How = Literal["", "not shown", "contradicted"]
HOW: tuple[How, ...] = ("not shown", "contradicted")
"""What 'does not hold' may mean: nothing shows the claim, or something shows the other way round."""
PAPERS: Mapping[str, str] = {
    "000": "Wilfling, Valdenegro-Toro & Zullich: saliency maps of distilled CNNs",
    "001": "Anonymous: effect of CNN compression on gradient-based explainability",
    "002": "Lee & Kim 2021: attentive knowledge distillation",
    "003": "Alharbi, Vu & Thai 2021: XDistillation",
    "004": "Park, Yang, Hwang & Yang 2020: attribution preservation",
}


@dataclass(frozen=True, kw_only=True)
class Number:
    """One number of ours. low, high: its 95 % interval; n: images; seeds: trainings (of the side with the
    fewest), 0 where none enters.

    undefined: images that were asked about but have no value, beside n.
    passes: whether it is as the claim says, None where it does not decide.
    """

    label: str
    value: float
    low: float = math.nan
    high: float = math.nan
    n: int = 0
    seeds: int = 0
    undefined: int = 0
    passes: bool | None = None

    @classmethod
    def of(cls, label: str, found: Estimate, *, seeds: int, passes: bool | None = None) -> Number:
        """The number of an estimate over images."""
        return cls(label=label, value=found.mean, low=found.low, high=found.high, n=found.n, seeds=seeds,
                   undefined=found.undefined, passes=passes)  # fmt: skip

    def __str__(self) -> str:
        """'/8: EWA - KD = 0.0123 [0.0101, 0.0143] (n=960, 40 undefined, 3 seeds)'."""
        count = [f"n={self.n}"] if self.n else []
        count += [f"{self.undefined} undefined"] if self.undefined else []
        count += [f"{self.seeds} seed{'s' if self.seeds > 1 else ''}"] if self.seeds else []
        return f"{self.label} = {self.text}" + (f" ({', '.join(count)})" if count else "")

    @property
    def text(self) -> str:
        """The value with its interval, where it has one: '0.0123 [0.0101, 0.0143]', '61,706'."""
        interval = "" if math.isnan(self.low) else f" [{_written(self.low)}, {_written(self.high)}]"
        return _written(self.value) + interval


def _written(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What came out. command: makes the numbers, or, where they are missing, what they need.

    against: how many comparisons are shown to be the other way round; 1 for a proof that the claim is wrong.
    one_seed: it is decided, and a comparison enters in which a side has one seed.
    """

    verdict: Verdict
    reason: str
    numbers: tuple[Number, ...] = ()
    command: str = ""
    against: int = 0
    one_seed: bool = False

    @property
    def how(self) -> How:
        """Which of ``HOW`` a claim that does not hold is; "" for the other verdicts."""
        if self.verdict != "does not hold":
            return ""
        return "contradicted" if self.against else "not shown"

    @property
    def words(self) -> str:
        """The verdict as it is shown: 'holds', 'does not hold: not shown'."""
        return f"{self.verdict}: {self.how}" if self.how else self.verdict

    @property
    def note(self) -> str:
        """What stands beside the verdict: 'one seed', and how many comparisons pass where some do: '5 of 10 pass'."""
        decided = [number.passes for number in self.numbers if number.passes is not None]
        some = self.verdict != "holds" and 0 < sum(decided) < len(decided)
        said = ["one seed"] * self.one_seed + [f"{sum(decided)} of {len(decided)} pass"] * some
        return ", ".join(said)

    @property
    def full(self) -> str:
        """'does not hold: contradicted (5 of 10 pass)'."""
        return f"{self.words} ({self.note})" if self.note else self.words


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What a paper says, where, with which numbers, and how we test it.

    kind: "code" is shown by running code in seconds; "runs" needs stored rows of trained networks. judge: root of
    the checkpoints (None: the settings' place) -> Finding. page: of the app, where one can look, with its query.
    ours: the paper does not say it; a control that it lacks, or what its numbers or its code must be to mean something.
    """

    id: str
    paper: str
    says: str
    place: str
    printed: str
    test: str
    kind: Literal["code", "runs"]
    judge: Callable[[Path | None], Finding]
    page: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    ours: bool = False

    @property
    def command(self) -> str:
        """The command that shows this claim alone."""
        return f"python -m xkd_core claims --only {self.id}"


def found(passes: bool, reason: str, *numbers: Number) -> Finding:
    """The finding of a proof: it holds, or the code shows the contrary."""
    verdict: Verdict = "holds" if passes else "does not hold"
    return Finding(verdict=verdict, reason=reason, numbers=numbers, against=int(not passes))


def at_most(value: float) -> float:
    """The power of ten that a difference which is rounding does not pass: its digits change from run to run."""
    return 10.0 ** math.ceil(math.log10(value)) if value > 0 else 0.0


def by_code(proof: Callable[[], Finding]) -> Callable[[Path | None], Finding]:
    """The judge of a claim that needs no run."""
    return lambda root: proof()
