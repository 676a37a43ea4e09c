"""The one sentence that says what to look at, from the numbers of the runs on screen."""

from __future__ import annotations

from dataclasses import dataclass

from xkd_core.serving.results import Bar
from xkd_core.serving.stories import Story, percent
from xkd_core.serving.views import ImageView, RunView


@dataclass(frozen=True, kw_only=True)
class Headline:
    """title: what happened, with the class in bold. detail: the numbers behind it. often: how often, or ""."""

    title: str
    detail: str
    often: str = ""


def headline(
    view: ImageView, naive: str, matched: str, *, bar: Bar | None, story: Story | None, word: str = "naive student"
) -> Headline | None:
    """What the CAMs on screen show; None when a run is missing. ``word``: what the row of the naive run is called."""
    if naive not in view.runs or matched not in view.runs:
        return None
    ours, theirs = view.runs[naive], view.runs[matched]
    detail = _detail(ours, theirs, bar, word)
    often = "" if story is None else _often(story)
    return Headline(title=_title(view, ours, theirs, bar, word), detail=detail, often=often)


def _often(story: Story) -> str:
    naive, matched = percent(story.naive_often), percent(story.matched_often)
    moved = f"All three right and only the naive map moved: {naive}. Only the matched map: {matched}."
    if story.naive_left is None or story.matched_left is None:
        return moved
    left = f"{percent(story.naive_left)}; only the matched: {percent(story.matched_left)}"
    return f"{moved} Moved so far that only the naive map's strongest point left the object: {left}."


def _title(view: ImageView, naive: RunView, matched: RunView, bar: Bar | None, word: str) -> str:
    name = f"*{view.target_name}*"
    if not naive.answer.same:
        return f"Here the {word} answers otherwise than its teacher about {name}."
    moved, kept = _moved(naive, bar), _moved(matched, bar)
    if moved is None or kept is None:
        return f"Teacher and {word} agree about {name}; compare where they look."
    if moved and not kept:
        still = f"says {name}" if naive.answer.says == view.target_name else f"agrees about {name}"
        return f"The {word} still {still}, but {_elsewhere(view, naive, matched)}."
    if moved and kept:
        return f"The answer about {name} stayed, and the maps of both students moved."
    if kept:
        return f"Here matching did not help: about {name} the matched student's map moved, the {word}'s stayed."
    return f"Both students agree about {name}, and look where their teacher looks."


def _elsewhere(view: ImageView, naive: RunView, matched: RunView) -> str:
    """The strongest point off the object says more than a cosine; else say what is known: the map moved."""
    hits = [run.scores["cam"].values.get("pointing") for run in (next(iter(view.runs.values())), matched, naive)]
    if hits == [1.0, 1.0, 0.0]:
        return "no longer looks at it"
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
