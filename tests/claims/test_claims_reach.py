"""What stored rows cannot decide: ceilings, one seed, offsets, weights that are away; and what has no value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from tests.claims.made_rows import N_IMAGES, card_of, groups_of, means_for, stored_with
from xkd_core.claims import report
from xkd_core.claims.base import Finding, Number
from xkd_core.claims.contrasts import judged
from xkd_core.claims.measuring import between, measure
from xkd_core.claims.stored import Runs
from xkd_core.claims.table import CLAIMS, Judged
from xkd_core.results.metric_store import reasons_text

KD = Runs(family="naive", label="KD", width=0.25)
SWA = Runs(family="swa", label="SWA", width=0.25)
AT_LAM = {lam: Runs(family="naive", label=f"λ {lam:g}", width=0.25, lam=lam) for lam in (0.0, 0.5, 1.0)}
UNKNOWN = "One seed each: what another seed would change is not known."


def answering(wrong_by_kd: int, wrong_by_swa: slice):
    """Both seeds of KD are wrong on the first images, those of SWA on a slice."""
    means = {("KD", "answers", "right"): 0.5, ("SWA", "answers", "right"): 0.5}
    stored = stored_with("scenes", [KD, SWA], means)
    answers = stored.results.answers
    of_swa, index = answers["run_id"].str.contains("swa"), answers["index"]
    answers["right"] = np.where(of_swa, ~index.isin(range(N_IMAGES)[wrong_by_swa]), index >= wrong_by_kd) * 1.0
    return stored


@pytest.mark.parametrize(
    ("left", "family", "verdict", "p"),
    [(5, 1, "not testable here", "0.062"), (6, 1, "does not hold", ""), (6, 2, "not testable here", "0.062"),
     (1, 1, "not testable here", "1"), (7, 3, "does not hold", "")],  # 2 / 2**7 * 3 is .047
)  # fmt: skip
def test_a_claim_that_could_not_pass_even_with_all_images_that_are_left_is_not_tested(left, family, verdict, p):
    stored = answering(left, slice(0, left))  # the same images: no difference
    found = judged(stored, [between("SWA - KD", SWA, KD, "answers", "right")] * family, make="make")
    assert found.verdict == verdict
    images = f"{left} images are" if left > 1 else "1 image is"
    said = f"SWA - KD: cannot be shown, only {images} left to gain, and even all of them would give p = {p}."
    assert (said in found.reason) == bool(p), found.reason


def test_a_ceiling_tests_neither_side_and_all_that_is_left_may_be_enough():
    better = between("SWA - KD", SWA, KD, "answers", "right")
    assert judged(answering(3, slice(3, 20)), [better], make="make").verdict == "not testable here"
    assert judged(answering(6, slice(0, 0)), [better], make="make").verdict == "holds"
    worse = between("SWA - KD", SWA, KD, "answers", "right", rule="below")  # KD is right on five
    below = judged(answering(N_IMAGES - 5, slice(0, N_IMAGES - 5)), [worse], make="make")
    assert below.verdict == "not testable here" and "only 5 images are left" in below.reason


def with_one_seed(groups, but: Mapping[str, float]):
    """Groups with one seed each, but for those (by label) whose second seed lies so far apart in its cosine."""
    stored = stored_with("scenes", groups, {(runs.label, "cam", "cosine"): 0.3 + 0.3 * place
                                            for place, runs in enumerate(groups)})  # fmt: skip
    second = {runs.label: card_of(runs, "scenes", 1).id for runs in groups}
    gone = {run_id for label, run_id in second.items() if label not in but}
    cards = tuple(card for card in stored.zoo.cards if card.id not in gone)
    rows = stored.metrics.rows
    for label, apart in but.items():
        ids = [card_of(runs, "scenes", seed).id for runs in groups if runs.label == label for seed in (0, 1)]
        means = [rows.loc[rows["run_id"] == run_id, "cosine"].mean() for run_id in ids]
        rows.loc[rows["run_id"] == ids[1], "cosine"] += apart + means[0] - means[1]
    return replace(stored, zoo=replace(stored.zoo, cards=cards))


@pytest.mark.parametrize(("apart", "verdict"), [(0.25, "holds"), (0.35, "not testable here")])
def test_what_another_seed_makes_is_taken_from_another_lam_where_it_is_known_there(apart, verdict):
    stored = with_one_seed([AT_LAM[0.0], AT_LAM[1.0], AT_LAM[0.5]], {"λ 0.5": apart})
    check = between("λ 1 - λ 0", AT_LAM[1.0], AT_LAM[0.0], "cam", "cosine")
    found = judged(stored, [check], make="make")
    assert (found.verdict, found.one_seed) == (verdict, verdict == "holds")
    assert f"One seed each here; at λ 0.5 two seeds lie {apart} apart." in found.reason
    assert ("two seeds of one training lie as far apart (0.35 at λ 0.5)" in found.reason) == (verdict != "holds")
    assert UNKNOWN not in found.reason


def test_beside_a_run_with_two_seeds_one_with_one_seed_is_no_surer():
    stored = with_one_seed([AT_LAM[0.0], AT_LAM[1.0], AT_LAM[0.5]], {"λ 0.5": 0.35, "λ 1": 0.01})
    found = measure(stored, between("λ 1 - λ 0", AT_LAM[1.0], AT_LAM[0.0], "cam", "cosine"))
    assert (found.seeds, found.floor.borrowed) == (1, "λ 0.5")
    assert found.floor.value == pytest.approx(0.35)
    assert found.floor.partial is False  # the other λ of the family tell of both
    alone = with_one_seed([AT_LAM[0.0], AT_LAM[1.0]], {"λ 1": 0.01})
    assert measure(alone, between("λ 1 - λ 0", AT_LAM[1.0], AT_LAM[0.0], "cam", "cosine")).floor.value < 0.02


def test_another_width_or_another_family_says_nothing_of_another_seed():
    wide = replace(AT_LAM[0.5], label="wide", width=0.5)
    check = between("λ 1 - λ 0", AT_LAM[1.0], AT_LAM[0.0], "cam", "cosine")
    for other in (wide, SWA):
        stored = with_one_seed([AT_LAM[0.0], AT_LAM[1.0], other], {other.label: 0.9})
        assert measure(stored, check).floor.value is None


def test_where_no_second_seed_is_known_the_verdict_stays_and_says_so():
    one_seed = with_one_seed([KD, SWA], {})
    check = between("SWA - KD", SWA, KD, "cam", "cosine")
    found = judged(one_seed, [check], make="make")
    judged_by = "Judged by CAM: in the loss of SWA, not in the loss of KD."
    assert (found.verdict, found.reason) == ("holds", f"1 of 1 comparison as claimed. {judged_by} {UNKNOWN}")
    two_seeds = stored_with("scenes", [KD, SWA], {("KD", "cam", "cosine"): 0.3, ("SWA", "cam", "cosine"): 0.6})
    assert "seed" not in judged(two_seeds, [check], make="make").reason


@pytest.mark.parametrize("away", ["usual", "all"])
def test_which_runs_a_claim_means_does_not_depend_on_the_weights_that_are_here(away):
    other = card_of(SWA, "scenes", 7, id="scenes-other-beta", beta=8.0)
    stored = stored_with("scenes", [SWA], {}, extra=[other])
    gone = {card.id for card in stored.zoo.cards if away == "all" or card.beta == 2.0}
    without = replace(stored, zoo=replace(stored.zoo, away=frozenset(gone)))
    assert list(stored.ids(SWA)) == [0, 1]
    assert without.ids(SWA) == stored.ids(SWA)


def test_rises_offset_decides_nothing_about_intensity():
    judge = CLAIMS["002-intensity"].judge
    for true in (True, False):
        stored = stored_with("scenes", groups_of(judge.checks), means_for(judge.checks, true=true))
        found = judged(stored, judge.checks, make="make")
        assert (found.verdict, [one.passes for one in found.numbers]) == ("not testable here", [None, None])
        assert "the constant that RISE adds" in found.reason
    assert "constant offset" in CLAIMS["002-intensity"].test


def test_images_without_a_value_are_counted_and_those_that_a_filter_leaves_out_are_not():
    stored = stored_with("scenes", [KD, SWA], {("KD", "cam", "cosine"): 0.3, ("SWA", "cam", "cosine"): 0.6})
    rows, answers = stored.metrics.rows, stored.results.answers
    gone = rows["index"].isin([0, 9]) & (rows["run_id"] == card_of(KD, "scenes", 1).id)
    rows.loc[gone, ["cosine", "undefined"]] = np.nan, reasons_text({"cosine": "the map is flat"})
    wrong = answers["run_id"].str.contains("kd") & (answers["index"] < 5)
    answers["right"] = np.where(wrong, 0.0, answers["right"])
    check = between("SWA - KD", SWA, KD, "cam", "cosine")
    (every,) = judged(stored, [check], make="make").numbers
    assert (every.n, every.undefined) == (N_IMAGES - 2, 2)
    assert f"(n={N_IMAGES - 2}, 2 undefined, 2 seeds)" in str(every)
    (right,) = judged(stored, [replace(check, right_only=True)], make="make").numbers
    assert (right.n, right.undefined) == (N_IMAGES - 6, 1)  # of the two, one is among the five


def test_undefined_images_are_kept_in_the_file_and_older_files_have_none():
    number = Number(label="a", value=0.5, n=960, undefined=40)
    stored = {"verdict": "holds", "reason": "", "command": "", "against": 0, "numbers": [report._plain(number)]}
    assert stored["numbers"][0]["undefined"] == 40
    assert report._finding(stored).numbers[0].undefined == 40
    del stored["numbers"][0]["undefined"]
    assert report._finding(stored).numbers[0].undefined == 0


def test_a_verdict_says_that_it_rests_on_one_seed_and_how_many_comparisons_pass():
    one, other = (Number(label=label, value=0.5, passes=passes) for label, passes in (("a", True), ("b", False)))
    contradicted = Finding(verdict="does not hold", reason="", numbers=(one, other), against=1, one_seed=True)
    assert contradicted.full == "does not hold: contradicted (one seed, 1 of 2 pass)"
    assert Finding(verdict="holds", reason="", numbers=(one,)).full == "holds"
    assert report._finding(report.as_json([Judged(claim=CLAIMS["001-adcc"], finding=contradicted)])[0]) == contradicted


def test_one_seed_is_said_where_nobody_knows_what_another_would_change():
    swa, naive = (Runs(family=family, label=family, width=0.25) for family in ("swa", "naive"))
    check = between("swa - naive", swa, naive, "cam", "cosine")
    means = {("swa", "cam", "cosine"): 0.9, ("naive", "cam", "cosine"): 0.5}
    both = stored_with("scenes", [swa, naive], means)
    assert not judged(both, [check], make="").one_seed
    first = [card for card in both.zoo.cards if card.seed == 0]
    alone = replace(both, zoo=replace(both.zoo, cards=tuple(first)))
    found = judged(alone, [check], make="")
    assert (found.verdict, found.one_seed) == ("holds", True)
