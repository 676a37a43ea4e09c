"""RISE: its masks are the authors', its maps the published mean, whatever the batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.transform import resize

from tests.explainers.made_nets import Net, assert_near, gap_net, images, mlp_net
from tests.oracles_more_maps import ORACLES, smooth_mask
from xkd_core.explainers.engine import explain
from xkd_core.explainers.rise import draws

FEW = {"rise": {"n_masks": 50, "n_cells": 3, "p_shown": 0.4}}


def rise(model: Net, x: torch.Tensor, targets: torch.Tensor, *, seed: int = 0, params: dict = FEW) -> np.ndarray:
    return explain({"m": model}, x, {"m": targets}, names=["rise"], params=params, seed=seed)["m"]["rise"].maps


@pytest.mark.parametrize("size", [(13, 17), (32, 32), (9, 8)])
@pytest.mark.parametrize("cells", [1, 2, 4])
def test_masks_are_the_authors_on_the_same_grids_and_shifts(size: tuple[int, int], cells: int) -> None:
    """Their code enlarges each grid with scikit-image and cuts the mask out at its shift."""
    masks = draws(9, cells, size, 0.5, seed=3)
    found = masks.drawn(slice(0, 9)).numpy()
    cell = [int(np.ceil(side / cells)) for side in size]
    for number, (grid, (row, column)) in enumerate(zip(masks.grids.numpy(), masks.shifts.tolist(), strict=True)):
        large = resize(grid, [(cells + 1) * px for px in cell], order=1, mode="reflect", anti_aliasing=False)
        cut = large[row : row + size[0], column : column + size[1]]
        if cells > 1:  # of one cell scikit-image makes a constant or nothing, by version
            np.testing.assert_allclose(found[number], cut, atol=1e-6)
        np.testing.assert_allclose(found[number], smooth_mask(grid, (row, column), size), atol=1e-6)


@pytest.mark.parametrize("multi_label", [False, True])
def test_maps_equal_their_loops(multi_label: bool) -> None:
    for model in (gap_net(), mlp_net((9, 11))):
        model.multi_label = multi_label
        x, targets = images(2, (9, 11)), torch.tensor([3, 1])
        masks = draws(50, 3, (9, 11), 0.4, seed=7)
        found = rise(model, x, targets, seed=7)
        for row in range(2):

            def probability(image: np.ndarray, own: Net = model, target: int = int(targets[row])) -> float:
                with torch.no_grad():
                    logits = own(torch.from_numpy(image)[None].float())[0].double()
                return float(logits.sigmoid()[target] if multi_label else logits.softmax(dim=0)[target])

            image = x[row].double().numpy()
            wanted = ORACLES["rise"](image, probability, masks.grids.numpy(), masks.shifts.numpy(), 0.4)
            assert_near(found[row], wanted)


class Constant(Net):
    """Equally sure of everything, so a map is the mean mask over p."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * 0


def test_what_needs_no_pixel_gets_its_probability_everywhere() -> None:
    net = gap_net()
    many = {"rise": {"n_masks": 16000, "n_cells": 2}}
    found = rise(Constant(net.features, net.head), images(1, (8, 8)), torch.tensor([0]), params=many)
    np.testing.assert_allclose(found, 0.25, atol=0.01)  # of 4 classes


def test_default_masks_are_a_thousand_on_the_grid_for_the_size() -> None:
    for size, cells in (((32, 32), 4), ((33, 20), 7)):
        masks = draws(1000, 0, size, 0.5, seed=0)
        assert masks.grids.shape == (1000, cells, cells)
        drawn = masks.drawn(slice(0, 1000))
        assert drawn.shape == (1000, *size)
        assert 0 <= drawn.min() < 0.01
        assert 0.99 < drawn.max() <= 1 + 1e-6
        assert float(drawn.mean()) == pytest.approx(0.5, abs=0.02)


def test_batches_of_any_size_give_the_same_maps(monkeypatch: pytest.MonkeyPatch) -> None:
    x, targets = images(2, (12, 15)), torch.tensor([0, 1])
    whole = rise(gap_net(), x, targets)
    monkeypatch.setattr(
        "xkd_core.explainers.rise.chunks", lambda total, _: (slice(i, i + 7) for i in range(0, total, 7))
    )
    assert_near(rise(gap_net(), x, targets), whole)


def test_the_unit_is_said() -> None:
    found = explain({"m": gap_net()}, images(1, (8, 8)), {"m": torch.tensor([0])}, names=["rise"], params=FEW)
    assert found["m"]["rise"].meta["score"] == "probability of the target"
