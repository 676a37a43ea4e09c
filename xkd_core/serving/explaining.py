"""Explain one image: class activation maps of all runs at once, other maps for a few runs as a job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn

from xkd_core import catalogue
from xkd_core.errors import RunError
from xkd_core.explainers import engine
from xkd_core.explainers.targets import choose_targets, parse_target
from xkd_core.images import datasets
from xkd_core.images.background import BACKGROUND_IMAGES, training_split
from xkd_core.images.background import background as training_images
from xkd_core.images.photos import crops
from xkd_core.images.transforms import to_input
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import LoadedRun
from xkd_core.serving.scores import Scores
from xkd_core.serving.shelf import Shelf
from xkd_core.serving.subjects import Subject
from xkd_core.serving.views import ImageView, RunView, add_scores, answer, light, scored
from xkd_core.types import Float

Progress = Callable[[float, str], None]
NEED_BACKGROUND = ("gradient_shap",)


class _Seen(nn.Module):
    """A network whose features of the one image are known already, so that they are computed once."""

    def __init__(self, activation: Tensor, head: nn.Module) -> None:
        super().__init__()
        self.activation, self.head = activation, head

    def features(self, x: Tensor) -> Tensor:
        """The known activation (1, K, h, w), whatever ``x``."""
        return self.activation


def explain_image(
    subject: Subject,
    cards: Sequence[Card],
    *,
    names: Sequence[str],
    policy: str = "teacher",
    shelf: Shelf,
    partner: Subject | None = None,
) -> ImageView:
    """Explain ``subject`` with all ``cards``, the teacher first: one forward and one small backward a run.

    names: explainers; those that do not come with the forward pass are left out here. policy: teacher, own,
    label or a class index. partner: another image, whose map by the teacher is the shuffled control.
    Errors: BadInputError for a policy the image does not allow; runs that cannot be read are in ``broken``.
    """
    loaded, broken = _load(cards, shelf)
    if cards and cards[0].id in broken:
        loaded = []  # without its teacher no student can be compared
    chosen = [name for name in names if light(name)]
    runs: dict[str, RunView] = {}
    for run in loaded:
        first = next(iter(runs.values()), None)
        runs[run.card.id] = _explain(run, subject, chosen, policy, first)
    control = _explain(loaded[0], partner, chosen, "teacher", None).maps if partner is not None and loaded else {}
    measured = add_scores(runs, subject, chosen, control=control)
    return ImageView(subject=subject, policy=policy, runs=measured, broken=broken)


def explain_more(
    view: ImageView,
    cards: Sequence[Card],
    *,
    name: str,
    shelf: Shelf,
    partner: Subject | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> dict[str, tuple[Float, Scores]]:
    """One heavier explainer for a few runs of a view, the teacher first: run id -> raw map (h, w), scores.

    The runs share masks, seeds and samples. partner: another image, whose map by the teacher, of its own top
    class, is the shuffled control. Errors: CancelledError once ``cancel`` is set, RunError for a damaged run.
    """
    runs = [shelf.take(card) for card in cards]
    parts = len(runs) + (partner is not None)
    targets = {run.card.id: view.runs[run.card.id].target for run in runs}
    found = _one_explainer(view.subject, runs, targets, name, _share(progress, 0, len(runs) / parts), cancel)
    control = None
    if partner is not None:
        top = _top_class(runs[0], partner)
        last = _share(progress, len(runs) / parts, 1)
        control = _one_explainer(partner, runs[:1], {runs[0].card.id: top}, name, last, cancel)[runs[0].card.id]
    return scored(view, found, name, control=control)


def _one_explainer(
    subject: Subject,
    runs: Sequence[LoadedRun],
    targets: Mapping[str, int],
    name: str,
    progress: Progress | None,
    cancel: threading.Event | None,
) -> dict[str, Float]:
    found = engine.explain(
        {run.card.id: run.model for run in runs},
        to_input(subject.input[None], runs[0].card.input_transform()),
        {run_id: torch.tensor([target]) for run_id, target in targets.items()},
        names=[name],
        images=subject.input[None],
        background=background(subject.key.networks, subject.key.outside) if name in NEED_BACKGROUND else None,
        progress=progress,
        cancel=cancel,
    )
    return {run_id: maps[name].maps[0] for run_id, maps in found.items()}


def _top_class(run: LoadedRun, subject: Subject) -> int:
    with torch.no_grad():
        return int(run.model(to_input(subject.input[None], run.card.input_transform())).argmax())


def _share(progress: Progress | None, start: float, end: float) -> Progress | None:
    return None if progress is None else lambda done, note: progress(start + done * (end - start), note)


@lru_cache(maxsize=4)
def background(dataset: str, outside: bool = False) -> Tensor:
    """GradientSHAP's background, as in the stored results: 50 of the images that the students were trained on.

    For images of another kind (``outside``) it is 50 squares of the built-in photographs, which are always there.
    """
    if outside:
        transform = datasets.info(dataset).transform
        return to_input(crops(BACKGROUND_IMAGES, transform.size), transform)
    return training_images(dataset, training_split(dataset), BACKGROUND_IMAGES)


def _load(cards: Sequence[Card], shelf: Shelf) -> tuple[list[LoadedRun], dict[str, str]]:
    loaded: list[LoadedRun] = []
    broken: dict[str, str] = {}
    for card in cards:
        try:
            loaded.append(shelf.take(card))
        except RunError as error:
            broken[card.id] = str(error)
    return loaded, broken


def _explain(run: LoadedRun, subject: Subject, names: Sequence[str], policy: str, teacher: RunView | None) -> RunView:
    x = to_input(subject.input[None], run.card.input_transform())
    with torch.no_grad():
        activation = run.model.features(x)
        logits = run.model.head(activation)
    target = _target(policy, logits, subject, teacher)
    instead = {} if run.model.has_cam else {name: other for name, other in catalogue.INSTEAD.items() if name in names}
    asked = list(dict.fromkeys(instead.get(name, name) for name in names))
    maps = engine.cams(_Seen(activation, run.model.head), x, target, asked) if asked else {}
    values = logits[0].numpy()
    theirs = None if teacher is None else teacher.logits
    return RunView(
        run_id=run.card.id,
        target=int(target[0]),
        logits=values,
        answer=answer(values, int(target[0]), subject, theirs),
        maps={name: maps[instead.get(name, name)][0].numpy() for name in names},
        instead=instead,
    )


def _target(policy: str, logits: Tensor, subject: Subject, teacher: RunView | None) -> Tensor:
    name, index = parse_target(policy)
    labels = np.zeros((1, logits.shape[1]), dtype=np.uint8)
    if not subject.key.outside:
        labels[0, list(subject.labels)] = 1
    theirs = logits if teacher is None else torch.from_numpy(teacher.logits)[None]
    return choose_targets(name, own=logits, teacher=theirs, labels=labels, index=index)
