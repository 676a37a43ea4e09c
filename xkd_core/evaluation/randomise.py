"""Networks with random weights: layer by layer from the top (cascading), or one layer at a time (independent).

Adebayo et al. 2018. A layer is a module with weights together with the batch norm after it: convolutions and
linear layers get new random weights of their own kind, batch norms scale 1, shift 0 and statistics of the
calibration images, without which activations vanish or explode and maps become constant.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from xkd_core.errors import BadInputError
from xkd_core.evaluation.scorers import explainer
from xkd_core.explainers.state import sharing
from xkd_core.metrics.randomisation import Curve, randomisation_curve
from xkd_core.models.attentive import ExplainedResNet
from xkd_core.types import Float, Int

LEARNED = "surrogate"
Way = Literal["cascading", "independent"]


@dataclass(frozen=True)
class Layer:
    """A name for people and the modules (paths in the network) that are randomised together."""

    name: str
    modules: tuple[str, ...]


def layers(model: nn.Module, explained: str = "") -> list[Layer]:
    """Layers with weights from the logits down, in the reverse order of their definition.

    Those of an explanation network enter no logit, and no map but the one that it draws: they are left out, unless
    ``explained`` by "surrogate". Errors: BadInputError for a network without any.
    """
    drawing = set(model.explanation.modules()) if isinstance(model, ExplainedResNet) else set()
    found: list[list[str]] = []
    for path, module in model.named_modules():
        enters = module not in drawing or explained == LEARNED
        if not enters or not any(True for _ in module.parameters(recurse=False)):
            continue
        if isinstance(module, _BatchNorm) and found:
            found[-1].append(path)
        else:
            found.append([path])
    if not found:
        raise BadInputError(f"{type(model).__name__} has no weights to randomise.")
    return [Layer(paths[0], tuple(paths)) for paths in reversed(found)]


def randomisation(
    model: nn.Module,
    x: Float,
    targets: Int,
    name: str,
    *,
    calibration: Tensor,
    way: Way = "cascading",
    seed: int = 0,
) -> Curve:
    """Spearman similarity of an explainer's raw signed maps to its maps of the randomised networks, layer by layer.

    Args: x (B, C, H, W) normalised; targets (B,), explained in every network; name, of the explainer;
    calibration, see ``randomised``. Take ``metrics.randomisation.randomisation_score`` of the curve's values.
    """
    steps = (
        (step, explainer(own, name, signed=True))
        for step, own in randomised(model, calibration, way=way, seed=seed, explained=name)
    )
    return randomisation_curve(explainer(model, name, signed=True)(x, targets), steps, x, targets)


def randomised(
    model: nn.Module,
    calibration: Tensor,
    *,
    way: Way = "cascading",
    seed: int = 0,
    explained: str = "",
    compat: Literal["quantus"] | None = None,
) -> Iterator[tuple[str, nn.Module]]:
    """Yield (layer name, network) from the top down; the model itself stays as it is.

    Args: calibration (n, C, H, W) normalised images, from which batch norms take new statistics. explained: by
    which explainer, as of ``layers``. cascading: a layer and all above it are random; independent: that layer only.
    Every layer has a seed of its own, the same in both ways. compat "quantus": one seed for all, batch norm
    statistics 0 and 1. The networks are in eval mode and frozen; use each before the next is made, a cascade
    changes one copy.
    """
    own = _copied(model)
    every = layers(model, explained)
    for number, layer in enumerate(every):
        if way == "independent":
            own = _copied(model)
        _reset(own, layer, seed if compat == "quantus" else 1009 * seed + number)
        if compat is None:
            above = [layer] if way == "independent" else every[: number + 1]
            _calibrate(own, [path for one in above for path in one.modules], calibration)
        yield layer.name, own


def _copied(model: nn.Module) -> nn.Module:
    with sharing(model):
        return copy.deepcopy(model).eval().requires_grad_(False)


def _reset(model: nn.Module, layer: Layer, seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the modules' own initialisation draws from the global generator
        for path in layer.modules:
            reset = getattr(model.get_submodule(path), "reset_parameters", None)
            if reset is None:
                raise BadInputError(f"{path} cannot be randomised: its type says nothing of how it starts.")
            reset()


def _calibrate(model: nn.Module, paths: Sequence[str], images: Tensor) -> None:
    """Give the batch norms among ``paths`` the statistics of ``images``, everything else in eval mode."""
    norms = [module for path in paths if isinstance(module := model.get_submodule(path), _BatchNorm)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over batches
        norm.train()
    with torch.no_grad():
        model(images.clone())
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum
