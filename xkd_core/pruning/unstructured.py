"""Global magnitude pruning of single weights (Han et al. 2015; paper 004, sec. 4.2), with torch's own pruning.

All convolution kernels are ranked together; linear layers, batch norms and biases are never pruned, as in
the authors' code (definitions 4.1). A pruned weight is an exact zero in the file: nothing else marks it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import prune

from xkd_core.errors import BadInputError
from xkd_core.models.fused import fusion_of

Masks = Mapping[str, Tensor]


def prune_weights(model: nn.Module, amount: float) -> None:
    """Set the ``amount`` (fraction) of the still living kernel weights with the smallest |w| to zero, in place.

    Repeated with .2 this is the schedule of paper 004: 1 - .8^i of all kernel weights are zero after round i.
    Errors: BadInputError for an amount outside (0, 1) or a network without convolutions.
    """
    if not 0 < amount < 1:
        raise BadInputError(f"amount must be in (0, 1), the share of living weights to prune; got {amount!r}.")
    kernels = [(module, "weight") for module in _convolutions(model).values()]
    if not kernels:
        raise BadInputError("Unstructured pruning needs convolutions; this network has none.")
    for module, name in kernels:  # zeros of earlier rounds are out of the count and stay out
        prune.custom_from_mask(module, name, getattr(module, name) != 0)  # type: ignore[no-untyped-call]
    prune.global_unstructured(kernels, pruning_method=prune.L1Unstructured, amount=amount)
    for module, name in kernels:
        prune.remove(module, name)  # type: ignore[no-untyped-call]


def masks_of(model: nn.Module) -> Masks:
    """Which kernel weights live: name of the parameter -> mask of its shape, 1 where it is not zero."""
    found = {f"{name}.weight": module.weight.detach() for name, module in _convolutions(model).items()}
    return {name: (weight != 0).to(weight.dtype) for name, weight in found.items()}


def _convolutions(model: nn.Module) -> dict[str, nn.Conv2d]:
    """All but those of an XDistillation student's autoencoder: it is frozen, so fine-tuning could not mend it."""
    fusion = fusion_of(model)
    frozen = set() if fusion is None else set(fusion.cae.modules())
    return {name: module for name, module in model.named_modules()
            if isinstance(module, nn.Conv2d) and module not in frozen}  # fmt: skip


@torch.no_grad()
def hold(model: nn.Module, masks: Masks) -> None:
    """Put the zeros back after an optimizer step: momentum and weight decay know nothing of the masks."""
    for name, mask in masks.items():
        model.get_parameter(name).mul_(mask)


def sparsity(model: nn.Module) -> float:
    """Fraction of kernel weights that are zero, in [0, 1]."""
    kernels = [module.weight for module in _convolutions(model).values()]
    return sum(int((weight == 0).sum()) for weight in kernels) / sum(weight.numel() for weight in kernels)
