"""How small a network is, counted three ways; a ratio without its way of counting says nothing."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Size:
    """parameters: learnable values. nonzeros: those that are not 0. flops: of one image, a multiply-add is two."""

    parameters: int
    nonzeros: int
    flops: int


def size_of(model: nn.Module, *, input_px: int, channels: int = 3) -> Size:
    """Count ``model`` for one image of ``input_px``. FLOPs are those of a dense run: zeros save none by themselves."""
    parameters = list(model.parameters())
    return Size(
        parameters=sum(value.numel() for value in parameters),
        nonzeros=sum(int((value != 0).sum()) for value in parameters),
        flops=_flops(model, torch.zeros(1, channels, input_px, input_px)),
    )


def _flops(model: nn.Module, image: torch.Tensor) -> int:
    own = copy.deepcopy(model).cpu().eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        own(image)
    return int(counter.get_total_flops())
