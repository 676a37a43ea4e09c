"""Pruning: what is zeroed or removed, by plain restatements."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from xkd_core.errors import BadInputError
from xkd_core.models.architectures import VggGap, build, count_parameters
from xkd_core.models.fused import fusion_of
from xkd_core.models.seams import Network
from xkd_core.pruning.accounting import size_of, stored_size
from xkd_core.pruning.structured import channels_of, shrink
from xkd_core.pruning.unstructured import hold, masks_of, prune_weights, sparsity


@pytest.fixture
def model() -> VggGap:
    return ready("vgg_gap_tiny")


def ready(arch: str, width: float = 1.0) -> Network:
    """Random weights and norms that do something."""
    torch.manual_seed(0)
    net = build(arch, 5, width=width)
    for norm in net.features:
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.uniform_(norm.running_mean, -0.2, 0.2)
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.weight, 0.5, 2)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
    return net.eval()


def kernels(model: nn.Module) -> list[nn.Conv2d]:
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


def test_rounds_of_a_fifth_follow_the_papers_schedule_over_all_layers_together(model: VggGap) -> None:
    start = np.concatenate([layer.weight.detach().numpy().ravel() for layer in kernels(model)])
    for done in (1, 2, 3):
        prune_weights(model, 0.2)
        now = np.concatenate([layer.weight.detach().numpy().ravel() for layer in kernels(model)])
        # Independent: sort all |w| of all layers, the smallest 1 - .8^i go.
        cut = np.sort(np.abs(start))[round(len(start) * (1 - 0.8**done)) - 1]
        assert np.abs((now == 0).mean() - (1 - 0.8**done)) < 2e-4
        assert (np.abs(start[now == 0]) <= cut + 1e-4).all()
        assert np.array_equal(now[now != 0], start[now != 0])
    assert sparsity(model) == pytest.approx(1 - 0.8**3, abs=2e-4)


def test_norms_biases_and_the_head_are_never_pruned_and_no_trace_of_torchs_pruning_stays(model: VggGap) -> None:
    before = copy.deepcopy(model.state_dict())
    prune_weights(model, 0.9)
    assert list(model.state_dict()) == list(before)
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {name for name in before if before[name].ndim == 4}
    assert not any(layer._forward_pre_hooks for layer in kernels(model))
    copy.deepcopy(model)


def test_zeros_stay_zero_through_steps_with_momentum_and_weight_decay(model: VggGap) -> None:
    prune_weights(model, 0.5)
    masks = masks_of(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.randn(4, 3, 32, 32)).square().sum().backward()
        optimizer.step()
        hold(model, masks)
    for name, mask in masks.items():
        assert torch.equal(model.get_parameter(name) != 0, mask.bool())


def test_a_shrunk_network_keeps_int_of_the_share_of_the_first_and_the_later_layers(model: VggGap) -> None:
    assert channels_of(shrink(model, 0.7, input_px=32)) == (int(16 * 0.3), 32, int(64 * 0.3))
    assert channels_of(shrink(model, 0.7, input_px=32, everywhere=True)) == (4, 9, 19)
    assert channels_of(model) == (16, 32, 64)


@pytest.mark.parametrize("everywhere", [False, True])
def test_its_logits_are_those_of_the_network_whose_weak_filters_are_silenced(model: VggGap, everywhere: bool) -> None:
    check_silenced(model, 32, everywhere=everywhere)


@pytest.mark.parametrize(("arch", "px"), [("vgg7", 32), ("vgg11_sized", 32), ("vgg16_voc", 227)])
def test_the_same_holds_behind_a_flattened_map(arch: str, px: int) -> None:
    model = ready(arch, 0.0625)
    small = check_silenced(model, px, everywhere=False, amount=0.5)
    assert type(small) is type(model)
    inputs = [head[-1].in_features for head in (small.head, model.head)]
    assert inputs[0] / channels_of(small)[-1] == inputs[1] / channels_of(model)[-1] in (1, 4, 49)


def check_silenced(model: Network, px: int, *, everywhere: bool, amount: float = 0.7) -> Network:
    small = shrink(model, amount, input_px=px, everywhere=everywhere)
    assert channels_of(small) != channels_of(model)
    masked = copy.deepcopy(model)
    modules = list(masked.features)
    for place, (layer, kept) in enumerate(zip(kernels(masked), channels_of(small), strict=True)):
        score = layer.weight.detach().abs().sum(dim=(1, 2, 3)).numpy()
        weak = np.argsort(-score)[kept:]
        norm = modules[next(i for i, m in enumerate(modules) if m is layer) + 1]
        assert isinstance(norm, nn.BatchNorm2d), place
        with torch.no_grad():
            norm.weight[weak], norm.bias[weak] = 0, 0
    x = torch.randn(3, 3, px, px, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(small.eval()(x), masked(x), rtol=1e-4, atol=1e-5)
    return small


def test_seven_tenths_of_the_filters_of_paper_004s_network_leave_its_number_of_parameters() -> None:
    model = build("vgg16_voc", 20)
    assert count_parameters(model) == 15_224_916
    small = shrink(model, 0.7, input_px=227)
    assert channels_of(small) == (19, 64, 128, 128, 256, 256, 256, *[153] * 6)
    assert count_parameters(small) == 3_269_153


def test_filters_of_other_networks_are_not_pruned() -> None:
    with pytest.raises(BadInputError, match="chain VGGs only; Network is another"):
        shrink(build("lenet5_32", 5), 0.5, input_px=32)


@pytest.mark.parametrize("amount", [0, 1, -0.1, 0.99])
def test_amounts_that_leave_nothing_are_refused(model: VggGap, amount: float) -> None:
    with pytest.raises(BadInputError, match="amount must be in"):
        shrink(model, amount, input_px=32)
    if amount != 0.99:
        with pytest.raises(BadInputError, match="amount must be in"):
            prune_weights(model, amount)


def test_the_frozen_autoencoder_of_an_xdistillation_student_keeps_its_weights() -> None:
    torch.manual_seed(0)
    fused = build("net_xd", 10)
    fusion = fusion_of(fused)
    assert fusion is not None
    before = copy.deepcopy(fusion.cae.state_dict())
    prune_weights(fused, 0.5)
    assert all(torch.equal(value, fusion.cae.state_dict()[name]) for name, value in before.items())
    assert sparsity(fused) == pytest.approx(0.5, abs=1e-3)
    assert not any("cae" in name for name in masks_of(fused))


def test_size_counts_parameters_nonzeros_and_flops_by_hand() -> None:
    model = build("vgg_gap_tiny", 5)
    weights = 3 * 9 * 16 + 16 * 9 * 32 + 32 * 9 * 64
    rest = 2 * (16 + 32 + 64) + 64 * 5 + 5
    nn.init.ones_(model.classifier.bias)
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d):
                norm.bias.fill_(1)
        kernels(model)[0].weight[0] = 0
    found = size_of(model, input_px=32)
    assert (found.parameters, found.nonzeros) == (weights + rest, weights + rest - 27)
    assert found.flops == 2 * (3 * 9 * 16 * 32**2 + 16 * 9 * 32 * 16**2 + 32 * 9 * 64 * 8**2 + 64 * 5)


def test_a_file_is_counted_at_the_bits_of_its_tensors_without_the_running_statistics_of_norms() -> None:
    state = {
        "features.0.weight": torch.tensor([[1, 0], [-2, 0]], dtype=torch.int8),
        "features.0.scale": torch.tensor([0.5, 0.25]),
        "features.0.step": torch.tensor(0.1),
        "features.0.bias": torch.tensor([0.0, 1.0]),
        "other.weight": torch.ones(3, dtype=torch.float16),
        "norm.running_mean": torch.ones(9),
        "norm.running_var": torch.ones(9),
        "norm.num_batches_tracked": torch.tensor(5),
    }
    found = stored_size(state)
    assert (found.bits, found.nonzeros) == (4 * 8 + 5 * 32 + 3 * 16, 2 + 2 + 1 + 1 + 3)


def test_a_float_network_has_as_many_values_in_its_file_as_it_has_parameters(model: VggGap) -> None:
    assert stored_size(model.state_dict()).bits == 32 * size_of(model, input_px=32).parameters
