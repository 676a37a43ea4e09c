"""Written documents are what their programs write today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import make_methods, make_networks, make_slimmable, make_surrogate

DOCS = Path(__file__).parents[1] / "docs"
NUMBER = re.compile(r"(?<![\d.])[-+]?\d+(?:\.\d+)?")


def assert_alike(stored: str, fresh: str) -> None:
    """Equal, but for the last digit of numbers: an end of an interval may lie between two of them."""
    assert NUMBER.sub("#", stored) == NUMBER.sub("#", fresh)
    for old, new in zip(NUMBER.findall(stored), NUMBER.findall(fresh), strict=True):
        unit = 10.0 ** -len(new.partition(".")[2])
        assert abs(float(old) - float(new)) <= (1.01 * unit if "." in new else 0), (old, new)


def test_the_table_of_networks_is_counted_anew() -> None:
    assert (DOCS / "networks.md").read_text() == make_networks.page()


def test_a_count_that_differs_from_the_paper_says_by_how_much_and_why() -> None:
    rows = [line for line in make_networks.table() if "LeNet5" in line]
    assert len(rows) == 1 and "| 61,701 | 61,706 | +5: " in rows[0]


@pytest.mark.slow
@pytest.mark.parametrize("dataset", make_methods.DATASETS)
def test_the_tables_of_methods_are_what_cards_and_rows_say(dataset: str) -> None:
    assert_alike((DOCS / f"methods_{dataset}.md").read_text(), make_methods.text(dataset))


def test_the_judgement_of_the_learned_map_is_what_cards_and_rows_say() -> None:
    assert_alike((DOCS / "surrogate.md").read_text(), make_surrogate.text())


def test_the_comparison_of_slimmable_students_is_what_cards_and_rows_say() -> None:
    assert_alike((DOCS / "slimmable.md").read_text(), make_slimmable.text())


def test_every_picture_of_a_document_is_there() -> None:
    for page in DOCS.glob("*.md"):
        for name in re.findall(r"!\[.+?\]\((.+?)\)", page.read_text()):
            assert (DOCS / name).exists(), (page.name, name)


def test_numbers_may_differ_in_their_last_digit_only() -> None:
    assert_alike("| 0.013 [-0.001, 0.250] | 20 |", "| 0.014 [0.000, 0.251] | 20 |")
    for other in ("| 0.015 [-0.001, 0.250] | 20 |", "| 0.013 [-0.001, 0.250] | 21 |", "| 0.013 [-0.001, 0.250] | b |"):
        with pytest.raises(AssertionError):
            assert_alike("| 0.013 [-0.001, 0.250] | 20 |", other)
