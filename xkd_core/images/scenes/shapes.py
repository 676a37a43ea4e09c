"""The eight classes: how each is drawn, its box and area in object units, and how far it may be turned."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from xkd_core.images.scenes import shapes_living, shapes_play, shapes_things
from xkd_core.images.scenes.materials import Scheme
from xkd_core.images.scenes.patch import Box, Patch
from xkd_core.images.scenes.random_bits import Draws


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One class. ``area``: mean covered area in squared units; ``tilt``: largest turn either way in radians."""

    name: str
    draw: Callable[[Patch, Draws, Scheme], None]
    box: Box
    area: float
    tilt: float
    mirror: bool = True
    squash: tuple[float, float] = (0.94, 1.06)


SHAPES = (
    Shape(name="mug", draw=shapes_things.mug, box=(-0.92, -0.98, 0.95, 0.98), area=2.05, tilt=0.45),
    Shape(name="mushroom", draw=shapes_living.mushroom, box=(-1.02, -1.0, 1.02, 0.95), area=1.88, tilt=0.45),
    Shape(name="fish", draw=shapes_living.fish, box=(-1.02, -0.9, 1.2, 0.95), area=1.74, tilt=0.7),
    Shape(
        name="ball", draw=shapes_play.ball, box=(-1.0, -1.0, 1.0, 1.0), area=math.pi, tilt=math.pi, squash=(0.97, 1.03)
    ),
    Shape(name="die", draw=shapes_things.die, box=(-1.0, -1.0, 1.0, 1.0), area=2.57, tilt=math.pi),
    Shape(name="umbrella", draw=shapes_play.umbrella, box=(-1.02, -0.99, 1.02, 1.14), area=1.67, tilt=0.6),
    Shape(
        name="clock",
        draw=shapes_things.clock,
        box=(-1.02, -1.34, 1.02, 1.16),
        area=3.53,
        tilt=0.4,
        mirror=False,
        squash=(0.85, 1.0),
    ),
    Shape(name="butterfly", draw=shapes_living.butterfly, box=(-1.15, -1.02, 1.15, 1.0), area=2.18, tilt=0.9),
)
