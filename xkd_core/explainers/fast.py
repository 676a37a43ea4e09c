"""A private copy of a network for the methods that run it hundreds of times on one image.

Batch norm is folded into the convolution before it, ReLU works in place in both directions, and the memory
layout is channels-last: the same function up to rounding (about 1e-6), 1.3 to 2 times as fast on a CPU, and
no lock while it works.
"""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from xkd_core.explainers.state import sharing


def prepared(model: nn.Module) -> nn.Module:
    """Copy ``model`` into its fast frozen form: images (n, 3, H, W) -> logits (n, C). The model stays as it is."""
    own = folded(model)
    for part in [part for part in own.modules() if type(part) is nn.Sequential]:
        _save_memory(part)
    return own.eval().to(memory_format=torch.channels_last)


def folded(model: nn.Module) -> nn.Module:
    """A frozen copy in eval mode with each batch norm folded into the convolution right before it."""
    with sharing(model):
        # The modules are copied, the numbers in them shared until they are folded or laid out anew.
        numbers: dict[int, Any] = {id(leaf): _frozen(leaf) for leaf in model.parameters()}
        numbers |= {id(buffer): buffer.detach() for buffer in model.buffers()}
        own = copy.deepcopy(model, numbers)
    for part in [part for part in own.modules() if type(part) is nn.Sequential]:
        _fold(part)
    return own.eval()


def laid_out(images: Tensor) -> Tensor:
    """(n, C, H, W) in the memory layout that a prepared network is fast on."""
    return images.contiguous(memory_format=torch.channels_last)


def _fold(block: nn.Sequential) -> None:
    """Fold each batch norm of a plain Sequential into the convolution right before it."""
    names = list(block._modules)
    for before, name in pairwise(names):
        convolution, norm = block._modules[before], block._modules[name]
        if not isinstance(convolution, nn.Conv2d) or not isinstance(norm, nn.BatchNorm2d):
            continue
        mean, variance = norm.running_mean, norm.running_var
        if mean is None or variance is None:  # such a norm takes them from the batch
            continue
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight, convolution.bias, mean, variance, norm.eps, norm.weight, norm.bias
        )
        block._modules[name] = nn.Identity()


def _save_memory(block: nn.Sequential) -> None:
    """Let each ReLU between a convolution and the next layer of a plain Sequential overwrite what it gets."""
    layers = [name for name, layer in block._modules.items() if not isinstance(layer, nn.Identity)]
    for before, name, after in zip(layers, layers[1:], layers[2:], strict=False):
        makes_its_own = isinstance(block._modules[before], nn.Conv2d)
        # Their backward makes a new tensor, which nobody else holds.
        asks_afresh = isinstance(block._modules[after], nn.Conv2d | nn.MaxPool2d)
        if type(block._modules[name]) is nn.ReLU and makes_its_own and asks_afresh:
            block._modules[name] = _Overwriting()


class _Overwriting(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = _ReLU.apply(x) if x.requires_grad else x.clamp_min_(0)
        return found


class _ReLU(torch.autograd.Function):
    """max(x, 0) in place, and its gradient in place: large new tensors cost as much time as the arithmetic."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.mark_dirty(x.clamp_min_(0))
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (output,) = ctx.saved_tensors
        gradient = laid_out(gradient)
        found: Tensor = torch.ops.aten.threshold_backward.grad_input(gradient, output, 0, grad_input=gradient)
        return found


def _frozen(leaf: Tensor) -> nn.Parameter:
    return nn.Parameter(leaf.detach(), requires_grad=False)
