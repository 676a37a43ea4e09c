"""From a plan to pixels: ground, clutter, objects back to front with their shadows, camera."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xkd_core.images.scenes import clutter, habitats
from xkd_core.images.scenes.materials import scheme
from xkd_core.images.scenes.patch import F, Light, Patch
from xkd_core.images.scenes.plan import Layout, layout
from xkd_core.images.scenes.random_bits import Draws, bits, key_of
from xkd_core.images.scenes.shapes import SHAPES
from xkd_core.types import Bool, UInt8

NATIVE = 64
_ATTEMPTS = 40
_LEAST_VISIBLE, _LEAST_PART = 0.022, 0.55


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One drawn scene: pixels (size, size, 3), visible mask and full area (before occlusion, share) per class."""

    pixels: UInt8
    masks: dict[int, Bool]
    areas: dict[int, float]


def render(classes: tuple[int, ...], habitat: int, key: int, size: int) -> Scene:
    """Draw one scene at any size."""
    place, patches, covers = _settled(classes, key)
    areas = {label: int(cover.sum()) / (4 * NATIVE * NATIVE) for label, cover in zip(classes, covers, strict=True)}
    if size != NATIVE:
        patches = _patches(place, key, size)
        covers = [_cover(patch) for patch in patches]
    canvas = habitats.ground(habitat, Draws(key, 4), place.light, size)
    clutter.strew(canvas, Draws(key, 5), place.light)
    shades = Draws(key, 6)
    for patch, cover in zip(patches, covers, strict=True):
        _cast(canvas, cover, patch, place.light, shades)
        _lay(canvas, patch, place.light, shades.unit())
    return Scene(pixels=camera(canvas, key), masks=_visible(classes, covers), areas=areas)


def visible(classes: tuple[int, ...], key: int, size: int) -> dict[int, Bool]:
    """The masks of ``render`` without the pixels."""
    place, _, covers = _settled(classes, key)
    if size != NATIVE:
        covers = [_cover(patch) for patch in _patches(place, key, size)]
    return _visible(classes, covers)


def _settled(classes: tuple[int, ...], key: int) -> tuple[Layout, list[Patch], list[NDArray[np.int64]]]:
    """The first layout in which every object can be seen well enough, always judged at the native size."""
    for attempt in range(_ATTEMPTS):
        place = layout(classes, key, attempt)
        patches = _patches(place, key, NATIVE)
        covers = [_cover(patch) for patch in patches]
        if _all_visible(covers):
            break
    return place, patches, covers


def _patches(place: Layout, key: int, size: int) -> list[Patch]:
    patches = []
    for label, pose in zip(place.classes, place.poses, strict=True):
        patch = Patch.under(pose, SHAPES[label].box, size)
        d = Draws(key, 8, label)
        SHAPES[label].draw(patch, d, scheme(d))
        patches.append(patch)
    return patches


def _cover(patch: Patch) -> NDArray[np.int64]:
    """Covered sub-pixels 0..4 in the whole frame."""
    cover = np.zeros((patch.size, patch.size), dtype=np.int64)
    cover[patch.top : patch.top + patch.height, patch.left : patch.left + patch.width] = patch.coverage()
    return cover


def _visible(classes: tuple[int, ...], covers: list[NDArray[np.int64]]) -> dict[int, Bool]:
    """A pixel belongs to the front-most object that covers at least half of it."""
    masks: dict[int, Bool] = {}
    hidden = np.zeros(covers[0].shape, dtype=np.bool_)
    for label, cover in zip(reversed(classes), reversed(covers), strict=True):
        masks[label] = (cover >= 2) & ~hidden
        hidden |= cover >= 2
    return masks


def _all_visible(covers: list[NDArray[np.int64]]) -> bool:
    hidden = np.zeros(covers[0].shape, dtype=np.bool_)
    for cover in reversed(covers):
        own = cover >= 2
        seen = int((own & ~hidden).sum())
        if seen < _LEAST_VISIBLE * own.size or seen < _LEAST_PART * int(own.sum()):
            return False
        hidden |= own
    return True


