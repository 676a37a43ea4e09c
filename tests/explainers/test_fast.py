"""The fast copy is the same function, and only a copy."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.explainers.made_nets import Net, everything, gap_net, images, mlp_net
from xkd_core.explainers.fast import prepared
from xkd_core.models.architectures import build


def bare_net() -> Net:
    """Norms without scales, without statistics, without a convolution before them; a convolution with a bias."""
    features = nn.Sequential(
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 4, 3),
        nn.BatchNorm2d(4, affine=False),
        nn.Conv2d(4, 4, 3, bias=False),
        nn.BatchNorm2d(4, track_running_stats=False),
    )
    return Net(features, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)))


@pytest.mark.parametrize("make", [gap_net, bare_net, lambda: mlp_net((16, 16)), lambda: build("vgg_gap_tiny", 3)])
@pytest.mark.parametrize("training", [False, True])
def test_the_copy_is_the_same_function_in_eval_mode_and_shares_nothing_that_changes(make: type, training: bool) -> None:
    torch.manual_seed(0)
    model, x = make().eval(), images(3, (16, 16))
    wanted = model(x).detach()
    model.train(training)
    before = everything(model)
    own = prepared(model)
    torch.testing.assert_close(own(x), wanted, atol=1e-5, rtol=1e-5)
    assert not own(x).requires_grad
    assert not any(module.training for module in own.modules())
    assert everything(model) == before
    assert not {id(module) for module in own.modules()} & {id(module) for module in model.modules()}


class Branched(nn.Module):
    """Activations and gradients with two users each: nothing of them may be overwritten."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.block = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(1), nn.ReLU())
        self.relu, self.last = nn.ReLU(), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        seen = self.stem(x)
        added = self.relu(self.block(seen) + seen) + seen
        logits: torch.Tensor = self.last(added.mean(dim=(2, 3)))
        return logits


@pytest.mark.parametrize("make", [gap_net, Branched, lambda: build("vgg_gap_tiny", 3)])
def test_the_gradient_at_the_pixels_is_that_of_the_network(make: type) -> None:
    torch.manual_seed(0)
    model, x = make().eval(), images(3, (16, 16))
    found = []
    for network in (model, prepared(model)):
        leaf = x.clone().requires_grad_()
        before = leaf.detach().clone()
        (gradient,) = torch.autograd.grad(network(leaf.clone())[:, 1].sum(), leaf)
        assert torch.equal(leaf.detach(), before)
        found.append(gradient)
    torch.testing.assert_close(found[1], found[0], atol=1e-6, rtol=1e-4)
