"""All claims, and how they are judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

from xkd_core.claims import (
    paper_000,
    paper_001,
    paper_002,
    paper_003,
    paper_003_regions,
    paper_004,
    paper_004_others,
    paper_004_roar,
)
from xkd_core.claims.base import HOW, VERDICTS, Claim, Finding, How, Verdict
from xkd_core.errors import unknown_name

CLAIMS: Mapping[str, Claim] = {
    claim.id: claim
    for module in (
        paper_000, paper_001, paper_002, paper_003, paper_003_regions, paper_004, paper_004_others, paper_004_roar,
    )
    for claim in module.CLAIMS
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A claim with what was found; the finding's command is always there."""

    claim: Claim
    finding: Finding


def judge(claim_id: str, root: Path | None = None) -> Judged:
    """Judge one claim from stored rows or by running code. Errors: UnknownNameError for another id."""
    if claim_id not in CLAIMS:
        raise unknown_name("claim", claim_id, CLAIMS)
    claim = CLAIMS[claim_id]
    finding = claim.judge(root)
    return Judged(claim=claim, finding=finding if finding.command else replace(finding, command=claim.command))


def judge_all(root: Path | None = None, only: Sequence[str] = ()) -> tuple[Judged, ...]:
    """Judge all claims, or those named by id or a pattern such as "004-*"; nothing is trained or measured.

    Errors: UnknownNameError for an id or a pattern that no claim fits.
    """
    return tuple(judge(claim_id, root) for claim_id in _like(only))


def _like(patterns: Sequence[str]) -> list[str]:
    for pattern in patterns:
        if not any(fnmatchcase(claim_id, pattern) for claim_id in CLAIMS):
            raise unknown_name("claim", pattern, CLAIMS)
    return [one for one in CLAIMS if not patterns or any(fnmatchcase(one, pattern) for pattern in patterns)]


def by_verdict(judged: Sequence[Judged]) -> Mapping[Verdict, int]:
    """How many claims have each verdict."""
    count = Counter(one.finding.verdict for one in judged)
    return {verdict: count[verdict] for verdict in VERDICTS}


def by_how(judged: Sequence[Judged]) -> Mapping[How, int]:
    """Of the claims that do not hold: how many are not shown, and how many are contradicted."""
    count = Counter(one.finding.how for one in judged)
    return {how: count[how] for how in HOW}


def how_in_words(judged: Sequence[Judged], verdict: Verdict = "does not hold") -> str:
    """What stands beside the count of a verdict: '18 not shown, 26 contradicted', '8 of one seed', or nothing."""
    single = sum(one.finding.one_seed for one in judged if one.finding.verdict == verdict)
    known = verdict == "does not hold" and by_verdict(judged)[verdict]
    parts = [f"{number} {how}" for how, number in by_how(judged).items()] if known else []
    return ", ".join([*parts, *([f"{single} of one seed"] if single else [])])
