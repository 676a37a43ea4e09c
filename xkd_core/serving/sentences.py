"""The one sentence that says what to look at, from the numbers of the runs on screen."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card
from xkd_core.serving.results import Bar
from xkd_core.serving.stories import Story, percent
from xkd_core.serving.views import ImageView, RunView
from xkd_core.serving.zoo import describe, times, title


@dataclass(frozen=True, kw_only=True)
class Headline:
    """title: what happened, with the class in bold. detail: the numbers behind it. often: how often, or ""."""

    title: str
    detail: str
    often: str = ""


QUALITY = ("mAP", "accuracy")
POLICIES = {"teacher": "teacher's top-1", "own": "own top-1", "label": "ground truth"}


def policy_words(policy: str) -> str:
    """How the explained class was chosen, short enough for a panel."""
    return POLICIES.get(policy, "chosen")


def comparable(view: ImageView, run: RunView) -> bool:
    """Maps and answers are read beside the teacher's only when both are about the same class."""
    return run.target == view.target


def headline(
    view: ImageView, naive: str, matched: str, *, bar: Bar | None, story: Story | None, word: str = "naive student"
) -> Headline | None:
    """What the CAMs on screen show; None when a run is missing. ``word``: what the row of the naive run is called."""
    if naive not in view.runs or matched not in view.runs:
        return None
    ours, theirs = view.runs[naive], view.runs[matched]
    if not (comparable(view, ours) and comparable(view, theirs)):
        return _apart(view, ours, theirs, word)
    detail = _detail(ours, theirs, bar, word)
    often = "" if story is None else _often(story)
    return Headline(title=_title(view, ours, theirs, bar, word), detail=detail, often=often)


def _apart(view: ImageView, naive: RunView, matched: RunView, word: str) -> Headline:
    """Nothing can be said to have stayed or moved where the classes differ; say which ones are explained."""
    classes = view.subject.classes
    named = (("teacher", view.target_name), (word, classes[naive.target]), ("matched student", classes[matched.target]))
    title = "The models are explained for different classes here, so their maps are not compared."
    return Headline(title=title, detail=f"Explained: {', '.join(f'{who} *{name}*' for who, name in named)}.")


def _often(story: Story) -> str:
    naive, matched = percent(story.naive_often), percent(story.matched_often)
    moved = f"All three right and only the naive map moved: {naive}. Only the matched map: {matched}."
    if story.naive_left is None or story.matched_left is None:
        return moved
    left = f"{percent(story.naive_left)}; only the matched: {percent(story.matched_left)}"
    return f"{moved} Moved so far that only the naive map's strongest point left the object: {left}."


def beside_each_other(view: ImageView, first: Card, second: Card) -> Headline:
    """The headline of two runs that the visitor chose: who they are and how near each is to the teacher's map."""
    heading = f"{title(first)} ({describe(first)}) beside {title(second)} ({describe(second)})."
    runs = [view.runs[card.id] for card in (first, second)]
    if not all(comparable(view, run) for run in runs):
        return Headline(title=heading, detail="They are explained for different classes here: nothing is compared.")
    cosines = " and ".join(number(_cosine(run)) for run in runs)
    return Headline(title=heading, detail=f"Cosine to the teacher's CAM: {cosines}.")


def _title(view: ImageView, naive: RunView, matched: RunView, bar: Bar | None, word: str) -> str:
    about = _about(view)
    if not (naive.answer.same and matched.answer.same):
        return f"Here {_others(naive, matched, word)} than the teacher{about}."
    moved, kept = _moved(naive, bar), _moved(matched, bar)
    if moved is None or kept is None:
        return f"Teacher and {word} agree{about}; compare where they look."
    if moved and not kept:
        says = naive.answer.says == view.target_name
        still = f"says *{view.target_name}*" if says else f"agrees{about}"
        return f"The {word} still {still}, but {_elsewhere(view, naive, matched)}."
    if moved and kept:
        return f"The answer{about} stayed, and the maps of both students moved."
    if kept:
        return f"Here matching did not help: the matched student's map moved, the {word}'s stayed."
    return f"Both students agree{about} and look where their teacher looks."


