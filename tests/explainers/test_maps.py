"""Pure maps: against plain loops, worked numbers, and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from tests.oracles import ORACLES
from xkd_core.errors import BadInputError
from xkd_core.explainers import maps

OF_GRADIENT = ("grad_cam", "grad_cam_pp", "hires_cam", "xgrad_cam", "layer_cam")


def made(shape: tuple[int, ...], *, seed: int = 0, positive: bool = False) -> torch.Tensor:
    values = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return values.abs() if positive else values


@pytest.mark.parametrize("name", OF_GRADIENT)
@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (1, 1, 1, 1), (3, 2, 7, 5)])
def test_maps_of_activation_and_gradient_equal_their_oracles(name: str, shape: tuple[int, ...]) -> None:
    activation, gradient = made(shape, positive=True), made(shape, seed=1)
    found = getattr(maps, name)(activation, gradient)
    wanted = [ORACLES[name](a, g) for a, g in zip(activation.numpy(), gradient.numpy(), strict=True)]
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)


def test_cam_and_ewa_equal_their_oracles() -> None:
    activation, rows = made((2, 5, 3, 4)), made((2, 5), seed=1)
    wanted = [ORACLES["cam"](a, w) for a, w in zip(activation.numpy(), rows.numpy(), strict=True)]
    np.testing.assert_allclose(maps.cam_map(activation, rows).numpy(), wanted, atol=1e-12)
    np.testing.assert_allclose(
        maps.ewa(activation).numpy(), [ORACLES["ewa"](a) for a in activation.numpy()], atol=1e-12
    )


def test_maps_worked_by_hand() -> None:
    activation = torch.tensor([[[[1.0, 2.0]], [[0.0, 3.0]]]])  # two channels on a 1 x 2 grid
    gradient = torch.tensor([[[[2.0, 4.0]], [[-1.0, -3.0]]]])
    assert maps.cam_map(activation, torch.tensor([[10.0, -1.0]])).tolist() == [[[10.0, 17.0]]]
    assert maps.grad_cam(activation, gradient).tolist() == [[[3.0, 0.0]]]  # weights 3 and -2
    assert maps.hires_cam(activation, gradient).tolist() == [[[2.0, -1.0]]]  # 1*2, 2*4 - 3*3
    assert maps.layer_cam(activation, gradient).tolist() == [[[2.0, 8.0]]]
    xgrad = maps.xgrad_cam(activation, gradient)  # weights (1*2 + 2*4) / 3 and -9 / 3
    torch.testing.assert_close(xgrad, torch.tensor([[[10 / 3, 20 / 3 - 9]]]))
    assert maps.ewa(activation).tolist() == [[[1.0, 13.0]]]


def test_maps_are_signed() -> None:
    activation, gradient = made((1, 4, 3, 3), positive=True), -made((1, 4, 3, 3), positive=True)
    for name in ("grad_cam", "hires_cam", "xgrad_cam"):
        assert getattr(maps, name)(activation, gradient).max() < 0


@pytest.mark.parametrize("name", OF_GRADIENT)
def test_maps_of_gradients_pass_gradcheck(name: str) -> None:
    activation, gradient = (
        made((2, 3, 3, 2), positive=True).requires_grad_(),
        made((2, 3, 3, 2), seed=1).requires_grad_(),
    )
    assert gradcheck(getattr(maps, name), (activation, gradient))


def test_the_maps_of_the_losses_pass_gradcheck() -> None:
    activation, rows = made((2, 3, 3, 2)).requires_grad_(), made((2, 3), seed=1).requires_grad_()
    assert gradcheck(maps.cam_map, (activation, rows))
    assert gradcheck(maps.ewa, (activation,))


def test_grad_cam_pp_is_zero_where_the_gradient_is() -> None:
    activation = torch.ones(1, 2, 2, 2)
    assert maps.grad_cam_pp(activation, torch.zeros_like(activation)).tolist() == [[[0.0, 0.0], [0.0, 0.0]]]


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(BadInputError, match="one weight per channel"):
        maps.cam_map(torch.ones(2, 3, 4, 4), torch.ones(3))
