"""GradientSHAP, integrated gradients and the plainer gradients against captum and plain loops."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from captum.attr import GradientShap, InputXGradient, IntegratedGradients, NoiseTunnel, Saliency

from tests.explainers.made_nets import Net, assert_near, gap_net, images, mlp_net
from tests.oracles import ORACLES
from tests.oracles_more_maps import ORACLES as MORE
from xkd_core.errors import BadInputError
from xkd_core.explainers.captum_gradients import noises
from xkd_core.explainers.engine import explain
from xkd_core.explainers.gradient import draws


def slope(model: Net, target: int) -> Callable[[np.ndarray], np.ndarray]:
    def gradient(image: np.ndarray) -> np.ndarray:
        leaf = torch.from_numpy(image)[None].float().requires_grad_()
        model(leaf * 1)[0, target].backward()
        return leaf.grad[0].double().numpy()

    return gradient


@pytest.mark.parametrize("size", [(12, 12), (13, 9)])
@pytest.mark.parametrize("n", [1, 3])
def test_gradient_shap_equals_captum_on_the_same_samples(
    size: tuple[int, int], n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, background, targets = images(n, size), images(7, size, seed=5), torch.tensor([0, 3, 1])[:n]
    picks, places = draws(30, 7, seed=11)
    monkeypatch.setattr(np.random, "choice", lambda *args, **kwargs: np.tile(picks, n))
    monkeypatch.setattr(np.random, "uniform", lambda *args, **kwargs: np.tile(places, n))
    for model in (gap_net(), mlp_net(size)):
        wanted = GradientShap(model).attribute(x, background, n_samples=30, stdevs=0.0, target=targets)
        params = {"gradient_shap": {"n_samples": 30}}
        found = explain(
            {"m": model}, x, {"m": targets}, names=["gradient_shap"], params=params, seed=11, background=background
        )
        assert_near(found["m"]["gradient_shap"].maps, wanted.sum(dim=1).detach().numpy())


def test_gradient_shap_equals_its_loops() -> None:
    model, x, background = mlp_net((9, 9)), images(1, (9, 9)), images(4, (9, 9), seed=5)
    picks, places = draws(20, 4, seed=0)
    found = explain(
        {"m": model},
        x,
        {"m": torch.tensor([2])},
        names=["gradient_shap"],
        params={"gradient_shap": {"n_samples": 20}},
        background=background,
    )
    wanted = ORACLES["gradient_shap"](
        x[0].double().numpy(), slope(model, 2), background.double().numpy()[picks], places
    )
    assert_near(found["m"]["gradient_shap"].maps[0], wanted)


def test_integrated_gradients_are_captums_and_equal_their_loops() -> None:
    model, x, targets = mlp_net((9, 11)), images(2, (9, 11)), torch.tensor([0, 1])
    found = explain({"m": model}, x, {"m": targets}, names=["integrated_gradients"])["m"]["integrated_gradients"].maps
    captums = IntegratedGradients(model).attribute(x, target=targets, n_steps=50).sum(dim=1).detach().numpy()
    assert_near(found, captums)
    for row in range(2):
        wanted = ORACLES["integrated_gradients"](x[row].double().numpy(), slope(model, row), 50)
        assert_near(found[row], wanted)


def test_integrated_gradients_add_up_to_the_score_over_the_blank_image() -> None:
    model, x = mlp_net((9, 9)), images(1, (9, 9))
    found = explain(
        {"m": model},
        x,
        {"m": torch.tensor([0])},
        names=["integrated_gradients"],
        params={"integrated_gradients": {"n_steps": 300}},
    )
    with torch.no_grad():
        gained = model(x)[0, 0] - model(torch.zeros_like(x))[0, 0]
    assert found["m"]["integrated_gradients"].maps.sum() == pytest.approx(float(gained), abs=2e-3)


def test_gradient_shap_without_a_fitting_background_is_refused() -> None:
    for background in (None, images(3, (8, 9))):
        with pytest.raises(BadInputError, match="GradientSHAP needs background images"):
            explain(
                {"m": gap_net()},
                images(1, (8, 8)),
                {"m": torch.tensor([0])},
                names=["gradient_shap"],
                background=background,
            )


def maps_of(name: str, model: Net, x: torch.Tensor, targets: torch.Tensor, **params: dict) -> np.ndarray:
    return explain({"m": model}, x, {"m": targets}, names=[name], params=params, seed=6)["m"][name].maps


def test_saliency_and_input_x_gradient_are_captums_and_equal_their_statements() -> None:
    x, targets = images(3, (9, 11)), torch.tensor([0, 3, 1])
    for model in (gap_net(), mlp_net((9, 11))):
        strongest = Saliency(model).attribute(x.clone().requires_grad_(), target=targets).amax(dim=1)
        assert_near(maps_of("saliency", model, x, targets), strongest.numpy())
        product = InputXGradient(model).attribute(x.clone().requires_grad_(), target=targets).sum(dim=1)
        assert_near(maps_of("input_x_gradient", model, x, targets), product.detach().numpy())
        for row in range(3):
            image, gradient = x[row].double().numpy(), slope(model, int(targets[row]))
            assert_near(maps_of("saliency", model, x, targets)[row], MORE["saliency"](image, gradient))
            found = maps_of("input_x_gradient", model, x, targets)[row]
            assert_near(found, MORE["input_x_gradient"](image, gradient))


def test_smooth_grad_equals_its_statement_and_captum_on_the_same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    x, targets, few = images(2, (9, 9)), torch.tensor([2, 1]), {"n_samples": 7, "noise": 0.2}
    drawn = noises(7, (3, 9, 9), seed=6)
    for model in (gap_net(), mlp_net((9, 9))):
        found = maps_of("smooth_grad", model, x, targets, smooth_grad=few)
        for row in range(2):
            image = x[row].double().numpy()
            assert_near(found[row], MORE["smooth_grad"](image, slope(model, int(targets[row])), drawn, 0.2))
            width = float(0.2 * (image.max() - image.min()))
            monkeypatch.setattr(torch, "normal", lambda mean, std: torch.from_numpy(drawn) * std)
            captums = NoiseTunnel(Saliency(model)).attribute(
                x[row : row + 1].clone().requires_grad_(),
                nt_samples=7,
                stdevs=width,
                target=int(targets[row]),
                abs=False,
            )
            monkeypatch.undo()
            assert_near(found[row], captums[0].abs().amax(dim=0).numpy())


def test_noise_comes_from_the_seed_and_grows_with_the_samples() -> None:
    assert np.array_equal(noises(5, (3, 4, 4), seed=1), noises(9, (3, 4, 4), seed=1)[:5])
    assert not np.array_equal(noises(5, (3, 4, 4), seed=1), noises(5, (3, 4, 4), seed=2))
    assert noises(500, (3, 8, 8), seed=0).std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", ["saliency", "input_x_gradient", "smooth_grad"])
def test_targets_that_the_network_does_not_know_are_refused(name: str) -> None:
    with pytest.raises(BadInputError, match="classes 0 to 3"):
        maps_of(name, gap_net(), images(1, (8, 8)), torch.tensor([4]))
