"""Stored metrics as the Metrics page draws them: students in groups of seeds, boxes, controls, a table, tests.

Every box stands for the runs that differ in their seed only. All boxes of a chart are over the same images. Of a
metric that is one number for all images, such as mAP, every run has a mark of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from xkd_core.catalogue import EXPLAINERS, INSTEAD, METRICS, MetricInfo
from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card
from xkd_core.results.compare import SHARES, Comparison, Groups, Line, compare, estimate
from xkd_core.results.in_loss import was_in_loss
from xkd_core.results.metric_store import ANSWERS, place
from xkd_core.results.metrics import Metrics
from xkd_core.serving.names import CONTROL_WORDS, how_much
from xkd_core.serving.zoo import CONTROLS, KINDS, MATCHED, VARIANT, Choice, Zoo, rounded
from xkd_core.types import Float64

Axis = Literal["lam", "ratio", "method"]
AXES: Mapping[Axis, str] = {"lam": "λ", "ratio": "compression", "method": "method"}
OF_THE_TEACHER = ("same_answer", "kl_to_teacher")
"""Metrics of answers that compare a run with its teacher, as similarities of maps do."""
CLOSE = 1e-3
_NOTHING = Estimate(mean=np.nan, low=np.nan, high=np.nan, n=0)


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a chart shows: small and frozen, so it is its own cache key. families: see zoo.py, "naive" among them.

    rightly: only images that a run answers rightly.
    """

    metric: str
    explainer: str
    axis: Axis
    families: tuple[str, ...]
    choice: Choice
    rightly: bool = False


@dataclass(frozen=True, kw_only=True)
class Five:
    """A box: quartiles, and the outermost values within 1.5 times their distance (Tukey)."""

    low: float
    q1: float
    median: float
    q3: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Box:
    """One group of seeds. x: λ, the ratio or 0; missing: seeds without rows; five: None for shares and gaps.

    in_loss: whether this explainer's map was in the loss of these runs. instead: the name of the explainer whose maps
    stand in, because these networks have no such map.
    """

    label: str
    family: str
    x: float
    cards: tuple[Card, ...]
    missing: int
    line: Line
    five: Five | None
    in_loss: bool
    instead: str = ""

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The runs, in the order of their seeds."""
        return tuple(card.id for card in self.cards)


@dataclass(frozen=True, kw_only=True)
class Band:
    """What boxes are read against, on the same images. floor: it is the noise floor of a similarity."""

    words: str
    estimate: Estimate
    floor: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Everything of one chart. images: those that every box has; whole: one number for all of them, so none here."""

    ask: Ask
    boxes: tuple[Box, ...]
    bands: tuple[Band, ...]
    images: tuple[int, ...]
    whole: bool = False

    @property
    def n(self) -> int:
        """Images in the comparison."""
        return max((box.line.shared.n for box in self.boxes), default=0) if self.whole else len(self.images)

    @property
    def groups(self) -> Groups:
        """Label -> run ids of the boxes that have values."""
        return {box.label: box.run_ids for box in self.boxes if box.line.shared.n}

    @property
    def seeds(self) -> Mapping[str, int]:
        """Run id -> seed, of all boxes."""
        return {card.id: card.seed for box in self.boxes for card in box.cards}

    @property
    def instead(self) -> Mapping[str, str]:
        """Label -> the explainer that stands in, of the boxes with values where one does."""
        return {box.label: box.instead for box in self.boxes if box.instead and box.line.shared.n}


def info_of(metric: str) -> MetricInfo:
    """The catalogue's entry of a metric, whatever its form ("average_drop@gradcam")."""
    return METRICS[metric.partition("@")[0]]


def title_of(metric: str) -> str:
    """Its title, with the quirk it repeats."""
    name, _, quirk = metric.partition("@")
    return f"{METRICS[name].title} ({quirk})" if quirk else METRICS[name].title


def arrow(metric: str) -> str:
    """↑ where higher is better, ↓ where lower is."""
    return "↑" if info_of(metric).higher_is_better else "↓"


