"""Networks again as plain calls on a dictionary of weights, in the order in which they were written.

Nothing of the package under test is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

Weights = dict[str, Tensor]


class Reader:
    """Hands out the values of a state in order, in groups as a layer has them."""

    def __init__(self, state: Weights) -> None:
        self.values: Iterator[Tensor] = iter([value for name, value in state.items() if "num_batches" not in name])

    def kernel(self) -> Tensor:
        value = next(self.values)
        assert value.ndim == 4
        return value

    def norm(self, x: Tensor) -> Tensor:
        weight, bias, mean, var = (next(self.values) for _ in range(4))
        shape = (1, -1, 1, 1)
        return (x - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt() * weight.view(shape) + bias.view(shape)

    def linear(self, pooled: Tensor) -> Tensor:
        weight, bias = next(self.values), next(self.values)
        assert next(self.values, None) is None, "values are left over"
        return pooled @ weight.T + bias


def kuangliu_resnet(state: Weights, x: Tensor, *, blocks: tuple[int, ...]) -> Tensor:
    """3x3 stem; a block is relu(norm(conv(relu(norm(conv(x))))) + shortcut(x))."""
    read = Reader(state)
    x = F.relu(read.norm(F.conv2d(x, read.kernel(), padding=1)))
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage > 0 and block == 0 else 1
            out = F.relu(read.norm(F.conv2d(x, read.kernel(), stride=stride, padding=1)))
            out = read.norm(F.conv2d(out, read.kernel(), padding=1))
            x = F.relu(out + (read.norm(F.conv2d(x, read.kernel(), stride=stride)) if stride == 2 else x))
    return read.linear(x.mean(dim=(2, 3)))


def wide_resnet(state: Weights, x: Tensor, *, blocks: int) -> Tensor:
    """Pre-activation: in a group's first block both branches see relu(norm(x)), later the shortcut sees x."""
    read = Reader(state)
    x = F.conv2d(x, read.kernel(), padding=1)
    for group in range(3):
        for block in range(blocks):
            stride = 2 if group > 0 and block == 0 else 1
            active = F.relu(read.norm(x))
            out = F.conv2d(active, read.kernel(), stride=stride, padding=1)
            out = F.conv2d(F.relu(read.norm(out)), read.kernel(), padding=1)
            x = out + (F.conv2d(active, read.kernel(), stride=stride) if block == 0 else x)
    return read.linear(F.relu(read.norm(x)).mean(dim=(2, 3)))


def cbam_gate(state: Weights, f: Tensor) -> Tensor:
    """Channel attention from mean and maximum over space, then spatial attention of what is left."""
    first, second = state["squeeze.0.weight"], state["squeeze.2.weight"]
    first_bias, second_bias = state["squeeze.0.bias"], state["squeeze.2.bias"]

    def squeeze(pooled: Tensor) -> Tensor:
        return F.relu(pooled @ first.T + first_bias) @ second.T + second_bias

    flat = f.flatten(2)
    channel = torch.sigmoid(squeeze(flat.mean(dim=2)) + squeeze(flat.max(dim=2).values))[:, :, None, None]
    left = f * channel
    both = torch.stack([left.max(dim=1).values, left.mean(dim=1)], dim=1)
    mean, var, weight, bias = (state[f"spatial.1.{name}"] for name in ("running_mean", "running_var", "weight", "bias"))
    map_ = (F.conv2d(both, state["spatial.0.weight"], padding=3) - mean) / (var + 1e-5).sqrt() * weight + bias
    return channel * torch.sigmoid(map_)
