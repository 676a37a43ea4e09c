"""What is stored of remove-and-retrain, as the Metrics page shows it: by hand-made rows."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from xkd_core.serving.retrained import retrained, sentence, table

BASE = {"arch": "vgg_gap_64", "width": 0.25, "epochs": 16, "limit": 6000}


def row(explainer, rate, value, *, run="t", seed=0, metric="mAP", **recipe):
    return {"trial": f"{explainer}{rate}{seed}", "run_id": run, "explainer": explainer, "rate": rate, "seed": seed,
            "metric": metric, "value": value, "low": value - 0.01, "high": value + 0.01, "n": 2000, "undefined": 0,
            "recipe": json.dumps({**BASE, "seed": seed, **recipe})}  # fmt: skip


ROWS = pd.DataFrame([
    row("nothing", 0.0, 0.99), row("nothing", 0.0, 0.9, metric="f1"), row("random_map", 0.5, 0.9),
    row("random_map", 0.1, 0.95), row("random_map", 0.9, 0.8), row("cam", 0.5, 0.6), row("cam", 0.1, 0.7),
    row("cam", 0.9, 0.5), row("random_map", 0.5, 0.2, width=1.0),
])  # fmt: skip


def test_lines_are_the_stored_networks_of_one_recipe_and_controls_come_last():
    found = retrained(ROWS, {"t": "teacher"})
    assert found is not None and found.metric == "mAP"
    assert [(one.words, one.control) for one in found.rankings] == [("CAM of the teacher", False), ("Random map", True)]
    assert {rate: value.mean for rate, value in found.rankings[0].values.items()} == {0.5: 0.6, 0.1: 0.7, 0.9: 0.5}
    assert found.rankings[1].values[0.5].mean == 0.9  # not that of the wider network
    assert found.whole[0].high == pytest.approx(1.0)
    assert found.network == "vgg_gap_64, width 0.25, 16 epochs on 6,000 images"


def test_the_sentence_says_the_middle_share_beside_random_pixels():
    found = retrained(ROWS, {"t": "teacher"})
    assert sentence(found) == (
        "Trained without 50 % of the pixels, a fresh network's mAP is 0.90 where they were random, 0.60 where CAM of "
        "the teacher chose them."
    )


def test_every_network_has_a_row_of_the_table():
    rows = table(retrained(ROWS, {}))
    assert list(rows["ranking"]) == ["all pixels"] + ["CAM of the t"] * 3 + ["Random map"] * 3
    assert list(rows["removed"]) == [0.0, 0.1, 0.5, 0.9, 0.1, 0.5, 0.9]
    assert list(rows["mAP"]) == [0.99, 0.7, 0.6, 0.5, 0.95, 0.9, 0.8]


def test_seeds_stand_apart_and_nothing_is_said_where_nothing_is_stored():
    twice = pd.concat([ROWS, pd.DataFrame([row("cam", 0.5, 0.62, seed=1)])])
    assert [(one.explainer, one.seed) for one in retrained(twice, {}).rankings] == [
        ("cam", 0), ("cam", 1), ("random_map", 0)
    ]  # fmt: skip
    assert retrained(pd.DataFrame(), {}) is None
    assert retrained(ROWS[ROWS["metric"] == "f1"], {}) is None
    assert sentence(retrained(ROWS[ROWS["explainer"] == "cam"], {})) == ""
