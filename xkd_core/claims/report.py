"""Judged claims as a table for the terminal, as JSON, and as the file that the page may read instead of judging."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from textwrap import fill
from typing import Any

from xkd_core import settings
from xkd_core.claims.base import PAPERS, Finding, Number
from xkd_core.claims.table import CLAIMS, Judged, by_verdict, how_in_words, judge_all
from xkd_core.files import write_atomic

FILE = "evidence.json"
OURS = " [ours]"
"""Behind a sentence that the paper does not say."""
WIDTH = 110
SOURCES = Path(__file__).parent


def table(judged: Sequence[Judged], *, details: bool = False) -> str:
    """Claims by paper: id, verdict and sentence; with ``details`` also the numbers, the reason and the command."""
    lines = []
    for paper, title in PAPERS.items():
        own = [one for one in judged if one.claim.paper == paper]
        if own:
            lines += ["", f"Paper {paper}. {title}"]
        for one in own:
            lines.append(f"  {one.claim.id:30} {one.finding.full:43} {one.claim.says}{OURS if one.claim.ours else ''}")
            lines += _details(one) if details else []
    theirs, ours = ([one for one in judged if one.claim.ours == whose] for whose in (False, True))
    count = [f"{_many(own, what)}: {_count(own)}" for own, what in
             ((theirs, "claim{} of the papers"), (ours, "question{} of ours beside them")) if own]  # fmt: skip
    return "\n".join([*lines[1:], "", *count])


def _many(judged: Sequence[Judged], what: str) -> str:
    return f"{len(judged)} {what.format('s' if len(judged) > 1 else '')}"


def as_json(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Plain values of each claim and its finding; what is not a number is null."""
    return [
        {
            "id": one.claim.id, "paper": one.claim.paper, "says": one.claim.says, "place": one.claim.place,
            "printed": one.claim.printed, "test": one.claim.test, "kind": one.claim.kind, "ours": one.claim.ours,
            "verdict": one.finding.verdict, "how": one.finding.how, "against": one.finding.against,
            "one_seed": one.finding.one_seed,
            "reason": one.finding.reason,
            "numbers": [_plain(number) for number in one.finding.numbers], "command": one.finding.command,
        }
        for one in judged
    ]  # fmt: skip


def write(judged: Sequence[Judged], root: Path | None = None) -> Path:
    """Write all findings with the stamp of what they were made from; returns the file."""
    path = _root(root) / FILE
    content = {"made_from": contents(root), "claims": as_json(judged)}
    write_atomic(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    return path


def evidence(root: Path | None = None) -> tuple[Judged, ...]:
    """All claims as the command judges them: from its file where it was made from these very rows, else judged now."""
    kept = _kept(root)
    return judge_all(root) if kept is None else kept


def contents(root: Path | None = None) -> str:
    """A hash over the bytes of cards and rows and of the code of the claims: the same on every machine."""
    place = _root(root)
    files = [*place.glob("*/*/card.json"), *place.glob("*/results/*.parquet"), *place.glob("*/results/metrics/*/*")]
    named = {path.relative_to(place).as_posix(): path for path in files if path.is_file()}
    named |= {f"claims/{path.name}": path for path in SOURCES.glob("*.py")}
    found = hashlib.sha256()
    for name in sorted(named):
        found.update(name.encode() + hashlib.sha256(named[name].read_bytes()).digest())
    return found.hexdigest()


def _kept(root: Path | None) -> tuple[Judged, ...] | None:
    try:
        stored = json.loads((_root(root) / FILE).read_text())
        if stored["made_from"] != contents(root) or {one["id"] for one in stored["claims"]} != set(CLAIMS):
            return None
        return tuple(Judged(claim=CLAIMS[one["id"]], finding=_finding(one)) for one in stored["claims"])
    except (OSError, ValueError, KeyError, TypeError):  # no file, or not one of ours: it can be made again
        return None


def _finding(stored: Mapping[str, Any]) -> Finding:
    numbers = tuple(Number(**{**number, **_nan(number)}) for number in stored["numbers"])
    plain = {name: stored[name] for name in ("verdict", "reason", "command", "against", "one_seed") if name in stored}
    return Finding(numbers=numbers, **plain)


def _nan(number: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no NaN: null stands for it, but for ``passes``, where it is a value."""
    return {name: math.nan for name in ("value", "low", "high") if number[name] is None}


def _plain(number: Number) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(number).items()
    }


def _count(judged: Sequence[Judged]) -> str:
    """'40 holds (8 of one seed), 44 does not hold (18 not shown, 26 contradicted), 4 not testable here'."""
    count = [(f"{number} {verdict}", how_in_words(judged, verdict)) for verdict, number in by_verdict(judged).items()]
    return ", ".join(f"{words} ({parts})" if parts else words for words, parts in count)


def _details(one: Judged) -> list[str]:
    words = [
        f"printed: {one.claim.printed} ({one.claim.place})", f"test: {one.claim.test}",
        *(f"ours: {number}" for number in one.finding.numbers), f"because: {one.finding.reason}",
    ]  # fmt: skip
    wrapped = [fill(text, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 8) for text in words]
    return [*wrapped, f"      command: {one.finding.command}", ""]


def _root(root: Path | None) -> Path:
    return settings.checkpoints_dir() if root is None else root
