"""Random networks: which layers, how far, repeatable, alive; and maps that depend on the weights lose themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from tests.explainers.made_nets import everything, gap_net, images, mlp_net
from xkd_core.errors import BadInputError
from xkd_core.evaluation.randomise import layers, randomisation, randomised
from xkd_core.evaluation.scorers import explainer
from xkd_core.models.architectures import build

SIZE = (12, 12)
X = images(16, SIZE)
TARGETS = np.arange(16) % 4


def changed(net: nn.Module, other: nn.Module) -> set[str]:
    theirs = dict(other.named_parameters())
    return {name for name, value in net.named_parameters() if not torch.equal(value, theirs[name])}


def test_layers_come_from_the_logits_down_each_with_its_batch_norm() -> None:
    assert [layer.name for layer in layers(gap_net())] == ["head.2", "features.4", "features.0"]
    assert layers(gap_net())[1].modules == ("features.4", "features.5")
    with pytest.raises(BadInputError, match="no weights"):
        layers(nn.ReLU())


def test_an_explanation_network_enters_no_map_but_its_own() -> None:
    model = build("attentive_resnet18_explained", 4, width=0.0625)
    drawing = {path for path, _ in model.named_modules() if path.startswith("explanation.")}
    plain, learned = ({path for layer in layers(model, name) for path in layer.modules}
                      for name in ("grad_cam", "surrogate"))  # fmt: skip
    assert drawing and not plain & drawing
    assert plain < learned and learned & drawing


def test_a_cascade_adds_layers_and_independent_takes_one_at_a_time() -> None:
    net = gap_net()
    of_head = {"head.2.weight", "head.2.bias"}
    of_conv = {"features.4.weight", "features.4.bias", "features.5.weight", "features.5.bias"}
    of_first = {"features.0.weight", "features.1.weight", "features.1.bias"}
    cascade = [changed(net, own) for _, own in randomised(net, X)]
    assert cascade == [of_head, of_head | of_conv, of_head | of_conv | of_first]
    alone = [changed(net, own) for _, own in randomised(net, X, way="independent")]
    assert alone == [of_head, of_conv, of_first]


@pytest.mark.parametrize("way", ["cascading", "independent"])
def test_the_network_itself_and_the_global_generator_stay_as_they_are(way: str) -> None:
    net = gap_net().train()
    before, state = everything(net), torch.random.get_rng_state()
    for _, own in randomised(net, X, way=way):
        assert not any(module.training for module in own.modules())
        assert not any(parameter.requires_grad for parameter in own.parameters())
    assert everything(net) == before
    assert torch.equal(torch.random.get_rng_state(), state)


def logits_of(net: nn.Module, **options) -> list[np.ndarray]:
    with torch.no_grad():
        return [own(X.clone()).numpy() for _, own in randomised(net, X, **options)]


def test_the_seed_decides_and_a_layer_is_random_alike_in_both_ways() -> None:
    net = gap_net()
    first, again, other = logits_of(net), logits_of(net), logits_of(net, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.allclose(first[0], other[0])
    np.testing.assert_array_equal(first[0], logits_of(net, way="independent")[0])
    weights = [dict(own.named_parameters())["features.0.weight"].clone() for _, own in randomised(net, X)][-1]
    alone = [
        dict(own.named_parameters())["features.0.weight"].clone() for _, own in randomised(net, X, way="independent")
    ]
    assert torch.equal(weights, alone[-1])


def test_batch_norms_take_the_statistics_of_the_calibration_images() -> None:
    for name, own in randomised(gap_net(), X):
        if name == "features.0":
            norm = own.features[1]
            with torch.no_grad():
                activation = own.features[0](X)
            torch.testing.assert_close(norm.running_mean, activation.mean(dim=(0, 2, 3)), atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(norm.running_var, activation.var(dim=(0, 2, 3)), atol=1e-5, rtol=1e-4)
            assert norm.momentum == 0.1


def test_compat_quantus_resets_statistics_and_uses_one_seed() -> None:
    nets = [own for name, own in randomised(gap_net(), X, compat="quantus") if name == "features.0"]
    assert nets[0].features[1].running_mean.abs().max() == 0
    assert (nets[0].features[1].running_var == 1).all()
    same = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    last = [own for _, own in randomised(same, torch.zeros(2, 3), compat="quantus")][-1]
    assert torch.equal(last[0].weight, last[1].weight)
    ours = [own for _, own in randomised(same, torch.zeros(2, 3))][-1]
    assert not torch.equal(ours[0].weight, ours[1].weight)


def test_a_layer_that_cannot_start_anew_is_refused() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(1))

    with pytest.raises(BadInputError, match="cannot be randomised"):
        list(randomised(nn.Sequential(Scale()), X))


@pytest.mark.parametrize("net", [gap_net(), mlp_net(SIZE)], ids=["gap", "mlp"])
def test_maps_of_randomised_networks_are_alive_and_lose_the_original(net: nn.Module) -> None:
    curve = randomisation(net, X.numpy(), TARGETS, "grad_cam", calibration=X)
    assert curve.values.shape == (len(layers(net)), 16)
    assert not np.isnan(curve.values).any()
    assert np.abs(curve.values[-1]).mean() < 0.6
    alone = randomisation(net, X.numpy(), TARGETS, "grad_cam", calibration=X, way="independent")
    np.testing.assert_allclose(alone.values[0], curve.values[0], atol=1e-6)


def test_a_map_that_ignores_the_head_survives_its_randomisation() -> None:
    """EWA looks at activations only: the head may be anything."""
    curve = randomisation(gap_net(), X.numpy(), TARGETS, "ewa", calibration=X, way="independent")
    assert curve.steps[0] == "head.2"
    np.testing.assert_allclose(curve.values[0], 1.0)
    assert curve.values[1].mean() < 0.99
    assert explainer(gap_net(), "ewa", signed=True)(X.numpy(), TARGETS).shape == (16, 6, 6)
