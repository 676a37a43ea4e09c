"""The engine's class activation maps: the library's, on all kinds of networks, in any state and from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from pytorch_grad_cam import base_cam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from tests.explainers.made_nets import Net, everything, gap_net, images, mlp_net, parts, raising
from tests.oracles import ORACLES
from xkd_core.catalogue import EXPLAINERS
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.explainers.engine import cams
from xkd_core.models.architectures import build

LIBRARY = {
    "grad_cam": "GradCAM",
    "grad_cam_pp": "GradCAMPlusPlus",
    "hires_cam": "HiResCAM",
    "xgrad_cam": "XGradCAM",
    "layer_cam": "LayerCAM",
}
MAPS = [name for name, entry in EXPLAINERS.items() if entry.needs != "model"]
GENERAL = [name for name in MAPS if name != "cam"]
SIZES = [(12, 12), (13, 17), (11, 8)]


def library_maps(
    name: str, model: Net, x: torch.Tensor, targets: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> np.ndarray:
    """What pytorch-grad-cam computes, after its ReLU and before its min-max and resizing."""
    monkeypatch.setattr(base_cam, "scale_cam_image", lambda cam, target_size=None: cam)
    method = getattr(pytorch_grad_cam, LIBRARY[name])(model, [model.features])
    return method(x, [ClassifierOutputTarget(int(target)) for target in targets])


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("n", [1, 3])
def test_maps_equal_the_library_before_its_min_max(
    name: str, size: tuple[int, int], n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for model in (gap_net(), mlp_net(size)):
        if model.head[0].__class__ is torch.nn.ReLU:
            model.head[0].inplace = False  # the library's copy of the activation would change with it
        x, targets = images(n, size), torch.tensor([0, 3, 1])[:n]
        wanted = library_maps(name, model, x, targets, monkeypatch)
        found = cams(model, x, targets, [name])[name].relu().numpy()
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, atol=1e-5 * min(1.0, wanted.max()))


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("size", SIZES)
def test_maps_equal_their_oracles(name: str, size: tuple[int, int]) -> None:
    model, x, targets = gap_net(), images(2, size), torch.tensor([0, 2])
    activation, gradient = parts(model, x, targets)
    sides = {
        "activation": (activation,),
        "gradient": (activation, gradient),
        "weights": (activation, model.head[2].weight[targets].detach() / activation[0, 0].numel()),
    }[EXPLAINERS[name].needs]
    wanted = [ORACLES[name](*(side[row].double().numpy() for side in sides)) for row in range(2)]
    np.testing.assert_allclose(cams(model, x, targets, [name])[name].numpy(), wanted, atol=1e-6)


def test_on_a_gap_network_four_maps_are_one_and_sum_to_the_logit_without_its_bias() -> None:
    model = build("vgg_gap_tiny", 5).eval()
    x, targets = images(3, (32, 32)), torch.tensor([0, 4, 2])
    found = cams(model, x, targets, ["cam", "grad_cam", "hires_cam", "xgrad_cam"])
    for name in ("grad_cam", "hires_cam", "xgrad_cam"):
        assert (found[name] - found["cam"]).abs().max() < 1e-5
    logits = model(x).gather(1, targets[:, None])[:, 0] - model.classifier.bias[targets]
    torch.testing.assert_close(found["cam"].sum(dim=(1, 2)), logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", GENERAL)
def test_a_head_that_starts_in_place_does_not_change_the_map(name: str) -> None:
    model, x, targets = mlp_net((9, 11)), images(2, (9, 11)), torch.tensor([0, 1])
    found = cams(model, x, targets, [name])[name]
    assert model.head[0].inplace
    model.head[0].inplace = False
    torch.testing.assert_close(found, cams(model, x, targets, [name])[name], atol=0, rtol=0)


def test_the_batch_equals_one_by_one_and_all_names_equal_one_name() -> None:
    model, x, targets = gap_net(), images(3, (13, 10)), torch.tensor([0, 1, 0])
    found = cams(model, x, targets, MAPS)
    for name in MAPS:
        alone = [cams(model, x[row : row + 1], targets[row : row + 1], [name])[name][0] for row in range(3)]
        torch.testing.assert_close(found[name], torch.stack(alone), atol=1e-6, rtol=1e-5)


def test_a_model_in_train_mode_is_explained_in_eval_mode_and_given_back() -> None:
    model, x, targets = mlp_net((9, 9)), images(2, (9, 9)), torch.tensor([0, 1])
    wanted = cams(model, x, targets, GENERAL)
    model.train()
    model.features[1].eval()  # flags differ from module to module
    before = everything(model)
    found = cams(model, x, targets, GENERAL)
    assert everything(model) == before
    assert all(torch.equal(found[name], wanted[name]) for name in GENERAL)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
@pytest.mark.parametrize("frozen", [True, False])
def test_grad_mode_and_frozen_parameters_make_no_difference(mode: type, frozen: bool) -> None:
    model, x, targets = gap_net(), images(2, (8, 8)), torch.tensor([0, 1])
    wanted = cams(model, x, targets, MAPS)
    model.requires_grad_(not frozen)
    with mode():
        found = cams(model, x.clone(), targets, MAPS)
    assert all(torch.equal(found[name], wanted[name]) for name in MAPS)
    assert not any(maps.requires_grad for maps in found.values())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("half", ["features", "head"])
def test_nothing_is_left_behind_after_an_exception(half: str) -> None:
    model = gap_net().train()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = everything(model)
    with raising(getattr(model, half)), pytest.raises(IndexError, match="on purpose"):
        cams(model, images(1, (8, 8)), torch.tensor([0]), MAPS)
    assert everything(model) == before
    cams(model, images(1, (8, 8)), torch.tensor([0]), MAPS)  # and no lock is left either
    assert everything(model) == before


@pytest.mark.parametrize("training", [False, True])
def test_sixteen_threads_with_one_model_give_the_serial_maps(training: bool) -> None:
    model = mlp_net((9, 9)).train(training)
    x, targets = images(64, (9, 9)), torch.arange(64) % 4

    def one(row: int) -> dict[str, torch.Tensor]:
        return cams(model, x[row : row + 1], targets[row : row + 1], GENERAL)

    serial = [one(row) for row in range(64)]
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(one, range(64)))
    assert all(torch.equal(a[name], b[name]) for a, b in zip(found, serial, strict=True) for name in GENERAL)
    assert all(module.training == training for module in model.modules())


def test_the_callers_tensors_stay_as_they_are() -> None:
    model, x, targets = gap_net(), images(2, (8, 8)).requires_grad_(), torch.tensor([0, 1])
    before = x.detach().clone()
    cams(model, x, targets, MAPS)
    assert x.grad is None
    assert torch.equal(x.detach(), before)


def test_cam_refuses_a_head_that_is_not_pooling_and_one_linear_layer() -> None:
    with pytest.raises(BadInputError, match="Grad-CAM works with every head"):
        cams(mlp_net((9, 9)), images(1, (9, 9)), torch.tensor([0]), ["cam"])
    model = gap_net()
    model.head[0] = torch.nn.AdaptiveMaxPool2d(1)  # one linear layer, but another pooling
    with pytest.raises(BadInputError, match="global average pooling"):
        cams(model, images(1, (9, 9)), torch.tensor([0]), ["cam"])


@pytest.mark.parametrize("targets", [torch.tensor([4]), torch.tensor([-1]), torch.tensor([0, 1]), torch.tensor([0.0])])
def test_targets_that_do_not_exist_are_refused(targets: torch.Tensor) -> None:
    with pytest.raises(BadInputError):
        cams(gap_net(), images(1, (8, 8)), targets, ["cam", "grad_cam"])


def test_names_and_networks_that_cannot_be_explained_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="No map called 'gradcam'"):
        cams(gap_net(), images(1, (8, 8)), torch.tensor([0]), ["gradcam"])
    with pytest.raises(BadInputError, match=r"needs `\.features`"):
        cams(torch.nn.Linear(2, 2), images(1, (8, 8)), torch.tensor([0]), ["cam"])
