"""Written documents are what their programs write today."""

from __future__ import annotations

from pathlib import Path

from docs import make_networks, make_oracles
from tests.oracles import REFERENCE_TESTS
from xkd_core.catalogue import EXPLAINERS, METRICS

DOCS = Path(__file__).parents[1] / "docs"


def test_the_table_of_networks_is_counted_anew() -> None:
    assert (DOCS / "networks.md").read_text() == make_networks.page()


def test_a_count_that_differs_from_the_paper_says_by_how_much_and_why() -> None:
    rows = [line for line in make_networks.table() if "LeNet5" in line]
    assert len(rows) == 1 and "| 61,701 | 61,706 | +5: " in rows[0]


def test_the_table_of_oracles_has_every_entry_and_no_restatement_that_nothing_asks() -> None:
    lines = (DOCS / "oracles.md").read_text().split("|---|---|---|---|---|\n")[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in rows] == [*EXPLAINERS, *METRICS]
    for name, kind, source, calls, largest in rows:
        assert kind == (EXPLAINERS.get(name) or METRICS[name]).family
        assert (calls, largest) == ("-", "see there") if "::" in REFERENCE_TESTS.get(name, "") else int(calls) > 0
        assert source.startswith("tests/")
    asked = {row[0]: {"calls": int(row[3]), "largest": 1e-7} for row in rows if row[3] != "-"}
    assert next(make_oracles.table(asked)) == "| cam | cam | tests/oracles.py | 8 | 1e-07 |"
