"""A private copy of a network for the methods that run it hundreds of times on one image.

Batch norm is folded into the convolution before it and the memory layout is channels-last: the same
function up to rounding (about 1e-6), 1.3 to 2 times as fast on a CPU, and no lock while it works.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from xkd_core.explainers.state import sharing


def prepared(model: nn.Module) -> nn.Module:
    """Copy ``model`` into its fast frozen form: images (n, 3, H, W) -> logits (n, C). The model stays as it is."""
    with sharing(model):
        own = copy.deepcopy(model)
    own.eval().requires_grad_(requires_grad=False)
    for part in [part for part in own.modules() if type(part) is nn.Sequential]:
        _fold(part)
    return own.to(memory_format=torch.channels_last)


def laid_out(images: Tensor) -> Tensor:
    """(n, C, H, W) in the memory layout that a prepared network is fast on."""
    return images.contiguous(memory_format=torch.channels_last)


def _fold(block: nn.Sequential) -> None:
    """Fold each batch norm of a plain Sequential into the convolution right before it."""
    names = list(block._modules)
    for before, name in pairwise(names):
        convolution, norm = block._modules[before], block._modules[name]
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None:
            block._modules[before] = fuse_conv_bn_eval(convolution, norm)
            block._modules[name] = nn.Identity()
