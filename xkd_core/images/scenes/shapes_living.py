"""Mushroom, fish and butterfly, written into a patch in object coordinates."""

from __future__ import annotations

import math

import numpy as np

from xkd_core.images.scenes.materials import Scheme, apart, linear, mixed
from xkd_core.images.scenes.patch import B, F, Patch, fraction, rounded
from xkd_core.images.scenes.random_bits import Draws


def mushroom(p: Patch, d: Draws, colours: Scheme) -> None:
    """A stem with a domed cap, gills under it, mostly with spots."""
    bend, wide, tall = d.between(-0.2, 0.2), d.between(0.17, 0.25), d.between(0.62, 0.82)
    u, v = p.u, p.v
    stem = p.material(mixed(colours.pale, (0.55, 0.45, 0.3), 0.25), gloss=0.05, rough=0.35)
    low = v + 0.15
    x = (u - bend * (1.0 - low) * 0.6) / (wide * (1.0 + 0.45 * low * low))
    p.paint((np.abs(x) < 1.0) & (low > -0.1) & (v < tall + 0.08 * rounded(x)), stem, (x, 0.15, rounded(x)))
    rim, under = d.between(0.2, 0.3), -0.12
    _gills(p, d, colours, u, (v - under) / rim)
    high = d.between(0.66, 0.84)
    y = (v - under) / high
    cap = apart(colours.main, colours.pale, colours.accent)
    dome = (u * u + y * y < 1.0) & (v < under + 0.45 * rim * rounded(u))
    p.paint(dome, p.material(cap, gloss=0.35, rough=0.22), (u, y * 0.9, rounded(u, y)))
    if d.chance(0.75):
        _spots(p, d, p.material(colours.pale, gloss=0.05, rough=0.2), u, y, dome)


def _gills(p: Patch, d: Draws, colours: Scheme, u: F, y: F) -> None:
    pale = mixed(colours.pale, colours.main, 0.15)
    light = p.material(mixed(pale, (0.3, 0.2, 0.12), 0.3), rough=0.1)
    shadow = p.material(mixed(pale, (0.1, 0.06, 0.04), 0.7), rough=0.1)
    where = u * u * 1.02 + y * y < 1.0
    p.paint(where, light, (u * 0.2, 0.75, 0.6))
    p.recolour(where & (y > 0.0) & (fraction(u / (y + 0.9) * d.between(6.0, 8.0)) < 0.45), shadow)


def _spots(p: Patch, d: Draws, spot: int, u: F, y: F, dome: B) -> None:
    z = rounded(u, y)
    spots = np.zeros(u.shape, dtype=np.bool_)
    for column in range(7):
        x0, y0 = (
            (-0.72, -0.4, -0.12, 0.2, 0.5, 0.78, 0.05)[column],
            (-0.3, -0.62, -0.12, -0.7, -0.25, -0.42, -0.4)[column],
        )
        x0, y0 = x0 + d.between(-0.1, 0.1), y0 + d.between(-0.1, 0.1)
        z0 = math.sqrt(max(0.0, 1.0 - x0 * x0 - y0 * y0))
        spots |= u * x0 + y * y0 + z * z0 > 1.0 - d.between(0.008, 0.035)
    p.recolour(spots & dome, spot)


def fish(p: Patch, d: Draws, colours: Scheme) -> None:
    """A fish from the side: body, tail, fins, gill, eye, and stripes or scales."""
    u, v = p.u, p.v
    high, forked = d.between(0.58, 0.78), d.between(0.25, 0.55)
    fin = p.material(mixed(colours.main, colours.second, 0.7), gloss=0.3, rough=0.3)
    t = np.clip((u + 1.0) * (1.0 / 1.75), 0.0, 1.0)
    half = high * 1.75 * np.sqrt(t) * (1.0 - t) + 0.12 * t + 1e-3
    _fins(p, d, fin, u, v, half, forked)
    y = v / half
    z = rounded(y)
    where = (np.abs(y) < 1.0) & (u < 0.75) & (u > -1.0)
    skin = p.material(colours.main, gloss=0.6, rough=0.12)
    p.paint(where, skin, ((t - 0.4) * 0.9, y, z * 0.9 + 0.05))
    _fish_pattern(p, d, colours, where, t, y)
    p.recolour(where & (y > d.between(0.4, 0.62)), p.material(mixed(colours.pale, colours.main, 0.2), gloss=0.6))
    _head(p, d, colours, u, v, where)


