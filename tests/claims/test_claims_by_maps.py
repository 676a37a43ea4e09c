"""Whether the maps that judge were in the loss, in the words of every claim; and seeds that are not measured."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from tests.claims.made_rows import card_of, groups_of, means_for, stored_with
from xkd_core.claims.columns import MissingRowsError
from xkd_core.claims.contrasts import OfRuns, judged
from xkd_core.claims.maps_used import in_words, was_target
from xkd_core.claims.measuring import between, measure
from xkd_core.claims.stored import TEACHER, Runs
from xkd_core.claims.table import CLAIMS
from xkd_core.results.in_loss import was_in_loss

KD, SWA, EWA, XD = (Runs(family=family, label=family, width=0.25) for family in ("naive", "swa", "ewa", "xd"))
XD_CAM = Runs(family="xd", label="xd of cam", width=0.25, fields={"explained": "grad_cam"})
XD_NONE = Runs(family="untrained", label="untrained", width=0.25, fields={"explained": "none"})


def said(first, second, *explainers):
    stored = stored_with("scenes", [first, second], {})
    return in_words(stored, [between(name, first, second, name, "cosine") for name in explainers])


def test_a_map_that_was_in_the_loss_is_said_to_be_whose():
    assert said(SWA, KD, "cam") == "Judged by CAM: in the loss of swa, not in the loss of naive."
    assert (
        said(SWA, EWA, "ewa") == "Judged by Equally weighted attribution: in the loss of ewa, not in the loss of swa."
    )
    assert said(SWA, SWA, "cam") == "Judged by CAM: in the loss of swa."
    assert said(SWA, KD, "occlusion", "lrp") == "Judged by Occlusion and LRP: not in the loss."
    assert said(SWA, TEACHER, "answers", "centre_gaussian") == said(TEACHER, TEACHER, "cam") == ""
    assert said(TEACHER, KD, "cam") == "Judged by CAM: not in the loss."


def test_the_autoencoders_target_is_named_and_is_in_no_loss():
    target = "not in the loss, the target of the autoencoder of"
    assert (
        said(XD, KD, "gradient_shap", "cam") == f"Judged by GradientSHAP: {target} xd. Judged by CAM: not in the loss."
    )
    assert said(XD_CAM, KD, "grad_cam") == f"Judged by Grad-CAM: {target} xd of cam."
    cards = [card_of(runs, "scenes", 0) for runs in (XD, XD_CAM, XD_NONE, KD)]
    assert [was_target(card, "gradient_shap") for card in cards] == [True, False, False, False]
    assert [was_target(card, "cam") for card in cards] == [False, True, False, False]


def judging(claim):
    """Whether students are judged by a map of theirs."""
    terms = [term for check in claim.judge.checks for term in check.terms]
    return any(term.runs != TEACHER and term.explainer not in ("answers", "centre_gaussian") for term in terms)


@pytest.mark.parametrize(
    "claim_id", [one for one, claim in CLAIMS.items() if isinstance(claim.judge, OfRuns) and judging(claim)]
)
def test_every_claim_that_judges_students_by_a_map_says_whether_it_was_in_the_loss(claim_id):
    judge = CLAIMS[claim_id].judge
    stored = stored_with(judge.dataset, groups_of(judge.checks), means_for(judge.checks, true=True))
    reason = judged(stored, judge.checks, make="").reason
    assert "Judged by " in reason and "in the loss" in reason
    cards = {card.id: card for card in stored.zoo.cards}
    trained = any(was_in_loss(cards[run_id], term.explainer) for check in judge.checks for term in check.terms
                  if term.explainer != "answers" for run_id in stored.ids(term.runs).values())  # fmt: skip
    assert (": in the loss of" in reason) == trained


@pytest.fixture
def half():
    """Seed 1 of SWA has no rows of LRP."""
    stored = stored_with("scenes", [KD, SWA], {("naive", "lrp", "cosine"): 0.5, ("swa", "lrp", "cosine"): 0.8})
    rows = stored.metrics.rows
    kept = rows[rows["run_id"] != card_of(SWA, "scenes", 1).id]
    return replace(stored, metrics=replace(stored.metrics, rows=kept))


def test_a_seed_without_rows_is_left_out_and_named(half):
    check = between("SWA - KD", SWA, KD, "lrp", "cosine")
    found = judged(half, [check], make="")
    assert (found.verdict, found.numbers[0].seeds, found.one_seed) == ("holds", 1, True)
    assert "Seeds not paired: swa has 0; naive has 0, 1." in found.reason
    assert "Trained but not measured, and left out: seed 1." in found.reason
    right = between("right", SWA, KD, "answers", "right", rule="within", margin=1.0)
    both = judged(half, [right, check], make="")
    assert "left out: seed 1 (SWA - KD)." in both.reason and [one.seeds for one in both.numbers] == [2, 1]


def test_a_seed_without_rows_beside_the_teacher_is_left_out_and_named(half):
    rows = half.metrics.rows
    teachers = rows[rows["run_id"] == card_of(SWA, "scenes", 0).id].assign(run_id="scenes-teacher")
    stored = replace(half, metrics=replace(half.metrics, rows=pd.concat([rows, teachers])))
    found = judged(
        stored, [between("teacher - swa", TEACHER, SWA, "lrp", "cosine", rule="within", margin=0.1)], make=""
    )
    assert (found.verdict, found.one_seed) == ("holds", True)
    assert found.reason.endswith("Trained but not measured, and left out: seed 1.")


def test_a_claim_of_which_no_seed_is_measured_is_not_testable(half):
    check = between("SWA - KD", SWA, KD, "rap", "cosine")
    found = judged(half, [check], make="evaluate it")
    assert (found.verdict, found.command) == ("not testable here", "evaluate it")
    with pytest.raises(MissingRowsError, match="cosine of rap of swa"):
        measure(half, check)
    both = stored_with("scenes", [KD, SWA], {("naive", "lrp", "cosine"): 0.5, ("swa", "lrp", "cosine"): 0.8})
    whole = measure(both, between("SWA - KD", SWA, KD, "lrp", "cosine"))
    assert (whole.seeds, whole.left_out) == (2, ())
