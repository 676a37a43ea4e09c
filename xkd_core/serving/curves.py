"""Drift against compression or λ with quality and localisation beside it, and one dot for each image of a run."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from xkd_core.catalogue import EXPLAINERS, INSTEAD
from xkd_core.metrics.statistics import Estimate, normal_interval, share_of
from xkd_core.models.cards import Card
from xkd_core.results.compare import Difference, Question, differences
from xkd_core.results.metrics import Metrics
from xkd_core.serving.names import CONTROL_TITLES, CONTROL_WORDS, describe
from xkd_core.serving.results import Results
from xkd_core.serving.sentences import QUALITY
from xkd_core.serving.views import none_of
from xkd_core.serving.zoo import WIDTH, Choice, Row, Zoo, family_of, matched_title, parts_of, rounded

Axis = Literal["ratio", "lam"]
SLIDERS = ("lam", "ratio", "beta")
Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""Ids of the runs of two students that differ in their seed only."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """One run on a curve. drift: 1 - cosine; pointing: the strongest point is on the object (None without masks)."""

    run_id: str
    seed: int
    words: str
    x: float
    drift: Estimate
    shuffled: Estimate | None
    pointing: Estimate | None
    quality: float | None
    quality_name: str
    undertrained: bool


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Points of one kind of student, ascending in x; several seeds give several points at one x.

    control: what is different about these students in training, "" for the ones on the curve itself.
    family: of the matched students, or of those beside which naive ones stand.
    """

    row: Row
    points: tuple[Point, ...]
    control: str = ""
    family: str = ""

    @property
    def name(self) -> str:
        """'Naive student', 'AT student', 'Matched student, trained on 3,000 images', 'Matched to ...'."""
        if self.control in [CONTROL_WORDS[name] for name in CONTROL_TITLES]:
            return f"{self.control[0].upper()}{self.control[1:]}"
        words = "Naive student" if self.row == "naive" else matched_title(self.family)
        return f"{words}, {self.control}" if self.control else words

    def means(self) -> list[tuple[float, float, float | None, float | None]]:
        """(x, mean drift, mean pointing, mean quality) over the seeds at each x."""
        found = []
        for x in sorted({point.x for point in self.points}):
            here = [point for point in self.points if point.x == x]
            pointing = _mean([point.pointing.mean for point in here if point.pointing is not None])
            quality = _mean([point.quality for point in here if point.quality is not None])
            found.append((x, sum(point.drift.mean for point in here) / len(here), pointing, quality))
        return found

    def runs_at(self, x: float) -> tuple[str, ...]:
        """The runs at ``x``: one for each seed, none where there is no run of just this size."""
        return tuple(point.run_id for point in self.points if point.x == x)

    def mean_at(self, x: float, seeds: Collection[int] = ()) -> float:
        """Mean drift at ``x`` over these seeds, over all where none is named."""
        here = [point.drift.mean for point in self.points if point.x == x and (not seeds or point.seed in seeds)]
        return sum(here) / len(here)

    def counts(self, x: float) -> tuple[int, int]:
        """(images, undefined among them) of the run at ``x`` with the most undefined maps; (0, 0) without one."""
        here = [point.drift for point in self.points if point.x == x]
        worst = max(here, key=lambda drift: drift.undefined, default=None)
        return (0, 0) if worst is None else (worst.n + worst.undefined, worst.undefined)


@dataclass(frozen=True, kw_only=True)
class Bands:
    """What curves are read against, None where it is not known.

    shuffled: drift to the teacher's map of another image (chance; from the lowest to the highest run). noise: drift
    of a second, equally trained teacher. pointing: of the teacher.
    """

    shuffled: Estimate | None
    noise: Estimate | None
    pointing: Estimate | None


def axis_values(zoo: Zoo, name: Literal["lam", "ratio", "beta"], family: str) -> tuple[float, ...]:
    """Values a slider offers, ascending: those of which a matched run exists (a naive one if none is matched)."""
    cards = zoo.of("matched", family) or (() if name == "beta" else zoo.of("naive", family))
    return tuple(sorted({rounded(getattr(card, name)) for card in cards}))


