"""ROAR's claims on made rows of retrained networks: where they hold, where not, and where nothing can be said."""

from __future__ import annotations

import json
import math

import pandas as pd
import pytest

from tests.claims.made_rows import card_of, stored_with
from xkd_core.claims.paper_004_roar import (
    KD,
    RATES,
    SWA,
    OfRetrained,
    _measured,
    _rows_of,
    combined,
    judged,
    p_of,
)  # fmt: skip
from xkd_core.claims.stored import TEACHER
from xkd_core.claims.table import CLAIMS
from xkd_core.metrics.statistics import Estimate

OF_ROAR = [claim_id for claim_id, claim in CLAIMS.items() if isinstance(claim.judge, OfRetrained)]
STORED = stored_with("scenes", [TEACHER, KD, SWA], {})
RUNS = {"teacher": "scenes-teacher", "kd": card_of(KD, "scenes", 0).id, "swa": card_of(SWA, "scenes", 0).id}
GOOD = {"teacher": 0.40, "kd": 0.60, "swa": 0.42, "random_map": 0.90, "centre_gaussian": 0.70}
BAD = {"teacher": 0.90, "kd": 0.95, "swa": 0.94, "random_map": 0.60, "centre_gaussian": 0.50}
"""F1 that is left by who ranks the pixels. In the second, maps find less than chance, and the student's least."""


def rows_of(left, *, half=0.01, seeds=(0,), apart=0.0):
    """A network for each ranking, share and seed; a second seed's F1 is so much higher."""
    made = []
    for who, value in left.items():
        run, name = (RUNS[who], "cam") if who in RUNS else (RUNS["teacher"], who)
        for rate in RATES:
            for seed in seeds:
                f1 = value + apart * seed
                made.append({"run_id": run, "explainer": name, "rate": rate, "seed": seed, "metric": "f1",
                             "recipe": json.dumps({"epochs": 16, "seed": seed}), "value": f1, "low": f1 - half,
                             "high": f1 + half, "n": 2000, "undefined": 0})  # fmt: skip
    return pd.DataFrame(made)


def found(claim_id, rows):
    return judged(STORED, rows, CLAIMS[claim_id].judge.checks)


@pytest.mark.parametrize("claim_id", OF_ROAR)
def test_it_holds_on_rows_that_say_so_and_is_contradicted_by_the_contrary(claim_id):
    good, bad = (found(claim_id, rows_of(left)) for left in (GOOD, BAD))
    assert (good.verdict, {one.passes for one in good.numbers}) == ("holds", {True}), good.reason
    assert (bad.words, {one.passes for one in bad.numbers}) == ("does not hold: contradicted", {False}), bad.reason
    assert good.one_seed and all(one.n == 2000 and one.low < one.value < one.high for one in good.numbers)


@pytest.mark.parametrize("claim_id", OF_ROAR)
def test_without_rows_it_is_not_testable_and_names_the_command_that_makes_them(claim_id):
    for rows in (pd.DataFrame(), rows_of({"centre_gaussian": 0.7})):
        missing = found(claim_id, rows)
        assert (missing.verdict, missing.numbers) == ("not testable here", ())
        assert missing.reason.startswith("Not measured yet: no network was trained without what is ranked first by ")
        words = missing.command.split()
        assert words[:4] == ["python", "-m", "xkd_core", "roar"]
        read = {term.runs.label for check in CLAIMS[claim_id].judge.checks for term in check.terms
                if term.explainer == "cam"}  # fmt: skip
        names = {"teacher": "teacher", "KD /4": "kd", "SWA /4": "swa"}
        assert set(words[words.index("--runs") + 1].split(",")) == {RUNS[names[label]] for label in read}


def test_without_the_runs_the_sweep_comes_first(tmp_path):
    missing = CLAIMS["004-roar-par"].judge(tmp_path)
    assert missing.verdict == "not testable here"
    assert missing.command == "python -m xkd_core sweep run checkpoints/scenes/sweep.yaml"


def test_a_difference_that_the_intervals_do_not_show_is_not_shown():
    near = found("004-roar-random", rows_of({**GOOD, "teacher": 0.897}))
    assert near.words == "does not hold: not shown"
    assert near.numbers[0].value == pytest.approx(-0.003)


def test_two_fresh_networks_of_one_ranking_that_lie_as_far_apart_leave_it_open():
    wide = found("004-roar-centre", rows_of({**GOOD, "teacher": 0.6, "centre_gaussian": 0.7}, seeds=(0, 1), apart=0.2))
    assert wide.verdict == "not testable here"
    assert "two seeds of one training lie as far apart (0.2)" in wide.reason


def test_a_floor_that_is_known_of_one_ranking_only_says_so():
    one, two = rows_of({"teacher": 0.4}), rows_of({"random_map": 0.9}, seeds=(0, 1), apart=0.01)
    checks = CLAIMS["004-roar-random"].judge.checks
    parts = [_rows_of(STORED, pd.concat([one, two]), term) for term in checks[0].terms]
    assert sorted(map(len, parts)) == [1, 2] and _measured(checks[0], parts).floor.partial
    assert not _measured(checks[0], [parts[-1], parts[-1]]).floor.partial


def test_networks_of_another_recipe_do_not_stand_beside_them():
    others = rows_of({"random_map": 0.1}).assign(recipe=json.dumps({"epochs": 1, "seed": 0}))
    assert found("004-roar-random", pd.concat([rows_of(GOOD), others])) == found("004-roar-random", rows_of(GOOD))
    alone = found("004-roar-random", pd.concat([rows_of({"teacher": 0.4, "kd": 0.5}), others]))
    assert "Random" in alone.reason and alone.verdict == "not testable here"


def test_the_interval_of_a_difference_is_zou_and_donners():
    a, b = Estimate(mean=0.4, low=0.37, high=0.41, n=10), Estimate(mean=0.9, low=0.86, high=0.98, n=8)
    difference = combined((1.0, -1.0), (a, b))
    assert difference.low == pytest.approx(-0.5 - math.hypot(0.4 - 0.37, 0.98 - 0.9))
    assert difference.high == pytest.approx(-0.5 + math.hypot(0.41 - 0.4, 0.9 - 0.86))
    assert (difference.mean, difference.n) == (pytest.approx(-0.5), 8)
    assert p_of(Estimate(mean=0.196, low=0.0, high=0.4, n=5)) == pytest.approx(0.05, abs=1e-3)
    assert p_of(Estimate(mean=-0.2, low=-0.3, high=-0.1, n=5)) == pytest.approx(
        math.erfc(3.92 / math.sqrt(2)), rel=0.01
    )


def test_students_maps_that_were_in_the_loss_are_said_to_be():
    reason = found("004-roar-students", rows_of(GOOD)).reason
    assert "Judged by CAM: in the loss of SWA /4, not in the loss of KD /4." in reason
    assert "loss" not in found("004-roar-random", rows_of(GOOD)).reason
