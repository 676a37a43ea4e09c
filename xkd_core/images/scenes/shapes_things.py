"""Mug, die and clock, written into a patch in object coordinates."""

from __future__ import annotations

import math

import numpy as np

from xkd_core.images.scenes.materials import Scheme, apart, linear, mixed
from xkd_core.images.scenes.patch import F, Patch, fraction, rounded
from xkd_core.images.scenes.random_bits import Draws


def mug(p: Patch, d: Draws, colours: Scheme) -> None:
    """A mug seen a little from above, with a drink in it and a handle at one side."""
    wide, taper, view = d.between(0.58, 0.68), d.between(-0.02, 0.12), d.between(0.24, 0.36)
    top, base = -0.66, d.between(0.55, 0.7)
    u, v = p.u + 0.2, p.v
    glaze = p.material(colours.main, gloss=0.8, rough=0.08)
    handle = p.material(mixed(colours.main, colours.second, float(d.chance(0.25))), gloss=0.8, rough=0.08)
    _handle(p, handle, u - wide + 0.06, v + 0.04, d.between(0.38, 0.45))
    half = wide - taper * (v - top)
    x = u / half
    z = rounded(x)
    body = (np.abs(x) < 1.0) & (v > top) & (v < base + view * 0.75 * half * z)
    p.paint(body, glaze, (x, 0.08, z))
    _mug_pattern(p, d, colours, x, v - view * half * z)
    _mug_mouth(p, d, colours, glaze, u / wide, (v - top) / (view * wide))


def _handle(p: Patch, material: int, u: F, v: F, reach: float) -> None:
    x, y = u / reach, v / 0.46
    radius = np.sqrt(x * x + y * y) + 1e-4
    across = (radius - 0.82) * (1.0 / 0.23)
    p.paint(np.abs(across) < 1.0, material, (x / radius * across, y / radius * across, rounded(across)))


def _mug_pattern(p: Patch, d: Draws, colours: Scheme, x: F, height: F) -> None:
    kind, paint = d.integer(4), p.material(apart(colours.second, colours.main, colours.pale), gloss=0.7, rough=0.08)
    count, place = d.between(2.2, 3.6), d.between(-0.2, 0.2)
    on_side = (height > -0.8) & (np.abs(x) < 1.0) & (p.u + 0.2 < 0.72)
    if kind == 0:
        p.recolour(on_side & (fraction(height * count) < 0.42), paint)
    elif kind == 1:
        p.recolour(on_side & (np.abs(height - place) < 0.2), paint)
    elif kind == 2:
        a, b = fraction(x * (1.0 + x * x * 0.3) * 2.3 + place) - 0.5, fraction(height * 3.1) - 0.5
        p.recolour(on_side & (a * a + b * b < 0.1), paint)


def _mug_mouth(p: Patch, d: Draws, colours: Scheme, glaze: int, x: F, y: F) -> None:
    inside = p.material(mixed(colours.pale, colours.main, 0.3 * float(d.chance(0.5))), gloss=0.4, rough=0.05)
    drink = linear(*((0.35, 0.2, 0.1), (0.62, 0.35, 0.12), (0.78, 0.62, 0.45), (0.2, 0.1, 0.06))[d.integer(4)])
    outer = x * x + y * y
    p.paint(outer < 1.0, glaze, (x * 0.3, -0.5, 0.8))
    hollow = outer < 0.8
    p.paint(hollow, inside, (-x * 0.8, 0.75 - 0.5 * y, 0.35))
    low = y - d.between(0.35, 0.75)
    p.paint(hollow & (x * x + low * low < 0.8), p.material(drink, gloss=0.35, rough=0.2), (0.0, -0.75, 0.66))


def die(p: Patch, d: Draws, colours: Scheme) -> None:
    """A die with three faces to the eye and pips on them."""
    white = d.chance(0.3)
    colour = colours.pale if white else colours.main
    body = p.material(colour, gloss=0.5, rough=0.06)
    bright = 0.3 * colour[0] + 0.6 * colour[1] + 0.1 * colour[2] > 0.3
    pip = p.material(colours.dark if bright else colours.pale, gloss=0.1, rough=0.05)
    axes = _cube_axes(d)
    u, v = p.u * 1.62, p.v * 1.62
    p.paint(u * u + v * v < 0.95, body, (u * 0.3, v * 0.3, 1.0))
    pips = [(1, 2, 3), (6, 2, 3), (1, 5, 4), (6, 5, 3), (1, 2, 4), (6, 5, 4), (5, 3, 6), (4, 6, 5)][d.integer(8)]
    for face in range(3):
        _cube_face(p, u, v, (axes[face], axes[(face + 1) % 3], axes[(face + 2) % 3]), body, pip, pips[face])