def _cast(canvas: F, cover: NDArray[np.int64], patch: Patch, light: Light, d: Draws) -> None:
    """Darken what lies behind: a soft shadow away from the light and a close one all round."""
    size = patch.size
    radius = max(1, math.floor(patch.pose.unit * 0.09 * size + 0.5))
    soft = _blurred(cover, radius)
    height = patch.pose.unit * d.between(0.16, 0.34) * size / max(light.z, 0.5)
    down, right = math.floor(-light.y * height + 0.5), math.floor(-light.x * height + 0.5)
    strength = d.between(0.5, 0.7)
    cast = 1.0 - strength * _shifted(soft, down, right)
    canvas *= cast * (1.0 - 0.3 * soft)


def _blurred(cover: NDArray[np.int64], radius: int) -> F:
    """Two box blurs of whole numbers, so that no rounding depends on the order: (size, size) in [0, 1]."""
    total = cover
    for axis in (0, 1):
        for _ in range(2):
            total = _boxed(total, radius, axis)
    return (total * (1.0 / (4 * (2 * radius + 1) ** 4))).astype(np.float32)


def _boxed(value: NDArray[np.int64], radius: int, axis: int) -> NDArray[np.int64]:
    """Sums over 2 * radius + 1 neighbours along one axis; nothing lies outside."""
    side, far = value.shape[axis], 2 * radius + 1
    shape = list(value.shape)
    shape[axis] = side + far
    padded = np.zeros(shape, dtype=np.int64)
    inner = slice(radius + 1, radius + 1 + side)
    padded[(inner, slice(None)) if axis == 0 else (slice(None), inner)] = value
    total: NDArray[np.int64] = padded.cumsum(axis=axis)
    return total[far:] - total[:side] if axis == 0 else total[:, far:] - total[:, :side]


def _shifted(value: F, down: int, right: int) -> F:
    out = np.zeros_like(value)
    high, wide = value.shape
    out[max(down, 0) : high + min(down, 0), max(right, 0) : wide + min(right, 0)] = value[
        max(-down, 0) : high + min(-down, 0), max(-right, 0) : wide + min(-right, 0)
    ]
    return out


def _lay(canvas: F, patch: Patch, light: Light, seed: float) -> None:
    if patch.width == 0 or patch.height == 0:
        return
    piece = canvas[:, patch.top : patch.top + patch.height, patch.left : patch.left + patch.width]
    piece *= 1.0 - patch.coverage().astype(np.float32) * 0.25
    piece += patch.shade(light, seed)


def camera(canvas: F, key: int) -> UInt8:
    """Exposure, white balance, tone curve (square root) and sensor noise; rounds half up to uint8 (size, size, 3)."""
    d = Draws(key, 9)
    size = canvas.shape[1]
    exposure, warm, tint = d.between(0.8, 1.25), d.between(-0.08, 0.08), d.between(-0.03, 0.03)
    gains = np.asarray([exposure * (1.0 + warm), exposure * (1.0 - tint), exposure * (1.0 - warm)], dtype=np.float32)
    exposed = np.maximum(canvas * gains[:, None, None], 0.0)
    shown = np.sqrt(exposed * (1.25 / (1.0 + 0.25 * exposed))) * 255.0 * 0.92
    level = d.between(0.012, 0.035)
    # Per pixel eight random bytes: two per channel, two shared by the channels.
    noise = bits(key_of(key, 10), size * size).astype("<u8", copy=False).view(np.uint8).reshape(size, size, 8)
    pairs = noise[:, :, 0::2].astype(np.float32) + noise[:, :, 1::2] - 255.0
    shown = shown.transpose(1, 2, 0) + (pairs[:, :, :3] + 0.6 * pairs[:, :, 3:]) * level
    pixels: UInt8 = np.floor(np.clip(shown, 0.0, 255.0) + 0.5).astype(np.uint8)
    return pixels
