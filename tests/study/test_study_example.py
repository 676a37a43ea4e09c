"""The example of the instructions: two panels alike, one not, whatever the rule of drawing."""

from __future__ import annotations

import numpy as np
import pytest

from xkd_core.study.config import Rendering
from xkd_core.study.example import example_panels


def coarse(panel: np.ndarray) -> np.ndarray:
    """Means of blocks, as one sees it from afar: thin lines beside each other are alike."""
    return panel.astype(float).reshape(8, 16, 8, 16, 3).mean(axis=(1, 3))


@pytest.mark.parametrize("mode", ["overlay", "heatmap", "contour", "masked"])
def test_two_panels_of_the_example_are_closer_than_the_third(mode):
    drawn = example_panels(Rendering(mode=mode, size_px=128))
    assert set(drawn) == {"photo", "same_a", "same_b", "different"}
    assert all(panel.shape == (128, 128, 3) and panel.dtype == np.uint8 for panel in drawn.values())

    def apart(one: str, other: str) -> float:
        return float(np.abs(coarse(drawn[one]) - coarse(drawn[other])).mean())

    assert 0 < apart("same_a", "same_b") < 0.6 * min(apart("same_a", "different"), apart("same_b", "different"))
