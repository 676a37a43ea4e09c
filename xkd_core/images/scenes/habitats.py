"""Eight textured grounds, one per class; each varies in scale, direction, tint and brightness.

Every painter takes draws, ground coordinates in image widths, pixels per width and the light,
and returns linear light (3, size, size).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from xkd_core.images.scenes import tables
from xkd_core.images.scenes.materials import linear, mixed, of_hue
from xkd_core.images.scenes.patch import Colour, F, Light, fraction
from xkd_core.images.scenes.random_bits import Draws


def ground(habitat: int, d: Draws, light: Light, size: int) -> F:
    """Paint the habitat of one class, lit unevenly from the side of the key light: (3, size, size) linear."""
    place = (np.arange(size, dtype=np.float32) + 0.5) * (1.0 / size)
    x, y = np.broadcast_to(place, (size, size)), np.broadcast_to(place[:, None], (size, size))
    lean = d.between(0.1, 0.4)
    fall = 1.0 + lean * (light.x * (x - 0.5) + light.y * (y - 0.5)) * 1.6
    free, tilt = PAINTERS[habitat][1], d.between(-1.0, 1.0)
    angle = tilt * free
    cos, sin = round(math.cos(angle), 6), round(math.sin(angle), 6)
    zoom = d.between(0.8, 1.25)
    a = ((x - 0.5) * cos + (y - 0.5) * sin) * zoom
    b = ((y - 0.5) * cos - (x - 0.5) * sin) * zoom
    painted = PAINTERS[habitat][0](d, a, b, zoom / size, light)
    return painted * (fall * d.between(0.75, 1.2))


def _tinted(shade: F, low: Colour, high: Colour) -> F:
    """From ``low`` to ``high`` as ``shade`` goes 0 -> 1: (3, ...)."""
    return np.stack([first + (second - first) * shade for first, second in zip(low, high, strict=True)])


def _cloud(d: Draws, x: F, y: F, step: float, *, wide: float = 0.25) -> F:
    offset = d.unit()
    return tables.noise().smooth(x * wide + offset, y * wide + d.unit(), step * wide)


def _wood(d: Draws, x: F, y: F, step: float, light: Light) -> F:
    count = d.between(2.2, 4.2)
    across = y * count + d.unit()
    plank = np.floor(across)
    part = across - plank
    key = fraction(plank * 0.61803 + d.unit())
    cloud = tables.noise().smooth(x * 0.11 + key * 3.0, y * 0.9 + key, step * 0.75)
    ring = np.abs(fraction(cloud[0] * 5.0 + y * 2.0) - 0.5) * 2.0
    fibre = tables.noise().smooth(x * 0.3 + key, y * 3.0, step * 2.0)[1]
    shade = 0.18 + 0.42 * ring + 0.75 * (fibre - 0.5) + 0.3 * (key - 0.3)
    gap = np.clip(np.minimum(part, 1.0 - part) * (1.0 / (count * max(step, 0.006))) - 0.3, 0.25, 1.0)
    hue, value = d.between(0.055, 0.09), d.between(0.62, 0.8)
    dark, bright = of_hue(hue - 0.01, 0.72, value * 0.55), of_hue(hue, d.between(0.4, 0.62), value)
    table: F = _tinted(np.clip(shade, 0.0, 1.3), dark, bright) * gap
    return table


def _grass(d: Draws, x: F, y: F, step: float, light: Light) -> F:
    wide = d.between(0.16, 0.28)
    blades = tables.photo("grass").smooth(x * wide + d.unit(), y * wide + d.unit(), step * wide)[0]
    patch = _cloud(d, x, y, step, wide=0.4)[0]
    hue = d.between(0.22, 0.3)
    dark = of_hue(hue + 0.05, 0.75, 0.22)
    bright = mixed(of_hue(hue, 0.7, 0.68), of_hue(0.16, 0.6, 0.7), d.between(0.0, 0.35))
    return _tinted(np.clip(blades * 0.5 + (patch - 0.5) * 0.7, 0.0, 1.6), dark, bright)


def _water(d: Draws, x: F, y: F, step: float, light: Light) -> F:
    wide = d.between(0.3, 0.45)
    warp = tables.noise().smooth(x * wide * 0.6 + d.unit(), y * wide + d.unit(), step * wide)
    second = tables.noise().smooth(
        x * wide + d.unit() + warp[0] * 0.12, y * wide * 1.8 + warp[1] * 0.12, step * wide * 1.5
    )
    ridge = 1.0 - np.abs(2.0 * second[0] - 1.0) * 2.2
    other = 1.0 - np.abs(2.0 * second[1] - 1.0) * 2.2
    crest = np.clip(ridge, 0.0, 1.0)
    crest = crest * crest * crest + 0.5 * np.clip(other, 0.0, 1.0) * np.clip(other, 0.0, 1.0) * crest
    hue = d.between(0.5, 0.58)
    deep, shallow = of_hue(hue + 0.02, 0.85, d.between(0.4, 0.55)), of_hue(hue, 0.62, d.between(0.66, 0.8))
    body = _tinted(np.clip(warp[0] * 1.3 - 0.15, 0.0, 1.0), deep, shallow)
    lit: F = body + 0.42 * crest * np.asarray(light.key, dtype=np.float32)[:, None, None] * 0.8
    return lit


def _sand(d: Draws, x: F, y: F, step: float, light: Light) -> F:
    warp = _cloud(d, x, y, step, wide=0.35)
    wave = fraction(y * d.between(3.0, 6.0) + (warp[0] - 0.5) * 2.5 + d.unit())
    wave = 4.0 * wave * (1.0 - wave)
    speck = tables.grain().smooth(x * 0.6 + d.unit(), y * 0.6 + d.unit(), step * 0.6)[0]
    hue = d.between(0.09, 0.125)
    dark, bright = of_hue(hue, 0.5, 0.55), of_hue(hue + 0.01, d.between(0.26, 0.42), d.between(0.84, 0.94))
    return _tinted(0.3 + wave * d.between(0.2, 0.4) + (speck - 0.5) * 0.7 + (warp[1] - 0.5) * 0.4, dark, bright)


def _cloth(d: Draws, x: F, y: F, step: float, light: Light) -> F:
    count = d.between(3.5, 6.0)
    soft = 1.0 / (4.0 * count * max(step, 0.003))
    stripes = []
    for place in (x, y):
        ramp = np.abs(fraction(place * count + d.unit()) - 0.5) - 0.25
        stripes.append(np.clip(ramp * soft * 2.0 + 0.5, 0.0, 1.0))
    weave = tables.grain().smooth(x * 0.8, y * 0.8, step * 0.8)[0]
    fold = _cloud(d, x, y, step, wide=0.3)
    shade = (stripes[0] + stripes[1]) * 0.5
    white = of_hue(d.unit(), d.between(0.0, 0.1), 0.93)
    colour = of_hue(d.unit(), d.between(0.6, 0.9), d.between(0.45, 0.8))
    cloth: F = _tinted(shade, white, colour) * (0.75 + 0.5 * fold[0] + 0.35 * (weave - 0.5))
    return cloth


def _cobbles(d: Draws, x: F, y: F, step: float, light: Light) -> F:
    wide = d.between(0.3, 0.42)
    stone = tables.cells().smooth(x * wide + d.unit(), y * wide + d.unit(), step * wide)
    rough = tables.photo("gravel").smooth(x * 0.12 + stone[3], y * 0.12, step * 0.12)[0]
    dome = np.clip(stone[0] * 3.4 - 0.16, 0.0, 1.0)
    slope = 1.3 * (stone[1] * light.x + stone[2] * light.y)
    wet = np.clip(slope * 1.8 - 0.55 + (rough - 1.0) * 0.25, 0.0, 1.0)
    shade = dome * (0.32 + slope * 0.55 + 0.3 * (stone[3] - 0.5) + 0.12 * (rough - 1.0))
    hue = d.between(0.55, 0.68)
    dark, bright = of_hue(hue, 0.35, 0.1), of_hue(hue, d.between(0.08, 0.22), 0.82)
    stones: F = _tinted(np.clip(shade, 0.0, 1.2), dark, bright) + dome * wet * wet * 0.8
    return stones


def _brick(d: Draws, x: F, y: F, step: float, light: Light) -> F:
    wide = d.between(0.2, 0.3)
    # The photograph shows upright bricks: exchanging the axes lays them down.
    wall = tables.photo("brick").smooth(y * wide + d.unit(), x * wide + d.unit(), step * wide)[0]
    stain = _cloud(d, x, y, step, wide=0.5)
    mortar = np.clip((wall - 1.45) * 1.6, 0.0, 1.0)
    hue = d.between(-0.005, 0.06)
    dark, bright = (
        of_hue(hue % 1.0, d.between(0.55, 0.75), 0.42),
        of_hue((hue + 0.02) % 1.0, d.between(0.45, 0.7), 0.72),
    )
    grey = of_hue(0.1, 0.12, d.between(0.6, 0.8))
    body = _tinted((wall - 0.6) * 0.7 + (stain[0] - 0.5) * 1.1, dark, bright)
    pointed: F = np.maximum(body + mortar * (np.asarray(grey, dtype=np.float32)[:, None, None] - body), 0.0)
    return pointed


def _meadow(d: Draws, x: F, y: F, step: float, light: Light) -> F:
    wide = d.between(0.42, 0.6)
    cell = tables.cells().nearest(x * wide + d.unit(), y * wide + d.unit(), step * wide * 0.7)
    dx, dy, number = cell[1], cell[2], cell[3]
    square = dx * dx + dy * dy + 1e-4
    radius = np.sqrt(square)
    cos = dx / radius
    petal = cos * cos * cos * (16.0 * cos * cos - 20.0) + 5.0 * cos
    vein = np.abs(dx * (number - 0.5) + dy * 0.5) * 3.0
    cloud = _cloud(d, x, y, step, wide=0.8)
    blades = tables.photo("grass").smooth(x * 0.14 + d.unit(), y * 0.14, step * 0.14)[0]
    leaf = np.clip(cell[0] * 1.2, 0.0, 0.3) + 0.4 * (dx * light.x + dy * light.y) + np.minimum(vein, 0.4) * 0.25
    leaf = leaf + (cloud[0] - 0.5) * 0.6 + 0.45 * (blades - 0.6)
    hue = d.between(0.29, 0.38)
    out = _tinted(np.clip(leaf, 0.0, 1.3), of_hue(hue, 0.8, 0.2), of_hue(hue - 0.05, 0.66, 0.62))
    flowers = of_hue(d.unit(), d.between(0.25, 0.8), 0.95), of_hue(d.unit(), d.between(0.0, 0.6), 0.97)
    on = (radius < 0.3 + 0.09 * petal) & (number < 0.46)
    for colour, where in ((flowers[0], on & (number < 0.25)), (flowers[1], on & (number >= 0.25))):
        for channel, value in zip(out, colour, strict=True):
            np.copyto(channel, value * (0.7 + radius), where=where, casting="same_kind")
    heart = linear(0.95, 0.75, 0.15)
    for channel, value in zip(out, heart, strict=True):
        np.copyto(channel, value * (1.0 + dy), where=on & (radius < 0.11), casting="same_kind")
    return out


# Per class: the painter and how far the ground may be turned either way, in radians.
PAINTERS: tuple[tuple[Callable[[Draws, F, F, float, Light], F], float], ...] = (
    (_wood, 0.5),
    (_grass, 3.1),
    (_water, 0.4),
    (_sand, 0.6),
    (_cloth, 0.75),
    (_cobbles, 3.1),
    (_brick, 0.12),
    (_meadow, 3.1),
)
NAMES = (
    "wooden table",
    "mossy grass",
    "rippled water",
    "sand",
    "checked cloth",
    "wet cobbles",
    "brick wall",
    "flower bed",
)