def _fins(p: Patch, d: Draws, fin: int, u: F, v: F, half: F, forked: float) -> None:
    side, back = np.abs(v), u - 0.62
    ridge = fraction(v * 7.0 / (back + 0.5)) - 0.5
    spread = d.between(0.85, 1.15)
    tail = (back > 0.0) & (side < 0.08 + back * spread) & (back < 0.55 - forked * 0.5 * (0.6 - side))
    p.paint(tail, fin, (0.2, ridge, 0.8))
    start, tall = d.between(-0.5, -0.35), d.between(0.2, 0.34)
    rise = (u - start) * (0.55 - u) * 3.2
    ridge = fraction(u * 9.0 + v * 3.0) - 0.5
    p.paint((rise > 0.0) & (v < 0.0) & (-v < half * 0.9 + tall * rise), fin, (ridge, -0.2, 0.8))
    rise = (u - 0.05) * (0.55 - u) * 9.0
    p.paint((rise > 0.0) & (v > 0.0) & (v < half * 0.9 + 0.2 * rise), fin, (ridge, 0.2, 0.8))


def _fish_pattern(p: Patch, d: Draws, colours: Scheme, where: B, t: F, y: F) -> None:
    kind, paint = d.integer(3), p.material(apart(colours.second, colours.main, colours.dark), gloss=0.6, rough=0.12)
    count, place = d.between(4.0, 6.5), d.unit()
    if kind == 0:
        p.recolour(where & (fraction(t * count + y * y * 0.3 + place) < 0.42) & (t > 0.3), paint)
    elif kind == 1:
        row = np.floor(y * 3.4)
        a, b = fraction(t * 9.0 + row * 0.5) - 0.5, fraction(y * 3.4) - 0.5
        scale = (a * a + b * b > 0.2) & (t > 0.28)
        p.recolour(where & scale, p.material(mixed(colours.main, colours.dark, 0.6), gloss=0.6))
    else:
        p.recolour(where & (y < -0.25), paint)


def _head(p: Patch, d: Draws, colours: Scheme, u: F, v: F, where: B) -> None:
    line = p.material(mixed(colours.main, colours.dark, 0.8), gloss=0.2)
    a = (u + 0.98) * (u + 0.98) + v * v
    p.recolour(where & (a > 0.2) & (a < 0.26) & (np.abs(v) < 0.4), line)
    x, y = (u + 0.06) * 3.6, (v - 0.14) * 6.0
    x, y = x * 0.9 + y * 0.4, y * 0.9 - x * 0.4
    p.paint(
        x * x + y * y < 1.0,
        p.material(mixed(colours.main, colours.accent, 0.6), gloss=0.4, rough=0.2),
        (x * 0.4, y * 0.8, 0.7),
    )
    p.recolour(where & (np.abs(v - 0.08) < 0.025) & (u < -0.8), line)
    x, y = (u + 0.7) * (1.0 / 0.125), (v + 0.1) * (1.0 / 0.125)
    p.paint(x * x + y * y < 1.0, p.material((0.9, 0.88, 0.8), gloss=0.5, rough=0.0), (x * 0.7, y * 0.7, 0.7))
    x = x + d.between(-0.1, 0.2)
    p.paint(x * x + y * y < 0.32, p.material((0.01, 0.01, 0.01), gloss=1.0, rough=0.0), (x, y, 0.7))


