"""The 8-bit form of networks that are no VGG-GAP: layer by layer near the float one, a quarter of its file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save
from torch import nn

from tests.models.test_kinds import card
from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import cams, explain
from xkd_core.models.architectures import build
from xkd_core.models.attentive import ExplainedResNet
from xkd_core.models.checkpoints import load_run, run_folder, save_run
from xkd_core.models.fused import fusion_of
from xkd_core.models.quantized import Int8Layer, quantize
from xkd_core.models.resnet import Residual
from xkd_core.models.seams import Network


@dataclass(frozen=True)
class Family:
    """A small instance; near: how far answers may be from the float ones, of the length of all answers.

    Random deep networks enlarge every difference; trained ones are within .033 (MobileNetV3) or .015 (all others).
    """

    arch: str
    width: float = 1.0
    px: int = 32
    near: float = 0.1
    file: float = 0.29


FAMILIES = {
    one.arch: one
    for one in (
        Family("vgg7", 0.25),
        Family("vgg16", 0.25, near=0.2),
        Family("vgg16_voc", 0.125, px=227, near=0.4),
        Family("lenet5_32"),
        Family("net", px=28, file=0.35),
        Family("net_xd", px=28, file=0.35),
        Family("vgg_gap_tiny_xd"),
        Family("vgg_gap_tiny_xd_small", file=0.33),
        Family("vgg7_xd", 0.25, near=0.2),
        Family("resnet18_small", 0.5, px=64),
        Family("resnet50", 0.125, px=64, near=0.3, file=0.32),
        Family("wrn_16_4", 0.25),
        Family("mobilenet_v3_small_s8", 0.5, near=0.4, file=0.32),
        Family("attentive_resnet18_explained", 0.25),
    )
}
every_family = pytest.mark.parametrize("name", FAMILIES)


def images(n: int, px: int = 32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randn(n, 3, px // 4, px // 4, generator=generator)
    fine = torch.randn(n, 3, px, px, generator=generator)
    return nn.functional.interpolate(coarse, size=px, mode="bilinear") + 0.3 * fine


def settled(family: Family) -> Network:
    """Random weights, with batch norms that have seen images and residual branches that do not drown the rest."""
    torch.manual_seed(0)
    net = build(family.arch, 5, width=family.width)
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = None  # the plain mean
        if isinstance(part, Residual) and isinstance(last := part.body[-1], nn.BatchNorm2d):
            nn.init.constant_(last.weight, 0.3)
    seen = images(8, family.px)
    net.train()
    with torch.no_grad():
        net(seen)
        if isinstance(net, ExplainedResNet):
            net.explain(seen)
    return net.eval()


@pytest.fixture
def pair(name: str) -> tuple[Network, Network]:
    plain = settled(FAMILIES[name])
    return plain, quantize(plain, images(8, FAMILIES[name].px))


def relative(got: torch.Tensor, wanted: torch.Tensor) -> float:
    return float((got - wanted).norm() / wanted.norm())


def test_a_layer_is_the_whole_number_arithmetic_written_out() -> None:
    exact = nn.Conv2d(1, 1, 1)
    nn.init.constant_(exact.weight, -0.5)
    nn.init.constant_(exact.bias, 0.25)
    layer = Int8Layer(exact)
    layer.fill(exact, -1.0, 4.1)  # step 5.1 / 255 = .02, low -50, so the highest is 205
    assert (layer.whole.item(), int(layer.low)) == (-127, -50)
    x = torch.tensor([[[[0.0, 1.009], [-3.0, 9.0]]]])
    expected = torch.tensor([[[[0.25, -0.5 * 50 * 0.02 + 0.25], [-0.5 * -50 * 0.02 + 0.25, -0.5 * 205 * 0.02 + 0.25]]]])
    torch.testing.assert_close(layer(x), expected)
    torch.testing.assert_close(layer.weight, exact.weight.detach())


@every_family
def test_every_layer_and_the_answers_are_near_the_float_network(name: str, pair: tuple[Network, Network]) -> None:
    plain, rounded = pair
    assert not [module for module in rounded.modules() if type(module) in (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)]
    px, errors = FAMILIES[name].px, {}

    def compare(layer: str):
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            errors[layer] = relative(rounded.get_submodule(layer)(*inputs), output)

        return hook

    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    for layer, module in plain.named_modules():
        if isinstance(module, kinds):
            module.register_forward_hook(compare(layer))
    with torch.no_grad():
        plain(images(8, px)[:2])  # whose values are within the ranges
        assert max(errors.values()) < 0.06, max(errors, key=errors.get)
        x = images(2, px, seed=1)
        assert relative(rounded(x), plain(x)) < FAMILIES[name].near
        torch.testing.assert_close(rounded.head(rounded.features(x)), rounded(x))


@every_family
def test_its_file_is_a_quarter_and_answers_the_same_once_loaded(
    name: str, pair: tuple[Network, Network], tmp_path: Path
) -> None:
    plain, rounded = pair
    family = FAMILIES[name]
    made = card("int8", compression="int8", arch=family.arch, width=family.width)
    save_run(run_folder("digits", "int8", tmp_path), rounded, made)
    size = (tmp_path / "digits" / "int8" / "model.safetensors").stat().st_size
    assert size / len(save(plain.state_dict())) < family.file
    loaded, x = load_run("int8", tmp_path).model, images(2, family.px, seed=1)
    with torch.no_grad():
        assert torch.equal(loaded(x), rounded(x))
    kernels = {key: value.dtype for key, value in loaded.state_dict().items() if value.ndim > 1}
    assert set(kernels.values()) == {torch.int8}


@pytest.mark.parametrize("name", ["net_xd", "vgg_gap_tiny_xd", "vgg7_xd"])
def test_the_frozen_autoencoder_of_an_xdistillation_student_survives(name: str, pair: tuple[Network, Network]) -> None:
    before, after = (fusion_of(net) for net in pair)
    assert before is not None and after is not None and type(after.cae) is type(before.cae)
    assert not any(value.requires_grad for value in after.parameters())
    x = images(4, FAMILIES[name].px, seed=2)
    with torch.no_grad():
        assert relative(after.cae(x), before.cae(x)) < 0.05


@pytest.mark.parametrize("name", ["attentive_resnet18_explained"])
def test_a_surrogate_draws_nearly_the_same_map(name: str, pair: tuple[Network, Network]) -> None:
    x = images(3, seed=0)
    with torch.no_grad():
        one, other = (net.explain(x) for net in pair)
    assert float((one - other).abs().mean()) < 0.01


@pytest.mark.parametrize("name", ["resnet18_small"])
def test_its_cam_is_near_and_has_the_head_of_a_linear_layer(name: str, pair: tuple[Network, Network]) -> None:
    plain, rounded = pair
    x, targets = images(6, 64, seed=1), torch.arange(6) % 5
    one, other = (cams(net, x, targets, ["cam", "grad_cam"]) for net in pair)
    for maps in ("cam", "grad_cam"):
        assert torch.nn.functional.cosine_similarity(one[maps].flatten(1), other[maps].flatten(1)).mean() > 0.98
    assert rounded.has_cam
    torch.testing.assert_close(rounded.classifier.weight, plain.classifier.weight.detach(), atol=2e-3, rtol=0)


@pytest.mark.parametrize("name", ["vgg7", "lenet5_32", "mobilenet_v3_small_s8"])
def test_grad_cam_passes_the_8_bit_layers_of_a_head(name: str, pair: tuple[Network, Network]) -> None:
    x, targets = images(4, seed=1), torch.arange(4)
    one, other = (cams(net, x, targets, ["grad_cam"])["grad_cam"].flatten(1) for net in pair)
    assert torch.nn.functional.cosine_similarity(one, other).mean() > 0.9


@every_family
def test_gradients_at_the_pixels_are_refused_with_the_reason(name: str, pair: tuple[Network, Network]) -> None:
    x = images(2, FAMILIES[name].px, seed=1)
    asked = {"names": ["gradient_shap"], "background": x}
    with pytest.raises(BadInputError, match="rounding has no gradient"):
        explain({"net": pair[1]}, x, {"net": torch.zeros(2, dtype=torch.int64)}, **asked)


@pytest.mark.parametrize("name", ["lenet5_32"])
def test_methods_that_disturb_the_image_apply(name: str, pair: tuple[Network, Network]) -> None:
    x, targets = images(2, seed=1), torch.zeros(2, dtype=torch.int64)
    one, other = (
        explain({"net": net}, x, {"net": targets}, names=["occlusion"])["net"]["occlusion"].maps.ravel() for net in pair
    )
    assert np.corrcoef(one, other)[0, 1] > 0.95


def test_what_has_8_bits_and_what_no_image_passes_is_refused() -> None:
    plain = settled(FAMILIES["lenet5_32"])
    with pytest.raises(BadInputError, match="8-bit values already"):
        quantize(quantize(plain, images(2)), images(2))
    plain.aside = nn.Linear(2, 2)
    with pytest.raises(BadInputError, match="No image passes aside"):
        quantize(plain, images(2))


def test_the_plain_network_is_left_as_it_was() -> None:
    plain = settled(FAMILIES["resnet18_small"])
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    quantize(plain, images(4, 64))
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())
    assert next(plain.parameters()).requires_grad
    assert not any(module._forward_pre_hooks for module in plain.modules())
