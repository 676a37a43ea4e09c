"""The maps in the loss: autograd's form for any layer and head, the closed form behind pooling, masks and classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests import restated_losses
from xkd_core.distillation.attribution import closed_maps, seam_maps, sensitivity_maps, swa_maps
from xkd_core.distillation.losses import matching_loss
from xkd_core.explainers.engine import cams
from xkd_core.models.architectures import build
from xkd_core.models.seams import GapHead, Network, run_tapped


def small(head: str = "gap", *, seed: int = 0) -> Network:
    """Two smooth stages in float64 with a head with or without CAM; smooth so that gradcheck may differentiate."""
    torch.manual_seed(seed)
    features = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.Softplus(), nn.AvgPool2d(2), nn.Conv2d(4, 5, 3, padding=1), nn.Softplus()
    )
    heads = {
        "gap": GapHead(5, 3),
        "mlp": nn.Sequential(nn.Flatten(), nn.Linear(5 * 16, 6), nn.Tanh(), nn.Linear(6, 3)),
    }
    return Network(features, heads[head], [1, 4]).double().eval()


def images(n: int = 2) -> torch.Tensor:
    return torch.randn(n, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def directions(maps: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(maps.flatten(2), dim=2)


@pytest.mark.parametrize("head", ["gap", "mlp"])
@pytest.mark.parametrize("masked", [False, True])
def test_maps_by_autograd_equal_their_plain_restatement(head: str, masked: bool) -> None:
    model, x, target = small(head), images(), torch.tensor([[0, 2], [1, 0]])
    layers = ("last-1", "last")
    run = run_tapped(model, x, layers)
    keep = [(torch.rand(2, tap.shape[1], dtype=torch.float64) > 0.4).double() if masked else None for tap in run.taps]
    found = sensitivity_maps(run.logits, run.taps, target, keep=keep, create_graph=False)
    for place, tap in enumerate(run.taps):
        for image, classes in enumerate(target.tolist()):
            for column, wanted in enumerate(classes):
                (slope,) = torch.autograd.grad(run.logits[image, wanted], tap, retain_graph=True)
                mask = None if keep[place] is None else keep[place][image].numpy()
                expected = restated_losses.sensitivity_weighted(tap[image].detach().numpy(), slope[image].numpy(), mask)
                np.testing.assert_allclose(found[place][image, column].detach().numpy(), expected, atol=1e-12)


def test_behind_pooling_the_closed_form_is_autograds_times_the_number_of_cells() -> None:
    model, x, target = small("gap"), images(), torch.tensor([[0, 2], [1, 0]])
    run = run_tapped(model, x, ("last",))
    (general,) = sensitivity_maps(run.logits, run.taps, target, keep=[None], create_graph=False)
    torch.testing.assert_close(closed_maps(model, run.activation, target), 16 * general)


@pytest.mark.parametrize("arch", ["vgg_gap_tiny", "resnet18_cifar", "wrn_16_4"])
def test_both_forms_give_the_same_loss_and_the_same_gradients_on_gap_networks(arch: str) -> None:
    """In train mode, as in a training: behind the seam nothing mixes the images."""
    torch.manual_seed(0)
    model = build(arch, 4, width=0.25).double().train()
    with torch.no_grad():
        model.classifier.weight.mul_(10).abs_()  # a map without a positive cell would teach nothing here
    x = torch.randn(3, 3, 32, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    target = torch.tensor([[0], [3], [1]])
    wanted = torch.rand(3, *run_tapped(model, x, ("last",)).activation.shape[2:], dtype=torch.float64)
    gradients = []
    for form in ("closed", "general"):
        run = run_tapped(model, x, ("last",))
        if form == "closed":
            maps = closed_maps(model, run.activation, target)
        else:
            (maps,) = sensitivity_maps(run.logits, run.taps, target, keep=[None], create_graph=True)
        loss = matching_loss(maps[:, 0], wanted).loss
        gradients.append((loss, *torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)))
    for closed, general in zip(*gradients, strict=True):
        if closed is None:
            assert general is None or float(general.abs().max()) == 0  # the bias of the classes
        else:
            torch.testing.assert_close(closed, general, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("head", ["gap", "mlp"])
def test_the_general_form_can_be_differentiated_through_its_weights(head: str) -> None:
    model = small(head)
    generator = torch.Generator().manual_seed(2)
    wanted = [torch.rand(4, side, side, dtype=torch.float64, generator=generator) for side in (8, 4)]
    target = torch.tensor([[0, 2], [1, 0]])

    def loss(x: torch.Tensor) -> torch.Tensor:
        run = run_tapped(model, x, ("last-1", "last"))
        maps = sensitivity_maps(run.logits, run.taps, target, keep=[None, None], create_graph=True)
        return sum(matching_loss(each.flatten(0, 1), want).loss for each, want in zip(maps, wanted, strict=True))

    assert torch.autograd.gradcheck(loss, images().requires_grad_(), atol=1e-6)


def test_the_gradient_reaches_the_head_through_the_weights_alone() -> None:
    """A student whose weights were detached could not be told how to weigh its channels (FACIL issue 37)."""
    model, x, target = small("mlp"), images(), torch.tensor([[0], [1]])
    run = run_tapped(model, x, ("last",))
    (maps,) = swa_maps(model, run, ("last",), target, create_graph=True)
    wanted = torch.rand(2, 4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    (slope,) = torch.autograd.grad(matching_loss(maps[:, 0], wanted).loss, model.head[1].weight)
    assert float(slope.abs().sum()) > 0


def test_a_set_of_layers_takes_the_closed_form_where_there_is_one() -> None:
    model, x, target = small("gap"), images(), torch.tensor([[0, 2], [1, 0]])
    layers = ("last", "last-1")
    run = run_tapped(model, x, layers)
    found = swa_maps(model, run, layers, target, keep=[None, None])
    general = sensitivity_maps(run.logits, run.taps, target, keep=[None, None], create_graph=False)
    torch.testing.assert_close(found[0], 16 * general[0])
    torch.testing.assert_close(found[1], general[1])


def test_a_mask_hides_channels_image_by_image() -> None:
    model, x, target = small("gap"), images(), torch.tensor([[0], [0]])
    run = run_tapped(model, x, ("last",))
    keep = torch.tensor([[1.0, 1, 1, 1, 1], [0, 0, 0, 0, 1]], dtype=torch.float64)
    hidden = closed_maps(model, run.activation, target, keep=keep)
    torch.testing.assert_close(hidden[0], closed_maps(model, run.activation, target)[0])
    alone = (run.activation[1, 4] * model.classifier.weight[0, 4]).relu()
    torch.testing.assert_close(hidden[1, 0], alone)


@pytest.mark.parametrize("arch", ["vgg_gap_tiny", "vgg7", "lenet5_32", "mobilenet_v3_small_s8"])
def test_maps_at_the_seam_are_the_dashboards_and_leave_no_graph(arch: str) -> None:
    torch.manual_seed(0)
    model = build(arch, 5, width=0.25).eval().requires_grad_(False)
    x = torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    found = seam_maps(model, x)
    target = model(x).argmax(dim=1)
    assert torch.equal(found.logits, model(x))
    shown = cams(model, x, target, ["grad_cam"])["grad_cam"].relu()
    torch.testing.assert_close(directions(found.maps[:, None]), directions(shown[:, None]), atol=1e-5, rtol=0)
    assert not any(each.requires_grad for each in (found.logits, found.activation, found.maps))
    assert all(value.grad is None for value in model.parameters())
