"""Comparisons of runs on the same images: means and medians with intervals, controls beside them, paired tests.

Images count where every run of the comparison has a value, and n says how many; what each group has by itself
stands beside. With several seeds the interval is over images and seeds, and differences pair the seeds that both
groups have, if there are two (`paired`). Nothing here is stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binom

from xkd_core.catalogue import EXPLAINERS, METRICS
from xkd_core.errors import BadInputError
from xkd_core.metrics.paired_tests import PairedTest, holm, paired_test
from xkd_core.metrics.seeds_and_images import mean_over_seeds
from xkd_core.metrics.statistics import Estimate, mean_interval, share_of
from xkd_core.results import paired
from xkd_core.results.metrics import CONTROL, Metrics
from xkd_core.results.paired import Contrast, difference, within_floor
from xkd_core.types import Float64

SHARES = ("pointing", "broken", "monotonicity", "confidence_increase", "same_answer", "right")
"""Metrics of 0 and 1: their mean is a share, with Wilson's interval."""
CONTROLS = tuple(name for name, entry in EXPLAINERS.items() if entry.family == "control")
BESIDE_THE_TEACHER = {"random_map": f"{CONTROL}random", "centre_gaussian": f"{CONTROL}centre"}
"""Controls whose likeness to the teacher's class maps is stored, as runs."""
SHUFFLED = "shuffled images"
ALPHA = 0.05
Groups = Mapping[str, Sequence[str]]
"""Label -> ids of the runs that differ in the seed only."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One group, or one control. shared: on the images that all groups have; own: on its own; median: of shared.

    undefined: reason -> how many values of its runs are missing for it. refused: why there can be none at all.
    """

    label: str
    seeds: int
    shared: Estimate
    own: Estimate
    median: Estimate
    undefined: Mapping[str, int]
    refused: str | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One metric of one explainer. images: those that every group has a value for."""

    explainer: str
    metric: str
    images: tuple[int, ...]
    lines: tuple[Line, ...]
    controls: tuple[Line, ...]

    @property
    def n(self) -> int:
        """Images in the comparison."""
        return len(self.images)


@dataclass(frozen=True, kw_only=True)
class Question:
    """Is ``first`` better or worse than ``second``, by this metric of this explainer? Labels of groups."""

    first: str
    second: str
    explainer: str
    metric: str

    @property
    def name(self) -> str:
        """One word for it."""
        return f"{self.first} - {self.second}, {self.explainer} {self.metric}"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """The answer: mean of first - second with its interval, tests on the images' means over seeds, Holm's p.

    seeds: those over which the groups are paired; () if none is, and seeds are drawn apart. fewest: seeds of the side
    that has fewest. holm_p: Wilcoxon's p as of `PairedTest`, adjusted for all questions asked together. floor: as of
    `seed_floor`; below it a difference is what another seed makes too.
    """

    question: Question
    estimate: Estimate
    seeds: tuple[int, ...]
    fewest: int
    test: PairedTest
    holm_p: float
    floor: float | None

    @property
    def below_floor(self) -> bool:
        """Whether another seed alone makes as large a difference."""
        return within_floor(self.estimate.mean, self.floor)

    @property
    def sure(self) -> bool:
        """Whether it says better or worse, as for claims: p after Holm is below .05 and the interval leaves 0 out.

        Where a side has one seed, nobody knows what another would change it by: there the difference must also be more
        than another seed makes.
        """
        alone = self.fewest == 1 and self.below_floor
        return self.holm_p < ALPHA and self.estimate.side != 0 and not alone

    @property
    def lone(self) -> bool:
        """Whether it is of one seed and nobody knows what another one would change."""
        return self.fewest == 1 and self.floor is None


def compare(metrics: Metrics, groups: Groups, explainer: str, metric: str, *, own_intervals: bool = True) -> Comparison:
    """Compare groups of runs. Groups without any value keep their line, with the reason, and cost no image.

    own_intervals: also of what each group has on its own images, which takes most of the time. Errors:
    BadInputError for an empty group.
    """
    tables = {label: _table(metrics, ids, explainer, metric) for label, ids in groups.items()}
    images = common(list(tables.values()))
    lines = [
        _line(
            label,
            tables[label],
            images,
            metric,
            metrics.undefined(ids, explainer, metric),
            _why(metrics, ids, explainer, metric),
            own_interval=own_intervals,
        )
        for label, ids in groups.items()
    ]
    every = [run_id for label, ids in groups.items() if tables[label].notna().any().any() for run_id in ids]
    return Comparison(
        explainer=explainer,
        metric=metric,
        images=tuple(int(image) for image in images),
        lines=tuple(lines),
        controls=tuple(_controls(metrics, every, images, explainer, metric)),
    )


def differences(
    metrics: Metrics,
    groups: Groups,
    questions: Sequence[Question],
    *,
    seeds: Mapping[str, int],
    resamples: int = 9999,
) -> tuple[Difference, ...]:
    """Answer questions over the same images and the seeds that are paired, Holm's correction over all of them.

    Args: seeds, run id -> seed; resamples, of the permutation test. Errors: BadInputError for no question or a label
    that no group has.
    """
    found = [_contrast(metrics, groups, question, seeds) for question in questions]
    tests = [paired_test(one.values, np.zeros(len(one.values)), n_resamples=resamples) for one in found]
    names = [f"{number} {question.name}" for number, question in enumerate(questions)]
    adjusted = holm(
        {name: test.wilcoxon_p for name, test in zip(names, tests, strict=True)}, family=f"{len(names)} comparisons"
    )
    return tuple(
        Difference(
            question=question,
            estimate=one.estimate,
            seeds=one.seeds,
            fewest=one.fewest,
            test=test,
            holm_p=adjusted[name],
            floor=seed_floor(metrics, groups, question),
        )
        for question, one, test, name in zip(questions, found, tests, names, strict=True)
    )


def per_image(metrics: Metrics, groups: Groups, question: Question, *, seeds: Mapping[str, int]) -> pd.Series[float]:
    """first - second of each image as `differences` averages it, by image index; NaN where one is undefined."""
    return _contrast(metrics, groups, question, seeds).values.sort_index()


def seed_floor(metrics: Metrics, groups: Groups, question: Question) -> float | None:
    """The largest difference of means between two seeds of a group of the question; None with one seed each."""
    asked = (groups[label] for label in (question.first, question.second))
    return paired.seed_floor(_table(metrics, ids, question.explainer, question.metric) for ids in asked)


def common(tables: Sequence[pd.DataFrame]) -> pd.Index[int]:
    """Images with a value in every column of every table; tables without any value are left out."""
    defined = [table.dropna().index for table in tables if table.notna().any().any()]
    if not defined:
        return pd.Index([], dtype=np.int64)
    found = defined[0]
    for index in defined[1:]:
        found = found.intersection(index)
    return found.sort_values()


def median_interval(values: Float64, *, level: float = 0.95) -> Estimate:
    """Median of the defined values with the interval of order statistics, which asks nothing of their shape.

    Values ranked j and n + 1 - j, for the largest j whose interval covers the median with probability ``level``
    at least; NaN ends with fewer than six values (at .95).
    """
    known = np.sort(values[~np.isnan(values)])
    n, missing = len(known), int(np.isnan(values).sum())
    if not n:
        return Estimate(mean=np.nan, low=np.nan, high=np.nan, n=0, undefined=missing)
    rank = int(binom.ppf((1 - level) / 2, n, 0.5))  # P(fewer than rank below the median) <= (1 - level) / 2
    low, high = (float(known[rank - 1]), float(known[n - rank])) if rank else (np.nan, np.nan)
    return Estimate(mean=float(np.median(known)), low=low, high=high, n=n, undefined=missing)


def _controls(
    metrics: Metrics, run_ids: Sequence[str], images: pd.Index[int], explainer: str, metric: str
) -> list[Line]:
    """What a map that knows nothing has on those of the images that it was measured on, the mean over such runs."""
    kind = METRICS[metric.partition("@")[0]].family
    found: list[tuple[str, Sequence[str], str, str]] = []
    if f"{metric}_shuffled" in metrics.rows:
        found.append((SHUFFLED, run_ids, explainer, f"{metric}_shuffled"))
    if kind == "similarity":  # beside the teacher's map of this explainer: rows of their own
        found += [(name, [run_id], explainer, metric) for name, run_id in BESIDE_THE_TEACHER.items()]
    elif kind != "prediction":
        found += [(name, run_ids, name, metric) for name in CONTROLS if name != explainer]
    lines = []
    for label, asked, name, column in found:
        runs = [run_id for run_id in asked if not metrics.values([run_id], name, column).empty]
        table = metrics.values(runs, name, column)
        if table.notna().any().any():
            mean = table.mean(axis=1, skipna=False).to_frame()
            here = images.intersection(mean.index)
            lines.append(_line(label, mean, here, metric, metrics.undefined(runs, name, column), None))
    return lines


def _line(
    label: str,
    table: pd.DataFrame,
    images: pd.Index[int],
    metric: str,
    undefined: Mapping[str, int],
    refused: str | None,
    *,
    own_interval: bool = True,
) -> Line:
    shared = table.reindex(images)
    mean = shared.mean(axis=1, skipna=False).to_numpy(dtype=np.float64)
    found = estimate(shared, metric)
    return Line(
        label=label,
        seeds=table.shape[1],
        shared=found,
        own=found if table.index.equals(images) else estimate(table, metric) if own_interval else _plain(table),
        median=median_interval(mean),
        undefined=undefined,
        refused=refused,
    )


def estimate(table: pd.DataFrame, metric: str) -> Estimate:
    """Mean with the interval that fits: Wilson for shares of one run, over images and seeds, or over images."""
    values = table.to_numpy(dtype=np.float64).T  # (seeds, images)
    if len(values) > 1:
        return mean_over_seeds(values)
    if metric.partition("@")[0] in SHARES and set(np.unique(values[~np.isnan(values)])) <= {0.0, 1.0}:
        return share_of(values[0])
    return mean_interval(values[0])


def _plain(table: pd.DataFrame) -> Estimate:
    """The mean of the images that every seed has, without an interval."""
    mean = table.mean(axis=1, skipna=False)
    known = mean.dropna()
    value = float(known.mean()) if len(known) else np.nan
    return Estimate(mean=value, low=np.nan, high=np.nan, n=len(known), undefined=len(mean) - len(known))


def _why(metrics: Metrics, run_ids: Sequence[str], explainer: str, metric: str) -> str | None:
    reasons = {metrics.refusal(run_id, explainer, metric) for run_id in run_ids} - {None}
    return "; ".join(sorted(str(reason) for reason in reasons)) or None


def _table(metrics: Metrics, run_ids: Sequence[str], explainer: str, metric: str) -> pd.DataFrame:
    if not run_ids:
        raise BadInputError("A group of runs must name at least one run.")
    return metrics.values(run_ids, explainer, metric)


def _contrast(metrics: Metrics, groups: Groups, question: Question, seeds: Mapping[str, int]) -> Contrast:
    """First minus second, on the images that both were asked about."""
    for label in (question.first, question.second):
        if label not in groups:
            raise BadInputError(f"No group is called {label!r}; there are {', '.join(groups)}.")

    def read(run_ids: Sequence[str]) -> pd.DataFrame:
        return _table(metrics, run_ids, question.explainer, question.metric)

    return difference(read, groups[question.first], groups[question.second], seeds)
