"""Two boxes of a chart against each other: who is compared with whom, the table of tests, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from xkd_core.metrics.paired_tests import holm
from xkd_core.metrics.statistics import Estimate
from xkd_core.results.compare import ALPHA, Difference, Question
from xkd_core.results.paired import seeds_in_words, shared_seeds
from xkd_core.serving.metrics_view import Box, Chart, arrow, family_words, info_of, title_of
from xkd_core.serving.sentences import distinct, p_words
from xkd_core.serving.zoo import naive_of


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
    """One row per comparison: difference with its interval, n, p values, effect sizes, and the floor of the seeds.

    With the permutation test's p, also after Holm over the same comparisons, where the answers have it.
    """
    rows = pd.DataFrame([
        {
            "first": one.question.first, "second": one.question.second, "difference": one.estimate.mean,
            "low": one.estimate.low, "high": one.estimate.high, "images": one.estimate.n,
            "seeds": seeds_in_words(one.seeds), "undefined": one.estimate.undefined, "Wilcoxon p": one.test.wilcoxon_p,
            "p after Holm": one.holm_p, "d_z": one.test.d_z,
            "rank biserial": one.test.rank_biserial, "first is higher": one.test.superiority,
            "another seed": one.floor, "below it": one.below_floor,
        }
        for one in answers
    ])  # fmt: skip
    drawn = {str(place): one.test.permutation_p for place, one in enumerate(answers)}
    if not np.isnan(list(drawn.values())).all():
        corrected = holm(drawn, family=f"{len(drawn)} comparisons")
        rows["permutation p"], rows["permutation p after Holm"] = (
            list(drawn.values()),
            [corrected[one] for one in drawn],
        )
    return rows


def verdict(one: Difference) -> str:
    """What a comparison says, in one sentence with its numbers."""
    value = one.estimate
    if not value.n:
        return "No image has a value for both."
    if value.mean == 0 and np.isnan(one.test.d_z):
        return (f"**{one.question.first}** and **{one.question.second}** are equal on each of {value.n:,} images; "
                f"{seeds_in_words(one.seeds)}.")  # fmt: skip
    word = "is better" if better(one) else "is worse"
    said = f"**{one.question.first}** {word} than **{one.question.second}**" if one.sure else (
        f"**{one.question.first}** and **{one.question.second}** cannot be told apart"
    )  # fmt: skip
    wide = " The interval, over images and seeds, contains 0." if one.holm_p < ALPHA and not value.side else ""
    return (
        f"{said}: mean difference {value.mean:+.3f} (95 % interval {value.low:+.3f} to {value.high:+.3f}, n = "
        f"{value.n:,} images; {seeds_in_words(one.seeds)}), {p_words(one.holm_p)} after Holm"
        f"{'' if np.isnan(one.test.d_z) else f', d_z = {one.test.d_z:.2f}'}.{wide} {floor_words(one)}"
    )


def floor_words(one: Difference) -> str:
    """The difference beside what another seed makes, or that nobody knows what that is.

    No floor is borrowed. How far two seeds lie apart depends on size, λ and loss, so another family's seeds say little
    of these; and a second teacher's similarity is how far two maps of large networks lie apart on an image, not two
    students' means.
    """
    if one.floor is None:
        return "No noise floor is known for this comparison: each has one seed."
    less = "That is no more than" if one.below_floor else "It is more than"
    return f"{less} another seed of the same training makes ({one.floor:.3f})."


def good(gain: float, metric: str) -> bool:
    """Whether a difference of a metric goes in its good direction."""
    return (gain > 0) == info_of(metric).higher_is_better


def better(one: Difference) -> bool:
    """Whether the first of two is the better one by the mean difference."""
    return good(one.estimate.mean, one.question.metric)


def headline(found: Chart, answers: Sequence[Difference] = ()) -> str:
    """The sentence above the chart: matched beside naive at the strongest compression or the last λ.

    Better and worse are said where the pair's test among ``answers`` says so, and in its direction: it knows more
    images than the chart. Without one, where the intervals do not touch; of a metric with a mark for each seed, those
    of every seed that both have, all on the side of the means.
    """
    having = [box for box in found.boxes if box.line.shared.n]
    if not having:
        return ""
    what = f"{title_of(found.ask.metric)} {arrow(found.ask.metric)}"
    pair = headline_pair(found)
    if pair is None:
        lacking = "" if not lacks_chosen(found) else f"not stored for {family_words(found.ask.choice.family)}; "
        return f"{what}: {lacking}{having[-1].label}: {having[-1].line.shared.mean:.2f}"
    box, other = pair
    first, second = (_mean_at(having, one) for one in (box, other))
    test = next((one for one in answers if (one.question.first, one.question.second) == (box.label, other.label)), None)
    gain = first - second if test is None else test.estimate.mean
    known = _apart(_by_seed(found, pair), gain) if test is None else test.sure
    word = f"is {'better' if good(gain, found.ask.metric) else 'worse'} than" if known else "cannot be told apart from"
    label = box.label.partition(", seed ")[0]
    if test is not None and known and gain * (first - second) <= 0:
        return f"{what}: {label} {word} naive, by {abs(gain):.3f} over {test.estimate.n:,} images"
    return f"{what}: {label} {word} naive, {' against '.join(distinct(first, second))}"


def headline_pair(found: Chart) -> tuple[Box, Box] | None:
    """The matched and the naive box that the headline is about; None where no matched one has a naive one beside it."""
    having = [box for box in found.boxes if box.line.shared.n]
    beside = [(box, other) for box in having if (other := naive_beside(found, box)) is not None and other in having]
    return max(beside, key=lambda pair: (pair[0].x, pair[0].family == found.ask.choice.family), default=None)


def lacks_chosen(found: Chart) -> bool:
    """Whether the kind of students that was chosen stands on the chart without a value."""
    own = [box for box in found.boxes if box.family == found.ask.choice.family]
    return bool(own) and not any(box.line.shared.n for box in own)


def _by_seed(found: Chart, pair: tuple[Box, Box]) -> list[tuple[Estimate, Estimate]]:
    """The estimates of a pair of boxes; where each is of one seed, those of every seed that both places have."""
    if not found.whole:
        return [(pair[0].line.shared, pair[1].line.shared)]
    sides = [[one for one in found.boxes if one.line.shared.n and (one.family, one.x) == (at.family, at.x)]
             for at in pair]  # fmt: skip
    seeds = [[one.cards[0].seed for one in side] for side in sides]
    first, second = (dict(zip(own, side, strict=True)) for own, side in zip(seeds, sides, strict=True))
    return [(first[seed].line.shared, second[seed].line.shared) for seed in shared_seeds(*seeds)]


def _apart(every: Sequence[tuple[Estimate, Estimate]], gain: float) -> bool:
    """Whether there is a pair, and in each the first interval lies beyond the second, where ``gain`` points."""
    sides = {int(first.low > second.high) - int(second.low > first.high) for first, second in every}
    return sides == {int(gain > 0) - int(gain < 0)} and gain != 0


def _mean_at(boxes: Sequence[Box], at: Box) -> float:
    """The mean over the boxes of the same students at the same place: one, or one for each seed."""
    means = [one.line.shared.mean for one in boxes if (one.family, one.x) == (at.family, at.x)]
    return sum(means) / len(means)
