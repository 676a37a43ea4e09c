"""An evaluation cut into pieces: a run, an explainer and a few images, each independent of all others.

Pieces follow the ranking of the images, so what is computed together does not depend on how many are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from xkd_core import __version__
from xkd_core.catalogue import EXPLAINERS, cost
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.evaluation.asked import family, plain
from xkd_core.evaluation.block import Block, bench_of, run_of
from xkd_core.evaluation.measures import SHUFFLED, measure
from xkd_core.evaluation.refusals import map_refusal, refusal
from xkd_core.metrics.probes import Measured, forwards
from xkd_core.models.cards import Card
from xkd_core.results.metric_store import ANSWERS, done, reasons_text
from xkd_core.types import DatasetInfo, Int, Precision

IMAGES = 20
REFUSALS = (BadInputError, UnknownNameError)
"""What says that a map or metric cannot be. Other errors, such as a full disk, may be over next time."""
EVERY = "*"
"""Stands for all metrics: the map itself cannot be."""
LAYERS = 12
"""Guess of how many layers a network has, for the cost of randomising them."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What one process computes in one go. indices, partners: see Block; teacher: the run to compare with."""

    run: str
    teacher: str
    explainer: str
    metrics: tuple[str, ...]
    indices: tuple[int, ...]
    partners: tuple[int, ...]
    split: str = "test"
    root: Path | None = None
    cost: int = 1
    precision: Precision = "fp32"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """rows: one per image, ready for the store. refused: metric -> why it cannot be, "*" for all. failed: an error."""

    rows: pd.DataFrame = field(default_factory=pd.DataFrame)
    refused: Mapping[str, str] = field(default_factory=dict)
    failed: str = ""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """Images in the order of the samples, each with its partner: the next one of a pair in that order.

    The only image of a split has none and stands beside itself, which makes its shuffled control undefined.
    """

    indices: Int
    partners: Int

    @staticmethod
    def of(ranking: Int, n: int | None) -> Ranked:
        """The first ``n`` of a ranking of all images (None: all)."""
        place = np.arange(len(ranking))
        other = np.where(place ^ 1 < len(ranking), place ^ 1, np.maximum(place - 1, 0))
        return Ranked(indices=ranking[:n], partners=ranking[other][:n])


def compute(piece: Piece) -> Outcome:
    """Measure one piece. What the explainer refuses is a reason to note, not an error."""
    try:
        found = measure(_block(piece), piece.metrics)
    except REFUSALS as error:
        return _one_by_one(piece, error)
    return Outcome(rows=_rows(piece, found))


def _one_by_one(piece: Piece, error: Exception) -> Outcome:
    """Is it the map that cannot be, or a metric? A metric that is refused does not take the others with it."""
    if len(piece.metrics) == 1:
        return Outcome(refused={piece.metrics[0]: str(error)})
    block = _block(piece)
    try:
        _ = block.maps if piece.explainer in EXPLAINERS else None
    except REFUSALS as refused:
        return Outcome(refused={EVERY: str(refused)})
    found: dict[str, Measured] = {}
    reasons: dict[str, str] = {}
    for metric in piece.metrics:
        try:
            found |= measure(block, [metric])
        except REFUSALS as refused:
            reasons[metric] = str(refused)
    return Outcome(rows=_rows(piece, found) if found else pd.DataFrame(), refused=reasons)


def _block(piece: Piece) -> Block:
    bench, run = bench_of(piece.teacher, piece.split, piece.root), run_of(piece.run, piece.root)
    indices, partners = (np.array(given, dtype=np.int64) for given in (piece.indices, piece.partners))
    return Block(bench, run, piece.explainer, indices, partners, piece.precision)


def _rows(piece: Piece, found: Mapping[str, Measured]) -> pd.DataFrame:
    measured: dict[str, object] = {name: one.values for name, one in found.items()}
    why = [
        {name: reason for name, one in found.items() if (reason := one.reasons[row]) is not None}
        for row in range(len(piece.indices))
    ]
    targets = bench_of(piece.teacher, piece.split, piece.root).split.targets[list(piece.indices)]
    facts: dict[str, object] = {"explainer": piece.explainer, "index": piece.indices, "target": targets}
    return pd.DataFrame({**facts, **measured, "undefined": [reasons_text(reasons) for reasons in why]})


def refused_rows(run_id: str, explainer: str, refused: Mapping[str, str]) -> pd.DataFrame:
    """Reasons as rows of the store. The version is noted: another one tries again."""
    columns = ["run_id", "explainer", "metric", "reason", "version"]
    rows = [(run_id, explainer, metric, reason, __version__) for metric, reason in refused.items()]
    return pd.DataFrame(rows, columns=columns)


def refusals_of(card: Card, teacher: Card, explainer: str, metrics: Sequence[str], info: DatasetInfo) -> dict[str, str]:
    """What is known beforehand not to be possible: metric -> reason, or "*" -> reason."""
    reason = map_refusal(card, plain(explainer)[0])
    if reason is not None:
        return {EVERY: reason}
    found = {metric: refusal(card, teacher, explainer, metric, info) for metric in metrics}
    return {metric: reason for metric, reason in found.items() if reason is not None}


def pieces(
    card: Card, teacher: Card, explainer: str, metrics: Sequence[str], stored: pd.DataFrame, images: Ranked
) -> Iterator[Piece]:
    """Pieces of what is not stored yet; in each block of images those that lack the same metrics are one piece."""
    asked, companions = images.indices.tolist(), [_companion(metric) for metric in metrics]
    there = done(stored, explainer, asked, metrics) & done(stored, explainer, asked, companions)
    for start in range(0, len(images.indices), IMAGES):
        block = slice(start, start + IMAGES)
        for pattern in np.unique(there[block], axis=0):
            missing = tuple(metric for metric, known in zip(metrics, pattern, strict=True) if not known)
            rows = start + np.flatnonzero((there[block] == pattern).all(axis=1))
            if missing:
                yield Piece(
                    run=card.id,
                    teacher=teacher.id,
                    explainer=explainer,
                    metrics=missing,
                    indices=tuple(images.indices[rows].tolist()),
                    partners=tuple(images.partners[rows].tolist()),
                    cost=len(rows) * cost_of(explainer, missing, card.transform.size),
                )


def _companion(metric: str) -> str:
    """The control that comes with a metric: of rows from before it had one, the metric is measured again."""
    alone = family(metric) != "similarity" or metric == "superpixel_overlap"
    return metric if alone else f"{metric}{SHUFFLED}"


def cost_of(explainer: str, metrics: Sequence[str], size_px: int) -> int:
    """Forwards for one image, about: what the bar of progress counts."""
    if explainer == ANSWERS:
        return 1
    once = max(1, cost(plain(explainer)[0], {}, size_px))
    kinds = {family(metric) for metric in metrics}
    faithful = [metric for metric in metrics if family(metric) == "faithfulness"]
    again = any(metric.startswith(("coherency", "adcc")) for metric in faithful)
    ways = sum(metric.startswith("randomisation") for metric in metrics)
    masked = forwards(faithful, size_px**2) if faithful else 0
    of_mosaics = 4 * ("grid_pointing" in metrics)
    return once * (1 + ("similarity" in kinds) + again + of_mosaics + LAYERS * ways) + masked
