"""Weight randomisation and layer sensitivity of one image: the maps themselves, and how alike they are."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from xkd_core import catalogue
from xkd_core.evaluation.rows import compared
from xkd_core.metrics.randomisation import randomisation_curve, randomisation_score
from xkd_core.metrics.similarity import cosine, spearman
from xkd_core.models.cards import Card
from xkd_core.serving import subjects
from xkd_core.serving.live import Key, Ticks
from xkd_core.serving.shelf import Shelf
from xkd_core.serving.subjects import ImageKey, Subject
from xkd_core.serving.views import ImageView
from xkd_core.types import Float, Float64

if TYPE_CHECKING:
    from torch import Tensor, nn

    from xkd_core.evaluation.randomise import Way

CALIBRATION_IMAGES = 64  # as in the stored rows


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """One model on one image. maps: the trained network's first, then after each step, raw and signed (h, w).

    similarity (steps,): Spearman to the first map, NaN where a map is constant; unrelated: the same of the
    network's map of another image, for its own top class there.
    """

    run_id: str
    steps: tuple[str, ...]
    similarity: Float64
    maps: tuple[Float, ...]
    unrelated: float

    @property
    def kept(self) -> float:
        """Mean similarity over the steps, as the stored metric has it; NaN where one is undefined."""
        return float(randomisation_score(self.similarity[:, None])[0])


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Grad-CAM of one model behind every ReLU, and its cosine to the teacher's at the same place.

    cosines: none for a network of another depth, whose layers stand for none of the teacher's.
    """

    run_id: str
    names: tuple[str, ...]
    maps: tuple[Float, ...]
    cosines: Float64


def cascade_key(view: ImageView, cards: Sequence[Card], explainer: str, way: Way) -> Key:
    """What decides a cascade."""
    return ("cascade", view.subject.key, view.policy, tuple(card.network for card in cards), explainer, way)


def forwards(cards: Sequence[Card], explainer: str, shelf: Shelf) -> int:
    """What a cascade costs: a map for each layer, one of the trained network and one of another image.

    Errors: RunError for a damaged run.
    """
    return sum(
        catalogue.cost(explainer, {}, card.transform.size) * (layers_of(card, shelf, explainer) + 2)
        + CALIBRATION_IMAGES * layers_of(card, shelf, explainer)
        for card in cards
    )


def layers_of(card: Card, shelf: Shelf, explainer: str) -> int:
    """How many layers have weights that enter the map."""
    from xkd_core.evaluation.randomise import layers

    return len(layers(shelf.take(card).model, explainer))


def cascades(
    view: ImageView, cards: Sequence[Card], explainer: str, *, way: Way, shelf: Shelf, tick: Ticks
) -> tuple[Cascade, ...]:
    """Randomise every model layer by layer and explain the same class again.

    Errors: CancelledError, RunError for a damaged run, DataUnavailableError without the training images.
    """
    return tuple(_cascade(view, card, explainer, way=way, shelf=shelf, tick=tick) for card in cards)


def _cascade(view: ImageView, card: Card, explainer: str, *, way: Way, shelf: Shelf, tick: Ticks) -> Cascade:
    from xkd_core.evaluation.randomise import randomised
    from xkd_core.images.transforms import to_input

    model, target, cost = (
        shelf.take(card).model,
        view.runs[card.id].target,
        catalogue.cost(explainer, {}, card.transform.size),
    )
    first = _map(model, card, view.subject, explainer, target, tick.cancel)
    found: dict[str, Float] = {}
    for name, own in randomised(model, calibration(view.subject.key), way=way, explained=explainer):
        found[name] = _map(own, card, view.subject, explainer, target, tick.cancel)
        tick(cost + CALIBRATION_IMAGES, f"{name} of {card.id}")
    other = partner(view.subject.key)
    x = to_input(other.input[None], card.input_transform())
    theirs = _map(model, card, other, explainer, int(model(x).argmax()), tick.cancel)
    tick(2 * cost)
    given = np.asarray(x.numpy()), np.array([target])
    steps = [(name, lambda *_, grid=grid: grid[None]) for name, grid in found.items()]
    curve = randomisation_curve(first[None], steps, *given)
    return Cascade(
        run_id=card.id,
        steps=curve.steps,
        similarity=curve.values[:, 0],
        maps=(first, *found.values()),
        unrelated=float(spearman(first[None], theirs[None])[0]),
    )


