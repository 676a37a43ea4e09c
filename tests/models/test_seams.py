"""Layers by name: what is tapped is what the plain chain computes, and a network can be cut elsewhere."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tests.models.test_architectures import CHECKED, images, made
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.explainers.engine import cams, explain
from xkd_core.explainers.fast import answering, prepared
from xkd_core.models.architectures import ARCHITECTURES, build
from xkd_core.models.seams import cut, head_parts, run_tapped


@pytest.mark.parametrize("arch", CHECKED)
def test_taps_are_the_outputs_of_the_modules_at_their_places(arch: str) -> None:
    model, x = made(arch, width=0.25), images(arch)
    found = run_tapped(model, x, model.layers)
    assert torch.equal(found.logits, model(x))
    chain = [*model.features, *head_parts(model.head)]
    for layer, tap in zip(model.layers, found.taps, strict=True):
        plain = x
        for module in chain[: model.place(layer) + 1]:
            plain = module(plain)
        assert torch.equal(tap, plain), layer


@pytest.mark.parametrize("arch", CHECKED)
def test_stages_go_from_coarse_to_fine(arch: str) -> None:
    model = made(arch, width=0.25)
    taps = run_tapped(model, images(arch), model.layers).taps[: len(model.ends)]
    sides = [tap.shape[-1] for tap in taps]
    assert sides == sorted(sides) and len(set(sides)) == len(sides)


def test_a_raw_tap_is_the_value_before_the_relu_even_where_that_works_in_place() -> None:
    model, x = made("resnet18_cifar", width=0.25), images("resnet18_cifar")
    raw = run_tapped(model, x, ("last", "last-1"), raw=True)
    usual = run_tapped(model, x, ("last", "last-1"))
    for before, after in zip(raw.taps, usual.taps, strict=True):
        assert float(before.min()) < 0
        assert torch.equal(before.relu(), after)
    assert torch.equal(raw.logits, usual.logits)


def test_taps_are_connected_to_the_graph() -> None:
    model, x = made("vgg_gap_tiny"), images("vgg_gap_tiny")
    found = run_tapped(model, x, ("last-1", "last"), autocast=True)
    gradients = torch.autograd.grad(found.logits.sum(), [*found.taps, model.features[0].weight])
    assert all(float(gradient.abs().sum()) > 0 for gradient in gradients)
    assert found.taps[1] is found.activation and found.activation.dtype == torch.float32


def test_paper_004_trains_on_7x7_and_evaluates_on_14x14() -> None:
    model = made("vgg16_voc", 20, width=0.0625)
    x = images("vgg16_voc", n=1)
    last, pool5 = run_tapped(model, x, ("last", "pool5")).taps
    assert last.shape[2:] == (14, 14) and pool5.shape[2:] == (7, 7)
    at_pool = cut(model, "pool5")
    assert torch.equal(at_pool.head(at_pool.features(x)), model(x))
    assert cams(at_pool, x, torch.tensor([3]), ["grad_cam"])["grad_cam"].shape == (1, 7, 7)
    assert cams(model, x, torch.tensor([3]), ["grad_cam"])["grad_cam"].shape == (1, 14, 14)


def test_a_network_cut_earlier_is_the_same_function_with_the_same_weights() -> None:
    model, x = made("resnet18_cifar", width=0.25), images("resnet18_cifar")
    earlier = cut(model, "last-1")
    assert torch.equal(earlier(x), model(x))
    assert earlier.layers == ("last", "last-1", "last-2")
    assert {id(value) for value in earlier.parameters()} == {id(value) for value in model.parameters()}
    assert not earlier.has_cam and model.has_cam
    assert torch.equal(cut(model, "last")(x), model(x)) and cut(model, "last").has_cam


def test_an_unknown_layer_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"Did you mean 'last-2'"):
        run_tapped(build("vgg_gap_tiny", 3), torch.zeros(1, 3, 32, 32), ("last-3",))


WINDOWS = {"window": 16, "stride": 16}
GAP = [arch for arch in CHECKED if ARCHITECTURES[arch].has_cam]


@pytest.mark.parametrize("arch", GAP)
def test_on_gap_networks_autograd_finds_the_closed_form(arch: str) -> None:
    model, x, targets = made(arch, width=0.25), images(arch), torch.tensor([0, 4])
    found = cams(model, x, targets, ["cam", "grad_cam", "hires_cam"])
    scale = float(found["cam"].abs().max())
    for name in ("grad_cam", "hires_cam"):
        torch.testing.assert_close(found[name], found["cam"], rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize("arch", [arch for arch in CHECKED if not ARCHITECTURES[arch].has_cam])
def test_without_the_head_for_it_cam_is_refused_and_grad_cam_works(arch: str) -> None:
    model, x, targets = made(arch, width=0.25), images(arch), torch.tensor([0, 4])
    with pytest.raises(BadInputError, match="Grad-CAM works with every head"):
        cams(model, x, targets, ["cam"])
    maps = cams(model, x, targets, ["grad_cam", "hires_cam", "layer_cam", "ewa"])
    assert all(torch.isfinite(each).all() and float(each.abs().sum()) > 0 for each in maps.values())


@pytest.mark.parametrize("arch", CHECKED)
def test_the_explainers_fast_copy_is_the_same_function_with_the_same_gradient(arch: str) -> None:
    model, x = made(arch, width=0.25).double(), images(arch, n=1).double().requires_grad_()
    fast = prepared(model)
    for own in (model, fast):
        assert own(x).shape == (1, 5)
    gradients = [torch.autograd.grad(own(x.clone())[0, 2], x)[0] for own in (model, fast)]
    torch.testing.assert_close(fast(x), model(x), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(gradients[1], gradients[0], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("arch", CHECKED)
def test_the_copy_that_only_answers_is_the_same_function(arch: str) -> None:
    model, x = made(arch, width=0.25), images(arch)
    with torch.inference_mode():
        wanted = model(x)
        torch.testing.assert_close(answering(model)(x.clone()), wanted, rtol=1e-4, atol=1e-5)
        rough = answering(model, torch.bfloat16)(x.bfloat16()).float()
    assert (rough - wanted).abs().max() < 0.05 * wanted.abs().max() + 1e-3


@pytest.mark.parametrize("arch", ["vgg7", "lenet5_32", "resnet18_cifar", "wrn_16_4", "mobilenet_v3_small_s8"])
def test_occlusion_works_on_every_kind_of_network(arch: str) -> None:
    model, targets, x = made(arch, width=0.25), torch.tensor([3]), images("vgg7", n=8)
    for norm in model.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.momentum = 0.5
    with torch.no_grad():
        for _ in range(10):  # norms that know the images, or a deep network would hardly see them
            model.train()(x)
    model.eval()
    x = x[:1]
    found = explain({"net": model}, x, {"net": targets}, names=["occlusion"], params={"occlusion": WINDOWS})
    with torch.no_grad():
        falls = torch.zeros(32, 32)
        for top, left in itertools.product((0, 16), (0, 16)):
            hidden = x.clone()
            hidden[:, :, top : top + 16, left : left + 16] = 0
            falls[top : top + 16, left : left + 16] = (model(x) - model(hidden))[0, 3]
    np.testing.assert_allclose(found["net"]["occlusion"].maps[0], falls, rtol=0, atol=1e-3 * float(falls.abs().max()))
