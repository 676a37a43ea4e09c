"""The fast copy is the same function, and only a copy."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.explainers.made_nets import Net, everything, gap_net, images, mlp_net
from xkd_core.explainers.fast import answering, prepared
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


PRECISIONS = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


@pytest.mark.parametrize("make", [gap_net, bare_net, Branched, lambda: mlp_net((32, 32)), lambda: build("vgg7", 3)])
def test_the_copy_that_only_answers_is_the_same_function_and_leaves_the_network_as_it_was(make: type) -> None:
    torch.manual_seed(0)
    model, x = make().eval(), images(3, (32, 32))
    wanted = model(x).detach()
    before = everything(model)
    with torch.inference_mode():
        torch.testing.assert_close(answering(model)(x.clone()), wanted, atol=1e-5, rtol=1e-5)
    assert everything(model) == before


@PRECISIONS
@pytest.mark.parametrize("size", [(12, 8), (13, 8), (12, 9)])
def test_a_pool_within_the_answer_takes_the_highest_of_each_2x2(dtype: torch.dtype, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
    x = images(2, size).to(dtype)
    with torch.inference_mode():
        own = answering(nn.Sequential(*layers), dtype)
        found, wanted = own(x), nn.Sequential(*layers).to(dtype)(x)
    if dtype == torch.float32 and torch.backends.mkldnn.is_available():
        assert [type(layer) for layer in own][1:] == [nn.Identity, nn.Identity]
    torch.testing.assert_close(found, wanted, atol=1e-18, rtol=1e-6 if dtype == torch.float32 else 1e-2)


@pytest.mark.parametrize("pool", [nn.MaxPool2d(3), nn.MaxPool2d(2, 1), nn.MaxPool2d(2, padding=1), nn.AvgPool2d(2)])
def test_other_pools_stay_what_they_are(pool: nn.Module) -> None:
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), pool), images(2, (12, 9))
    with torch.inference_mode():
        torch.testing.assert_close(answering(model)(x), model(x), atol=1e-6, rtol=1e-5)


@PRECISIONS
@pytest.mark.parametrize("place", [(0, 0), (5, 8), (15, 15)])
def test_what_is_not_a_number_gives_no_answer(dtype: torch.dtype, place: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model, x = build("vgg_gap_tiny", 3).eval(), images(2, (16, 16))
    x[0, 1, *place] = float("nan")
    with torch.inference_mode():
        found = answering(model, dtype)(x.to(dtype))
        assert found[0].isnan().all()
        assert found[1].isfinite().all()
        next(part for part in model.modules() if isinstance(part, nn.Conv2d)).weight[2, 0, 1, 1] = float("nan")
        assert answering(model, dtype)(x.to(dtype)).isnan().all()
