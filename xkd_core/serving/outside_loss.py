"""What the maps say that were in no loss: a matched student is never judged only by the map that it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

from xkd_core.catalogue import EXPLAINERS, distinct
from xkd_core.models.cards import Card
from xkd_core.results.compare import CONTROLS, Difference, Question, differences
from xkd_core.results.in_loss import have_cam, was_in_loss
from xkd_core.results.metrics import Metrics
from xkd_core.serving.metric_pairs import better
from xkd_core.serving.metrics_view import title_of

Cards = Sequence[Card]
"""Runs that differ in their seed only."""


def outside(metrics: Metrics, matched: Cards, naive: Cards, metric: str) -> tuple[Difference, ...]:
    """Matched minus naive by every stored map that no loss of theirs had, Holm's correction over all of them.

    Maps that are one by algebra are asked once. Seeds without rows of a map are left out of that map's comparison.
    Empty where no such map is stored for both.
    """
    groups: dict[str, list[str]] = {}
    questions = []
    cards, having = (*matched, *naive), metrics.having(metric)
    stored = [name for name in EXPLAINERS if name in having and name not in CONTROLS]
    for explainer in distinct(stored) if have_cam(cards) else stored:
        if any(was_in_loss(card, explainer) for card in cards):
            continue
        kept = [_with_values(metrics, group, explainer, metric) for group in (matched, naive)]
        if all(kept):
            first, second = f"matched by {explainer}", f"naive by {explainer}"
            groups |= {first: kept[0], second: kept[1]}
            questions.append(Question(first=first, second=second, explainer=explainer, metric=metric))
    seeds = {card.id: card.seed for card in cards}
    found = differences(metrics, groups, questions, seeds=seeds, resamples=0) if questions else ()
    return tuple(one for one in found if one.estimate.n)


def _with_values(metrics: Metrics, cards: Cards, explainer: str, metric: str) -> list[str]:
    return [card.id for card in cards if not metrics.values([card.id], explainer, metric).empty]


def words(explainer: str, student: str, answers: Sequence[Difference]) -> str:
    """'CAM was in the loss of SWA and cannot judge it alone. By the 3 maps that were in no loss SWA is better by ...'.

    Args: explainer, the map in the loss; student, what the matched student is called; answers, of `outside`.
    """
    start = f"{EXPLAINERS[explainer].title} was in the loss of {student} and cannot judge it alone. "
    if not answers:
        return f"{start}No map that was in no loss is stored for it and for naive students."
    several = _told([one for one in answers if not one.lone])
    alone = _told([one for one in answers if one.lone])
    lone = "with one seed alone, of which nobody knows what another would change, "
    parts = [*several, *([f"{lone}{'; '.join(alone)}"] if alone else [])]
    maps = f"the {len(answers)} maps that were" if len(answers) > 1 else "the one map that was"
    return (
        f"{start}By {maps} in no loss, {student} is {'; '.join(parts)} ({title_of(answers[0].question.metric)} against "
        f"naive, paired on {_images(answers)} images; Holm's correction over these maps)."
    )


def _told(answers: Sequence[Difference]) -> list[str]:
    """['better by Saliency +0.047', 'not told apart by Occlusion'], what is empty left out."""
    groups = {
        "better by": [one for one in answers if one.sure and better(one)],
        "worse by": [one for one in answers if one.sure and not better(one)],
        "not told apart by": [one for one in answers if not one.sure],
    }
    return [f"{word} {_by_size(those)}" for word, those in groups.items() if those]


def _images(answers: Sequence[Difference]) -> str:
    few, many = (end(one.estimate.n for one in answers) for end in (min, max))
    return f"{few:,}" if few == many else f"{few:,} to {many:,}"


def _by_size(those: Sequence[Difference]) -> str:
    """'Occlusion +0.031, Saliency +0.006', the largest difference first; no number where nothing is shown."""
    ordered = sorted(those, key=lambda one: -abs(one.estimate.mean))
    return ", ".join(EXPLAINERS[one.question.explainer].title + (f" {one.estimate.mean:+.3f}" if one.sure else "")
                     for one in ordered)  # fmt: skip
