"""Mosaics for grid pointing, one for each image, so that its value stands in the image's own row.

An image lies in a drawn quadrant, in the rest images of three other classes that do not show its own; the draws
depend on the image alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xkd_core.evaluation.split import Split
from xkd_core.metrics.mosaics import QUADRANTS, mosaics
from xkd_core.types import Int, UInt8

SEED = 4


@dataclass(frozen=True)
class Mosaics:
    """images (n, 2H, 2W, 3) uint8; quadrants (n,), where each image lies; targets (n,), its first label."""

    images: UInt8
    quadrants: Int
    targets: Int


def around(split: Split, indices: Int) -> Mosaics:
    """The mosaic of each image. Needs images of four classes."""
    classes = split.labels.argmax(axis=1)
    plans = [_four(split.labels, classes, int(index)) for index in indices]
    plan, quadrants = np.stack([four for four, _ in plans]), np.array([quadrant for _, quadrant in plans])
    needed, place = np.unique(plan, return_inverse=True)
    images: UInt8 = mosaics(np.asarray(split.pixels[needed]), place.reshape(plan.shape)).astype(np.uint8)
    return Mosaics(images, quadrants, classes[indices].astype(np.int64))


def _four(labels: UInt8, classes: Int, index: int) -> tuple[Int, int]:
    """The four images of one mosaic and the quadrant of the first."""
    generator = np.random.default_rng([SEED, index])
    without = np.flatnonzero(labels[:, classes[index]] == 0)  # with several labels, none of them may be shown twice
    others = generator.permutation(np.unique(classes[without]))[: QUADRANTS - 1]
    chosen = [generator.choice(without[classes[without] == one]) for one in others]
    quadrant = int(generator.integers(QUADRANTS))
    return np.insert(np.array(chosen, dtype=np.int64), quadrant, index), quadrant