def _about(view: ImageView) -> str:
    """' about *mug*' where the answers are about the explained class: not when another one than top-1 was chosen."""
    teacher = next(iter(view.runs.values()))
    asked = view.subject.multi_label or teacher.answer.says == view.target_name
    return f" about *{view.target_name}*" if asked else ""


def _others(naive: RunView, matched: RunView, word: str) -> str:
    """Who answers otherwise; never the naive student alone when both do."""
    if not naive.answer.same and not matched.answer.same:
        return "both students answer otherwise"
    return f"the {word if matched.answer.same else 'matched student'} answers otherwise"


def _elsewhere(view: ImageView, naive: RunView, matched: RunView) -> str:
    """The strongest point off the object says more than a cosine; else say what is known: the map moved."""
    hits = [run.scores["cam"].values.get("pointing") for run in (next(iter(view.runs.values())), matched, naive)]
    if hits == [1.0, 1.0, 0.0]:
        return "its strongest evidence lies beside it"
    return "its reasons have moved"


def _detail(naive: RunView, matched: RunView, bar: Bar | None, word: str) -> str:
    parts = [f"{word} {number(_cosine(naive))}", f"matched student {number(_cosine(matched))}"]
    known = (
        ""
        if bar is None
        else f" A second teacher gets {bar.second:.2f} on average, maps of other images {bar.other:.2f}."
    )
    return f"Cosine to the teacher's CAM: {', '.join(parts)}.{known}"


def _moved(run: RunView, bar: Bar | None) -> bool | None:
    cosine = _cosine(run)
    return None if bar is None or cosine is None else cosine < bar.value


def _cosine(run: RunView) -> float | None:
    scores = run.scores.get("cam")
    return None if scores is None else scores.cosine


def number(value: float | None) -> str:
    """Two decimals, or the word for what has no value."""
    return "undefined" if value is None else f"{value:.2f}"


def confidence(prob: float) -> str:
    """A probability that is never rounded to certainty."""
    return ">0.99" if prob >= 0.995 else f"{prob:.2f}"


def answer_words(run: RunView) -> str:
    """What a run says and how surely: 'says mug, 0.93'."""
    return f"says {run.answer.says}, {confidence(run.answer.prob)}"


def verdict(view: ImageView, run: RunView) -> str:
    """'same answer · right'; about another class than the teacher's, only that."""
    right = {None: "", True: "right", False: "wrong"}[run.answer.right]
    same = {None: "", True: "same answer", False: "other answer"}[run.answer.same]
    return " · ".join(word for word in (same if comparable(view, run) else "other class", right) if word)


def quality_words(card: Card) -> str:
    """'mAP 0.93 on the test split · not trained to the end'."""
    name = next((name for name in QUALITY if name in card.metrics), None)
    words = [] if name is None else [f"{name} {number(card.metrics[name].value)} on the test split"]
    return " · ".join([*words, *([unfinished(card)] if card.undertrained else [])])


def unfinished(card: Card) -> str:
    """Said wherever an undertrained run is shown; "" for the others."""
    return "not trained to the end" if card.undertrained else ""


def drift_apart(name: str, ratio: float, matched: float, naive: float, gap: Estimate | None) -> str:
    """Whose ``name`` maps drift less; gap: matched minus naive, whose interval must leave 0 out to say so."""
    digits = next((n for n in (2, 3) if f"{matched:.{n}f}" != f"{naive:.{n}f}"), 4)
    numbers = [f"{value:.{digits}f}" for value in (matched, naive)]
    if gap is None or gap.low <= 0 <= gap.high or math.isnan(gap.low):
        return (f"At {times(ratio)}x smaller, the drift of the matched and the naive student's {name} maps cannot be "
                f"told apart: {' and '.join(numbers)}")  # fmt: skip
    word = "less" if gap.mean < 0 else "more"
    return f"At {times(ratio)}x smaller, the matched student's {name} maps drift {word}: {' against '.join(numbers)}"


def signed(found: Estimate) -> str:
    """'-0.042 (-0.049 to -0.032)'."""
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
