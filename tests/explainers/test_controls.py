"""Controls: maps without a network, equal to their plain statements."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.explainers.made_nets import gap_net, images, mlp_net
from tests.oracles_more_maps import ORACLES
from xkd_core.catalogue import EXPLAINERS
from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import explain

CONTROLS = [name for name, entry in EXPLAINERS.items() if entry.model_free]


def maps_of(name: str, x: torch.Tensor, **more: object) -> np.ndarray:
    targets = torch.zeros(len(x), dtype=torch.int64)
    return explain({"m": gap_net()}, x, {"m": targets}, names=[name], **more)["m"][name].maps


def test_controls_equal_their_oracles() -> None:
    x = images(2, (9, 13))
    for row in range(2):
        image = x[row].numpy()
        wanted = {
            "random_map": ORACLES["random_map"](image, 5),
            "centre_gaussian": ORACLES["centre_gaussian"](9, 13, 0.25),
            "edge_detector": ORACLES["edge_detector"](image.astype(np.float64)),
        }
        assert set(wanted) == set(CONTROLS)
        for name, values in wanted.items():
            np.testing.assert_allclose(maps_of(name, x, seed=5)[row], values, atol=1e-6)


def test_edges_of_a_step_worked_by_hand() -> None:
    """Columns 0, 0, 1, 1: the neighbours differ by 1 beside the step, in one direction of two."""
    x = torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(1, 3, 4, 4)
    np.testing.assert_allclose(maps_of("edge_detector", x)[0], [[0, 0.5**0.5, 0.5**0.5, 0]] * 4, atol=1e-7)


def test_the_bump_is_in_the_middle_and_as_wide_as_asked() -> None:
    found = maps_of("centre_gaussian", images(1, (64, 64)), params={"centre_gaussian": {"sigma": 0.5}})[0]
    assert found[31:33, 31:33].min() == found.max()
    assert found[32, 63] == pytest.approx(np.exp(-0.5), abs=0.01)  # the border is one sigma away


def test_random_maps_are_uniform_and_differ_by_image_and_seed() -> None:
    x = images(2, (40, 40))
    found, other = maps_of("random_map", x), maps_of("random_map", x, seed=1)
    assert np.histogram(found, bins=4, range=(0, 1))[0].min() > 0.22 * found.size
    assert not np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], other[0])
    assert abs(np.corrcoef(found[0].ravel(), found[1].ravel())[0, 1]) < 0.1


@pytest.mark.parametrize("name", CONTROLS)
def test_controls_cost_nothing_and_are_the_same_for_every_network(name: str) -> None:
    assert EXPLAINERS[name].forwards({}, 64, 256) == 0
    models = {"a": gap_net(), "b": mlp_net((12, 12))}
    found = explain(models, images(1, (12, 12)), dict.fromkeys("ab", torch.tensor([1])), names=[name])
    assert np.array_equal(found["a"][name].maps, found["b"][name].maps)
    assert found["a"][name].meta["layer"] == "no network"


def test_a_bump_of_no_width_is_refused() -> None:
    with pytest.raises(BadInputError, match=r"0\.05 to 1"):
        maps_of("centre_gaussian", images(1, (8, 8)), params={"centre_gaussian": {"sigma": 0.0}})