def curve(results: Results, zoo: Zoo, choice: Choice, *, row: Row, axis: Axis, explainer: str) -> Curve:
    """Every run of a kind along ``axis``, the rest as chosen (all seeds, the chosen β)."""
    cards = [card for card in zoo.known(row, choice.family) if _on_curve(card, choice, axis)]
    return Curve(row=row, points=_points(results, cards, axis, explainer), family=choice.family)


def controls(results: Results, zoo: Zoo, choice: Choice, *, axis: Axis, explainer: str) -> tuple[Curve, ...]:
    """The runs that were trained differently on purpose, at the same λ, ratio and β as the curve.

    All of them have fewer channels: beside students that were made small in another way they would say nothing.
    """
    if parts_of(choice.family)[0] != WIDTH:
        return ()
    chosen = {family_of(card) for row in ("naive", "matched") for card in zoo.known(row, choice.family)}
    groups: dict[tuple[str, Row], list[Card]] = {}
    for card in zoo.students:
        family = family_of(card)
        if card.role != "control" or family in chosen or not _on_curve(card, choice, axis):
            continue
        row: Row = "naive" if card.method in ("kd", "ce") else "matched"
        groups.setdefault((family.removesuffix(" naive"), row), []).append(card)
    found = [
        Curve(row=row, points=_points(results, cards, axis, explainer), control=CONTROL_WORDS.get(name, name))
        for (name, row), cards in sorted(groups.items())
    ]
    return tuple(line for line in found if line.points)


def gaps(metrics: Metrics, zoo: Zoo, pairs: Sequence[Pair], *, explainer: str) -> tuple[Difference, ...]:
    """For each pair of groups of runs, cosine of the first minus that of the second: above 0, the first drifts less.

    As on the Metrics page: same images, the seeds that both have, Holm's correction over all pairs.
    """
    groups = {f"{number} {side}": ids for number, pair in enumerate(pairs) for side, ids in enumerate(pair)}
    questions = [Question(first=f"{number} 0", second=f"{number} 1", explainer=explainer, metric="cosine")
                 for number in range(len(pairs))]  # fmt: skip
    seeds = {run_id: zoo.by_id[run_id].seed for ids in groups.values() for run_id in ids}
    return differences(metrics, groups, questions, seeds=seeds, resamples=0) if questions else ()


def pairs_of(first: Curve, second: Curve) -> Mapping[float, Pair]:
    """The runs of both curves at every place where both have some."""
    places = sorted({point.x for point in first.points} & {point.x for point in second.points})
    return {x: (first.runs_at(x), second.runs_at(x)) for x in places}


def bands(results: Results, zoo: Zoo, curves: Sequence[Curve], *, explainer: str) -> Bands:
    """Chance, noise floor and the teacher's own localisation."""
    chance = [point.shuffled for line in curves for point in line.points if point.shuffled is not None]
    second, teacher = zoo.second_teacher, zoo.teacher
    return Bands(
        shuffled=_together(chance),
        noise=None if second is None else drift(results, second.id, explainer),
        pointing=None if teacher is None else _pointing(results, teacher.id, explainer),
    )


def explainers_with_rows(results: Results) -> tuple[str, ...]:
    """Explainers of which anything is stored, CAM first; it stands for the Grad-CAM of networks without CAM too."""
    if results.maps.empty:
        return ()
    stood_for = {other: name for name, other in INSTEAD.items()}
    found = {stood_for.get(name, name) for name in results.maps["explainer"].unique()}
    return tuple(sorted(found, key=lambda name: (name != "cam", name)))


def why_none(zoo: Zoo, choice: Choice, explainer: str) -> str:
    """Why no curve can be drawn: these networks have no such map, or nobody measured it yet."""
    cards = [card for row in ("naive", "matched") for card in zoo.known(row, choice.family)]
    missing = f"No stored results for these runs yet: `python -m xkd_core evaluate --dataset {zoo.dataset}` makes them."
    return none_of(explainer, cards) or missing