def butterfly(p: Patch, d: Draws, colours: Scheme) -> None:
    """Two pairs of wings with dark borders, spots and veins, a body and antennae."""
    near, far = 1.0, d.between(1.0, 1.35)
    left = p.u < 0.0
    u, v = np.abs(p.u) * np.where(left, near, far).astype(np.float32), p.v
    tilt = np.where(left, d.between(-0.15, 0.1), d.between(0.15, 0.6)).astype(np.float32)
    border = p.material(mixed(colours.dark, colours.main, 0.05), gloss=0.1, rough=0.2)
    upper = p.material(colours.main, gloss=0.15, rough=0.25)
    lower = p.material(mixed(colours.main, colours.second, float(d.chance(0.5))), gloss=0.15, rough=0.25)
    spot = p.material(
        apart(colours.second if d.chance(0.5) else colours.pale, colours.main, colours.accent), gloss=0.1, rough=0.1
    )
    droop, wide = d.between(0.32, 0.5), d.between(0.32, 0.4)
    _wing(
        p,
        (u - 0.4) * 0.9 + (v - droop) * 0.43,
        (v - droop) * 0.9 - (u - 0.4) * 0.43,
        (0.46, wide),
        tilt,
        (border, lower, spot),
        d,
    )
    lift = d.between(-0.5, -0.34)
    _wing(
        p,
        (u - 0.53) * 0.77 - (v - lift) * 0.64,
        (v - lift) * 0.77 + (u - 0.53) * 0.64,
        (0.66, wide + 0.04),
        tilt,
        (border, upper, spot),
        d,
    )
    _butterfly_body(p, u, v, p.material(linear(0.2, 0.16, 0.14), gloss=0.3, rough=0.2))


def _wing(p: Patch, a: F, b: F, radii: tuple[float, float], tilt: F, materials: tuple[int, int, int], d: Draws) -> None:
    border, field, spot = materials
    x, y = a * (1.0 / radii[0]), b * (1.0 / radii[1])
    y = y * (1.22 - 0.3 * x)  # narrow at the root, wide at the tip
    distance = x * x + y * y
    edge = d.between(0.55, 0.72)
    normal = (tilt + 0.25 * x, 0.25 * y, 1.0)
    p.paint(distance < 1.0, border, normal)
    inner = (distance < edge) & (np.abs(fraction((y + 0.04) / (x + 1.7) * 3.2) - 0.5) < 0.46)
    p.recolour(inner, field)
    x0, y0 = d.between(0.3, 0.5), d.between(-0.25, 0.25)
    eye = (x - x0) * (x - x0) + (y - y0) * (y - y0)
    p.recolour(eye < 0.075, spot)
    p.recolour((eye < 0.02) & (eye >= 0.0), border)
    ring = (distance > edge + 0.08) & (distance < 0.92) & (fraction(y * 2.6) < 0.5) & (x > -0.1)
    p.recolour(ring, spot)


def _butterfly_body(p: Patch, u: F, v: F, skin: int) -> None:
    x, y = u * (1.0 / 0.085), (v - 0.04) * (1.0 / 0.5)
    signed = p.u * (1.0 / 0.085)
    p.paint(x * x + y * y < 1.0, skin, (signed, y * 0.3, rounded(signed)))
    x, y = u * (1.0 / 0.1), (v + 0.48) * (1.0 / 0.1)
    p.paint(x * x + y * y < 1.0, skin, (p.u * 10.0, y, rounded(x, y)))
    rise = -0.5 - v
    feeler = (np.abs(u - 0.04 - rise * (0.35 + 0.5 * rise)) < 0.022) & (rise > 0.0) & (rise < 0.45)
    x, y = (u - 0.31) * (1.0 / 0.05), (v + 0.95) * (1.0 / 0.05)
    p.paint(feeler | (x * x + y * y < 1.0), skin, (0.0, 0.0, 1.0))
