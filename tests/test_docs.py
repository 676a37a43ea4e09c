"""Written documents are what their programs write today."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from docs import (
    make_departures,
    make_methods,
    make_metrics,
    make_networks,
    make_oracles,
    make_slimmable,
    make_surrogate,
)
from tests.made_zoo import make_zoo
from tests.test_catalogue import ENTRIES
from xkd_core.models.checkpoints import list_runs
from xkd_core.results.metric_store import add_refused, add_rows, reasons_text

DOCS = Path(__file__).parents[1] / "docs"
NUMBER = re.compile(r"(?<![\d.])[-+]?\d+(?:\.\d+)?")
NAN = float("nan")


def assert_alike(stored: str, fresh: str) -> None:
    """Equal, but for the last digit of numbers: an end of an interval may lie between two of them."""
    assert NUMBER.sub("#", stored) == NUMBER.sub("#", fresh)
    for old, new in zip(NUMBER.findall(stored), NUMBER.findall(fresh), strict=True):
        unit = 10.0 ** -len(new.partition(".")[2])
        assert abs(float(old) - float(new)) <= (1.01 * unit if "." in new else 0), (old, new)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A zoo whose naive student at an eighth, λ .5, has FE of CAM and PG of Grad-CAM on few images."""
    made = make_zoo(tmp_path_factory.mktemp("docs_zoo"), rows=False)
    run = made.runs["kd 0.125 0.5"]
    add_rows("scenes", run, [_rows("cam", 5, faithfulness_estimate=[0.1, 0.2, 0.3, NAN, 0.9]),
                             _rows("grad_cam", 4, faithfulness_estimate=[0.25] * 4),
                             _rows("random_map", 5, faithfulness_estimate=[0.0] * 5),
                             _rows("grad_cam", 4, pointing=[1.0, 1.0, 0.0, 1.0])], root=made.root)  # fmt: skip
    why = {"run_id": made.runs["swa 0.125 0.5"], "explainer": "cam", "metric": "*", "reason": "made up", "version": "0"}
    add_refused("scenes", pd.DataFrame([why]), root=made.root)
    return made


def _rows(explainer: str, n: int, **metrics: list[float]) -> pd.DataFrame:
    gaps = [{name: "flat" for name, values in metrics.items() if np.isnan(values[place])} for place in range(n)]
    return pd.DataFrame({"explainer": explainer, "index": range(n), "target": 1, **metrics,
                         "undefined": [reasons_text(gap) for gap in gaps]})  # fmt: skip


@pytest.mark.parametrize("dataset", make_metrics.DATASETS)
def test_the_tables_of_metrics_are_those_of_the_stored_rows(dataset) -> None:
    path = DOCS / f"metrics_{dataset}.md"
    assert_alike(path.read_text() if path.exists() else "", make_metrics.text(dataset))


def test_a_cell_is_the_mean_on_the_images_of_all_cells_and_says_how_many_have_a_value(own) -> None:
    text = make_metrics.text("scenes", root=own.root)
    heads = [line for line in text.splitlines() if line.startswith("| network")]
    assert heads[0] == "| network | λ | seeds | CAM | Grad-CAM | Random map |"
    line = next(line for line in text.splitlines() if line.startswith("| naive, 1/8 | 0.5 | 1 |"))
    cells = [cell.strip() for cell in line.split("|")[4:-1]]
    assert cells[0].startswith("0.200 [") and cells[0].endswith("], 1 undefined, n=3")  # image 4 was asked of CAM only
    assert cells[1] == "0.250, all alike, n=4" and cells[2].startswith("0.000, all alike")
    hits = next(line for line in text.split("## PG")[1].splitlines() if line.startswith("| naive"))
    assert "| 0.750 [" in hits and "n=4" in hits


def test_what_is_not_stored_is_named_and_what_cannot_be_is_not_missing(own) -> None:
    missing = make_metrics.text("scenes", root=own.root).split("## Missing")[1]
    assert f"- naive, 1/8, λ 0: `{own.runs['kd 0.125 0']}` (all)" in missing
    partly = next(line for line in missing.splitlines() if own.runs["kd 0.125 0.5"] in line)
    assert "(FE of grad_cam_pp, hires_cam, xgrad_cam, MS of cam, grad_cam" in partly
    refused = next(line for line in missing.splitlines() if own.runs["swa 0.125 0.5"] in line)
    assert "(all)" not in refused and "of cam" not in refused
    assert "--metrics faithfulness_estimate,monotonicity_correlation,pointing,attribution_localisation" in missing


def test_without_rows_there_is_no_page(tmp_path) -> None:
    assert make_metrics.text("scenes", root=tmp_path) == ""


def test_the_table_of_networks_is_counted_anew() -> None:
    assert (DOCS / "networks.md").read_text() == make_networks.page()


def test_departures_are_those_of_the_cards_and_every_trained_run_stands_beside_a_recipe() -> None:
    cards = [card for card in list_runs() if "@" not in card.id]
    assert (DOCS / "departures.md").read_text() == make_departures.text(cards)
    away = {card.id for card in cards if card.compression in ("int8", "slimmable")}
    away |= {card.id for card in cards if (card.dataset, card.method) == ("tiny-imagenet-50", "ce")}  # of no paper
    found = make_departures.groups(cards)
    assert {run for group in found for run in group.runs} == {card.id for card in cards} - away
    matched = next(group for group in found if any(run.startswith("scenes-swa-w4-l0.5-b2-s0-") for run in group.runs))
    assert matched.paper == "park-004-swa" and "batch_size: 128 (paper: 64)" in matched.lines


def test_a_count_that_differs_from_the_paper_says_by_how_much_and_why() -> None:
    rows = [line for line in make_networks.table() if "LeNet5" in line]
    assert len(rows) == 1 and "| 61,701 | 61,706 | +5: " in rows[0]


def test_the_table_of_oracles_has_every_entry_and_no_restatement_that_nothing_asks() -> None:
    lines = (DOCS / "oracles.md").read_text().split("|---|---|---|---|---|\n")[1].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[0] for row in rows] == [*ENTRIES]
    for name, kind, source, calls, largest in rows:
        assert kind == ENTRIES[name].family
        assert int(calls) > 0 and largest
        assert source.startswith("tests/")
    asked = {row[0]: {"calls": int(row[3]), "largest": 1e-7} for row in rows if row[3] != "-"}
    assert next(make_oracles.table(asked)) == "| cam | cam | tests/oracles.py | 8 | 1e-07 |"


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


def test_a_cell_of_fewer_seeds_than_its_row_says_so() -> None:
    values, images = pd.DataFrame({"a": [0.5, 0.5, 0.5]}), pd.RangeIndex(3)
    assert make_metrics._cell(values, images, "insertion_auc", seeds=3).endswith("n=3, 1 seed")
    assert make_metrics._cell(values, images, "insertion_auc", seeds=1).endswith("n=3")
    two = values.assign(b=0.5)
    assert make_metrics._cell(two, images, "insertion_auc", seeds=3).endswith("n=3, 2 seeds")
