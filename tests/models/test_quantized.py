"""Quantization: the file holds int8, the layers compute with whole numbers, the answers stay near."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import cams, explain
from xkd_core.models.architectures import VggGap, build
from xkd_core.models.quantized import Int8Conv, Int8VggGap, quantize


@pytest.fixture
def plain() -> VggGap:
    torch.manual_seed(0)
    net = build("vgg_gap_tiny", 5)
    for norm in net.features:
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.2, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    return net.eval()


def images(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_a_layer_is_the_whole_number_arithmetic_written_out() -> None:
    layer = Int8Conv(1, 1, low=0)
    layer.weight[0, 0, 1, 1], layer.weight[0, 0, 1, 2] = 100, -50
    layer.scale.fill_(0.01)
    layer.bias.fill_(0.25)
    layer.step.fill_(0.5)
    x = torch.tensor([[[[0.3, 10.0], [-4.0, 200.0]]]])
    # round(x / .5) = 1 (0.6), 20; -8 -> 0, 400 -> 255. Each cell: (100 q - 50 q_right) · .01 · .5 + .25
    expected = torch.tensor(
        [[[[(100 - 50 * 20) * 0.005 + 0.25, 2000 * 0.005 + 0.25], [-50 * 255 * 0.005 + 0.25, 127.75]]]]
    )
    torch.testing.assert_close(layer(x), expected)


def test_weights_are_within_half_a_step_of_the_folded_ones_and_inputs_use_all_their_range(plain: VggGap) -> None:
    model = quantize(plain, images(16))
    first, norm = plain.features[0], plain.features[1]
    folded = (first.weight * (norm.weight / (norm.running_var + norm.eps).sqrt())[:, None, None, None]).detach().numpy()
    layer = model.features[0]
    assert layer.weight.dtype == torch.int8
    got = layer.weight.numpy() * layer.scale.numpy()[:, None, None, None]
    assert (np.abs(got - folded) <= layer.scale.numpy()[:, None, None, None] * 0.5001).all()
    assert float(layer.step) == pytest.approx(float(images(16).abs().max()) / 127)
    assert np.abs(layer.weight.numpy()).reshape(16, -1).max(axis=1).tolist() == [127] * 16


def test_a_layer_in_which_nothing_is_left_has_answers_all_the_same(plain: VggGap) -> None:
    with torch.no_grad():
        plain.features[1].bias.fill_(-1e3)  # every value behind the first ReLU is 0
    torch.testing.assert_close(quantize(plain, images(4))(images(4)), plain(images(4)), atol=0.05, rtol=0.05)


def test_eight_bits_are_not_made_of_eight_bits(plain: VggGap) -> None:
    with pytest.raises(BadInputError, match="8-bit values already"):
        quantize(quantize(plain, images(4)), images(4))


def test_answers_and_cams_stay_near_the_float_network(plain: VggGap) -> None:
    model = quantize(plain, images(64))
    x = images(20, seed=1)
    with torch.no_grad():
        assert (model(x) - plain(x)).abs().max() < 0.05 * plain(x).abs().max()
        torch.testing.assert_close(model.head(model.features(x)), model(x))
    targets = torch.zeros(20, dtype=torch.int64)
    one, other = (cams(net, x, targets, ["cam"])["cam"].flatten(1) for net in (model, plain))
    assert torch.nn.functional.cosine_similarity(one, other).min() > 0.99


def test_gradients_at_the_pixels_are_refused_with_the_reason_and_perturbation_works(plain: VggGap) -> None:
    model, x = quantize(plain, images(16)), images(2, seed=1)
    targets = {"net": torch.zeros(2, dtype=torch.int64)}
    for name in ("gradient_shap", "integrated_gradients"):
        with pytest.raises(BadInputError, match="rounding has no gradient"):
            explain({"net": model}, x, targets, names=[name], background=images(4))
    one, other = (
        explain({"net": net}, x, targets, names=["occlusion"])["net"]["occlusion"].maps.ravel()
        for net in (model, plain)
    )
    assert np.corrcoef(one, other)[0, 1] > 0.95


def test_its_state_loads_into_an_empty_network_bit_for_bit(plain: VggGap) -> None:
    model = quantize(plain, images(16))
    again = Int8VggGap(build("vgg_gap_tiny", 5))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(images(3)), model(images(3)))
    kernels = [value for name, value in model.state_dict().items() if value.ndim == 4]
    assert all(value.dtype == torch.int8 for value in kernels)


def test_the_plain_network_is_left_as_it_was(plain: VggGap) -> None:
    before = {name: value.clone() for name, value in plain.state_dict().items()}
    quantize(plain, images(4))
    assert all(torch.equal(value, before[name]) for name, value in plain.state_dict().items())
    assert plain.features[0].weight.requires_grad
