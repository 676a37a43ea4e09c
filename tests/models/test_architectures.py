"""The seam, the counts and the map sizes of the networks, against counts printed elsewhere and plain restatements."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from tests.restated_networks import cbam_gate, kuangliu_resnet, wide_resnet
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.models.architectures import ARCHITECTURES, VGG_PLANS, build, check_input, count_parameters, has_cam
from xkd_core.models.attentive import AttentiveResNet, GatedResidual
from xkd_core.models.mobilenet import Depthwise

LARGE = {"wrn_28_10", "vgg16_voc"}  # a second of forward pass each
CHECKED = sorted(set(ARCHITECTURES) - LARGE)


def images(arch: str, n: int = 2) -> torch.Tensor:
    size = ARCHITECTURES[arch].input_px or 64
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(0))


def made(arch: str, n_classes: int = 5, *, width: float = 1.0, seed: int = 0) -> nn.Module:
    """With norm statistics of its own, so that a swapped layer would show."""
    torch.manual_seed(seed)
    model = build(arch, n_classes, width=width)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model.eval()


def count_by_hand(layers: tuple[object, ...], width: float, n_classes: int) -> int:
    """3x3 kernels without bias, two batch-norm values a channel, one linear layer with bias."""
    total, channels = 0, 3
    for layer in layers:
        if layer == "pool":
            continue
        wider = round(int(str(layer)) * width)
        total += 9 * channels * wider + 2 * wider
        channels = wider
    return total + channels * n_classes + n_classes


@pytest.mark.parametrize("arch", VGG_PLANS)
@pytest.mark.parametrize("width", [1.0, 0.5, 0.25, 0.125])
def test_parameters_are_those_counted_by_hand(arch: str, width: float) -> None:
    assert count_parameters(build(arch, 8, width=width)) == count_by_hand(VGG_PLANS[arch].layers, width, 8)


def test_an_eighth_of_the_width_is_about_a_sixtieth_of_the_parameters() -> None:
    full, eighth = (count_parameters(build("vgg_gap_64", 8, width=width)) for width in (1.0, 0.125))
    assert (full, eighth) == (1_165_992, 18_748)


@pytest.mark.parametrize(
    ("arch", "n_classes", "width", "count"),
    [
        ("vgg16", 10, 1.0, 14_728_266),  # paper 003
        ("vgg11", 10, 1.0, 9_231_114),
        ("vgg7", 10, 1.0, 2_781_386),
        ("vgg11_sized", 10, 1.0, 11_681_002),
        ("vgg7_sized", 10, 1.0, 3_517_858),
        ("vgg16_gap8", 10, 1.0, 14_728_266),  # the head was linear on one cell already
        ("vgg16_gap4", 10, 1.0, 14_728_266),
        ("vgg11_gap8", 10, 1.0, 9_231_114),
        ("net", 10, 1.0, 8_297),  # the count is the paper's, the layers are not
        ("lenet5", 10, 1.0, 61_706),  # classic; the paper prints 61,701
        ("lenet5_32", 10, 1.0, 61_706),
        ("resnet18_cifar", 10, 1.0, 11_173_962),  # paper 001
        ("wrn_28_10", 10, 1.0, 36_479_194),
        ("wrn_16_4", 10, 1.0, 2_748_890),
        ("vgg16_voc", 20, 1.0, 15_224_916),  # paper 004
        ("vgg16_voc", 20, 0.5, 3_935_284),
        ("vgg16_voc", 20, 0.25, 1_048_356),
        ("vgg16_voc", 20, 0.125, 294_364),
    ],
)
def test_parameters_are_those_of_the_papers(arch: str, n_classes: int, width: float, count: int) -> None:
    assert count_parameters(build(arch, n_classes, width=width)) == count


@pytest.mark.parametrize("name", ["resnet34", "resnet50", "mobilenet_v3_small"])
def test_parameters_are_those_that_torchvision_states(name: str) -> None:
    stated = torchvision.models.get_model_weights(name).DEFAULT.meta["num_params"]
    assert count_parameters(build(name, 1000)) == stated


def test_the_small_resnet_is_half_of_the_large_one_on_a_quarter_of_the_cells() -> None:
    small, half = build("resnet18_small", 10).eval(), build("resnet18_cifar", 10, width=0.5).eval()
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    half.load_state_dict(small.state_dict())
    assert small.features(x).shape == (2, 256, 4, 4)
    assert half.features(x).shape == (2, 256, 8, 8)
    half.features[0].stride = (2, 2)
    torch.testing.assert_close(half(x), small(x))


def test_attention_adds_what_its_gates_have() -> None:
    gates = 33_412 * 4 + 132_260 * 6 + 526_564 * 3  # stages of 4, 6 and 3 bottlenecks
    assert count_parameters(build("attentive_resnet50", 10)) - count_parameters(build("resnet50", 10)) == gates


@pytest.mark.parametrize("name", ["resnet34", "resnet50"])
def test_torchvisions_weights_give_torchvisions_logits(name: str) -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.get_model(name, num_classes=7).eval()
    ours = build(name, 7).eval()
    values = theirs.state_dict().values()  # the same layers in the same order
    ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)))
    torch.testing.assert_close(ours(images(name)), theirs(images(name)))


def test_mobilenet_is_torchvisions_and_strides_change_no_weight() -> None:
    torch.manual_seed(0)
    theirs = torchvision.models.mobilenet_v3_small(num_classes=7).eval()
    values, x = list(theirs.state_dict().values()), images("mobilenet_v3_small")
    for arch, side in (("mobilenet_v3_small", 2), ("mobilenet_v3_small_s16", 4), ("mobilenet_v3_small_s8", 8)):
        ours = build(arch, 7).eval()
        ours.load_state_dict(dict(zip(ours.state_dict(), values, strict=True)))
        assert ours.features(x).shape[2:] == (side, side)
        if side == 2:
            torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(("arch", "momentum"), [("mobilenet_v3_small", 0.01), ("mobilenet_v3_small_s16", 0.1)])
def test_batch_norms_for_small_images_follow_faster(arch: str, momentum: float) -> None:
    """With torchvision's .01 answers in eval mode stay at chance for a thousand steps."""
    norms = [module for module in build(arch, 7).modules() if isinstance(module, nn.BatchNorm2d)]
    assert {norm.momentum for norm in norms} == {momentum} and len(norms) == 34


