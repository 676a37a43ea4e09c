"""Markdown that several documents are made of: tables, and numbers with their intervals."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from xkd_core.metrics.statistics import Estimate


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def interval(found: Estimate | None, digits: int = 3, *, mark: str = "") -> str:
    """'0.989 [0.988, 0.989]', with how many images had no value; '-' where nothing is stored or defined.

    Where all values are one and the same there is nothing to draw from, and no interval.
    """
    if found is None or math.isnan(found.mean):
        return "-"
    missing = f", {found.undefined} undefined" if found.undefined else ""
    mean, low, high = (f"{round(value, digits) + 0.0:.{digits}f}" for value in (found.mean, found.low, found.high))
    if found.low == found.high:
        return f"{mean}{mark}, all alike{missing}"
    return f"{mean}{mark}{missing}" if math.isnan(found.low) else f"{mean}{mark} [{low}, {high}]{missing}"


def scaled(found: Estimate, scale: float) -> Estimate:
    """The same in another unit."""
    mean, low, high = (scale * value for value in (found.mean, found.low, found.high))
    return Estimate(mean=mean, low=low, high=high, n=found.n, undefined=found.undefined)


def page(blocks: Iterable[str]) -> str:
    """Blocks with an empty line between them; empty ones are left out."""
    return "\n\n".join(block.strip() for block in blocks if block.strip()) + "\n"
