"""Beach ball and umbrella, written into a patch in object coordinates."""

from __future__ import annotations

import itertools
import math

import numpy as np

from xkd_core.images.scenes.materials import Scheme, apart, mixed
from xkd_core.images.scenes.patch import F, Patch, rounded
from xkd_core.images.scenes.random_bits import Draws

_THIRD = 0.866025
_GORES = (-1.0, -0.78, -0.28, 0.28, 0.78, 1.0)


def ball(p: Patch, d: Draws, colours: Scheme) -> None:
    """A beach ball: six coloured segments that meet in a small cap, turned any way."""
    u, v = p.u, p.v
    z = rounded(u, v)
    first, second, pole = _turned(d, u, v, z)
    signs = (
        (first > 0.0).astype(np.uint8)
        + 2 * (0.5 * first + _THIRD * second > 0.0)
        + 4 * (-0.5 * first + _THIRD * second > 0.0)
    )
    strong = apart(colours.main, colours.pale, colours.accent)
    far = apart(mixed(colours.accent, colours.second, float(d.chance(0.5))), colours.pale, colours.dark)
    main, pale = p.material(strong, gloss=0.55, rough=0.05), p.material(colours.pale, gloss=0.55, rough=0.05)
    other = p.material(far, gloss=0.55, rough=0.05)
    kind = d.integer(3)
    order = (
        (main, pale, main, pale, main, pale),
        (main, pale, other, pale, main, pale),
        (main, pale, other, main, pale, other),
    )[kind]
    # Going round the pole, the three signs read 1, 3, 7, 6, 4, 0.
    by_sign = np.zeros(8, dtype=np.uint8)
    by_sign[[1, 3, 7, 6, 4, 0]] = order
    inside = u * u + v * v < 1.0
    p.paint(inside, by_sign.take(signs.astype(np.int64)), (u, v, z))
    cap = p.material(colours.pale if d.chance(0.6) else colours.accent, gloss=0.55, rough=0.05)
    p.recolour(inside & (np.abs(pole) > 0.955), cap)


def _turned(d: Draws, x: F, y: F, z: F) -> tuple[F, F, F]:
    """Coordinates in a randomly turned frame whose pole is in sight but off the centre."""
    lean = d.between(0.25, 0.8) * d.sign()
    side = d.between(-0.7, 0.7)
    tall = math.sqrt(max(0.05, 1.0 - lean * lean - side * side))
    length = math.sqrt(lean * lean + side * side + tall * tall)
    px, py, pz = side / length, lean / length, tall / length
    flat = math.sqrt(px * px + pz * pz)
    ax, az = pz / flat, -px / flat
    bx, by, bz = py * az, pz * ax - px * az, -py * ax
    turn = d.between(0.0, 2 * math.pi)
    cos, sin = round(math.cos(turn), 6), round(math.sin(turn), 6)
    a, b = x * ax + z * az, x * bx + y * by + z * bz
    return a * cos + b * sin, b * cos - a * sin, x * px + y * py + z * pz


def umbrella(p: Patch, d: Draws, colours: Scheme) -> None:
    """An open umbrella from the side: scalloped canopy of five gores, shaft, hooked handle."""
    u, v = p.u, p.v
    steel = p.material((0.25, 0.24, 0.24), gloss=0.9, rough=0.0)
    wood = p.material(mixed(colours.dark, (0.3, 0.15, 0.06), 0.5), gloss=0.4, rough=0.2)
    brim, high = 0.05, d.between(0.72, 0.86)
    inner = p.material(mixed(mixed(colours.main, colours.dark, 0.6), (0.0, 0.0, 0.0), 0.4), rough=0.1)
    under = (v - brim - 0.02) * (1.0 / 0.15)
    p.paint(u * u * 1.06 + under * under < 1.0, inner, (-u, 0.6, 0.4))
    p.paint((np.abs(u) < 0.04) & (v > -0.98) & (v < 0.92), steel, (u * 25.0, 0.0, 0.6))
    _hook(p, u, v, wood)
    _canopy(p, d, colours, u, (v - brim) * (1.0 / high))


def _hook(p: Patch, u: F, v: F, wood: int) -> None:
    p.paint((np.abs(u) < 0.062) & (v > 0.62) & (v < 0.93), wood, (u * 16.0, 0.0, 0.6))
    a, b = u - 0.15, v - 0.92
    radius = np.sqrt(a * a + b * b) + 1e-4
    across = (radius - 0.15) * (1.0 / 0.062)
    p.paint((np.abs(across) < 1.0) & (b > -0.02), wood, (a / radius * across, b / radius * across, rounded(across)))


def _canopy(p: Patch, d: Draws, colours: Scheme, u: F, y: F) -> None:
    round_y = np.sqrt(np.maximum(1.0 - y * y, 1e-3))
    across = np.clip(u / np.where(y < 0.0, round_y, np.float32(1.0)), -0.999, 0.999)
    gore = np.zeros(u.shape, dtype=np.int64)
    for border in _GORES[1:-1]:
        gore += across > border
    low = np.asarray(_GORES[:-1], dtype=np.float32).take(gore)
    part = (across - low) * np.asarray([1.0 / (b - a) for a, b in itertools.pairwise(_GORES)], dtype=np.float32).take(
        gore
    )
    arch = 4.0 * part * (1.0 - part)
    where = (u * u + np.minimum(y, 0.0) * y < 1.0) & (y < 0.16 - 0.24 * arch)
    both = np.asarray(
        [p.material(colours.main, gloss=0.3, rough=0.12), p.material(colours.second, gloss=0.3, rough=0.12)],
        dtype=np.uint8,
    )
    plain = d.chance(0.3)
    cloth = both.take(gore * 0 if plain else gore % 2)
    p.paint(where, cloth, (u * 0.9 + (part - 0.5) * 0.9, np.minimum(y, 0.1), rounded(u * 0.97, np.minimum(y, 0.0))))
    seam = p.material(mixed(colours.main, colours.dark, 0.6), rough=0.1)
    p.recolour(where & (np.abs(part - 0.5) > 0.475) & (np.abs(across) < 0.95), seam)
