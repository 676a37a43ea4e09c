"""Stored metrics as the Metrics page draws them: students in groups of seeds, boxes, controls, a table, tests.

Every box stands for the runs that differ in their seed only. All boxes of a chart are over the same images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from xkd_core.catalogue import EXPLAINERS, METRICS, MetricInfo, in_loss
from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card
from xkd_core.results.compare import SHARES, Comparison, Difference, Groups, Line, Question, compare, estimate
from xkd_core.results.metric_store import ANSWERS
from xkd_core.results.metrics import Metrics
from xkd_core.serving.curves import CONTROL_WORDS
from xkd_core.serving.zoo import CONTROLS, KINDS, MATCHED, Choice, Zoo, family_of, naive_of, times
from xkd_core.types import Float64

Axis = Literal["lam", "ratio", "method"]
AXES: Mapping[Axis, str] = {"lam": "λ", "ratio": "compression", "method": "method"}
OF_THE_TEACHER = ("same_answer", "kl_to_teacher")
"""Metrics of answers that compare a run with its teacher, as similarities of maps do."""
CLOSE = 1e-3
ALPHA = 0.05


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What a chart shows: small and frozen, so it is its own cache key. families: see zoo.py, "naive" among them."""

    metric: str
    explainer: str
    axis: Axis
    families: tuple[str, ...]
    choice: Choice


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

    in_loss: whether this explainer's map was in the loss of these runs.
    """

    label: str
    family: str
    x: float
    cards: tuple[Card, ...]
    missing: int
    line: Line
    five: Five | None
    in_loss: bool

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
    """Everything of one chart. n: images that every box has."""

    ask: Ask
    boxes: tuple[Box, ...]
    bands: tuple[Band, ...]
    images: tuple[int, ...]

    @property
    def n(self) -> int:
        """Images in the comparison."""
        return len(self.images)

    @property
    def groups(self) -> Groups:
        """Label -> run ids of the boxes that have values."""
        return {box.label: box.run_ids for box in self.boxes if box.line.shared.n}


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
    if metrics.rows.empty:
        return {}
    found = {}
    for name in [one for one in metrics.names if one.partition("@")[0] in METRICS]:
        rows = metrics.rows.loc[metrics.rows[name].notna(), "explainer"].astype(str)
        own = set(rows.unique()) - {one for one in rows.unique() if "~" in one}
        order = [one for one in (*EXPLAINERS, ANSWERS) if one in own and not _control(one)]
        if order:
            found[name] = tuple(order)
    return found


def families_of(zoo: Zoo) -> tuple[str, ...]:
    """Naive students first, then every kind of student of which a run exists, controls last."""
    found = {family_of(card) for card in zoo.students}
    kinds = [name for name in zoo.families if name not in CONTROLS]
    naive = [name for name in found if name == "naive" or name.endswith("-naive")]
    rest = sorted(found - set(kinds) - set(naive))
    return (*sorted(naive, key=lambda name: (name != "naive", name)), *kinds, *rest)


def family_words(family: str) -> str:
    """'Naive', 'SWA', 'EWA (filters pruned)', 'SWA, trained on 3,000 images'."""
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
                in_loss=_in_loss(cards[0], ask.explainer),
            )
        )
    return Chart(ask=ask, boxes=tuple(boxes), bands=_bands(metrics, zoo, ask, found), images=found.images)


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
    boxes = [_row(box.line, box) for box in found.boxes]
    bands = [
        {"students": band.words, "mean": band.estimate.mean, "low": band.estimate.low, "high": band.estimate.high,
         "images": band.estimate.n, "undefined": band.estimate.undefined} for band in found.bands
    ]  # fmt: skip
    return pd.DataFrame([*boxes, *bands])


def ranked(metrics: Metrics, box: Box, ask: Ask) -> pd.Series[float]:
    """Mean over the seeds for each image of a box, the worst image first."""
    values = metrics.values(box.run_ids, ask.explainer, ask.metric).mean(axis=1, skipna=False).dropna()
    return values.sort_values(ascending=info_of(ask.metric).higher_is_better, kind="stable")


def _row(line: Line, box: Box) -> dict[str, object]:
    gaps = [f"{count} {reason}" for reason, count in line.undefined.items()]
    why = "; ".join([*([line.refused] if line.refused else []), *gaps])
    card = box.cards[0]
    return {
        "students": line.label, "judged by": "in the loss" if box.in_loss else "not in the loss", "λ": card.lam,
        "ratio": card.ratio, "seeds": line.seeds, "mean": line.shared.mean, "low": line.shared.low,
        "high": line.shared.high, "images": line.shared.n, "median": line.median.mean, "own mean": line.own.mean,
        "own images": line.own.n, "undefined": sum(line.undefined.values()),
        "why": why or ("not measured" if not line.shared.n and not line.own.n else ""),
    }  # fmt: skip


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
    cards = [card for card in zoo.students if family_of(card) == family]
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
    return float(f"{(card.lam if axis == 'lam' else card.ratio) or 0.0:.4g}")


def _label(family: str, card: Card) -> str:
    return f"{family_words(family)}, λ {card.lam:g}, {times(card.ratio)}x smaller"


def _with_rows(metrics: Metrics, cards: Sequence[Card], ask: Ask) -> tuple[Card, ...]:
    """The seeds that were measured; all of them where none was, so that the line can say why."""
    kept = tuple(card for card in cards if not metrics.values([card.id], ask.explainer, ask.metric).empty)
    return kept or tuple(cards)


def _five(metrics: Metrics, ids: Sequence[str], ask: Ask, found: Comparison) -> Five | None:
    if ask.metric.partition("@")[0] in SHARES:
        return None  # a box of zeros and ones says less than their share
    values = metrics.values(ids, ask.explainer, ask.metric).reindex(list(found.images))
    return five_of(values.to_numpy(dtype=np.float64).ravel())


def _in_loss(card: Card, explainer: str) -> bool:
    if not card.beta or explainer == ANSWERS or card.recipe.get("explained") == "none":
        return False
    return in_loss(card.method, explainer.partition("~")[0], layers=str(card.recipe.get("layers") or ""))


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
    shown = values.reindex(list(images)) if len(images) else values
    return None if shown.empty or shown.isna().all().all() else estimate(shown, metric)


def _control_words(label: str) -> str:
    return {"shuffled images": "maps of other images"}.get(label, _title(label).lower())


def _title(explainer: str) -> str:
    return EXPLAINERS[explainer].title if explainer in EXPLAINERS else explainer


def _control(explainer: str) -> bool:
    return explainer in EXPLAINERS and EXPLAINERS[explainer].family == "control"


def naive_beside(found: Chart, box: Box) -> Box | None:
    """The naive students at the place of a box; None for a naive box or where there are none."""
    wanted = naive_of(box.family)
    fits = [one for one in found.boxes if one.family == wanted != box.family and one.x == box.x]
    return fits[0] if fits else None


def pairs(found: Chart) -> tuple[Question, ...]:
    """Every box against the naive students at its place: the family of comparisons that is corrected together."""
    having = [(box, naive_beside(found, box)) for box in found.boxes if box.label in found.groups]
    return tuple(
        question(found, box.label, beside.label)
        for box, beside in having if beside is not None and beside.label in found.groups
    )  # fmt: skip


def question(found: Chart, first: str, second: str) -> Question:
    """Is ``first`` other than ``second``, by the metric and the map of this chart?"""
    return Question(first=first, second=second, explainer=found.ask.explainer, metric=found.ask.metric)


def test_table(answers: Sequence[Difference]) -> pd.DataFrame:
    """One row per comparison: difference with its interval, n, p values, effect sizes, and the floor of the seeds."""
    return pd.DataFrame([
        {
            "first": one.question.first, "second": one.question.second, "difference": one.estimate.mean,
            "low": one.estimate.low, "high": one.estimate.high, "images": one.estimate.n,
            "undefined": one.estimate.undefined, "Wilcoxon p": one.test.wilcoxon_p,
            "p after Holm": one.holm_p, "d_z": one.test.d_z,
            "rank biserial": one.test.rank_biserial, "first is higher": one.test.superiority,
            "another seed": one.floor, "below it": one.below_floor,
        }
        for one in answers
    ])  # fmt: skip


def verdict(one: Difference) -> str:
    """What a comparison says, in one sentence with its numbers."""
    info, value = info_of(one.question.metric), one.estimate
    if not value.n:
        return "No image has a value for both."
    better = (value.mean > 0) == info.higher_is_better
    sure = one.holm_p < ALPHA
    word = "is better" if better else "is worse"
    said = f"**{one.question.first}** {word} than **{one.question.second}**" if sure else (
        f"**{one.question.first}** and **{one.question.second}** cannot be told apart"
    )  # fmt: skip
    floor = " That is less than another seed of the same training makes." if one.below_floor else ""
    return (
        f"{said}: mean difference {value.mean:+.3f} (95 % interval {value.low:+.3f} to {value.high:+.3f}, n = "
        f"{value.n:,} images), {p_words(one.holm_p)} after Holm, d_z = {one.test.d_z:.2f}.{floor}"
    )


def p_words(p: float) -> str:
    """'p = 0.012', or 'p < 0.001'."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def headline(found: Chart) -> str:
    """The sentence above the chart: matched beside naive at the strongest compression or the last λ."""
    having = [box for box in found.boxes if box.line.shared.n]
    if not having:
        return ""
    beside = [(box, other) for box in having if (other := naive_beside(found, box)) is not None and other in having]
    what = f"{title_of(found.ask.metric)} {arrow(found.ask.metric)}"
    if not beside:
        return f"{what}: {having[-1].label} {having[-1].line.shared.mean:.2f}"
    box, other = max(beside, key=lambda pair: pair[0].x)
    gain = (box.line.shared.mean - other.line.shared.mean) * (1 if info_of(found.ask.metric).higher_is_better else -1)
    word = "better" if gain > 0 else "worse" if gain < 0 else "no better"
    return f"{what}: {box.label} is {word} than naive, {box.line.shared.mean:.2f} against {other.line.shared.mean:.2f}"