def _map(model: nn.Module, card: Card, subject: Subject, explainer: str, target: int, cancel: threading.Event) -> Float:
    """One raw map (h, w)."""
    import torch

    from xkd_core.explainers.engine import explain
    from xkd_core.images.transforms import to_input
    from xkd_core.serving.explaining import NEED_BACKGROUND, background

    found = explain(
        {"it": model},
        to_input(subject.input[None], card.input_transform()),
        {"it": torch.tensor([target])},
        names=[explainer],
        images=subject.input[None],
        background=background(subject.key.networks, subject.key.outside) if explainer in NEED_BACKGROUND else None,
        cancel=cancel,
    )
    grid: Float = found["it"][explainer].maps[0]
    return grid


@lru_cache(maxsize=4)
def _training_images(dataset: str) -> Tensor:
    from xkd_core.images.background import background, training_split

    return background(dataset, training_split(dataset), CALIBRATION_IMAGES)


def calibration(key: ImageKey) -> Tensor:
    """Training images from which randomised batch norms take their statistics, as in the stored rows."""
    return _training_images(key.networks)


def partner(key: ImageKey) -> Subject:
    """Another image, half the split away: what unrelated maps have in common."""
    n = subjects.images_in(key.dataset)
    return subjects.subject(replace(key, index=(key.index + n // 2) % n), crisp=False)


def table(found: Sequence[Cascade]) -> pd.DataFrame:
    """One row per model and step."""
    return pd.DataFrame([
        {"run": one.run_id, "step": step, "similarity": value, "unrelated map": one.unrelated}
        for one in found for step, value in zip(one.steps, one.similarity, strict=True)
    ])  # fmt: skip


def layers_key(view: ImageView, cards: Sequence[Card]) -> Key:
    """What decides the maps by layer."""
    return ("layers", view.subject.key, view.policy, tuple(card.network for card in cards))


def by_layer(view: ImageView, cards: Sequence[Card], *, shelf: Shelf, tick: Ticks) -> tuple[Layers, ...]:
    """Grad-CAM behind every ReLU of every model, beside the first card's, the teacher's.

    Errors: CancelledError, RunError for a damaged run.
    """
    maps = {card.id: _grad_cams(view, card, shelf, tick) for card in cards}
    theirs = maps[cards[0].id]
    return tuple(
        Layers(run_id=run_id, names=tuple(own), maps=tuple(own.values()), cosines=_by_place(own, theirs))
        for run_id, own in maps.items()
    )


def _by_place(own: Mapping[str, Float], theirs: Mapping[str, Float]) -> Float64:
    if len(own) != len(theirs):
        return np.array([])
    return np.array([_cosine(a, b) for a, b in zip(own.values(), theirs.values(), strict=True)])


def _grad_cams(view: ImageView, card: Card, shelf: Shelf, tick: Ticks) -> dict[str, Float]:
    """Name of each ReLU -> signed Grad-CAM (h, w) there, from one forward and one backward."""
    import torch

    from xkd_core.explainers.maps import grad_cam
    from xkd_core.explainers.state import borrowed
    from xkd_core.images.transforms import to_input

    model, target = shelf.take(card).model, view.runs[card.id].target
    x = to_input(view.subject.input[None], card.input_transform()).requires_grad_()  # the weights are frozen
    seen: dict[str, Tensor] = {}
    with torch.inference_mode(mode=False), torch.enable_grad(), borrowed(model):
        _watch(model, seen)
        score = model(x)[0, target]
        gradients = torch.autograd.grad(score, list(seen.values()), allow_unused=True)
    tick(2, card.id)
    return {
        name: grad_cam(one.detach(), gradient)[0].numpy()
        for (name, one), gradient in zip(seen.items(), gradients, strict=True) if gradient is not None
    }  # fmt: skip


def _watch(model: nn.Module, seen: dict[str, Tensor]) -> None:
    """Keep what every ReLU gives, (1, K, h, w). A copy goes on, which later layers may change in place."""
    from xkd_core.models.seams import ACTIVATIONS

    def keep(name: str, output: Tensor) -> Tensor:
        if output.ndim != 4:
            return output
        seen[f"{name} ({sum(one.startswith(name) for one in seen) + 1})" if name in seen else name] = output
        return output.clone()

    for name, module in model.named_modules():
        if isinstance(module, ACTIVATIONS):
            module.register_forward_hook(lambda _, __, output, name=name: keep(name, output))


def _cosine(ours: Float, theirs: Float) -> float:
    """As the stored metric: after ReLU, on the smaller grid; NaN for an empty map."""
    from xkd_core.evaluation.rows import on_one_grid

    return float(cosine(*on_one_grid(*(compared(one, "grad_cam")[None] for one in (ours, theirs))))[0])
