"""The curve of weight randomisation on made-up networks, its mean, and what is undefined."""

from __future__ import annotations

import numpy as np
import pytest

from tests.oracles_maps import ORACLES
from xkd_core.errors import BadInputError
from xkd_core.metrics.randomisation import randomisation_curve, randomisation_score
from xkd_core.metrics.similarity import pearson, spearman

X, TARGETS = np.zeros((3, 3, 8, 8), np.float32), np.array([0, 1, 2])
MAPS = np.random.default_rng(0).normal(size=(3, 8, 8))
STEPS = {name: np.random.default_rng(seed).normal(size=(3, 8, 8)) for seed, name in enumerate(("head", "conv"), 1)}


def giving(maps: np.ndarray):
    def explain(x: np.ndarray, targets: np.ndarray) -> np.ndarray:
        assert (x is X, targets is TARGETS) == (True, True)  # the classes explained at first
        return maps

    return explain


@pytest.mark.parametrize("name", ["randomisation_cascading", "randomisation_independent"])
def test_the_curve_is_the_similarity_at_each_step_and_the_score_its_mean(name: str) -> None:
    curve = randomisation_curve(MAPS, ((name, giving(maps)) for name, maps in STEPS.items()), X, TARGETS)
    assert curve.steps == ("head", "conv")
    np.testing.assert_allclose(curve.values, [spearman(MAPS, maps) for maps in STEPS.values()])
    wanted = [ORACLES[name](MAPS[row], [maps[row] for maps in STEPS.values()]) for row in range(3)]
    np.testing.assert_allclose(randomisation_score(curve.values), wanted)
    other = randomisation_curve(MAPS, [("all", giving(-MAPS))], X, TARGETS, how="pearson")
    np.testing.assert_allclose(other.values, [pearson(MAPS, -MAPS)])
    absolute = randomisation_curve(MAPS, [("all", giving(-MAPS))], X, TARGETS, absolute=True)
    np.testing.assert_allclose(absolute.values, 1.0)


def test_quantus_counts_the_network_itself_as_a_step() -> None:
    assert randomisation_score([[0.2], [0.4]]) == pytest.approx([0.3])
    assert randomisation_score([[0.2], [0.4]], compat="quantus") == pytest.approx([1.6 / 3])


def test_a_constant_map_makes_the_image_undefined_with_the_steps_named() -> None:
    dead = STEPS["conv"].copy()
    dead[1] = 0.0
    curve = randomisation_curve(MAPS, [("head", giving(STEPS["head"])), ("conv", giving(dead))], X, TARGETS)
    assert np.isnan(randomisation_score(curve.values)).tolist() == [False, True, False]
    assert curve.undefined_reasons() == [None, "a map is constant or not finite after randomising conv", None]


def test_nothing_to_randomise_is_refused() -> None:
    with pytest.raises(BadInputError, match="at least one layer"):
        randomisation_curve(MAPS, [], X, TARGETS)
    with pytest.raises(BadInputError, match="steps, images"):
        randomisation_score(np.ones(3))