def measured(metrics: Metrics) -> Mapping[str, tuple[str, ...]]:
    """Metric -> explainers with a value of any run, in the catalogue's order; "answers" where no map enters."""
    found: dict[str, tuple[str, ...]] = {}
    for name in metrics.of_splits:
        found[name] = (ANSWERS,)
    for name in [one for one in metrics.names if one.partition("@")[0] in METRICS]:
        own = metrics.having(name)
        order = [one for one in (*EXPLAINERS, ANSWERS) if one in own and not _control(one)]
        if order:
            found[name] = tuple(order)
    return dict(sorted(found.items(), key=lambda item: place(item[0])))


def places_of(metrics: Metrics, zoo: Zoo, ask: Ask) -> Mapping[str, tuple[str, ...]]:
    """Family -> "λ 0.5, 62x smaller" of its students with a value of this metric and map."""
    found: dict[str, dict[str, None]] = {}
    for card in zoo.students:
        whole = metrics.of_all(card.id, ask.metric) is not None
        if whole or metrics.values([card.id], ask.explainer, ask.metric).notna().any().any():
            found.setdefault(zoo.family(card), {})[f"λ {card.lam:g}, {how_much(card)}"] = None
    return {family: tuple(places) for family, places in found.items()}


def unmeasured(stored: Iterable[str]) -> tuple[str, ...]:
    """The catalogue's metrics of which nothing is stored in any form."""
    known = {name.partition("@")[0] for name in stored}
    return tuple(name for name in METRICS if name not in known)


def families_of(zoo: Zoo) -> tuple[str, ...]:
    """Naive students first, then every kind of student of which a run exists, controls last."""
    found = {zoo.family(card) for card in zoo.students}
    kinds = [name for name in zoo.families if name not in CONTROLS]
    naive = [name for name in found if name == "naive" or name.endswith("-naive")]
    rest = sorted(found - set(kinds) - set(naive))
    return (*sorted(naive, key=lambda name: (name != "naive", name)), *kinds, *rest)


def family_words(family: str) -> str:
    """'Naive', 'SWA', 'EWA (filters pruned)', 'XDistillation, F_R 0.005', 'SWA, trained on 3,000 images'."""
    family, varied, how = family.partition(VARIANT)
    if varied:
        return f"{family_words(family)}, {how}"
    control = family.removesuffix(" naive")
    if control == "untrained":
        return CONTROL_WORDS[control]
    if control in CONTROLS:
        return f"{'Naive' if family.endswith(' naive') else 'SWA'}, {CONTROL_WORDS.get(control, control)}"
    kind, dash, method = family.rpartition("-")
    word = "Naive" if method == "naive" else MATCHED.get(method, method).split(":")[0]
    return f"{word} ({KINDS.get(kind, kind)})" if dash else word


def chart(metrics: Metrics, zoo: Zoo, ask: Ask) -> Chart:
    """Boxes of every group of seeds along the axis, over the images that all have, with controls beside them."""
    asked = _groups(zoo, ask)
    if ask.metric in metrics.of_splits:
        return _of_whole_split(metrics, zoo, ask, asked)
    kept = {label: _with_rows(metrics, cards, ask) for label, (_, _, cards) in asked.items()}
    groups = {label: [card.id for card in cards] for label, cards in kept.items()}
    found = compare(metrics, groups, ask.explainer, ask.metric, own_intervals=False)
    boxes = []
    for line in found.lines:
        family, x, cards = asked[line.label]
        boxes.append(
            Box(
                label=line.label,
                family=family,
                x=x,
                cards=kept[line.label],
                missing=len(cards) - len(kept[line.label]) if line.shared.n else len(cards),
                line=line,
                five=_five(metrics, groups[line.label], ask, found),
                in_loss=was_in_loss(cards[0], ask.explainer),
                instead=_instead(metrics, groups[line.label], ask.explainer),
            )
        )
    return Chart(ask=ask, boxes=tuple(boxes), bands=_bands(metrics, zoo, ask, found), images=found.images)


