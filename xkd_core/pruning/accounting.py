"""How small a network is, counted three ways; a ratio without its way of counting says nothing."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True)
class Size:
    """parameters: learnable values. nonzeros: those that are not 0 in float16, as files hold them.

    flops: of one image, a multiply-add is two.
    """

    parameters: int
    nonzeros: int
    flops: int


@dataclass(frozen=True)
class StoredSize:
    """What the parameters of a file take: their bits as they lie there, and how many of their values are not 0."""

    bits: int
    nonzeros: int


def stored_size(state: Mapping[str, torch.Tensor]) -> StoredSize:
    """Count the tensors of a file: kernels, the scales and steps of 8-bit layers, biases, the head, at their own bits.

    The running statistics of norms are no parameters: they count neither here nor in a teacher's 32 bits for each
    parameter. An 8-bit file has none, they are folded into its kernels and biases.
    """
    counted = [value for name, value in state.items() if name.rpartition(".")[2] not in STATISTICS]
    return StoredSize(
        bits=sum(8 * value.element_size() * value.numel() for value in counted),
        nonzeros=sum(int((value != 0).sum()) for value in counted),
    )


def size_of(model: nn.Module, *, input_px: int, channels: int = 3) -> Size:
    """Count ``model`` for one image of ``input_px``. FLOPs are those of a dense run: zeros save none by themselves."""
    parameters = list(model.parameters())
    return Size(
        parameters=sum(value.numel() for value in parameters),
        nonzeros=sum(int((value.half() != 0).sum()) for value in parameters),
        flops=_flops(model, torch.zeros(1, channels, input_px, input_px)),
    )


def _flops(model: nn.Module, image: torch.Tensor) -> int:
    own = copy.deepcopy(model).cpu().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        own(image)
    return int(counter.get_total_flops())
