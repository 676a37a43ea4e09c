"""Networks as metrics take them: ``score(x)`` and ``explain(x, targets)``, numpy in and out, batches of any size.

A score runs on a private fast copy (batch norm folded, ReLU within the convolution, channels last), in float32 or,
as an option, bfloat16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from xkd_core.evaluation.rows import compared
from xkd_core.explainers.engine import explain
from xkd_core.explainers.fast import answering, prepared
from xkd_core.types import Float, Int, Precision


def scorer(model: nn.Module, *, precision: Precision = "fp32", device: str = "cpu") -> Callable[[Float], Float]:
    """Make ``score``: normalised images (n, C, H, W) float32, which it may write to -> logits (n, classes) float32.

    bf16 keeps 8 bits of a number: values move by about a hundredth, the ranks of metrics hardly.
    """
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    network = answering(model, dtype) if device == "cpu" else prepared(model).to(device, dtype)

    def score(x: Float) -> Float:
        with torch.inference_mode():
            # No copy where the planner's channels-last float32 is what the network takes.
            logits: Tensor = network(torch.from_numpy(x).to(device, dtype, memory_format=torch.channels_last))
            return logits.float().cpu().numpy()

    return score


def explainer(
    model: nn.Module, name: str, *, signed: bool = False, params: Mapping[str, object] | None = None, seed: int = 0
) -> Callable[[Float, Int], Float]:
    """Make ``explain``: images (n, C, H, W), targets (n,) -> maps (n, h, w) of one explainer of the catalogue.

    Class activation maps come after ReLU, as they are compared everywhere, or ``signed`` as randomisation wants
    them. Explainers that need more than the pixels (superpixels, background images) cannot explain what a metric
    made up: UnknownNameError or BadInputError says so.
    """

    def maps(x: Float, targets: Int) -> Float:
        own, classes = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)), torch.from_numpy(targets)
        asked = explain({"it": model}, own, {"it": classes}, names=[name], params={name: params or {}}, seed=seed)
        found = asked["it"][name].maps
        return found if signed else compared(found, name)

    return maps
