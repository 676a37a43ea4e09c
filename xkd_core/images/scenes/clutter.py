"""Small things that belong to no class: pebbles, twigs, leaves, discs and crumbs, each with its own shadow."""

from __future__ import annotations

import math

import numpy as np

from xkd_core.images.scenes.materials import of_hue
from xkd_core.images.scenes.patch import Colour, F, Light, rounded
from xkd_core.images.scenes.random_bits import Draws


def strew(canvas: F, d: Draws, light: Light) -> None:
    """Draw a few distractors onto the ground (3, size, size), in place."""
    for _ in range(2 + d.integer(5)):
        kind = d.integer(5)
        colour = of_hue(d.unit(), d.between(0.1, 0.8), d.between(0.3, 0.9))
        x, y, turn, radius = d.unit(), d.unit(), d.between(0.0, math.pi), d.between(0.018, 0.05)
        if kind == 4:
            for _ in range(3):
                _lay(
                    canvas,
                    light,
                    (x + d.between(-0.05, 0.05), y + d.between(-0.05, 0.05)),
                    (radius * 0.4, radius * 0.3),
                    turn,
                    0,
                    colour,
                )
            continue
        slim = (d.between(0.6, 0.95), d.between(0.09, 0.14), d.between(0.4, 0.55), d.between(0.75, 1.0))[kind]
        long = (1.0, 3.0, 1.6, 0.9)[kind]
        _lay(canvas, light, (x, y), (radius * long, radius * long * slim), turn, kind, colour)


def _lay(
    canvas: F,
    light: Light,
    centre: tuple[float, float],
    radii: tuple[float, float],
    turn: float,
    kind: int,
    colour: Colour,
) -> None:
    size = canvas.shape[1]
    reach = max(radii) * 1.35 + 1.5 / size
    left, top = max(0, math.floor((centre[0] - reach) * size)), max(0, math.floor((centre[1] - reach) * size))
    right, low = min(size, math.ceil((centre[0] + reach) * size)), min(size, math.ceil((centre[1] + reach) * size))
    if right <= left or low <= top:
        return
    cos, sin = round(math.cos(turn), 6), round(math.sin(turn), 6)
    x = (np.arange(left, right, dtype=np.float32) + 0.5) * (1.0 / size) - centre[0]
    y = ((np.arange(top, low, dtype=np.float32) + 0.5) * (1.0 / size) - centre[1])[:, None]
    sharp = min(radii) * size
    piece = canvas[:, top:low, left:right]
    drop = min(radii) * 0.6
    shadow = _cover(*_local(x + light.x * drop, y + light.y * drop, cos, sin, radii), kind, sharp * 0.6)
    piece *= 1.0 - 0.5 * shadow
    a, b = _local(x, y, cos, sin, radii)
    cover = _cover(a, b, kind, sharp)
    height = rounded(a, b) if kind != 3 else np.ones_like(a)
    across = (a * cos - b * sin, a * sin + b * cos) if kind != 3 else (0.0 * a, 0.0 * a)
    facing = across[0] * light.x + across[1] * light.y + height * light.z
    tone = 0.35 + 0.8 * np.maximum(facing, 0.0)
    if kind == 2:
        tone = tone * (0.75 + np.minimum(np.abs(b) * 4.0, 0.5))
    for channel, albedo in zip(piece, colour, strict=True):
        channel += (albedo * tone - channel) * cover


def _local(x: F, y: F, cos: float, sin: float, radii: tuple[float, float]) -> tuple[F, F]:
    return (x * cos + y * sin) * (1.0 / radii[0]), (y * cos - x * sin) * (1.0 / radii[1])


def _cover(a: F, b: F, kind: int, sharp: float) -> F:
    """Soft cover in [0, 1]: an ellipse, or a leaf that is pointed at both ends."""
    inside = 1.0 - a * a - np.abs(b) if kind == 2 else 1.0 - np.sqrt(a * a + b * b)
    return np.clip(inside * sharp + 0.5, 0.0, 1.0)
