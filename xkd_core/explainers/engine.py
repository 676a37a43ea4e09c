"""The one way to explain: several networks, several explainers, the same masks and seeds for all.

CAMs need no hooks: features once, then one backward through the head only, on a local copy of the
activation, so threads may share a frozen network. Everything else is found through the catalogue.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from xkd_core import catalogue
from xkd_core.errors import BadInputError
from xkd_core.explainers.base import Explanation, Progress, Request, Ticker, check_targets, chunks
from xkd_core.explainers.state import sharing
from xkd_core.types import UInt8

cost = catalogue.cost

Params = Mapping[str, Mapping[str, object]]


def cams(model: nn.Module, x: Tensor, targets: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Class activation maps of one network at the seam between ``features`` and ``head``.

    Args: x (B, 3, H, W); targets (B,), the class explained in each image (its logit is the score); names,
    maps of the catalogue such as "grad_cam". Returns: name -> (B, h, w), raw and signed, without graph.
    The network is used in eval mode and nothing of it changes, whatever mode or grad mode the caller is in.
    Errors: BadInputError for a network without the seam, for targets it does not know, for "cam" without a
    head of pooling and one linear layer; UnknownNameError for another name.
    """
    entries = {name: catalogue.get("map", name) for name in names}
    features, head = seam(model)
    check_targets(targets, x)
    with sharing(model), torch.inference_mode(mode=False), torch.no_grad():
        activation = features(x.clone())  # (B, K, h, w); a first layer may be in-place
        sides = _sides({entry.needs for entry in entries.values()}, head, activation, targets)
        return {name: catalogue.resolve(entry)(*sides[entry.needs]) for name, entry in entries.items()}


def explain(  # noqa: PLR0913 - the one entrance; all but the first three have a name and a default
    models: Mapping[str, nn.Module],
    x: Tensor,
    targets: Mapping[str, Tensor],
    *,
    names: Sequence[str],
    params: Params | None = None,
    seed: int = 0,
    images: UInt8 | None = None,
    background: Tensor | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, dict[str, Explanation]]:
    """Explain a batch of images with every network and explainer asked for.

    Args: see ``Request`` for the data; params, explainer -> {parameter: value}, the rest as the catalogue
    says; progress, called between batches; cancel, checked there. Returns: model id -> explainer ->
    Explanation. An image gets the same map alone as in a batch, and every network the same masks,
    superpixels, background and samples for it. Errors: CancelledError, and as ``cams``.
    """
    chosen = {name: catalogue.options(name, (params or {}).get(name, {})) for name in names}
    ticker = Ticker(total=_work(chosen, len(models), x), progress=progress, cancel=cancel)
    request = Request(
        models=models, x=x, targets=targets, seed=seed, images=images, background=background, ticker=ticker
    )
    with torch.inference_mode(mode=False):
        found = _all_cams(request, [name for name in names if catalogue.get("explainer", name).needs != "model"])
        for name in names:
            if name not in found:
                asked = request.ask(name, chosen[name])
                found[name] = catalogue.resolve(catalogue.get("explainer", name))(asked, **chosen[name])
    return {model: {name: found[name][model] for name in names} for model in models}


def seam(model: nn.Module) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """The two halves of a network, head(features(x)) == forward(x); errors: BadInputError without them."""
    features, head = getattr(model, "features", None), getattr(model, "head", None)
    if not callable(features) or not callable(head):
        raise BadInputError(
            f"{type(model).__name__} cannot be explained: it needs `.features` (images -> activation) and "
            "`.head` (activation -> logits)."
        )
    return features, head


def _sides(
    needs: set[str], head: Callable[[Tensor], Tensor], activation: Tensor, targets: Tensor
) -> dict[str, tuple[Tensor, ...]]:
    """What each kind of map takes: the activation, with the head's weights or with the gradient."""
    sides: dict[str, tuple[Tensor, ...]] = {"activation": (activation,)}
    if needs <= {"activation"}:
        return sides
    logits, gradient = _backward(head, activation, targets, wanted="gradient" in needs)
    if gradient is not None:
        sides["gradient"] = (activation, gradient)
    if "weights" in needs:
        sides["weights"] = (activation, _pooled_rows(head, activation, logits, targets))
    return sides


def _backward(
    head: Callable[[Tensor], Tensor], activation: Tensor, targets: Tensor, *, wanted: bool
) -> tuple[Tensor, Tensor | None]:
    """Logits (B, C), and the gradient of each target's logit by the activation (B, K, h, w)."""
    leaf = activation.detach().requires_grad_(wanted)
    with torch.set_grad_enabled(wanted):
        logits = head(leaf.clone())  # a copy, or an in-place ReLU in the head would change the leaf
        if int(targets.min()) < 0 or int(targets.max()) >= logits.shape[1]:
            raise BadInputError(f"The network knows classes 0 to {logits.shape[1] - 1}; got {targets.tolist()}.")
        if not wanted:
            return logits, None
        own = targets[:, None].clone()  # of this grad mode, also when the caller's is inference mode
        score = logits.gather(1, own).sum()  # images do not mix in eval mode
        (gradient,) = torch.autograd.grad(score, leaf)
    return logits.detach(), gradient


def _pooled_rows(head: Callable[[Tensor], Tensor], activation: Tensor, logits: Tensor, targets: Tensor) -> Tensor:
    """Rows of the linear layer over the number of cells: (B, K). The map then sums to logit minus bias."""
    linears = [part for part in head.modules() if isinstance(part, nn.Linear)] if isinstance(head, nn.Module) else []
    fits = len(linears) == 1 and linears[0].in_features == activation.shape[1]
    if not fits or not torch.allclose(linears[0](activation.mean(dim=(2, 3))), logits, rtol=1e-3, atol=1e-4):
        raise BadInputError(
            "CAM is defined for a head of global average pooling and one linear layer; this head is another. "
            "Grad-CAM works with every head."
        )
    return linears[0].weight[targets] / activation[0, 0].numel()


def _all_cams(request: Request, names: Sequence[str]) -> dict[str, dict[str, Explanation]]:
    if not names:
        return {}
    maps = {model: _cams_in_batches(request, model, names) for model in request.models}
    return {
        name: {
            model: request.ask(name, {}).explanation(model, maps[model][name], layer="features")
            for model in request.models
        }
        for name in names
    }


def _cams_in_batches(request: Request, model: str, names: Sequence[str]) -> dict[str, Tensor]:
    parts: list[dict[str, Tensor]] = []
    for part in chunks(len(request.x), request.x):
        parts.append(cams(request.models[model], request.x[part], request.targets[model][part], names))
        request.ask(names[0], {}).tick(len(names) * (part.stop - part.start))
    return {name: torch.cat([part[name] for part in parts]) for name in names}


def _work(chosen: Mapping[str, Mapping[str, object]], n_models: int, x: Tensor) -> int:
    each = sum(cost(name, options, x.shape[-1]) for name, options in chosen.items())
    return each * n_models * len(x)
