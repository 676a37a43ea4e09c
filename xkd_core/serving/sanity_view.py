"""Stored sanity checks: does a map depend on the weights, and can two equally good networks be told from noise?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from xkd_core.catalogue import EXPLAINERS, distinct
from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card
from xkd_core.results.compare import estimate
from xkd_core.results.in_loss import have_cam
from xkd_core.results.metrics import Metrics
from xkd_core.serving.zoo import Zoo

Verdict = Literal["safe", "with care", "not safe", "not known"]
WAYS: Mapping[str, str] = {
    "randomisation_cascading": "all layers from the top",
    "randomisation_independent": "one layer at a time",
}
SIGNS: Mapping[Verdict, str] = {"safe": "✓", "with care": "!", "not safe": "✗", "not known": "?"}
UNRELATED = 0.0  # of ranks that have nothing in common, where no map of another image is stored


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One run and explainer: how much of the map is left, mean Spearman over steps and images."""

    card: Card
    explainer: str
    way: str
    left: Estimate


@dataclass(frozen=True, kw_only=True)
class Floor:
    """Cosines to the teacher's map, None where they are not stored.

    other: of maps of other images; second: of a second, equally good teacher; samples: of the same explainer with
    other samples; rows: word -> a student's.
    """

    explainer: str
    other: Estimate | None
    second: Estimate | None
    samples: Estimate | None
    rows: Mapping[str, Estimate]

    @property
    def room(self) -> bool | None:
        """Is the second teacher nearer than another image? Else the explainer measures nothing here."""
        if self.other is None or self.second is None:
            return None
        return bool(self.second.low > self.other.high)


@dataclass(frozen=True, kw_only=True)
class Safety:
    """May students be compared by this explainer's maps? why: the sentence with the numbers; complete: all measured.

    limit: None where no map of another image is measured. same_as: another explainer whose map this one's is.
    """

    explainer: str
    verdict: Verdict
    why: str
    left: Estimate | None
    limit: float | None
    complete: bool
    floor: Floor
    same_as: str = ""


def explainers(metrics: Metrics, names: Sequence[str] = (*WAYS, "cosine")) -> tuple[str, ...]:
    """Explainers with a value of one of these metrics, in the catalogue's order."""
    having = {explainer for name in names for explainer in metrics.having(name)}
    return tuple(name for name in EXPLAINERS if name in having and EXPLAINERS[name].family != "control")


def marks(metrics: Metrics, cards: Sequence[Card]) -> tuple[Mark, ...]:
    """What is stored of weight randomisation for these runs."""
    return tuple(
        Mark(card=card, explainer=name, way=way, left=value)
        for way in WAYS for name in explainers(metrics, (way,)) for card in cards
        if (value := mean_of(metrics, card, name, way)) is not None
    )  # fmt: skip


def floor(metrics: Metrics, zoo: Zoo, explainer: str, students: Mapping[str, Card]) -> Floor:
    """The noise floor of one explainer with the students between it and chance. students: word -> card."""
    second = zoo.second_teacher
    seeds = [name for name in metrics.explainers if name.startswith(f"{explainer}~")]
    rows = {word: mean_of(metrics, card, explainer, "cosine") for word, card in students.items()}
    return Floor(
        explainer=explainer,
        other=None if second is None else mean_of(metrics, second, explainer, "cosine_shuffled"),
        second=None if second is None else mean_of(metrics, second, explainer, "cosine"),
        samples=None if zoo.teacher is None or not seeds else mean_of(metrics, zoo.teacher, seeds[0], "cosine"),
        rows={word: value for word, value in rows.items() if value is not None},
    )


def safety(metrics: Metrics, zoo: Zoo, explainer: str) -> Safety:
    """Judge an explainer by the teacher's maps: do they follow the weights, is there room above the noise?

    A map follows the weights where less of it is left, on the mean, than half way between the map of another image
    and the map itself. Where that is not measured, less than half way from 0 is enough, and more says nothing.
    """
    left = None if zoo.teacher is None else mean_of(metrics, zoo.teacher, explainer, "randomisation_cascading")
    second = zoo.second_teacher
    unrelated = None if second is None else mean_of(metrics, second, explainer, "spearman_shuffled")
    limit = None if unrelated is None else middle(unrelated.mean)
    band = floor(metrics, zoo, explainer, {})
    reasons = [_of_weights(left, unrelated), _of_floor(band), *_of_samples(band)]
    return Safety(
        explainer=explainer,
        verdict=_verdict(_follows(left, limit), band.room, noisy=bool(_of_samples(band))),
        why=" ".join(reasons),
        left=left,
        limit=limit,
        complete=left is not None and band.room is not None,
        floor=band,
    )


def safety_of_all(metrics: Metrics, zoo: Zoo) -> tuple[Safety, ...]:
    """Every explainer with stored rows; those whose map is another's by algebra, on networks with CAM, say whose."""
    names = explainers(metrics)
    once = distinct(names) if zoo.teacher is not None and have_cam([zoo.teacher]) else names
    equal = {name: next((one for one in once if one in EXPLAINERS[name].equal_on_gap), "") for name in names}
    return tuple(replace(safety(metrics, zoo, name), same_as="" if name in once else equal[name]) for name in names)


