"""Autoencoders of explanations: their exact sizes, shapes and ranges."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from xkd_core.errors import UnknownNameError
from xkd_core.models.architectures import count_parameters
from xkd_core.models.autoencoders import build_cae


def convolution(into: int, out: int, side: int) -> int:
    return into * out * side**2 + out


def test_the_small_one_has_exactly_the_papers_1077_parameters() -> None:
    by_hand = convolution(1, 16, 3) + convolution(16, 4, 3) + convolution(4, 16, 2) + convolution(16, 1, 2)
    assert count_parameters(build_cae("small")) == by_hand == 1077


def test_the_large_one_is_the_ancestor_and_3841_short_of_the_papers() -> None:
    sizes = (3, 12, 24, 48, 96, 48, 24, 12, 3)
    by_hand = sum(convolution(a, b, 4) for a, b in pairwise(sizes))
    assert count_parameters(build_cae("large")) == by_hand == 194_955 == 198_796 - 3841


@pytest.mark.parametrize(
    ("name", "size", "code"), [("small", 32, (4, 8, 8)), ("small", 28, (4, 7, 7)), ("large", 64, (96, 4, 4))]
)
def test_a_map_has_the_size_of_the_image_and_lies_in_the_targets_range(
    name: str, size: int, code: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    model, x = build_cae(name), 3 * torch.randn(2, 3, size, size)
    assert model.encode(x).shape == (2, *code)
    found = model(x)
    assert found.shape == (2, size, size) and found.abs().max() <= 1
    assert not torch.equal(found[0], found[1])


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="small"):
        build_cae("medium")
