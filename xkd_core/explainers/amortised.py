"""Maps that a network learned to draw in the forward pass itself (Lee & Kim 2021, paper 002): no gradient, no masks."""

from __future__ import annotations

import torch
from torch import nn

from xkd_core.errors import BadInputError
from xkd_core.explainers.base import Explanation, Request, chunks
from xkd_core.explainers.state import sharing


def surrogate(request: Request) -> dict[str, Explanation]:
    """H of each network's own explanation network: (B, S, S) in (0, 1), how much of each pixel the answer needs.

    It explains the whole prediction, so the target changes nothing. Errors: BadInputError for a network that was
    trained without one.
    """
    return {
        name: request.explanation(name, _drawn(model, request), score="whole prediction")
        for name, model in request.models.items()
    }


def _drawn(model: nn.Module, request: Request) -> torch.Tensor:
    explain = getattr(model, "explain", None)
    if explain is None:
        raise BadInputError(
            f"{type(model).__name__} has no explanation network of its own: it comes from `distill --method surrogate`."
        )
    parts = []
    with sharing(model), torch.no_grad():
        for part in chunks(len(request.x), request.x):
            parts.append(explain(request.x[part].clone()))  # a first layer may work in place
            request.tick(part.stop - part.start)
    return torch.cat(parts)
