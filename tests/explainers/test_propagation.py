"""LRP and excitation backprop: zennit's own maps, plain restatements, and which networks they explain."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import nn
from zennit.attribution import Gradient
from zennit.canonizers import SequentialMergeBatchNorm
from zennit.composites import EpsilonPlusFlat, ExcitationBackprop
from zennit.torchvision import ResNetCanonizer

from tests.explainers.made_nets import Net, assert_near, everything, gap_net, images, mlp_net, raising
from tests.oracles_more_maps import ORACLES
from xkd_core.catalogue import EXPLAINERS
from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import explain
from xkd_core.models.architectures import build

RULES = ["lrp", "excitation_backprop", "rap"]
NORM_EPS = 1e-5  # zennit leaves each merged norm behind with its epsilon, which changes values by half of that
INPUT = {"excitation_backprop": {"layer": "input"}}
REFUSED = {
    ("lrp", "mobilenet_v3_small"): "Hardswish",
    ("lrp", "attentive_resnet18"): "GatedResidual",
    ("lrp", "wrn_28_10"): "batch norm with no convolution",
    ("rap", "mobilenet_v3_small"): "Hardswish",
    ("rap", "attentive_resnet18"): "GatedResidual",
    ("rap", "wrn_28_10"): "batch norm with no convolution",
    ("rap", "resnet18_cifar"): "adds branches",
    ("excitation_backprop", "mobilenet_v3_small"): "Hardswish",
}
ARCHITECTURES = {
    "vgg_gap_tiny": 32, "vgg11": 32, "resnet18_cifar": 32, "wrn_28_10": 32, "attentive_resnet18": 32,
    "mobilenet_v3_small": 64, "lenet5": 28, "net": 28,
}  # fmt: skip


def maps_of(name: str, model: nn.Module, x: torch.Tensor, targets: torch.Tensor, **params: dict) -> np.ndarray:
    return explain({"m": model}, x, {"m": targets}, names=[name], params=params)["m"][name].maps


def dense(layer: nn.Conv2d | nn.Linear, size: tuple[int, ...]) -> tuple[tuple, tuple[int, ...]]:
    """A layer as ("weights", W, b) on flat vectors, found by feeding it unit vectors, and the size behind it."""
    n = int(np.prod(size))
    with torch.no_grad():
        nothing = layer(torch.zeros(1, *size))
        columns = layer(torch.eye(n).reshape(n, *size)) - nothing
    return ("weights", columns.flatten(1).T.double().numpy(), nothing.flatten().double().numpy()), nothing.shape[1:]


def groups(size: tuple[int, ...], side: int) -> list[list[int]]:
    """The inputs of each cell of a pooling with windows of ``side``."""
    numbers = np.arange(np.prod(size)).reshape(size)
    cells = [(k, i, j) for k in range(size[0]) for i in range(size[1] // side) for j in range(size[2] // side)]
    return [numbers[k, i * side : (i + 1) * side, j * side : (j + 1) * side].ravel().tolist() for k, i, j in cells]


def small_net(seed: int = 0) -> Net:
    """Convolution, ReLU, max-pool, convolution, ReLU; mean and two linear layers."""
    torch.manual_seed(seed)
    features = nn.Sequential(
        nn.Conv2d(3, 3, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()
    )
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    net = Net(features, head)
    for layer in (features[0], features[3], head[2], head[4]):
        nn.init.normal_(layer.bias, std=0.3)
    return net.eval()


def steps(net: Net, size: tuple[int, ...]) -> tuple[list[tuple], int]:
    """``small_net`` as the oracles' steps, and the number of those before the seam."""
    found: list[tuple] = []
    for layer in [*net.features, *net.head]:
        if isinstance(layer, nn.Conv2d | nn.Linear):
            step, size = dense(layer, size)
            found.append(step)
        elif isinstance(layer, nn.ReLU):
            found.append(("relu",))
        elif isinstance(layer, nn.MaxPool2d | nn.AdaptiveAvgPool2d):
            side = 2 if isinstance(layer, nn.MaxPool2d) else size[-1]
            found.append(("max" if side == 2 and isinstance(layer, nn.MaxPool2d) else "mean", groups(size, side)))
            size = (size[0], size[1] // side, size[2] // side)
        elif isinstance(layer, nn.Flatten):
            size = (int(np.prod(size)),)
    return found, 5


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_maps_equal_their_plain_statements(seed: int) -> None:
    net, x, targets = small_net(seed), images(2, (6, 6), seed=seed), torch.tensor([seed, 1])
    made, before_seam = steps(net, (3, 6, 6))
    for row in range(2):
        image, target = x[row].double().numpy().ravel(), int(targets[row])
        lrp = ORACLES["lrp"](made, image, target, (2, 3)).reshape(3, 6, 6).sum(axis=0)
        assert_near(maps_of("lrp", net, x, targets)[row], lrp)
        whole = ORACLES["excitation_backprop"](made, image, target).reshape(3, 6, 6).sum(axis=0)
        assert_near(maps_of("excitation_backprop", net, x, targets, **INPUT)[row], whole)
        with torch.no_grad():
            activation = net.features(x[row : row + 1])[0].double().numpy()
        cells = ORACLES["excitation_backprop"](made[before_seam:], activation.ravel(), target)
        assert_near(maps_of("excitation_backprop", net, x, targets)[row], cells.reshape(4, 3, 3).sum(axis=0))
        rap = ORACLES["rap"](made, image, target).reshape(3, 6, 6).sum(axis=0)
        np.testing.assert_allclose(maps_of("rap", net, x, targets)[row], rap, atol=2e-5 * max(1.0, np.abs(rap).max()))


def zennits(composite: object, model: nn.Module, x: torch.Tensor, targets: torch.Tensor, *, ones: bool) -> np.ndarray:
    """What a user of zennit gets from the network itself."""

    def start(logits: torch.Tensor) -> torch.Tensor:
        hot = nn.functional.one_hot(targets, logits.shape[1]).float()
        return hot if ones else hot * logits.detach()

    with Gradient(model=model, composite=composite, attr_output=start) as attributor:
        _, relevance = attributor(x.clone())
    return relevance.sum(dim=1).detach().numpy()


def test_maps_are_zennits_with_its_canonizer_of_batch_norm() -> None:
    x, targets = images(3, (14, 14)), torch.tensor([0, 3, 1])
    wanted = zennits(EpsilonPlusFlat(canonizers=[SequentialMergeBatchNorm()]), gap_net(), x, targets, ones=False)
    np.testing.assert_allclose(maps_of("lrp", gap_net(), x, targets), wanted, atol=NORM_EPS * 4 * np.abs(wanted).max())
    composite = ExcitationBackprop(zero_params=["bias"], canonizers=[SequentialMergeBatchNorm()])
    wanted = zennits(composite, gap_net(), x, targets, ones=True)
    found = maps_of("excitation_backprop", gap_net(), x, targets, **INPUT)
    np.testing.assert_allclose(found, wanted, atol=NORM_EPS * 4 * np.abs(wanted).max())


def test_lrp_of_a_residual_network_is_zennits_of_torchvisions() -> None:
    torch.manual_seed(0)
    ours = build("resnet34", 5)
    x, targets = images(2, (64, 64)), torch.tensor([4, 0])
    theirs = _like_torchvisions_resnet34(ours.eval())
    wanted = zennits(EpsilonPlusFlat(canonizers=[ResNetCanonizer()]), theirs, x, targets, ones=False)
    found = maps_of("lrp", ours, x, targets)
    np.testing.assert_allclose(found, wanted, atol=NORM_EPS * 36 * np.abs(wanted).max())


def _like_torchvisions_resnet34(ours: nn.Module) -> nn.Module:
    """torchvision's network with the same weights: both list them in the same order but for shortcuts."""
    from torchvision.models import resnet34

    theirs = resnet34(num_classes=5).eval()
    made = iter([part for part in ours.features if hasattr(part, "body")])
    for stage in (theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4):
        for block in stage:
            mine = next(made)
            pairs = [(block.conv1, 0), (block.bn1, 1), (block.conv2, 3), (block.bn2, 4)]
            for layer, place in pairs:
                layer.load_state_dict(mine.body[place].state_dict())
            if block.downsample is not None:
                block.downsample.load_state_dict(mine.shortcut.state_dict())
    theirs.conv1.load_state_dict(ours.features[0].state_dict())
    theirs.bn1.load_state_dict(ours.features[1].state_dict())
    theirs.fc.load_state_dict(ours.head.linear.state_dict())
    return theirs


def test_behind_pooling_and_one_layer_excitation_is_cam_with_positive_weights_only() -> None:
    model, x, targets = build("vgg_gap_tiny", 5).eval(), images(2, (32, 32)), torch.tensor([4, 0])
    found = maps_of("excitation_backprop", model, x, targets)
    with torch.no_grad():
        cam = torch.einsum("bk,bkhw->bhw", model.classifier.weight[targets].clamp(min=0), model.features(x))
    wanted = (cam / cam.sum(dim=(1, 2), keepdim=True)).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-3 * wanted.max())
    np.testing.assert_allclose(found.sum(axis=(1, 2)), 1, atol=1e-2)


