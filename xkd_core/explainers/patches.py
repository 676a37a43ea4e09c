"""Scores of one image with each window of a grid hidden, computing only the cells that a window changes.

All other cells come from one pass of the whole image (incremental inference, Nakandala et al. 2019): the
same numbers as full passes, up to rounding. For plain stacks of convolutions, max-pools and cell-wise layers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xkd_core.types import Int

_CELLWISE = (nn.ReLU, nn.Identity, nn.BatchNorm2d, nn.Dropout, nn.SiLU, nn.GELU, nn.LeakyReLU, nn.Hardswish)

Reach = tuple[int, int]
"""How far a convolution sees up and left of a cell, or (-step, -step) for a max-pool."""

Layers = tuple[Reach, ...]
Sources = Tensor | None
"""Where the cells in front of a layer come from, (windows, height, width): numbers of rows in the table
[cells of the whole image; cells of the patches; zeros]. None: the patches are taken as they are."""


@dataclass(frozen=True, eq=False)
class Span:
    """The cells that each of g windows has changed along one side: [start, start + length) of ``size``.

    All windows have one length; one that would cross the end is moved back over some unchanged cells.
    """

    start: Int
    length: int
    size: int

    @property
    def end(self) -> Int:
        """(g,), the first cell behind each."""
        return self.start + self.length

    def behind(self, reach: int) -> Span:
        """The cells changed behind a layer of this reach."""
        if reach < 0:
            return _span(self.start // -reach, -(self.end // reach), self.size // -reach)
        return _span(self.start - reach, self.end + reach, self.size)

    def seen(self, reach: int, before: int) -> Int:
        """The cells in front of a layer that these come from, (g, n), of ``before`` cells in all."""
        if reach < 0:
            return self.start[:, None] * -reach + np.arange(self.length * -reach + before % -reach)
        return self.start[:, None] - reach + np.arange(self.length + 2 * reach)


def reaches(network: nn.Module) -> Layers | None:
    """The reach of each layer of ``network.features``, or None if one of them is not known here."""
    features = getattr(network, "features", None)
    if not isinstance(features, nn.Sequential) or not isinstance(getattr(network, "head", None), nn.Module):
        return None
    found = [_reach(layer) for layer in flattened(features)]
    known = tuple(reach for reach in found if reach is not None)
    return known if len(known) == len(found) else None


def window_logits(network: Any, image: Tensor, steps: tuple[Sources, ...]) -> tuple[Tensor, Tensor]:
    """Logits of the image, and with each window hidden (set to 0).

    Args: network, in eval mode, with known `reaches`; image (1, C, H, W); steps, of `plan`. Returns:
    (1, classes) and (windows, classes).
    """
    first, *between, last = steps
    whole = image.clone(memory_format=torch.channels_last)  # a first layer may be in-place
    patches = _gathered(first, whole, whole[:0])
    for layer, step in zip(flattened(network.features), between, strict=True):
        patches = _through(layer, _gathered(step, whole, patches), padded=step is None)
        whole = layer(whole)
    return network.head(whole), network.head(_gathered(last, whole, patches))


@lru_cache(maxsize=64)
def plan(
    layers: Layers, size: tuple[int, int], starts: tuple[tuple[int, ...], tuple[int, ...]], window: int
) -> tuple[Sources, ...]:
    """Where the cells of each layer come from, for windows at ``starts`` (rows, columns) of an image.

    Returns: one step for the first patches, one in front of each layer, one in front of the head.
    """
    rows, columns = (
        _span(np.array(start), np.array(start) + window, side) for start, side in zip(starts, size, strict=True)
    )
    steps: list[Sources] = [_first(rows, columns, starts, window)]
    for up, left in layers:
        after = rows.behind(up), columns.behind(left)
        steps.append(
            _step((rows, columns), after[0].seen(up, rows.size), after[1].seen(left, columns.size), (up, left))
        )
        rows, columns = after
    all_rows, all_columns = (np.tile(np.arange(side.size), (len(side.start), 1)) for side in (rows, columns))
    return (*steps, _step((rows, columns), all_rows, all_columns, (1, 1)))


def flattened(block: nn.Module) -> Iterator[nn.Module]:
    """The layers of nested Sequentials, in order."""
    for layer in block.children():
        if isinstance(layer, nn.Sequential):
            yield from flattened(layer)
        else:
            yield layer


def _reach(layer: nn.Module) -> Reach | None:
    if isinstance(layer, nn.Conv2d):
        up, left = ((side - 1) // 2 for side in layer.kernel_size)
        plain = layer.stride == (1, 1) and layer.dilation == (1, 1) and layer.padding_mode == "zeros"
        odd = all(side % 2 for side in layer.kernel_size)
        return (up, left) if plain and odd and layer.padding == (up, left) else None
    if isinstance(layer, nn.MaxPool2d):
        plain = layer.padding == 0 and layer.dilation == 1 and not layer.ceil_mode
        step = layer.kernel_size
        return (-step, -step) if plain and isinstance(step, int) and layer.stride == step else None
    return (0, 0) if isinstance(layer, _CELLWISE) else None


def _span(low: Int, high: Int, size: int) -> Span:
    """The span that covers [low, high), cut off at both ends."""
    low, high = np.clip(low, 0, size - 1), np.clip(high, 1, size)
    length = int((high - low).max())
    return Span(np.minimum(low, size - length), length, size)


def _first(rows: Span, columns: Span, starts: tuple[tuple[int, ...], tuple[int, ...]], window: int) -> Tensor:
    """The first patches: cells of the image, or the row of zeros where the window is."""
    y, x = rows.seen(0, rows.size)[:, None, :, None], columns.seen(0, columns.size)[None, :, None, :]
    top, left = np.array(starts[0])[:, None, None, None], np.array(starts[1])[None, :, None, None]
    hidden = (y >= top) & (y < top + window) & (x >= left) & (x < left + window)
    return _numbers(np.where(hidden, rows.size * columns.size, y * columns.size + x))


def _step(patch: tuple[Span, Span], seen_rows: Int, seen_columns: Int, reach: Reach) -> Sources:
    rows, columns = patch
    if reach == (0, 0) or (rows.length == rows.size and columns.length == columns.size):
        return None
    y, x = seen_rows[:, None, :, None], seen_columns[None, :, None, :]
    down, right = y - rows.start[:, None, None, None], x - columns.start[None, :, None, None]
    changed = (down >= 0) & (down < rows.length) & (right >= 0) & (right < columns.length)
    number = np.arange(len(rows.start) * len(columns.start)).reshape(len(rows.start), -1, 1, 1)
    cells = rows.size * columns.size
    of_patches = cells + (number * rows.length + down) * columns.length + right
    inside = (y >= 0) & (y < rows.size) & (x >= 0) & (x < columns.size)
    zeros = cells + number.size * rows.length * columns.length
    return _numbers(np.where(changed, of_patches, np.where(inside, y * columns.size + x, zeros)))


def _numbers(sources: Int) -> Tensor:
    return torch.from_numpy(sources.astype(np.int32)).flatten(0, 1)


def _gathered(step: Sources, whole: Tensor, patches: Tensor) -> Tensor:
    """Look every cell up in the table of cells: (windows, C, height, width), channels-last."""
    if step is None:
        return patches
    table = torch.cat([_cells(whole), _cells(patches), whole.new_zeros(1, whole.shape[1])])
    return F.embedding(step.to(whole.device), table).permute(0, 3, 1, 2)


def _cells(maps: Tensor) -> Tensor:
    """(n, C, h, w) -> (n h w, C)."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def _through(layer: nn.Module, images: Tensor, *, padded: bool) -> Tensor:
    """The layer, without its zero padding where the cells around the patch were looked up."""
    if isinstance(layer, nn.Conv2d) and not padded:
        return F.conv2d(images, layer.weight, layer.bias, groups=layer.groups)
    result: Tensor = layer(images)
    return result
