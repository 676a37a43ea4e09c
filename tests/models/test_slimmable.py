"""A slimmable network: each width is an ordinary network that uses the first channels of the shared kernels."""

from __future__ import annotations

import pytest
import torch

from xkd_core.errors import BadInputError
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.slimmable import STOPS, SlimVggGap, build_slim


@pytest.fixture
def slim() -> SlimVggGap:
    torch.manual_seed(3)
    model = build_slim("vgg_gap_tiny", 5)
    for norm in model.modules():  # statistics that differ, so that a mix-up of widths shows
        if isinstance(norm, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(norm.running_mean, -0.2, 0.2)
            torch.nn.init.uniform_(norm.running_var, 0.5, 2)
            torch.nn.init.uniform_(norm.weight, 0.5, 2)
    return model.eval()


def test_there_are_seven_stops_in_sixteenths_of_the_teachers_channels() -> None:
    assert STOPS == (2 / 16, 3 / 16, 4 / 16, 5 / 16, 6 / 16, 7 / 16, 8 / 16)


@pytest.mark.parametrize("stop", STOPS)
def test_the_copy_of_a_width_computes_what_the_shared_weights_do(slim: SlimVggGap, stop: float) -> None:
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    view, copied = slim.at(stop), slim.extract(stop)
    activation = view.features(x)
    assert activation.shape[1] == round(64 * stop)
    torch.testing.assert_close(activation, copied.features(x))
    torch.testing.assert_close(view.head(activation), copied(x))
    target = torch.tensor([0, 4])
    torch.testing.assert_close(view.rows(target), copied.classifier.weight[target])
    assert count_parameters(copied) == count_parameters(build("vgg_gap_tiny", 5, width=stop))


def test_a_narrow_step_moves_only_the_first_channels(slim: SlimVggGap) -> None:
    view = slim.train().at(2 / 16)
    view.head(view.features(torch.randn(4, 3, 32, 32))).square().sum().backward()
    gradient = slim.kernels[1].weight.grad
    assert gradient[:4, :2].abs().sum() > 0
    assert gradient[4:].abs().sum() == 0
    assert gradient[:, 2:].abs().sum() == 0
    touched = {name for name, p in slim.norms.named_parameters() if p.grad is not None}
    assert touched == {name for name in touched if name.startswith("w2.")}


def test_another_width_is_refused_with_the_widths_there_are(slim: SlimVggGap) -> None:
    with pytest.raises(BadInputError, match=r"0\.125, 0\.1875"):
        slim.extract(0.75)