def title_of(results: Results, explainer: str, run_ids: Iterable[str]) -> str:
    """The name of the maps that these runs' rows are of: 'Grad-CAM' of networks without CAM, both where both occur."""
    used = {results.used(run_id, explainer) for run_id in run_ids} or {explainer}
    return " / ".join(EXPLAINERS[name].title for name in EXPLAINERS if name in used)


def dots(results: Results, run_id: str, *, explainer: str) -> pd.DataFrame:
    """One row per image of a run: index, prob of the explained class, cosine (may be NaN), same_answer, right."""
    answers, maps = results.answers_of(run_id), results.of_run(run_id, explainer)
    if answers.empty or maps.empty:
        return pd.DataFrame()
    return answers[["prob", "same_answer", "right"]].join(maps[["cosine"]], how="inner").reset_index()


def table(curves: Sequence[Curve], axis: Axis) -> pd.DataFrame:
    """The points as rows, for a download."""
    return pd.DataFrame([
        {
            "student": line.row, "trained": line.control or "as the others", "run": point.run_id, axis: point.x,
            "drift": point.drift.mean, "drift_low": point.drift.low, "drift_high": point.drift.high,
            "images": point.drift.n, "undefined": point.drift.undefined,
            "pointing": None if point.pointing is None else point.pointing.mean,
            point.quality_name or "quality": point.quality, "not trained to the end": point.undertrained,
        }
        for line in curves for point in line.points
    ])  # fmt: skip


def _on_curve(card: Card, choice: Choice, axis: Axis) -> bool:
    fixed = card.lam if axis == "ratio" else card.ratio
    wanted = choice.lam if axis == "ratio" else choice.ratio
    near = fixed is not None and math.isclose(fixed, wanted, rel_tol=1e-3, abs_tol=1e-6)
    return near and (not card.beta or math.isclose(card.beta, choice.beta, rel_tol=1e-3))


def _points(results: Results, cards: Sequence[Card], axis: Axis, explainer: str) -> tuple[Point, ...]:
    points = [point for card in cards if (point := _point(results, card, axis, explainer)) is not None]
    return tuple(sorted(points, key=lambda point: (point.x, point.run_id)))


def _point(results: Results, card: Card, axis: Axis, explainer: str) -> Point | None:
    moved = drift(results, card.id, explainer)
    if moved is None:
        return None
    name = next((name for name in QUALITY if name in card.metrics), "")
    return Point(
        run_id=card.id,
        seed=card.seed,
        words=describe(card),
        x=float(card.ratio if axis == "ratio" else card.lam or 0.0),
        drift=moved,
        shuffled=drift(results, card.id, explainer, "cosine_shuffled"),
        pointing=_pointing(results, card.id, explainer),
        quality=card.metrics[name].value if name else None,
        quality_name=name,
        undertrained=card.undertrained,
    )


def drift(results: Results, run_id: str, explainer: str, column: str = "cosine") -> Estimate | None:
    """Mean of 1 - cosine over a run's images; None where nothing is stored or defined."""

    def make() -> Estimate | None:
        rows = results.of_run(run_id, explainer)
        return None if rows.empty else _known(normal_interval(1 - rows[column]))

    return results.once(("drift", run_id, explainer, column), make)


def _pointing(results: Results, run_id: str, explainer: str) -> Estimate | None:
    def make() -> Estimate | None:
        rows = results.of_run(run_id, explainer)
        return None if "pointing" not in rows else _known(share_of(rows["pointing"]))

    return results.once(("pointing", run_id, explainer), make)


def _known(found: Estimate) -> Estimate | None:
    return found if found.n else None


def _together(means: Sequence[Estimate]) -> Estimate | None:
    """Mean of several runs' means; the interval reaches from the lowest to the highest of theirs."""
    if not means:
        return None
    value = sum(one.mean for one in means) / len(means)
    low, high = min(one.low for one in means), max(one.high for one in means)
    return Estimate(mean=value, low=low, high=high, n=means[0].n)


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
