"""What a participant reads, by the form of the question. No word of it says what the pictures come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xkd_core.study.config import Question, StudyConfig


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a question is put.

    ask: over each trial. panels: names of the pictures, left to right. options: words and what is stored for them, by
    the keys 1, 2, 3; None: the pictures themselves are pressed. task, right: for the instructions and feedback.
    """

    ask: str
    panels: tuple[str, ...]
    options: tuple[tuple[str, int], ...] | None
    task: str
    check: tuple[str, str, str]
    right: str
    example: str


FORMS: Mapping[Question, Form] = {
    "most_similar_pair": Form(
        ask="Which two of A, B and C are most alike?",
        panels=("A", "B", "C"),
        # The stored choice is the panel that is left over.
        options=(("A and B", 3), ("A and C", 2), ("B and C", 1)),
        task="Say which **two** of the three pictures A, B and C are **most alike**.",
        check=("The picture that I like best", "The two pictures that are most alike", "The brightest picture"),
        right="The two framed pictures are the same.",
        example="A and B are most alike.",
    ),
    "odd_one_out": Form(
        ask="Which picture is least like the other two?",
        panels=("1", "2", "3"),
        options=None,
        task="Press the **one** of the three pictures that is **least like the other two**.",
        check=("The picture that I like best", "The picture that is least like the other two", "The brightest picture"),
        right="The framed picture differs; the other two are the same.",
        example="Picture 3 is least like the other two.",
    ),
    "two_alternative": Form(
        ask="Which picture, 1 or 2, is more like the one marked X?",
        panels=("1", "2"),
        options=None,
        task="Press the picture, 1 or 2, that is **more like the one marked X**.",
        check=("The picture that I like best", "The picture that is more like X", "The brighter picture"),
        right="The framed picture is the same as X.",
        example="Picture 2 is more like X.",
    ),
}

INSTRUCTIONS = """\
You will see a photo, and beside it {how_many} of it in which some parts are **highlighted**: the stronger the colour,
the more important that part was to a computer program.

{task}

- Compare **where** the highlights lie and how they spread.
- Ignore the photo behind them: it is the same in all pictures of a row.
- There is no trick, and often no right answer. Your first impression counts.
- Answer by a tap, a click, or the {keys} on your keyboard.
"""

LOOK_AT = "What do you compare?"
LOOK_CHOICES = ("How sharp the photos are", "How much I like the photos", "Which parts of the photo are highlighted")
LOOK_RIGHT = 2
CHOOSE = "What do you choose?"
CHOOSE_RIGHT = 1


def instructions(config: StudyConfig) -> str:
    """The text of the instruction step."""
    form = FORMS[config.question]
    n = len(form.panels)
    how_many = "three pictures" if n == 3 else "three pictures, marked X, 1 and 2,"
    keys = "keys 1, 2 and 3" if n == 3 else "keys 1 and 2"
    return INSTRUCTIONS.format(how_many=how_many, task=form.task, keys=keys)