EQUAL = sorted({tuple(sorted((name, other))) for name in EXPLAINERS for other in EXPLAINERS[name].equal_on_gap})


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_what_the_catalogue_calls_equal_on_gap_is_one_map_but_for_a_positive_factor(one: str, other: str) -> None:
    model, x, targets = build("vgg_gap_tiny", 5).eval(), images(3, (32, 32)), torch.tensor([4, 0, 2])
    for first, second in zip(*(maps_of(name, model, x, targets) for name in (one, other)), strict=True):
        a, b = (each.ravel() / np.linalg.norm(each) for each in (first, second))
        np.testing.assert_allclose(a, b, atol=1e-3)


def test_relevance_adds_up() -> None:
    """RAP's to the logit; LRP's too in a network without biases."""
    net, x, targets = small_net(), images(3, (10, 10)), torch.tensor([0, 1, 2])
    with torch.no_grad():
        logits = net(x).gather(1, targets[:, None])[:, 0].numpy()
    np.testing.assert_allclose(maps_of("rap", net, x, targets).sum(axis=(1, 2)), logits, rtol=1e-3, atol=1e-4)
    for layer in (net.features[0], net.features[3], net.head[2], net.head[4]):
        nn.init.zeros_(layer.bias)
    with torch.no_grad():
        logits = net(x).gather(1, targets[:, None])[:, 0].numpy()
    np.testing.assert_allclose(maps_of("lrp", net, x, targets).sum(axis=(1, 2)), logits, rtol=2e-2, atol=1e-4)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_every_architecture_is_explained_or_refused_with_the_reason(name: str, arch: str) -> None:
    torch.manual_seed(0)
    model, size = build(arch, 4, width=1.0 if arch == "net" else 0.25).eval(), ARCHITECTURES[arch]
    x, targets = images(1, (size, size)), torch.tensor([2])
    before = everything(model)
    if (name, arch) in REFUSED:
        with pytest.raises(BadInputError, match=REFUSED[name, arch]):
            maps_of(name, model, x, targets)
    else:
        found = maps_of(name, model, x, targets)
        assert np.isfinite(found).all()
        assert found.any()
    assert everything(model) == before


