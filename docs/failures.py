"""The images on which the learned map does worst, chosen by a rule, and their picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xkd_core.claims.stored import Stored
from xkd_core.evaluation.block import Block, bench_of, run_of
from xkd_core.models.cards import Card
from xkd_core.rendering import Style, divisor, enlarge, outline, panel, png
from xkd_core.types import Int, UInt8

PICTURE = Path(__file__).parent / "surrogate.png"
DRAWN = ("surrogate", "rise", "lime", "grad_cam")
COLUMNS = ("the image", "the learned map", "RISE", "LIME", "Grad-CAM")
N_FAILURES, PANEL_PX, GAP_PX = 6, 128, 4


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An image of the test split: its classes, the one explained, and both deletion scores."""

    index: int
    labels: str
    target: str
    learned: float
    random: float


def failures(stored: Stored, card: Card) -> list[Failure]:
    """The images with the largest deletion score of the learned map minus the random map's; none without rows."""
    pair = [stored.values(card.id, name, "deletion_auc") for name in ("surrogate", "random_map")]
    if pair[0] is None or pair[1] is None:
        return []
    gap = (pair[0] - pair[1]).dropna().sort_values(ascending=False, kind="stable")
    facts = stored.results.images.set_index("index")
    return [
        Failure(
            index=int(index), labels=_names(card, str(facts["labels"][index])),
            target=card.classes[int(facts["target"][index])], learned=float(pair[0][index]),
            random=float(pair[1][index]),
        )
        for index in gap.index[:N_FAILURES]
    ]  # fmt: skip


def _names(card: Card, labels: str) -> str:
    return ", ".join(card.classes[int(word)] for word in labels.split())


def picture(card: Card, found: list[Failure]) -> bytes:
    """A row for each image: the image with its object outlined, and the positive part of four maps, as PNG."""
    indices = np.array([one.index for one in found], dtype=np.int64)
    blocks = [_block(card, name, indices) for name in DRAWN]
    rows = [_row(blocks, place) for place in range(len(found))]
    return png(_joined(rows, axis=0))


def _block(card: Card, explainer: str, indices: Int) -> Block:
    return Block(bench_of(str(card.teacher_id), "test", None), run_of(card.id, None), explainer, indices, indices)


def _row(blocks: list[Block], place: int) -> UInt8:
    photo = enlarge(blocks[0].images[place], PANEL_PX)
    masks = blocks[0].masks
    mask = None if masks is None else masks[place]
    maps = [panel(photo, block.maps[place], divisor([block.maps[place]]), Style(), mask=mask) for block in blocks]
    return _joined([photo if mask is None else outline(photo, mask), *maps], axis=1)


def _joined(parts: list[UInt8], *, axis: int) -> UInt8:
    """Pictures beside (1) or below (0) each other, with a white gap."""
    shape = list(parts[0].shape)
    shape[axis] = GAP_PX
    gap = np.full(shape, 255, dtype=np.uint8)
    spaced = [one for part in parts for one in (gap, part)][1:]
    return np.concatenate(spaced, axis=axis)
