"""Written documents are what their programs write today."""

from __future__ import annotations

from pathlib import Path

from docs import make_networks

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_networks_is_counted_anew() -> None:
    assert (DOCS / "networks.md").read_text() == make_networks.page()


def test_a_count_that_differs_from_the_paper_says_by_how_much_and_why() -> None:
    rows = [line for line in make_networks.table() if "LeNet5" in line]
    assert len(rows) == 1 and "| 61,701 | 61,706 | +5: " in rows[0]