@pytest.mark.parametrize("name", RULES)
def test_a_first_layer_that_works_in_place_harms_no_image(name: str) -> None:
    model, x = gap_net(), images(2, (12, 12))
    model.features.insert(0, nn.ReLU(inplace=True))
    before, targets = x.clone(), torch.tensor([0, 1])
    found = maps_of(name, model, x, targets)
    assert torch.equal(x, before)
    assert np.array_equal(found, maps_of(name, model, x.clone(), targets))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("after", [0, 1, 2])
def test_nothing_is_left_behind_when_a_layer_raises_in_the_middle(name: str, after: int) -> None:
    model = gap_net().train()
    before = everything(model)
    with raising(model.head[2], after=after):
        broken = everything(model)
        calls = {"rap": 1, "lrp": 2, "excitation_backprop": 3}[name]  # zennit runs a layer again on the way back
        expected = pytest.raises(IndexError, match="on purpose") if after < calls else nullcontext()
        with expected:
            maps_of(name, model, images(1, (8, 8)), torch.tensor([0]))
        assert everything(model) == broken
    assert everything(model) == before


def test_networks_and_layers_without_rules_are_refused() -> None:
    x, targets = images(1, (12, 12)), torch.tensor([0])
    for name in RULES:
        with pytest.raises(BadInputError, match=r"has no rule for (Tanh|Hardswish)"):
            maps_of(name, mlp_net((12, 12)), x, targets)
    with pytest.raises(BadInputError, match="seam or input; got 'last'"):
        maps_of("excitation_backprop", gap_net(), x, targets, excitation_backprop={"layer": "last"})
    bare = Net(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)), gap_net(channels=4).head)
    with pytest.raises(BadInputError, match="a ReLU between any two"):
        maps_of("rap", bare, x, targets)
    halves = gap_net()
    halves.head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 4), nn.ReLU())
    with pytest.raises(BadInputError, match="a linear layer last"):
        maps_of("rap", halves, x, targets)
