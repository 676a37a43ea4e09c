"""Pruning whole filters by their L1 norm (Li et al., ICLR 2017; paper 004, sec. 4.2): the network really shrinks.

Torch-Pruning follows a removed channel through batch norm to the next layer's inputs. Its defaults are not
Li's (definitions 4.2): here the score of a filter is Σ|w| of its own kernel alone.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TypeVar

import torch
import torch_pruning as tp
from torch import nn

from xkd_core.errors import BadInputError
from xkd_core.models.restore import CHAINS
from xkd_core.models.seams import Network

Chain = TypeVar("Chain", bound=Network)


def shrink(model: Chain, amount: float, *, input_px: int, everywhere: bool = False) -> Chain:
    """A smaller copy of ``model``, a chain VGG, that keeps int(C (1 - amount)) filters of each pruned layer.

    Those with the largest Σ|w|; behind a flattened map the classifier keeps the columns of the cells that they have.
    Pruned are the first convolution and those of the second half (Li's VGG-16-A pattern: conv1, conv8-13
    of 13), or with ``everywhere`` all of them. Errors: BadInputError for another network, or for an amount that
    empties a layer.
    """
    if not isinstance(model, CHAINS):
        raise BadInputError(f"Filters can be pruned from chain VGGs only; {type(model).__name__} is another network.")
    small = copy.deepcopy(model).cpu().requires_grad_(True)
    ratios = dict.fromkeys(_pruned(small, everywhere), amount)
    _check(ratios, amount)
    with torch.enable_grad():  # Torch-Pruning traces the graph by autograd
        pruner = tp.pruner.BasePruner(
            small,
            torch.zeros(1, 3, input_px, input_px),
            importance=tp.importance.MagnitudeImportance(
                p=1, normalizer=None, group_reduction="first", target_types=[nn.Conv2d]
            ),
            pruning_ratio=0.0,
            pruning_ratio_dict=ratios,
            ignored_layers=[one for one in small.modules() if isinstance(one, nn.Linear)],
        )
        pruner.step()
    return small


def channels_of(model: Network) -> tuple[int, ...]:
    """Output channels of each convolution, in order: with them the architecture can be built again."""
    return tuple(module.out_channels for module in _convolutions(model))


def _convolutions(model: Network) -> list[nn.Conv2d]:
    return [module for module in model.features.modules() if isinstance(module, nn.Conv2d)]


def _pruned(model: Network, everywhere: bool) -> list[nn.Conv2d]:
    found = _convolutions(model)
    return [one for place, one in enumerate(found) if everywhere or place == 0 or place >= len(found) / 2]


def _check(ratios: Mapping[nn.Conv2d, float], amount: float) -> None:
    narrowest = min(module.out_channels for module in ratios)
    if not 0 < amount < 1 or int(narrowest * (1 - amount)) < 1:
        raise BadInputError(f"amount must be in (0, 1) and leave a filter in the narrowest layer; got {amount!r}.")
