"""What is known of one image and all runs: answers, raw maps and scores, as plain values without torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from xkd_core import catalogue
from xkd_core.models.cards import Card
from xkd_core.serving.scores import Scores, score_all
from xkd_core.serving.subjects import Subject
from xkd_core.types import Float, Float64

DEFAULT_EXPLAINERS = ("cam", "occlusion", "kernel_shap", "gradient_shap")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a run says. Multi-label: yes or no on the explained class; single-label: its top-1 class.

    prob: of the explained class (multi-label) or of the class it says. same: as the teacher; None for the
    teacher itself. right: None where no label is known.
    """

    says: str
    prob: float
    same: bool | None
    right: bool | None


@dataclass(frozen=True, kw_only=True)
class RunView:
    """One run on one image. target: the explained class. maps: raw and signed, (h, w) float32.

    instead: explainer -> the one that stands in for it, as Grad-CAM does where a network has no CAM.
    """

    run_id: str
    target: int
    logits: Float
    answer: Answer
    maps: Mapping[str, Float]
    scores: Mapping[str, Scores] = field(default_factory=dict)
    instead: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ImageView:
    """All runs on one image. broken: run id -> why it could not be used. policy: which class is explained."""

    subject: Subject
    policy: str
    runs: Mapping[str, RunView]
    broken: Mapping[str, str]

    @property
    def target(self) -> int | None:
        """The class explained for the teacher (the first run); None when nothing could be explained."""
        return next((run.target for run in self.runs.values()), None)

    @property
    def target_name(self) -> str:
        """The explained class in words."""
        return "" if self.target is None else self.subject.classes[self.target]


ALONE = "the teacher has no such map"
"""Why a map is compared with none, as a learned one."""


def light(name: str) -> bool:
    """True for maps that come with the forward pass: class activation maps that need no hooks."""
    return bool(catalogue.get("explainer", name).needs != "model")


def impossible(name: str, card: Card) -> str:
    """Why an explainer never has a map of a run; "" for all others."""
    if name == "surrogate" and card.method != "surrogate":
        return "it draws no map of its own"
    rounded = card.compression == "int8" and catalogue.get("explainer", name).differentiates and not light(name)
    return "8 bits have no gradient" if rounded else ""


def none_of(name: str, cards: Iterable[Card]) -> str:
    """The sentence that none of these runs can have a map of an explainer, and why; "" where one can or none is."""
    reasons = {impossible(name, card) for card in cards}
    if not reasons or "" in reasons:
        return ""
    title = catalogue.get("explainer", name).title
    return f"There are no maps by {title} of the runs chosen here: {', '.join(sorted(reasons))}."


def probabilities(logits: Float, *, multi_label: bool) -> Float64:
    """(C,) logits -> (C,) sigmoid of each, or softmax."""
    values = logits.astype(np.float64)
    if multi_label:
        return np.asarray(1.0 / (1.0 + np.exp(-values)))
    powers = np.exp(values - values.max())
    return np.asarray(powers / powers.sum())


def answer(logits: Float, target: int, subject: Subject, teacher: Float | None) -> Answer:
    """The answer of ``logits`` (C,), beside the teacher's logits (None: this is the teacher) and the label."""
    prob = probabilities(logits, multi_label=subject.multi_label)
    labelled = bool(subject.labels) and not subject.key.outside
    if subject.multi_label:
        yes = bool(logits[target] > 0)
        same = None if teacher is None else yes == bool(teacher[target] > 0)
        says = subject.classes[target] if yes else f"no {subject.classes[target]}"
        right = yes == (target in subject.labels) if labelled else None
        return Answer(says=says, prob=float(prob[target]), same=same, right=right)
    top = int(logits.argmax())
    same = None if teacher is None else top == int(teacher.argmax())
    right = top in subject.labels if labelled else None
    return Answer(says=subject.classes[top], prob=float(prob[top]), same=same, right=right)


def add_scores(
    runs: Mapping[str, RunView], subject: Subject, names: Sequence[str], *, control: Mapping[str, Float]
) -> dict[str, RunView]:
    """The same runs with scores for ``names``; the first run is the teacher of the others."""
    scored: dict[str, dict[str, Scores]] = {run_id: {} for run_id in runs}
    for name in names:
        having = [view for view in runs.values() if name in view.maps]
        first = next(iter(runs.values())) if runs else None
        for view, found in zip(having, _score(having, first, name, subject, control.get(name)), strict=True):
            scored[view.run_id][name] = found
    return {run_id: replace(view, scores={**view.scores, **scored[run_id]}) for run_id, view in runs.items()}


def _score(
    views: Sequence[RunView], teacher: RunView | None, name: str, subject: Subject, control: Float | None
) -> list[Scores]:
    """Scores of one explainer; the teacher itself has no similarity to itself."""
    if not views or teacher is None:
        return [Scores(values={}, reason=ALONE)] * len(views)
    blank = np.zeros(subject.input.shape[:2], dtype=np.bool_)
    masks = np.stack([subject.native_masks.get(view.target, blank) for view in views])
    if name not in teacher.maps:
        found_alone = [score_all(view.maps[name][None], None, explainer=name, masks=mask[None])[0]
                       for view, mask in zip(views, masks, strict=True)]  # fmt: skip
        return [replace(one, reason=ALONE) for one in found_alone]
    found: dict[int, Scores] = {}
    for shape in {view.maps[name].shape for view in views}:
        alike = [place for place, view in enumerate(views) if view.maps[name].shape == shape]
        maps = np.stack([views[place].maps[name] for place in alike])
        scores = score_all(maps, teacher.maps[name], explainer=name, masks=masks[alike], control=control)
        found |= dict(zip(alike, scores, strict=True))
    if views[0].run_id == teacher.run_id:
        found[0] = score_all(views[0].maps[name][None], None, explainer=name, masks=masks[:1])[0]
    return [found[place] for place in range(len(views))]


def scored(
    view: ImageView, maps: Mapping[str, Float], name: str, *, control: Float | None = None
) -> dict[str, tuple[Float, Scores]]:
    """Maps of some runs of a view by one explainer, with their scores; without the teacher's map, `ALONE`.

    control: (h, w), the teacher's map of another image.
    """
    teacher = next(iter(view.runs.values()), None)
    if teacher is None:
        return {}
    order = sorted((run_id for run_id in maps if run_id in view.runs), key=lambda run_id: run_id != teacher.run_id)
    seen = [replace(view.runs[run_id], maps={name: maps[run_id]}) for run_id in order]
    first = replace(teacher, maps={name: maps[teacher.run_id]} if teacher.run_id in maps else {})
    found = _score(seen, first, name, view.subject, control)
    return {one.run_id: (one.maps[name], score) for one, score in zip(seen, found, strict=True)}