def _of_whole_split(
    metrics: Metrics, zoo: Zoo, ask: Ask, asked: Mapping[str, tuple[str, float, tuple[Card, ...]]]
) -> Chart:
    """A mark for each run, with the interval that was stored with its number: there are no values of images."""
    boxes = []
    for label, (family, x, cards) in asked.items():
        for card in cards:
            own = f"{label}, seed {card.seed}" if len(cards) > 1 else label
            value = metrics.of_all(card.id, ask.metric) or _NOTHING
            lost = {f"classes: {info_of(ask.metric).undefined}": value.undefined} if value.undefined else {}
            line = Line(label=own, seeds=1, shared=value, own=value, median=_NOTHING, undefined=lost)
            boxes.append(Box(label=own, family=family, x=x, cards=(card,), missing=int(not value.n), line=line,
                             five=None, in_loss=False))  # fmt: skip
    teachers = (("the teacher", zoo.teacher), ("a second teacher", zoo.second_teacher))
    values = [(words, metrics.of_all(card.id, ask.metric)) for words, card in teachers if card is not None]
    bands = tuple(Band(words=words, estimate=value) for words, value in values if value is not None)
    return Chart(ask=ask, boxes=tuple(boxes), bands=bands, images=(), whole=True)


def five_of(values: Float64) -> Five | None:
    """The box of values (n,); None where none is defined."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    q1, median, q3 = (float(one) for one in np.percentile(known, [25, 50, 75]))
    near = known[(known >= q1 - 1.5 * (q3 - q1)) & (known <= q3 + 1.5 * (q3 - q1))]
    return Five(low=float(near.min()), q1=q1, median=median, q3=q3, high=float(near.max()))


def table(found: Chart) -> pd.DataFrame:
    """One row per box and band: mean with its interval, median, n, what each has on its own images, what is missing."""
    metric = {"metric": f"{title_of(found.ask.metric)} {arrow(found.ask.metric)}"}
    boxes = [metric | _row(box.line, box, answers=found.ask.explainer == ANSWERS) for box in found.boxes]
    bands = [
        {**metric, "students": band.words, "mean": band.estimate.mean, "low": band.estimate.low,
         "high": band.estimate.high, "images": band.estimate.n, "undefined": band.estimate.undefined}
        for band in found.bands
    ]  # fmt: skip
    return pd.DataFrame([*boxes, *bands])


def ranked(metrics: Metrics, box: Box, ask: Ask) -> pd.Series[float]:
    """Mean over the seeds for each image of a box, the worst image first."""
    values = metrics.values(box.run_ids, ask.explainer, ask.metric).mean(axis=1, skipna=False).dropna()
    return values.sort_values(ascending=info_of(ask.metric).higher_is_better, kind="stable")


def _row(line: Line, box: Box, *, answers: bool) -> dict[str, object]:
    gaps = [f"{count} {reason}" for reason, count in line.undefined.items()]
    why = "; ".join([*([line.refused] if line.refused else []), *gaps])
    if box.instead:
        why = "; ".join([f"{_title(box.instead)} stands in", *([why] if why else [])])
    card = box.cards[0]
    return {
        "students": line.label, "judged by": _judge(box, answers=answers), "λ": card.lam,
        "ratio": card.ratio, "seeds": line.seeds, "mean": line.shared.mean, "low": line.shared.low,
        "high": line.shared.high, "images": line.shared.n, "median": line.median.mean, "own mean": line.own.mean,
        "own images": line.own.n, "undefined": sum(line.undefined.values()),
        "not trained to the end": sum(card.undertrained for card in box.cards),
        "why": why or ("not measured" if not line.shared.n and not line.own.n else ""),
    }  # fmt: skip


def _judge(box: Box, *, answers: bool) -> str:
    return "the answers" if answers else "in the loss" if box.in_loss else "not in the loss"


def _groups(zoo: Zoo, ask: Ask) -> dict[str, tuple[str, float, tuple[Card, ...]]]:
    """Label -> family, x, cards in the order of their seeds."""
    found: dict[str, tuple[str, float, tuple[Card, ...]]] = {}
    for family in ask.families:
        cards = [card for card in _at_one_beta(zoo, family, ask.choice.beta) if _fits(card, ask)]
        places = sorted({_x(card, ask.axis) for card in cards})
        for x in places:
            here = sorted((card for card in cards if _x(card, ask.axis) == x), key=lambda card: (card.seed, card.id))
            found[_label(family, here[0])] = (family, x, tuple(here))
    return found


def _at_one_beta(zoo: Zoo, family: str, beta: float) -> list[Card]:
    """Runs of a family with the chosen β, or with the one that most of them have."""
    cards = [card for card in zoo.students if zoo.family(card) == family]
    counted = Counter(card.beta for card in cards)
    common = counted.most_common(1)[0][0] if counted else None
    wanted = beta if any(_close(card.beta, beta) for card in cards) else common
    return [card for card in cards if _close(card.beta, wanted)]


def _fits(card: Card, ask: Ask) -> bool:
    at_lam = ask.axis == "lam" or _close(card.lam, ask.choice.lam)
    return at_lam and (ask.axis == "ratio" or _close(card.ratio, ask.choice.ratio))


def _close(a: float | None, b: float | None) -> bool:
    return a is not None and b is not None and abs(a - b) <= CLOSE * max(abs(a), abs(b))


def _x(card: Card, axis: Axis) -> float:
    if axis == "method":
        return 0.0
    return rounded((card.lam if axis == "lam" else card.ratio) or 0.0)


def _label(family: str, card: Card) -> str:
    return f"{family_words(family)}, λ {card.lam:g}, {how_much(card)}"


def _with_rows(metrics: Metrics, cards: Sequence[Card], ask: Ask) -> tuple[Card, ...]:
    """The seeds that were measured; all of them where none was, so that the line can say why."""
    kept = tuple(card for card in cards if not metrics.values([card.id], ask.explainer, ask.metric).empty)
    return kept or tuple(cards)


def _five(metrics: Metrics, ids: Sequence[str], ask: Ask, found: Comparison) -> Five | None:
    if ask.metric.partition("@")[0] in SHARES:
        return None  # a box of zeros and ones says less than their share
    values = metrics.values(ids, ask.explainer, ask.metric).reindex(list(found.images))
    return five_of(values.to_numpy(dtype=np.float64).ravel())


def _instead(metrics: Metrics, run_ids: Sequence[str], explainer: str) -> str:
    stands_in = any((run_id, explainer) in metrics.instead for run_id in run_ids)
    return INSTEAD[explainer] if stands_in else ""


def _bands(metrics: Metrics, zoo: Zoo, ask: Ask, found: Comparison) -> tuple[Band, ...]:
    relative = info_of(ask.metric).family == "similarity" or ask.metric.partition("@")[0] in OF_THE_TEACHER
    bands = [Band(words=_control_words(line.label), estimate=line.shared) for line in found.controls]
    teachers = [("the teacher", None if relative else zoo.teacher), ("a second teacher", zoo.second_teacher)]
    for words, card in teachers:
        value = None if card is None else _on_images(metrics, card, ask.explainer, ask.metric, found.images)
        if value is not None:
            bands.append(Band(words=words, estimate=value, floor=relative))
    return (*bands, *_other_samples(metrics, zoo, ask, found.images))


def _other_samples(metrics: Metrics, zoo: Zoo, ask: Ask, images: Sequence[int]) -> list[Band]:
    """An explainer against itself with other samples, on the teacher: the floor of its own noise."""
    seeds = [name for name in metrics.explainers if name.startswith(f"{ask.explainer}~")]
    values = [] if zoo.teacher is None else [_on_images(metrics, zoo.teacher, name, ask.metric, images)
                                             for name in seeds]  # fmt: skip
    return [Band(words="the same, other samples", estimate=one, floor=True) for one in values[:1] if one is not None]


def _on_images(metrics: Metrics, card: Card, explainer: str, metric: str, images: Sequence[int]) -> Estimate | None:
    values = metrics.values([card.id], explainer, metric)
    shown = values[values.index.isin(list(images))] if len(images) else values
    return None if shown.empty or shown.isna().all().all() else estimate(shown, metric)


def _control_words(label: str) -> str:
    return {"shuffled images": "maps of other images"}.get(label, _title(label).lower().replace("gaussian", "Gaussian"))


def _title(explainer: str) -> str:
    return EXPLAINERS[explainer].title if explainer in EXPLAINERS else explainer


def _control(explainer: str) -> bool:
    return explainer in EXPLAINERS and EXPLAINERS[explainer].family == "control"
