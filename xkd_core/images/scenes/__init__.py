"""Procedural scenes with 1-3 lit objects of 8 classes on textured grounds, and exact masks.

The same pixels on every machine from (seed, split, index): random numbers come from integer hashing, pixels from
float32 ``+ - * / sqrt`` and comparisons element by element; sines of angles are scalars rounded to 6 decimals.
No BLAS, FFT, array transcendentals or float sums. The shortcut is planted: every class has a habitat ground.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from xkd_core.images.scenes import draw
from xkd_core.images.scenes.habitats import NAMES as HABITATS
from xkd_core.images.scenes.plan import CLASSES, SPLITS, Plans, checked, plan_many, scene_key
from xkd_core.types import Bool, Int, Sample, UInt8

__all__ = [
    "CLASSES",
    "GENERATOR_SHA256",
    "HABITATS",
    "NATIVE_SIZE",
    "SPLITS",
    "batch",
    "fingerprint",
    "habitats",
    "labels",
    "masks",
    "render",
]

NATIVE_SIZE = draw.NATIVE
GENERATOR_SHA256 = "8a81fc44dca9ef622aea664625b1be9a9041bade0485d79206aa536710694e14"
_FROZEN = {split: (0, 1, 2, 3, 777, 1_999) for split in SPLITS}


def render(split: str, index: int, *, size: int = NATIVE_SIZE, seed: int = 0) -> Sample:
    """Draw one scene, crisp at any ``size`` in pixels; any image alone.

    ``facts``: habitat (class index), in_habitat, owner (class index), areas (class -> share of the image before
    occlusion). Raises UnknownNameError for a split, BadInputError for an index out of range.
    """
    plans = plan_many(split, checked(split, np.asarray([index])), seed=seed)
    scene = _scene(plans, 0, scene_key(split, index, seed), size)
    habitat = int(plans.habitat[0])
    facts = {
        "habitat": habitat,
        "in_habitat": bool(plans.drawn[0, habitat]),
        "owner": int(plans.owner[0]),
        "areas": scene.areas,
    }
    present = tuple(int(label) for label in np.flatnonzero(plans.drawn[0]))
    return Sample(
        pixels=scene.pixels, labels=present, masks={label: scene.masks[label] for label in present}, facts=facts
    )


def batch(split: str, indices: Sequence[int], *, size: int = NATIVE_SIZE, seed: int = 0) -> UInt8:
    """Pixels of several scenes: (n, size, size, 3) uint8."""
    chosen = checked(split, np.asarray(indices, dtype=np.int64))
    plans = plan_many(split, chosen, seed=seed)
    out = np.empty((len(chosen), size, size, 3), dtype=np.uint8)
    for row, index in enumerate(chosen):
        out[row] = _scene(plans, row, scene_key(split, int(index), seed), size).pixels
    return out


def masks(split: str, indices: Sequence[int], *, size: int = NATIVE_SIZE, seed: int = 0) -> Bool:
    """Visible pixels per class: (n, 8, size, size) bool; shadows do not count."""
    chosen = checked(split, np.asarray(indices, dtype=np.int64))
    plans = plan_many(split, chosen, seed=seed)
    out = np.zeros((len(chosen), len(CLASSES), size, size), dtype=np.bool_)
    for row, index in enumerate(chosen):
        for label, mask in draw.visible(_classes(plans, row), scene_key(split, int(index), seed), size).items():
            out[row, label] = mask
    return out


def labels(split: str, *, seed: int = 0) -> UInt8:
    """Which classes are drawn, for the whole split, without rendering: (N, 8) uint8."""
    return _plans(split, seed).drawn.astype(np.uint8)


def habitats(split: str, *, seed: int = 0) -> Int:
    """The class each ground belongs to, for the whole split: (N,) int64."""
    return _plans(split, seed).habitat


def fingerprint() -> str:
    """Hash over pixels and masks of thirty scenes; equals ``GENERATOR_SHA256`` while the generator is frozen."""
    total = hashlib.sha256()
    for split, indices in _FROZEN.items():
        for index in indices:
            sample = render(split, index)
            total.update(sample.pixels.tobytes())
            for label in sample.labels:
                total.update(bytes([label]) + np.packbits(sample.masks[label]).tobytes())
    return total.hexdigest()


def _plans(split: str, seed: int) -> Plans:
    return plan_many(split, checked(split, np.arange(SPLITS.get(split, 0))), seed=seed)


def _classes(plans: Plans, row: int) -> tuple[int, ...]:
    return tuple(int(label) for label in plans.order[row, : plans.count[row]])


def _scene(plans: Plans, row: int, key: int, size: int) -> draw.Scene:
    return draw.render(_classes(plans, row), int(plans.habitat[row]), key, size)
