"""The one sentence that says what to look at, from the numbers of the runs on screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card
from xkd_core.results.compare import Difference
from xkd_core.serving.names import called, describe, how_much, title
from xkd_core.serving.results import Bar
from xkd_core.serving.stories import Story, percent
from xkd_core.serving.views import ImageView, RunView


@dataclass(frozen=True, kw_only=True)
class Headline:
    """title: what happened, with the class in bold. detail: the numbers behind it. often: how often, or ""."""

    title: str
    detail: str
    often: str = ""


QUALITY = ("mAP", "accuracy")
Words = tuple[str, str]  # what the first and the second student are called
STUDENTS: Words = ("naive student", "matched student")
POLICIES = {"teacher": "teacher's top-1", "own": "own top-1", "label": "ground truth"}


def policy_words(policy: str) -> str:
    """How the explained class was chosen, short enough for a panel."""
    return POLICIES.get(policy, "chosen")


def comparable(view: ImageView, run: RunView) -> bool:
    """Maps and answers are read beside the teacher's only when both are about the same class."""
    return run.target == view.target


def headline(
    view: ImageView, naive: str, matched: str, *, bar: Bar | None, story: Story | None, words: Words = STUDENTS
) -> Headline | None:
    """What the CAMs on screen show; None when a run is missing. ``words``: what both rows are called."""
    if naive not in view.runs or matched not in view.runs:
        return None
    ours, theirs = view.runs[naive], view.runs[matched]
    if not (comparable(view, ours) and comparable(view, theirs)):
        return _apart(view, dict(zip(words, (ours, theirs), strict=True)))
    detail = _detail(dict(zip(words, (ours, theirs), strict=True)), bar)
    often = "" if story is None else _often(story, words)
    return Headline(title=_title(view, ours, theirs, bar, words), detail=detail, often=often)


def of_one(view: ImageView, run_id: str, *, bar: Bar | None, word: str) -> Headline | None:
    """What the CAMs of the teacher and of the only student on screen show; None when its run is missing."""
    if run_id not in view.runs:
        return None
    run = view.runs[run_id]
    if not comparable(view, run):
        return _apart(view, {word: run})
    return Headline(title=_title_of_one(view, run, bar, word), detail=_detail({word: run}, bar))


def _title_of_one(view: ImageView, run: RunView, bar: Bar | None, word: str) -> str:
    about, moved = _about(view), _moved(run, bar)
    if not run.answer.same:
        return f"Here the {word} answers otherwise than the teacher{about}."
    if moved is None:
        return f"Teacher and {word} agree{about}; {_look(run)}."
    if moved:
        return f"The {word} still {_says(view, run)}, but {_elsewhere(view, run)}."
    return f"The {word} agrees{about} and looks where its teacher looks."


def _apart(view: ImageView, students: Mapping[str, RunView]) -> Headline:
    """Nothing can be said to have stayed or moved where the classes differ; say which ones are explained."""
    classes = view.subject.classes
    named = (("teacher", view.target_name), *((word, classes[run.target]) for word, run in students.items()))
    title = "The models are explained for different classes here, so their maps are not compared."
    return Headline(title=title, detail=f"Explained: {', '.join(f'{who} *{name}*' for who, name in named)}.")


def _often(story: Story, words: Words) -> str:
    first, second = (one.removesuffix(" student") for one in words)
    naive, matched = percent(story.naive_often), percent(story.matched_often)
    moved = f"All three right and only the {first} map moved: {naive}. Only the {second} map: {matched}."
    if story.naive_left is None or story.matched_left is None:
        return moved
    left = f"{percent(story.naive_left)}; only the {second}: {percent(story.matched_left)}"
    return f"{moved} Moved so far that only the {first} map's strongest point left the object: {left}."


def beside_each_other(view: ImageView, first: Card, second: Card) -> Headline:
    """The headline of two runs that the visitor chose: who they are and how near each is to the teacher's map."""
    heading = f"{title(first)} ({describe(first)}) beside {title(second)} ({describe(second)})."
    runs = [view.runs[card.id] for card in (first, second)]
    if not all(comparable(view, run) for run in runs):
        return Headline(title=heading, detail="They are explained for different classes here: nothing is compared.")
    cosines = " and ".join(number(_cosine(run)) for run in runs)
    return Headline(title=heading, detail=f"Cosine to the teacher's CAM: {cosines}.")


