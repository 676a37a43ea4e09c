"""The row of pictures in the instructions: a made-up photo and maps, drawn by the rule of the study."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from xkd_core import rendering
from xkd_core.study.config import Rendering
from xkd_core.study.stimuli import PHOTO
from xkd_core.types import Float, UInt8

CELLS = 16
# Centres of the highlights, down and across: two that lie close together and one that does not.
CENTRES: Mapping[str, tuple[float, float]] = {"same_a": (0.36, 0.38), "same_b": (0.42, 0.44), "different": (0.8, 0.2)}


def example_panels(given: Rendering) -> dict[str, UInt8]:
    """Photo and three panels, role -> (S, S, 3) uint8; "same_a" and "same_b" are alike but not equal."""
    photo = _scene(given.size_px)
    grids = {role: _spot(down, across) for role, (down, across) in CENTRES.items()}
    drawn = {role: rendering.panel(photo, grid, 1.0, given.style) for role, grid in grids.items()}
    return {PHOTO: photo, **drawn}


def _scene(size: int) -> UInt8:
    """Sky, ground and a ball."""
    down, across = np.mgrid[0:size, 0:size] / size
    picture = np.where((down < 0.6)[..., None], np.array([168, 200, 228]), np.array([120, 146, 96])).astype(np.uint8)
    picture[(down - 0.4) ** 2 + (across - 0.42) ** 2 < 0.03] = (198, 84, 60)
    return picture


def _spot(down: float, across: float) -> Float:
    at = (np.arange(CELLS) + 0.5) / CELLS
    squared = (at[:, None] - down) ** 2 + (at[None, :] - across) ** 2
    return np.exp(-squared / 0.03).astype(np.float32)