def test_depthwise_convolutions_of_mobilenet_stay_exact_under_autocast() -> None:
    torch.manual_seed(0)
    ours = build("mobilenet_v3_small_s16", 7)
    own = [module for module in ours.modules() if isinstance(module, Depthwise)]
    assert len(own) == sum(isinstance(one, nn.Conv2d) and one.groups > 1 for one in ours.modules()) == 11
    layer, x = own[3], torch.randn(2, own[3].in_channels, 8, 8, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(x)
    exact = nn.functional.conv2d(x.float(), layer.weight, None, layer.stride, layer.padding, groups=layer.groups)
    assert found.dtype is torch.bfloat16
    assert torch.equal(found, exact.bfloat16())
    found.float().sum().backward()
    seen = layer.weight.grad
    layer.weight.grad = None
    exact.sum().backward()
    torch.testing.assert_close(seen, layer.weight.grad)


@pytest.mark.parametrize("width", [1.0, 0.25])
def test_residual_networks_are_their_plain_restatements(width: float) -> None:
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    resnet = made("resnet18_cifar", width=width)
    torch.testing.assert_close(resnet(x), kuangliu_resnet(resnet.state_dict(), x, blocks=(2, 2, 2, 2)))
    wide = made("wrn_16_4", width=width)
    torch.testing.assert_close(wide(x), wide_resnet(wide.state_dict(), x, blocks=2))


def test_a_gate_is_its_plain_restatement_and_the_tap_is_what_it_takes_away() -> None:
    model = made("attentive_resnet18", width=0.25)
    assert isinstance(model, AttentiveResNet)
    block = next(module for module in model.features if isinstance(module, GatedResidual))
    x = torch.randn(2, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    f = block.body(x)
    attention = cbam_gate(block.gate.state_dict(), f)
    total, delta = block.parts(x)
    torch.testing.assert_close(total, f * attention + block.shortcut(x))
    torch.testing.assert_close(delta, f * attention - f)
    assert bool((delta[f > 0] <= 0).all())


def test_the_attentive_student_shows_three_scales_and_is_the_same_network() -> None:
    model, x = made("attentive_resnet18", width=0.25), images("attentive_resnet18")
    seen = model.attend(x)
    assert [tuple(delta.shape[1:]) for delta in seen.deltas] == [(32, 32, 32), (64, 16, 16), (128, 8, 8)]
    torch.testing.assert_close(model.head(seen.activation), model(x))


@pytest.mark.parametrize("arch", CHECKED)
def test_the_seam_is_exact(arch: str) -> None:
    model, x = made(arch, width=0.25), images(arch)
    assert torch.equal(model.head(model.features(x)), model(x))
    assert model.has_cam == has_cam(arch)


@pytest.mark.parametrize("arch", sorted(LARGE))
def test_the_seam_of_large_networks_is_exact_too(arch: str) -> None:
    model = made(arch, width=0.125)
    x = images(arch, n=1)[..., :32, :32] if ARCHITECTURES[arch].input_px is None else images(arch, n=1)
    assert torch.equal(model.head(model.features(x)), model(x))
    assert model.has_cam == has_cam(arch)


@pytest.mark.parametrize("arch", VGG_PLANS)
def test_the_last_map_is_8x8_and_the_seam_is_exact(arch: str) -> None:
    model = build(arch, 5).eval()
    size = VGG_PLANS[arch].input_px
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    activation = model.features(x)
    assert activation.shape[2:] == (8, 8)
    assert float(activation.detach().min()) >= 0
    assert torch.equal(model.head(activation), model(x))


LAST_SIDES = {"vgg16": 2, "vgg7": 4, "vgg16_gap4": 4, "vgg16_gap8": 8, "resnet18_cifar": 4, "wrn_16_4": 8}


@pytest.mark.parametrize(("arch", "side"), LAST_SIDES.items())
def test_last_maps_at_32_px(arch: str, side: int) -> None:
    assert made(arch, width=0.125).features(torch.zeros(1, 3, 32, 32)).shape[2:] == (side, side)


def test_the_head_is_the_mean_of_the_map_times_the_classifier() -> None:
    model = build("vgg_gap_tiny", 3).eval()
    activation = torch.rand(2, 64, 8, 8, generator=torch.Generator().manual_seed(0))
    by_hand = activation.mean(dim=(2, 3)) @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(model.head(activation), by_hand)


def test_grey_networks_see_the_mean_of_the_colours() -> None:
    model, x = made("lenet5_32"), images("lenet5_32")
    grey = x.mean(dim=1, keepdim=True).expand_as(x)
    torch.testing.assert_close(model(x), model(grey))


def test_dropout_of_the_wide_network_works_in_training_only() -> None:
    model = build("wrn_28_10", 3, width=0.1)
    assert sum(isinstance(module, nn.Dropout) for module in model.modules()) == 12
    assert not [module for module in build("wrn_16_4", 3).modules() if isinstance(module, nn.Dropout)]


def test_a_network_without_cam_says_so() -> None:
    with pytest.raises(BadInputError, match="CAM does not exist for VggFlat"):
        _ = build("vgg7", 3, width=0.1).classifier


def test_images_of_a_size_that_a_network_does_not_take_are_refused() -> None:
    check_input("resnet18_cifar", 64)
    check_input("vgg16", 32)
    with pytest.raises(BadInputError, match="vgg16 takes images of 32 px; these have 64"):
        check_input("vgg16", 64)
    check_input("vgg_gap_64_xd", 64)
    check_input("vgg_gap_tiny_xd_small", 28)
    with pytest.raises(BadInputError, match="multiple of 16"):
        check_input("vgg_gap_tiny_xd", 28)


def test_another_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'vgg_gap_64'"):
        build("vgg_gap_66", 8)


@pytest.mark.parametrize("arch", ["vgg_gap_64", "resnet18_cifar", "lenet5"])
@pytest.mark.parametrize("width", [0.0, -0.5, 1.5, 0.001])
def test_an_impossible_width_is_refused(arch: str, width: float) -> None:
    with pytest.raises(BadInputError, match="width must be"):
        build(arch, 8, width=width)


def test_the_kuangliu_head_is_a_pool_and_a_linear_layer() -> None:
    model, x = made("vgg7", width=0.25), images("vgg7")
    linear = model.head[-1]
    by_hand = F.max_pool2d(model.features(x), 2).flatten(1) @ linear.weight.T + linear.bias
    torch.testing.assert_close(model(x), by_hand)