def _title(view: ImageView, naive: RunView, matched: RunView, bar: Bar | None, words: Words) -> str:
    about = _about(view)
    if not (naive.answer.same and matched.answer.same):
        return f"Here {_others(naive, matched, words)} than the teacher{about}."
    moved, kept = _moved(naive, bar), _moved(matched, bar)
    if moved is None or kept is None:
        return f"Teacher and {words[0]} agree{about}; {_look(naive, matched)}."
    if moved and not kept:
        return f"The {words[0]} still {_says(view, naive)}, but {_elsewhere(view, naive, matched)}."
    if moved and kept:
        return f"The answer{about} stayed, and the maps of both students moved."
    if kept:
        return f"Here matching did not help: the {words[1]}'s map moved, the {words[0]}'s stayed."
    return f"Both students agree{about} and look where their teacher looks."


def _says(view: ImageView, run: RunView) -> str:
    named = run.answer.says == view.target_name
    return f"says *{view.target_name}*" if named else f"agrees{_about(view)}"


def _about(view: ImageView) -> str:
    """' about *mug*' where the answers are about the explained class: not when another one than top-1 was chosen."""
    teacher = next(iter(view.runs.values()))
    asked = view.subject.multi_label or teacher.answer.says == view.target_name
    return f" about *{view.target_name}*" if asked else ""


def _others(naive: RunView, matched: RunView, words: Words) -> str:
    """Who answers otherwise; never the naive student alone when both do."""
    if not naive.answer.same and not matched.answer.same:
        return "both students answer otherwise"
    return f"the {words[0 if matched.answer.same else 1]} answers otherwise"


def _look(*students: RunView) -> str:
    """What is left to do where nothing moved or stayed; nothing, where no CAM has a cosine."""
    empty = all("cam" in run.scores and _cosine(run) is None for run in students)
    return "there is no evidence to compare" if empty else "compare where they look"


def _elsewhere(view: ImageView, moved: RunView, *kept: RunView) -> str:
    """The strongest point off the object says more than a cosine; else say what is known: the map moved."""
    others = [run.scores["cam"].values.get("pointing") for run in (next(iter(view.runs.values())), *kept)]
    if set(others) == {1.0} and moved.scores["cam"].values.get("pointing") == 0.0:
        return "its strongest evidence lies beside it"
    return "its reasons have moved"


def _detail(students: Mapping[str, RunView], bar: Bar | None) -> str:
    parts = [f"{who} {number(_cosine(run))}" for who, run in students.items()]
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


def distinct(first: float, second: float) -> list[str]:
    """Two numbers with two decimals, or as many more, up to four, as show that they differ."""
    digits = next((n for n in (2, 3, 4) if f"{first:.{n}f}" != f"{second:.{n}f}"), 2)
    return [f"{value:.{digits}f}" for value in (first, second)]


def drift_apart(name: str, cards: tuple[Card, Card], means: tuple[float, float], gap: Difference | None) -> str:
    """Whose ``name`` maps drift less, of a matched and a naive student of one size, with the mean drift of both.

    gap: cosines of matched minus naive, whose test must tell them apart to say so, on the side of the means.
    """
    numbers = distinct(*means)
    if gap is None or not gap.sure or gap.estimate.side * (means[1] - means[0]) <= 0:
        who = f"the {called(cards[0])}'s and the {called(cards[1])}'s"
        return (f"At {how_much(cards[0])}, the drift of {who} {name} maps cannot be told apart: "
                f"{' and '.join(numbers)}")  # fmt: skip
    less = "less" if gap.estimate.mean > 0 else "more"
    return f"At {how_much(cards[0])}, the {called(cards[0])}'s {name} maps drift {less}: {' against '.join(numbers)}"


def floor_words(gap: Difference) -> str:
    """What another seed makes beside a gap of which a side has one seed; "" for several seeds, whose interval knows."""
    if gap.fewest != 1:
        return ""
    if gap.floor is None:
        return "One seed each: what another seed would change is not known."
    return f"That is {'no ' if gap.below_floor else ''}more than another seed makes ({gap.floor:.3f})."


def p_words(p: float) -> str:
    """'p = 0.012', or 'p < 0.001'."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def drift_alone(name: str, card: Card, mean: float) -> str:
    """The drift of a student beside which no naive student of the same size stands."""
    return f"At {how_much(card)}, the {called(card)}'s {name} maps drift by {mean:.2f}; no naive student has this size"


def drift_signed(cosines: Estimate) -> str:
    """A difference of cosines as one of drift, 1 - cosine: '-0.042 (-0.049 to -0.032)'."""
    return f"{-cosines.mean:+.3f} ({-cosines.high:+.3f} to {-cosines.low:+.3f})"


def unfinished_among(cards: Sequence[Card]) -> str:
    """'1 of 6 runs is not trained to the end.'; "" where all are, or for none."""
    lost = sum(card.undertrained for card in cards)
    are = "is" if lost == 1 else "are"
    return f"{lost} of {len(cards)} runs {are} not trained to the end." if lost else ""
