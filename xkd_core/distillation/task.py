"""The objective of one recipe: from a batch of views to named loss parts and their weighted sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xkd_core.distillation.attribution import Keep, swa_maps
from xkd_core.distillation.losses import Matching, kd_loss, kd_scale, matching_loss, same_grid, task_loss
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.surrogate import kept_answer_loss, see
from xkd_core.distillation.transfer import ab_loss, attention_loss, nst_loss, selectivity_loss
from xkd_core.explainers.maps import ewa
from xkd_core.models.attentive import ExplainedResNet
from xkd_core.models.seams import Network, Tapped, run_tapped
from xkd_core.models.slimmable import Slim, SlimVggGap


@dataclass(frozen=True)
class Guide:
    """What the teacher shows for a batch, live or kept, one entry per layer of the recipe (teaching.py, kept.py).

    activations: (B, K, h, w). maps: (B, k, h, w), of k classes (1 for ewa and at). selectivity: (B, N, N), for nst.
    targets: (B, k). keep: the channels of the student that sswa leaves, where its mask concerns the student.
    """

    activations: tuple[Tensor, ...] = ()
    maps: tuple[Tensor, ...] = ()
    selectivity: tuple[Tensor, ...] = ()
    targets: Tensor | None = None
    keep: tuple[Keep, ...] = ()


@dataclass(frozen=True)
class Batch:
    """One step's data. labels: (B,) or (B, C). teacher_*: None for a training without a teacher.

    teacher_map: the cached one (B, h, w) of class ``target`` (B,) at the last layer. guide: instead of it, what a
    live teacher shows. initialising: the first stage of ab, in which only boundaries are learned.
    stops: the widths at which a slimmable network takes this step. live: the teacher itself, for a surrogate.
    """

    x: Tensor
    labels: Tensor
    teacher_logits: Tensor | None = None
    teacher_map: Tensor | None = None
    target: Tensor | None = None
    stops: tuple[float, ...] = ()
    guide: Guide | None = None
    initialising: bool = False
    live: Network | None = None


@dataclass(frozen=True)
class Objective:
    """The sum to minimise, its unweighted parts, and of how many maps how many had no gradient."""

    total: Tensor
    parts: Mapping[str, Tensor]
    dead: int = 0
    maps: int = 0


class Connectors(nn.ModuleList):
    """For ab: a 1x1 convolution and a norm per layer, from the student's channels to the teacher's. Not stored."""

    def __init__(self, student: Sequence[int], teacher: Sequence[int]) -> None:
        super().__init__(
            nn.Sequential(nn.Conv2d(ours, theirs, 1, bias=False), nn.BatchNorm2d(theirs))
            for ours, theirs in zip(student, teacher, strict=True)
        )


def objective(
    model: Network | SlimVggGap, batch: Batch, recipe: Recipe, *, multi_label: bool, extras: nn.Module | None = None
) -> Objective:
    """The objective of one network, or the mean over the widths ``batch.stops`` of a slimmable one.

    extras: what a transfer learns besides the student (``Connectors``).
    """
    if not isinstance(model, SlimVggGap):
        return _objective(model, batch, recipe, multi_label, extras)
    each = [_objective(model.at(stop), batch, recipe, multi_label, extras) for stop in batch.stops]
    parts = {name: torch.stack([one.parts[name] for one in each]).mean() for name in each[0].parts}
    total = torch.stack([one.total for one in each]).mean()
    return Objective(total, parts, sum(one.dead for one in each), sum(one.maps for one in each))


def _objective(
    model: Network | Slim, batch: Batch, recipe: Recipe, multi_label: bool, extras: nn.Module | None
) -> Objective:
    """(1-λ) task + λ T² KD + β transfer, of which a recipe without a teacher has the first term only.

    λ mixes as ``recipe.kd_form`` says. The body runs in bfloat16 (autocast), the head, the maps and the losses
    in float32.
    """
    if recipe.method == "surrogate":
        assert isinstance(model, ExplainedResNet)
        return _surrogate(model, batch, recipe, multi_label)
    teaching = recipe.transfers and (recipe.method != "ab" or batch.initialising)
    layers = recipe.layer_names if teaching else ()
    run = _run(model, batch.x, layers, raw=recipe.method == "ab")
    parts = {"task": task_loss(run.logits, batch.labels, multi_label=multi_label)}
    if batch.teacher_logits is None:
        return Objective(parts["task"], parts)
    parts["kd"], total = _answers(run.logits, parts["task"], batch.teacher_logits, recipe, multi_label)
    if recipe.method == "xd" and isinstance(model, Network):
        parts["reduction"] = joint_layer(model).weight.square().sum()  # paper 003 Eq. 6: ||c||²
        return Objective(total + recipe.fr_weight * parts["reduction"], parts)
    if not teaching:
        return Objective(total, parts)
    found = TERMS[recipe.method](Side(model, run, extras), batch, recipe)
    parts["matching" if recipe.matches_maps else recipe.method] = found.loss
    total = recipe.beta * found.loss if batch.initialising else total + recipe.beta * found.loss
    return Objective(total, parts, found.dead, found.maps)


def _answers(logits: Tensor, task: Tensor, teacher: Tensor, recipe: Recipe, multi_label: bool) -> tuple[Tensor, Tensor]:
    """The KD loss, and the sum that λ makes of it and the task loss."""
    scale = kd_scale(recipe.kd_form, recipe.lam, n_classes=1 if multi_label else logits.shape[1])
    kd = kd_loss(
        logits,
        teacher,
        temperature=recipe.temperature,
        multi_label=multi_label,
        t2=scale.t2,
        reverse=scale.reverse,
    )
    return kd, scale.task * task + scale.kd * kd


def _surrogate(model: ExplainedResNet, batch: Batch, recipe: Recipe, multi_label: bool) -> Objective:
    """Paper 002 Eqs. 8 and 10: KD + L_EXP + λ |H|, for student and explanation network together."""
    assert batch.teacher_logits is not None
    assert batch.live is not None
    seen = see(model, batch.x)
    parts = {"task": task_loss(seen.logits, batch.labels, multi_label=multi_label)}
    parts["kd"], total = _answers(seen.logits, parts["task"], batch.teacher_logits, recipe, multi_label)
    own = recipe.through == "student"
    keeper, answer = (model, seen.logits) if own else (batch.live, batch.teacher_logits)
    parts["explanation"] = kept_answer_loss(keeper, batch.x, seen.map, answer, multi_label=multi_label)
    parts["l1"] = seen.map.mean()
    return Objective(total + parts["explanation"] + recipe.l1_weight * parts["l1"], parts)


def joint_layer(model: Network) -> nn.Linear:
    """The first linear layer of the head: where an XDistillation student's two parts are weighed against each other."""
    return next(part for part in model.head.modules() if isinstance(part, nn.Linear))


