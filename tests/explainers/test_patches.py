"""Computing only what a window changes gives the logits of full passes, on stacks of all known layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.explainers.made_nets import Net, images
from xkd_core.explainers.patches import plan, reaches, window_logits
from xkd_core.models.architectures import VGG_PLANS, build

KNOWN = {
    "one convolution": lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1)),
    "sides that differ": lambda: nn.Sequential(
        nn.Conv2d(3, 4, (5, 1), padding=(2, 0)), nn.ReLU(), nn.Conv2d(4, 4, (1, 3), padding=(0, 1))
    ),
    "groups and nesting": lambda: nn.Sequential(
        nn.Sequential(nn.ReLU(inplace=True), nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6)),
        nn.Sequential(
            nn.Hardswish(inplace=True),
            nn.MaxPool2d(2),
            nn.Sequential(nn.Conv2d(6, 6, 3, padding=1, groups=3), nn.SiLU()),
        ),
    ),
    "pools only": lambda: nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(3)),
    "deep": lambda: nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(5, 5, 7, padding=3),
        nn.MaxPool2d(3),
        nn.Conv2d(5, 6, 3, padding=1),
        nn.Dropout(),
    ),
}
UNKNOWN = {
    "stride": nn.Conv2d(3, 4, 3, padding=1, stride=2),
    "no padding": nn.Conv2d(3, 4, 3),
    "other padding": nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
    "even kernel": nn.Conv2d(3, 4, 2, padding=0),
    "dilation": nn.Conv2d(3, 4, 3, padding=1, dilation=2),
    "ceil": nn.MaxPool2d(2, ceil_mode=True),
    "overlapping pool": nn.MaxPool2d(3, stride=2),
    "average pool": nn.AvgPool2d(2),
    "instance norm": nn.InstanceNorm2d(3),
}


def in_full(network: nn.Module, image: torch.Tensor, starts: tuple[tuple[int, ...], ...], window: int) -> torch.Tensor:
    hidden = []
    for top in starts[0]:
        for left in starts[1]:
            one = image.clone()
            one[:, :, top : top + window, left : left + window] = 0
            hidden.append(one)
    return network(torch.cat(hidden))


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("size", [(16, 16), (13, 19), (12, 7)])
@pytest.mark.parametrize(
    ("starts", "window"), [(((0, 3, 6), (0, 2)), 4), (((5,), (0, 3, 6)), 1), (((0, 4, 8, 11), (1, 6)), 7)]
)
def test_logits_are_those_of_full_passes(name: str, size: tuple[int, int], starts: tuple, window: int) -> None:
    torch.manual_seed(0)
    features = KNOWN[name]().double()
    n_channels = features(torch.zeros(1, 3, *size).double()).shape[1]
    network = (
        Net(features, nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(4 * n_channels, 3)))
        .double()
        .eval()
    )
    image = images(1, size).double()
    before = image.clone()
    with torch.no_grad():
        whole, found = window_logits(network, image, plan(reaches(network), size, starts, window))
        torch.testing.assert_close(found, in_full(network, image.clone(), starts, window), atol=1e-12, rtol=1e-10)
        torch.testing.assert_close(whole, network(image.clone()), atol=1e-12, rtol=1e-10)
    assert torch.equal(image, before)


@pytest.mark.parametrize("arch", VGG_PLANS)
def test_the_shipped_networks_are_known(arch: str) -> None:
    network = build(arch, 4, width=0.125).eval()
    size = (VGG_PLANS[arch].input_px,) * 2
    starts, window = (tuple(range(0, size[0] * 7 // 8, size[0] // 8)),) * 2, size[0] // 4
    with torch.no_grad():
        image = images(1, size)
        _, found = window_logits(network, image, plan(reaches(network), size, starts, window))
        torch.testing.assert_close(found, in_full(network, image, starts, window), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", UNKNOWN)
def test_layers_that_are_not_understood_are_not_guessed_at(name: str) -> None:
    assert reaches(Net(nn.Sequential(UNKNOWN[name]), nn.Flatten())) is None


def test_networks_that_are_no_stack_are_not_guessed_at() -> None:
    assert reaches(Net(UNKNOWN["stride"], nn.Flatten())) is None
    assert reaches(nn.Sequential(nn.ReLU())) is None
