"""Data written as text."""

from __future__ import annotations

import pytest

from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.images.spec import parse


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scenes:test:0-99", ("scenes", "test", range(0, 100))),
        ("scenes:test:0", ("scenes", "test", range(0, 1))),
        ("scenes:test:0-0", ("scenes", "test", range(0, 1))),
        ("cifar10:val:7", ("cifar10", "val", range(7, 8))),
        ("digits:test", ("digits", "test", range(0, 300))),
        (" scenes:val:1999-1999 ", ("scenes", "val", range(1_999, 2_000))),
    ],
)
def test_a_range_includes_both_ends(text: str, expected: tuple[str, str, range]) -> None:
    assert parse(text) == expected


REFUSED = """|scenes|scenes:|:test|scenes:test:|scenes:test:-3|scenes:test:1-2-3|scenes:test:a-b|scenes:test:1:2
|scenes:test:٣|scenes:test:0-9999999999"""


@pytest.mark.parametrize("text", REFUSED.replace("\n", "").split("|"))
def test_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInputError, match="scenes:test:0-99"):
        parse(text)


@pytest.mark.parametrize("text", ["scenes:test:0-2000", "scenes:test:5-4", "scenes:test:2000"])
def test_a_range_outside_the_split_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="0 to 1999"):
        parse(text)


def test_unknown_names_are_told_apart() -> None:
    with pytest.raises(UnknownNameError, match="data set"):
        parse("scenery:test:0-9")
    with pytest.raises(UnknownNameError, match="split of scenes"):
        parse("scenes:tests:0-9")