@dataclass(frozen=True)
class Side:
    """The student's side of a transfer: the network, its forward pass and the connectors, if any."""

    model: Network | Slim
    run: Tapped
    extras: nn.Module | None


def _run(model: Network | Slim, x: Tensor, layers: Sequence[str], *, raw: bool) -> Tapped:
    if not isinstance(model, Slim):
        return run_tapped(model, x, layers, raw=raw, autocast=True)
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        activation = model.features(x)
    activation = activation.float()
    return Tapped(model.head(activation), activation, tuple(activation for _ in layers))  # the last, by checks.py


def _ewa_term(side: Side, batch: Batch, recipe: Recipe) -> Matching:
    return _matched([ewa(_full(tap))[:, None] for tap in side.run.taps], batch)


def _swa_term(side: Side, batch: Batch, recipe: Recipe) -> Matching:
    targets = None if batch.guide is None else batch.guide.targets
    if targets is None:
        assert batch.target is not None
        targets = batch.target[:, None]
    keep = () if batch.guide is None else batch.guide.keep
    maps = swa_maps(side.model, side.run, recipe.layer_names, targets, keep=keep, create_graph=True)
    return _matched(maps, batch)


def _at_term(side: Side, batch: Batch, recipe: Recipe) -> Matching:
    pairs = zip(side.run.taps, _shown(batch).maps, strict=True)
    form = recipe.form or "cosine"
    return _sum([attention_loss(ewa(_full(ours)), theirs[:, 0], form=form) for ours, theirs in pairs])


def _nst_term(side: Side, batch: Batch, recipe: Recipe) -> Matching:
    shown = _shown(batch)
    compare, wanted = (selectivity_loss, shown.selectivity) if shown.selectivity else (nst_loss, shown.activations)
    pairs = zip(side.run.taps, wanted, strict=True)
    return _sum([Matching(compare(_full(ours), theirs), 0, 0) for ours, theirs in pairs])


def _ab_term(side: Side, batch: Batch, recipe: Recipe) -> Matching:
    """mean: layers alike. code: the authors' 1, 1/2, 1/4 from the last layer named to the first."""
    assert isinstance(side.extras, nn.ModuleList)
    form, terms = recipe.form or "mean", []
    shown = zip(side.extras, side.run.taps, _shown(batch).activations, strict=True)
    for back, (connector, ours, theirs) in enumerate(reversed(list(shown))):
        loss = ab_loss(connector(_full(ours)), theirs, margin=recipe.margin, form=form)
        terms.append(Matching(loss * (0.5**back if form == "code" else 1.0), 0, 0))
    return _sum(terms)


TERMS: Mapping[str, Callable[[Side, Batch, Recipe], Matching]] = {
    "ewa": _ewa_term,
    "swa": _swa_term,
    "sswa": _swa_term,
    "at": _at_term,
    "nst": _nst_term,
    "ab": _ab_term,
}


def _matched(maps: tuple[Tensor, ...] | list[Tensor], batch: Batch) -> Matching:
    """Sum over layers of the mean over images and classes of 1 - cos, for maps (B, k, h, w)."""
    if batch.guide is not None:
        wanted = batch.guide.maps
    else:
        assert batch.teacher_map is not None
        wanted = (batch.teacher_map[:, None],)
    pairs = (same_grid(ours, theirs) for ours, theirs in zip(maps, wanted, strict=True))
    return _sum([matching_loss(ours.flatten(0, 1), theirs.flatten(0, 1)) for ours, theirs in pairs])


def _sum(terms: list[Matching]) -> Matching:
    loss = terms[0].loss
    for term in terms[1:]:
        loss = loss + term.loss
    return Matching(loss, sum(term.dead for term in terms), sum(term.maps for term in terms))


def _shown(batch: Batch) -> Guide:
    if batch.guide is None:
        raise ValueError("This method needs more of the teacher than answers: give the batch a Guide.")
    return batch.guide


def _full(values: Tensor) -> Tensor:
    return values.float() if values.dtype == torch.bfloat16 else values
