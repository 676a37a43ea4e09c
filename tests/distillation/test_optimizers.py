"""Optimizers and schedules of the recipes, and the rectangles of random erasing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from xkd_core.distillation.optimizers import learning_rate, make_optimizer
from xkd_core.distillation.recipes import Recipe, recipe_from
from xkd_core.distillation.views import draw_views, with_erasing
from xkd_core.errors import BadInputError
from xkd_core.types import Transform

RECIPE = Recipe(dataset="digits", arch="vgg_gap_tiny", split="train", method="ce", epochs=10, lr=1.0, warmup_epochs=2.0)
PLAIN = Transform(size=32, mean=(0.2,) * 3, std=(0.5,) * 3)


def test_the_learning_rate_warms_up_and_ends_at_zero() -> None:
    assert learning_rate(RECIPE, 2.0) == pytest.approx(1.0)
    assert learning_rate(RECIPE, 0.0) < 0.01
    assert learning_rate(RECIPE, 10.0) == pytest.approx(0.0)
    assert learning_rate(RECIPE, 6.0) == pytest.approx(0.5)


def test_steps_fall_to_a_tenth_and_a_constant_stays() -> None:
    steps = replace(RECIPE, schedule="steps 3 5", warmup_epochs=0.0)
    assert [learning_rate(steps, epoch) for epoch in (0, 2.99, 3, 4.5, 5, 9)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )
    constant = replace(RECIPE, schedule="constant")
    assert learning_rate(constant, 1.0) == pytest.approx(0.505) and learning_rate(constant, 9.9) == 1.0


def test_nothing_is_mirrored_where_it_would_mean_something_else() -> None:
    mirrored, plain = (draw_views(50, n_views=3, shift_px=2, seed=0, flips=flips) for flips in (True, False))
    assert mirrored.flip.any() and not plain.flip.any()
    assert np.array_equal(mirrored.shift, plain.shift)
    given = {"dataset": "mnist", "method": "ce"}
    assert recipe_from(given).flip is False
    assert recipe_from({**given, "dataset": "cifar10"}).flip is True


@pytest.mark.parametrize(
    ("name", "kind", "nesterov"),
    [("radam", torch.optim.RAdam, None), ("sgd", torch.optim.SGD, False), ("nesterov", torch.optim.SGD, True)],
)
def test_the_papers_optimizers_decay_every_weight(name: str, kind: type, nesterov: bool | None) -> None:
    layer = nn.Linear(3, 2)
    made = make_optimizer(replace(RECIPE, optimizer=name, weight_decay=0.1), list(layer.parameters()))
    assert type(made) is kind and len(made.param_groups) == 1
    group = made.param_groups[0]
    assert (group["weight_decay"], group["lr"], len(group["params"])) == (0.1, 1.0, 2)
    if nesterov is not None:
        assert (group["momentum"], group["nesterov"]) == (0.9, nesterov)


@pytest.mark.parametrize("name", ["sgd", "nesterov"])
def test_momentum_is_a_field_for_the_code_that_has_none(name: str) -> None:
    less = replace(RECIPE, optimizer=name, momentum=0.5)
    group = make_optimizer(less, list(nn.Linear(3, 2).parameters())).param_groups[0]
    assert group["momentum"] == 0.5 and less.hash != replace(RECIPE, optimizer=name).hash
    assert replace(less, momentum=0.9).hash == replace(RECIPE, optimizer=name).hash
    layer = nn.Linear(3, 2)
    before = layer.weight.detach().clone()
    plain = make_optimizer(replace(RECIPE, optimizer="sgd", momentum=0.0, weight_decay=0.0), list(layer.parameters()))
    for _ in range(2):  # without momentum two equal steps are equally long
        plain.zero_grad()
        layer(torch.ones(1, 3)).sum().backward()
        plain.step()
    torch.testing.assert_close(before - layer.weight, torch.full((2, 3), 2.0))


def test_adamw_decays_kernels_only() -> None:
    layer = nn.Linear(3, 2)
    kernels, others = make_optimizer(replace(RECIPE, weight_decay=0.1), list(layer.parameters())).param_groups
    assert kernels["params"] == [layer.weight] and kernels["weight_decay"] == 0.1
    assert others["params"] == [layer.bias] and others["weight_decay"] == 0


def test_erased_rectangles_have_torchvisions_sizes_and_the_stated_share() -> None:
    plain = draw_views(4000, n_views=2, shift_px=2, seed=0)
    views = with_erasing(plain, share=0.5, size_px=32, seed=0)
    assert np.array_equal(views.flip, plain.flip) and np.array_equal(views.shift, plain.shift)
    assert not views.erase[0].any()
    top, left, height, width = views.erase[1].astype(int).T
    erased = height > 0
    assert abs(erased.mean() - 0.5) < 0.03  # 4000 draws: a standard error of .008
    area, aspect = (height * width)[erased] / 32**2, (height / np.maximum(width, 1))[erased]
    assert area.min() > 0.01 and area.max() < 0.36 and aspect.min() > 0.2 and aspect.max() < 5  # sides are whole
    assert ((top + height)[erased] <= 32).all() and ((left + width)[erased] <= 32).all()
    assert top[erased].max() > 20 and top[erased].min() == 0


def test_an_erased_view_is_the_mean_colour_in_its_rectangle_and_the_image_elsewhere() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    plain = draw_views(6, n_views=2, shift_px=2, seed=0)
    views = with_erasing(plain, share=1.0, size_px=32, seed=3)
    indices = np.array([4, 1])
    found, whole = (each.batch(pixels, indices, 1, PLAIN) for each in (views, plain))
    for row, image in enumerate(indices):
        top, left, height, width = views.erase[1, image].astype(int)
        assert height > 0
        expected = whole[row].clone()
        expected[:, top : top + height, left : left + width] = 0
        assert torch.equal(found[row], expected)
    assert torch.equal(views.batch(pixels, indices, 0, PLAIN), plain.batch(pixels, indices, 0, PLAIN))


def test_a_rectangle_can_be_black_as_in_the_text_of_paper_000() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 32, 32, 3), dtype=np.uint8)
    plain = draw_views(6, n_views=2, shift_px=2, seed=0)
    mean, black = (with_erasing(plain, share=share, size_px=32, seed=3) for share in (0.7, "0.7 black"))
    assert (
        np.array_equal(mean.erase, black.erase) and mean.erase[1].any() and (mean.black, black.black) == (False, True)
    )
    transform, indices = Transform(size=32, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.5)), np.arange(6)
    found, whole = (views.batch(pixels, indices, 1, transform) for views in (black, plain))
    for row in indices:
        top, left, height, width = black.erase[1, row].astype(int)
        expected = whole[row].clone()
        for channel, value in enumerate((-0.5 / 0.2, -0.4 / 0.25, -0.3 / 0.5)):  # (0 - mean) / std
            expected[channel, top : top + height, left : left + width] = value
        torch.testing.assert_close(found[row], expected)
    with pytest.raises(BadInputError, match="got 'black'"):
        with_erasing(plain, share="black", size_px=32, seed=0)


def test_erasing_repeats_with_its_seed_alone() -> None:
    plain = draw_views(50, n_views=2, shift_px=0, seed=0)
    first, again, other = (with_erasing(plain, share=0.5, size_px=32, seed=seed).erase for seed in (1, 1, 2))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
