"""What a scene holds, decided by integer hashing before anything is drawn: classes, habitat, layout, light.

The rules of the splits live here; ``plan_many`` needs no rendering, so labels of a split are quick.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xkd_core.errors import BadInputError, unknown_name
from xkd_core.images.scenes.patch import Colour, Light, Pose
from xkd_core.images.scenes.random_bits import Draws, key_of, keys_of, uniforms
from xkd_core.images.scenes.shapes import SHAPES
from xkd_core.types import Bool, Int

CLASSES = tuple(shape.name for shape in SHAPES)
SPLITS = {"teacher": 12_000, "transfer": 12_000, "plain": 12_000, "val": 2_000, "test": 2_000}
FIT = 0.9  # share of transfer images whose habitat belongs to a drawn object
_CODES = {"teacher": 1, "transfer": 2, "plain": 3, "val": 4, "test": 5}
_ONE, _TWO = 0.36, 0.76  # up to here one object, up to there two, else three
_AREAS = {1: (0.09, 0.208), 2: (0.075, 0.18), 3: (0.065, 0.145)}
_TRIES = 14


@dataclass(frozen=True, kw_only=True)
class Plans:
    """Many scenes at once: drawn classes (n, 8), habitat (n,), owner (n,), drawing order (n, 8), count (n,)."""

    drawn: Bool
    habitat: Int
    owner: Int
    order: Int
    count: Int


def checked(split: str, indices: Int) -> Int:
    """The indices as int64, after the split and the range were checked."""
    if split not in SPLITS:
        raise unknown_name("split of scenes", split, SPLITS)
    indices = np.asarray(indices, dtype=np.int64).reshape(-1)
    if indices.size and (indices.min() < 0 or indices.max() >= SPLITS[split]):
        raise BadInputError(
            f"scenes:{split} has the images 0 to {SPLITS[split] - 1}; "
            f"got {indices.min()} to {indices.max()}. Choose within that range."
        )
    return indices


def plan_many(split: str, indices: Int, *, seed: int = 0) -> Plans:
    """Classes and habitats of scenes, without drawing them."""
    draws = uniforms(keys_of(key_of(seed, _CODES[split], 1), indices), 13)
    order = np.argsort(draws[:, :8], axis=1, kind="stable").astype(np.int64)
    count = (1 + (draws[:, 8] >= _ONE) + (draws[:, 8] >= _TWO)).astype(np.int64)
    drawn = np.zeros((len(indices), 8), dtype=np.bool_)
    np.put_along_axis(drawn, order, np.arange(8) < count[:, None], axis=1)
    rows = np.arange(len(indices))
    owner = order[rows, (draws[:, 9] * count).astype(np.int64)]
    absent = order[rows, count + (draws[:, 10] * (8 - count)).astype(np.int64)]
    if split in ("val", "test"):
        fits = indices % 2 == 0
    elif split == "transfer":
        fits = draws[:, 11] < FIT
    else:
        anything = (draws[:, 12] * 8).astype(np.int64)
        fits = drawn[rows, anything]
        owner, absent = np.where(fits, anything, owner), anything
    return Plans(drawn=drawn, habitat=np.where(fits, owner, absent), owner=owner, order=order, count=count)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the objects of one scene stand, back to front, and under which light."""

    classes: tuple[int, ...]
    poses: tuple[Pose, ...]
    light: Light


def layout(classes: tuple[int, ...], key: int, attempt: int) -> Layout:
    """Place the objects: sizes by area, apart from each other as far as ``_TRIES`` draws find."""
    d = Draws(key, 2, attempt)
    light = _light(Draws(key, 3))
    low, high = _AREAS[len(classes)]
    poses: list[Pose] = []
    for label in classes:
        shape = SHAPES[label]
        unit = math.sqrt(d.between(low, high) / shape.area)
        squash = d.between(*shape.squash)
        unit /= math.sqrt(squash)
        free = Pose(
            x=0.0,
            y=0.0,
            unit=unit,
            tilt=d.between(-shape.tilt, shape.tilt),
            flip=d.sign() if shape.mirror else 1.0,
            squash=squash,
        )
        poses.append(_placed(free, label, poses, d))
    return Layout(classes=classes, poses=tuple(poses), light=light)


def _placed(free: Pose, label: int, others: list[Pose], d: Draws) -> Pose:
    left, top, right, bottom = free.span(SHAPES[label].box)
    over = 0.04  # part of an object's box that may leave the frame
    best, best_gap = free, -9.0
    for _ in range(_TRIES):
        x = _within(d.unit(), over + left, right - over)
        y = _within(d.unit(), over + top, bottom - over)
        pose = Pose(x=x, y=y, unit=free.unit, tilt=free.tilt, flip=free.flip, squash=free.squash)
        gaps = [math.sqrt((x - o.x) ** 2 + (y - o.y) ** 2) - 0.8 * (o.unit + free.unit) for o in others]
        gap = min(gaps, default=1.0)
        if gap > best_gap:
            best, best_gap = pose, gap
        if gap > 0.0:
            break
    return best


def _within(part: float, before: float, after: float) -> float:
    """A centre such that [centre + before, centre + after] stays in [0, 1], or the middle if it cannot."""
    low, high = -before, 1.0 - after
    return low + (high - low) * part if high > low else (low + high) * 0.5


def _light(d: Draws) -> Light:
    x, y, z = d.between(-0.7, 0.7), -d.between(0.3, 0.8), d.between(0.6, 0.85)
    length = math.sqrt(x * x + y * y + z * z)
    x, y, z = round(x / length, 6), round(y / length, 6), round(z / length, 6)
    half = math.sqrt(x * x + y * y + (z + 1.0) ** 2)
    warm, strong = d.between(-0.06, 0.1), d.between(0.75, 0.95)
    key: Colour = (strong * (1.0 + warm), strong, strong * (1.0 - warm))
    fill = d.between(0.22, 0.38)
    ambient: Colour = (fill * (1.0 - 0.6 * warm), fill, fill * (1.0 + 0.8 * warm))
    return Light(
        x=x,
        y=y,
        z=z,
        key=key,
        ambient=ambient,
        halfway=(round(x / half, 6), round(y / half, 6), round((z + 1.0) / half, 6)),
    )


def scene_key(split: str, index: int, seed: int) -> int:
    """The key all draws of one scene hang on."""
    return key_of(seed, _CODES[split], 7, index)
