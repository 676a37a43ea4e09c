"""The seam, the counts and the map sizes of the networks."""

from __future__ import annotations

import pytest
import torch

from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.models.architectures import VGG_PLANS, build, count_parameters


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


@pytest.mark.parametrize("arch", VGG_PLANS)
def test_the_last_map_is_8x8_and_the_seam_is_exact(arch: str) -> None:
    model = build(arch, 5).eval()
    size = VGG_PLANS[arch].input_px
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    activation = model.features(x)
    assert activation.shape[2:] == (8, 8)
    assert float(activation.min()) >= 0
    assert torch.equal(model.head(activation), model(x))


def test_the_head_is_the_mean_of_the_map_times_the_classifier() -> None:
    model = build("vgg_gap_tiny", 3).eval()
    activation = torch.rand(2, 64, 8, 8, generator=torch.Generator().manual_seed(0))
    by_hand = activation.mean(dim=(2, 3)) @ model.classifier.weight.T + model.classifier.bias
    torch.testing.assert_close(model.head(activation), by_hand)


def test_another_architecture_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'vgg_gap_64'"):
        build("vgg_gap_66", 8)


@pytest.mark.parametrize("width", [0.0, -0.5, 1.5, 0.001])
def test_an_impossible_width_is_refused(width: float) -> None:
    with pytest.raises(BadInputError, match="width must be"):
        build("vgg_gap_64", 8, width=width)
