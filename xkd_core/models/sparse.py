"""Pruned kernels in a file: which weights are not zero, a bit each, and those weights alone.

A kernel of n weights with k that are not zero takes n / 8 + 2k bytes as float16 instead of 2n. Nothing is lost.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from xkd_core.errors import RunError

WORTH = 0.5
"""The share of zeros from which a kernel is stored so."""
BITS, SHAPE, VALUES = ":bits", ":shape", ":values"


def sparse(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state with every kernel (O, C, h, w) that is mostly zeros as three tensors instead of one."""
    return {key: part for name, value in state.items() for key, part in _parts(name, value).items()}


def dense(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state as it was before `sparse`. Errors: RunError where the three parts of a kernel do not fit."""
    names = {name.removesuffix(BITS): None for name in state if name.endswith(BITS)}
    whole = {name: value for name, value in state.items() if not name.endswith((BITS, SHAPE, VALUES))}
    return whole | {name: _kernel(state, name) for name in names}


def _parts(name: str, value: Tensor) -> dict[str, Tensor]:
    there = value != 0
    if value.ndim != 4 or not value.is_floating_point() or there.float().mean() > 1 - WORTH:
        return {name: value}
    bits = torch.from_numpy(np.packbits(there.flatten().numpy()))
    return {name + BITS: bits, name + SHAPE: torch.tensor(value.shape), name + VALUES: value[there]}


def _kernel(state: Mapping[str, Tensor], name: str) -> Tensor:
    try:
        bits, shape, values = (state[name + part] for part in (BITS, SHAPE, VALUES))
        there = torch.from_numpy(np.unpackbits(bits.numpy(), count=int(shape.prod()))).bool()
        kernel = torch.zeros(len(there), dtype=values.dtype)
        kernel[there] = values
        return kernel.reshape(shape.tolist())
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise RunError(f"Parts of the pruned kernel {name!r} do not fit: the file is damaged.") from error