def _cube_axes(d: Draws) -> list[tuple[float, float, float]]:
    """The three edges that point to the eye: orthonormal, each with z > 0."""
    z = [d.between(0.42, 0.8), d.between(0.35, 0.7), d.between(0.35, 0.7)]
    length = math.sqrt(z[0] ** 2 + z[1] ** 2 + z[2] ** 2)
    c = [value / length for value in z]
    flat = math.sqrt(c[0] ** 2 + c[1] ** 2)
    a = [-c[1] / flat, c[0] / flat, 0.0]
    b = [c[1] * a[2] - c[2] * a[1], c[2] * a[0] - c[0] * a[2], c[0] * a[1] - c[1] * a[0]]
    return [(a[i], b[i], c[i]) for i in range(3)]


def _cube_face(
    p: Patch, u: F, v: F, axes: tuple[tuple[float, float, float], ...], body: int, pip: int, count: int
) -> None:
    (ox, oy, oz), (ax, ay, az), (bx, by, bz) = axes
    scale = 1.0 / (ax * by - ay * bx)
    a = (u - ox) * (by * scale) - (v - oy) * (bx * scale)
    b = (v - oy) * (ax * scale) - (u - ox) * (ay * scale)
    square_a, square_b = a * a, b * b
    where = (square_a < 1.0) & (square_b < 1.0) & (square_a + square_b < 1.72)
    bend_a, bend_b = a * square_a * square_a * square_a * 0.7, b * square_b * square_b * square_b * 0.7
    p.paint(
        where, body, (ox + ax * bend_a + bx * bend_b, oy + ay * bend_a + by * bend_b, oz + az * bend_a + bz * bend_b)
    )
    p.recolour(where & _pips(a, b, count), pip)


def _pips(a: F, b: F, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    fold_a, fold_b = np.abs(a) - 0.52, np.abs(b) - 0.52
    size = 0.052 if count > 1 else 0.08
    spots = np.zeros(a.shape, dtype=np.bool_)
    if count % 2 == 1:
        spots |= a * a + b * b < size
    if count > 1:
        corner = fold_a * fold_a + fold_b * fold_b < size
        spots |= corner if count > 3 else corner & (a * b > 0.0)
    if count == 6:
        spots |= fold_a * fold_a + b * b < size
    return spots


def clock(p: Patch, d: Draws, colours: Scheme) -> None:
    """A round clock: rim, dial, twelve marks, two hands; sometimes with bells and feet."""
    u, v = p.u, p.v
    metal = p.material(colours.main, gloss=0.9, rough=0.05)
    if d.chance(0.4):
        _bells(p, p.material(colours.second if d.chance(0.5) else colours.main, gloss=0.9, rough=0.05), metal)
    radius = np.sqrt(u * u + v * v) + 1e-4
    rim = d.between(0.8, 0.86)
    across = (radius - (1.0 + rim) * 0.5) * (2.0 / (1.0 - rim))
    dark_dial = d.chance(0.2)
    dial = p.material(colours.dark if dark_dial else mixed(colours.pale, colours.second, 0.1), gloss=0.25, rough=0.05)
    ink = p.material(colours.pale if dark_dial else linear(0.12, 0.11, 0.12), gloss=0.2, rough=0.0)
    p.paint(radius < rim + 0.02, dial, (u * 0.25, v * 0.25, 1.0))
    p.paint(np.abs(across) < 1.0, metal, (u / radius * across, v / radius * across, rounded(across)))
    _marks(p, radius, ink, rim)
    _hands(p, d, radius, ink, p.material(colours.accent, gloss=0.3, rough=0.0))


def _bells(p: Patch, bell: int, metal: int) -> None:
    side = np.abs(p.u)
    for x, y, wide, high, material in ((0.62, 0.95, 0.16, 0.2, metal), (0.5, -0.98, 0.4, 0.34, bell)):
        a, b = (side - x) * (1.0 / wide), (p.v - y) * (1.0 / high)
        p.paint(a * a + b * b < 1.0, material, (a * np.sign(p.u), b, rounded(a, b)))
    p.paint((side < 0.07) & (p.v < -0.9) & (p.v > -1.26), metal, (p.u * 12.0, 0.0, 0.6))


def _marks(p: Patch, radius: F, ink: int, rim: float) -> None:
    between = (radius < rim - 0.05) & (radius > rim - 0.22)
    marks = np.zeros(radius.shape, dtype=np.bool_)
    for hour in range(6):
        cos, sin = round(math.cos(hour * math.pi / 6), 6), round(math.sin(hour * math.pi / 6), 6)
        marks |= np.abs(p.u * sin - p.v * cos) < (0.065 if hour % 3 == 0 else 0.035)
    p.recolour(between & marks, ink)


def _hands(p: Patch, d: Draws, radius: F, ink: int, accent: int) -> None:
    hour = d.between(0.0, 12.0)
    turns = (hour / 12.0, hour % 1.0)
    for turn, length, wide in zip(turns, (0.42, 0.64), (0.075, 0.05), strict=True):
        x, y = round(math.sin(turn * 2 * math.pi), 6), round(-math.cos(turn * 2 * math.pi), 6)
        along, across = p.u * x + p.v * y, p.u * y - p.v * x
        p.recolour((np.abs(across) < wide) & (along > -0.12) & (along < length), ink)
    p.recolour(radius < 0.1, accent)