def _follows(left: Estimate | None, limit: float | None) -> bool | None:
    if left is None:
        return None
    if limit is None:
        return True if left.high < middle(UNRELATED) else None
    return left.high < limit


def middle(unrelated: float) -> float:
    """Half way between an unrelated map and the map itself."""
    return (1 + unrelated) / 2


def mean_of(metrics: Metrics, card: Card, explainer: str, metric: str) -> Estimate | None:
    """Mean over images with its interval; None where nothing is stored or defined."""
    values = metrics.values([card.id], explainer, metric)
    return None if values.empty or values.isna().all().all() else estimate(values, metric)


def safety_table(found: Sequence[Safety]) -> pd.DataFrame:
    """One row per explainer, the numbers of all three checks; empty where one was not measured."""
    return pd.DataFrame([
        {
            "explainer": EXPLAINERS[one.explainer].title, "safe to compare": f"{SIGNS[one.verdict]} {one.verdict}",
            "left of the map": _mean(one.left), "low": np.nan if one.left is None else one.left.low,
            "high": np.nan if one.left is None else one.left.high, "limit": np.nan if one.limit is None else one.limit,
            "images": 0 if one.left is None else one.left.n,
            "undefined": 0 if one.left is None else one.left.undefined, "second teacher": _mean(one.floor.second),
            "other images": _mean(one.floor.other), "other samples": _mean(one.floor.samples), "why": one.why,
        }
        for one in found
    ])  # fmt: skip


def _mean(value: Estimate | None) -> float:
    return np.nan if value is None else value.mean


def rest(found: Sequence[Safety]) -> str:
    """Which explainers are not safe, and why it is not known of others; "" when all are safe."""
    names = {verdict: [EXPLAINERS[one.explainer].title for one in found if one.verdict == verdict] for verdict in SIGNS}
    said = [f"**{verdict.capitalize()}**: {', '.join(names[verdict])}." for verdict in ("with care", "not safe")
            if names[verdict]]  # fmt: skip
    unknown: dict[str, list[str]] = {}
    for one in found:
        if one.verdict == "not known":
            unknown.setdefault(_lacking(one), []).append(EXPLAINERS[one.explainer].title)
    why = "; ".join(f"{', '.join(titles)} ({lacking})" for lacking, titles in unknown.items())
    return "  \n".join([*said, *([f"**Not known yet**: {why}."] if why else []), *_counted_once(found)])


def _counted_once(found: Sequence[Safety]) -> list[str]:
    """['**Counted once**: Grad-CAM and HiResCAM draw the map of CAM.']"""
    groups: dict[str, list[str]] = {}
    for one in found:
        if one.same_as:
            groups.setdefault(EXPLAINERS[one.same_as].title, []).append(EXPLAINERS[one.explainer].title)
    said = "; ".join(f"{', '.join(names)} = {title}" for title, names in groups.items())
    return [f"**Counted once**, being one map on these networks: {said}."] if said else []


def _lacking(one: Safety) -> str:
    missing = ["weight randomisation"] * (one.left is None) + ["the noise floor"] * (one.floor.room is None)
    missing += ["the map of another image"] * (one.left is not None and _follows(one.left, one.limit) is None)
    return f"{' and '.join(missing)} not measured"


def sentence(found: Sequence[Safety]) -> str:
    """How many explainers are safe, and which; those that draw one map count once."""
    known = [one for one in found if one.verdict != "not known" and not one.same_as]
    if not known:
        return "No explainer has been checked yet"
    safe = [EXPLAINERS[one.explainer].title for one in known if one.verdict == "safe"]
    are = "is" if len(safe) == 1 else "are"
    words = f"{len(safe)} of {len(known)} explainers checked {are} safe to compare students by"
    return f"{words}: {', '.join(safe)}" if safe else words


def _verdict(follows: bool | None, room: bool | None, *, noisy: bool) -> Verdict:
    if follows is False or room is False:
        return "not safe"
    if follows is None or room is None:
        return "not known"
    return "with care" if noisy else "safe"


def two(value: float) -> str:
    """Two digits after the point, and never a zero with a sign."""
    return f"{round(value, 2) + 0.0:.2f}"


def _of_weights(left: Estimate | None, unrelated: Estimate | None) -> str:
    if left is None:
        return "Weight randomisation is not measured."
    limit = middle(UNRELATED if unrelated is None else unrelated.mean)
    beside = f" (maps of other images: {'not measured' if unrelated is None else two(unrelated.mean)})"
    word = "below" if left.high < limit else "not clearly below"
    return f"With random weights {two(left.mean)} of the map's order is left, {word} {limit:.2f}{beside}."


def _of_floor(band: Floor) -> str:
    if band.second is None or band.other is None:
        return "The noise floor is not measured."
    word = "nearer" if band.room else "not clearly nearer"
    return (f"A second teacher's maps have cosine {band.second.mean:.2f}, {word} than maps of other images "
            f"({band.other.mean:.2f}).")  # fmt: skip


def _of_samples(band: Floor) -> list[str]:
    """A sentence when the explainer's own samples make as much noise as another teacher."""
    if band.samples is None or band.second is None or band.samples.low > band.second.high:
        return []
    return [f"With other samples the same network's maps have only {band.samples.mean:.2f}: draw more of them."]
