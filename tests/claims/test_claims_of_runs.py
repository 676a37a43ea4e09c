"""Claims from stored rows, each on hand-made rows in which it is true and on others in which it is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.made_rows import (
    N_IMAGES,
    SEEDS,
    card_of,
    cell,
    groups_of,
    means_for,
    spread,
    stored_with,
)
from xkd_core.claims.columns import MissingRowsError, column
from xkd_core.claims.contrasts import OfRuns, judged
from xkd_core.claims.measuring import between, measure
from xkd_core.claims.stored import TEACHER, Runs, read_stored
from xkd_core.claims.table import CLAIMS
from xkd_core.results.compare import Question, differences

OF_RUNS = [claim_id for claim_id, claim in CLAIMS.items() if isinstance(claim.judge, OfRuns)]
KD = Runs(family="naive", label="KD", width=0.25)
SWA = Runs(family="swa", label="SWA", width=0.25)


def parts(claim_id):
    judge = CLAIMS[claim_id].judge
    return judge.dataset, judge.checks, judge.make


def made(claim_id, *, true):
    dataset, checks, _ = parts(claim_id)
    return stored_with(dataset, groups_of(checks), means_for(checks, true=true))


@pytest.mark.parametrize("claim_id", OF_RUNS)
def test_it_holds_where_the_rows_say_so_and_does_not_where_they_say_the_contrary(claim_id):
    _, checks, make = parts(claim_id)
    checks = [replace(check, undecided="") for check in checks]
    good = judged(made(claim_id, true=True), checks, make=make)
    assert (good.verdict, [one.passes for one in good.numbers]) == ("holds", [True] * len(checks)), good.reason
    bad = judged(made(claim_id, true=False), checks, make=make)
    assert (bad.verdict, [one.passes for one in bad.numbers]) == ("does not hold", [False] * len(checks)), bad.reason
    assert (good.how, bad.how, bad.against) == ("", "contradicted", len(checks))


@pytest.mark.parametrize("claim_id", OF_RUNS)
def test_its_numbers_are_the_chosen_means_and_it_is_not_testable_without_runs(claim_id):
    dataset, checks, make = parts(claim_id)
    means = means_for(checks, true=True)
    numbers = judged(stored_with(dataset, groups_of(checks), means), checks, make=make).numbers
    for check, number in zip(checks, numbers, strict=True):
        expected = sum(term.weight * means[cell(term)] for term in check.terms)
        assert number.value == pytest.approx(expected, abs=0.011 if check.terms[0].to_teacher else 1e-9)
        assert number.low <= number.value <= number.high
        assert number.n == N_IMAGES
    empty = judged(stored_with(dataset, [TEACHER], {}), checks, make=make)
    assert (empty.verdict, empty.numbers) == ("not testable here", ())
    assert empty.reason.startswith("Not trained yet: ")
    assert empty.command == f"python -m xkd_core sweep run checkpoints/{dataset}/sweep.yaml && {make}"
    bare = judged(stored_with(dataset, groups_of(checks), {}), checks, make=make)
    if not all(term.explainer == "answers" for check in checks for term in check.terms):
        assert (bare.verdict, bare.command) == ("not testable here", make)
        assert bare.reason.startswith("Not measured yet: ")


def test_a_contrast_is_the_mean_over_images_of_the_mean_over_the_shared_seeds():
    stored = stored_with("scenes", [KD, SWA], {("KD", "cam", "cosine"): 0.5, ("SWA", "cam", "cosine"): 0.8})
    found = measure(stored, between("SWA - KD", SWA, KD, "cam", "cosine"))
    loops = []
    for image in range(N_IMAGES):
        of_seeds = [spread(card_of(SWA, "scenes", seed).id, 0.8)[image]
                    - spread(card_of(KD, "scenes", seed).id, 0.5)[image] for seed in SEEDS]  # fmt: skip
        loops.append(sum(of_seeds) / len(SEEDS))
    assert found.estimate.mean == pytest.approx(sum(loops) / N_IMAGES)
    assert (found.seeds, found.estimate.n) == (2, N_IMAGES)


def test_likeness_beyond_chance_is_the_share_of_what_maps_of_other_images_leave():
    means = {("KD", "cam", "cosine"): 0.5, ("KD", "cam", "cosine_shuffled"): 0.2,
             ("SWA", "cam", "cosine"): 0.8, ("SWA", "cam", "cosine_shuffled"): 0.6}  # fmt: skip
    stored = stored_with("scenes", [KD, SWA], means)
    found = measure(stored, between("SWA - KD", SWA, KD, "cam", "cosine", beyond=True))
    assert found.estimate.mean == pytest.approx(0.2 / 0.4 - 0.3 / 0.8)
    own, another = (spread(card_of(KD, "scenes", 0).id, mean)[3] for mean in (0.5, 0.2))
    term = between("", SWA, KD, "cam", "cosine", beyond=True).terms[1]
    assert column(stored, term, 0)[3] == pytest.approx((own - another) / (1 - 0.2))


def test_the_metrics_page_and_claims_say_the_same_of_two_groups():
    """Seed 1 lifts both groups: with seeds drawn apart the interval would be far wider."""
    stored = stored_with("scenes", [KD, SWA], {("KD", "cam", "cosine"): 0.5, ("SWA", "cam", "cosine"): 0.52})
    rows = stored.metrics.rows
    rows.loc[rows["run_id"].str.endswith("s1"), "cosine"] += 0.2
    claim = measure(stored, between("SWA - KD", SWA, KD, "cam", "cosine"))
    groups = {runs.label: list(stored.ids(runs).values()) for runs in (KD, SWA)}
    asked = Question(first="SWA", second="KD", explainer="cam", metric="cosine")
    seeds = {card.id: card.seed for card in stored.zoo.cards}
    (page,) = differences(stored.metrics, groups, [asked], seeds=seeds, resamples=0)
    assert page.estimate == claim.estimate and page.test.wilcoxon_p == claim.p
    assert page.seeds == SEEDS and 0.01 < page.estimate.low < page.estimate.high < 0.03


def test_an_interval_over_zero_shows_no_difference_and_one_over_the_margin_is_undecided():
    means = {("KD", "answers", "right"): 0.5, ("SWA", "answers", "right"): 0.5}
    stored = stored_with("scenes", [KD, SWA], means)
    better = judged(stored, [between("SWA - KD", SWA, KD, "answers", "right")], make="make")
    assert better.verdict == "does not hold"
    assert better.reason == (
        "Not shown: 0 of 1 comparison as claimed, none is the other way round. "
        "SWA - KD: the interval contains 0, no difference is shown."
    )
    assert (better.how, better.words, better.against) == ("not shown", "does not hold: not shown", 0)
    tight = between("SWA - KD", SWA, KD, "answers", "right", rule="not below", margin=1e-6)
    assert judged(stored, [tight], make="make").verdict == "not testable here"
    assert "undecided" in judged(stored, [tight], make="make").reason


@pytest.mark.parametrize(("rule", "end"), [("above", 1.0), ("below", 0.0)])
def test_what_no_run_could_pass_is_not_tested(rule, end):
    means = {("KD", "answers", "right"): 0.5, ("SWA", "answers", "right"): 0.5}
    check = between("SWA - KD", SWA, KD, "answers", "right", rule=rule)
    assert judged(stored_with("scenes", [KD, SWA], means), [check], make="make").verdict == "does not hold"
    stored = stored_with("scenes", [KD, SWA], means)
    answers = stored.results.answers
    answers["right"] = np.where(answers["run_id"].str.contains("kd"), end, 0.5)
    found = judged(stored, [check], make="make")
    assert (found.verdict, found.numbers[0].passes) == ("not testable here", None)
    assert "no run could be better than what it is compared with" in found.reason


@pytest.mark.parametrize(("apart", "verdict"), [(0.15, "holds"), (0.25, "not testable here")])
def test_a_difference_of_one_seed_counts_if_it_is_larger_than_that_of_two_seeds(apart, verdict):
    """SWA has .8 once; KD has .5 and ``apart`` more, so that the difference is .225 or .175."""
    stored = stored_with("scenes", [KD, SWA], {("KD", "cam", "cosine"): 0.5, ("SWA", "cam", "cosine"): 0.8})
    cards = tuple(card for card in stored.zoo.cards if (card.method, card.seed) != ("swa", 1))
    rows = stored.metrics.rows
    rows.loc[rows["run_id"] == card_of(KD, "scenes", 1).id, "cosine"] += apart
    check = between("SWA - KD", SWA, KD, "cam", "cosine")
    found = judged(replace(stored, zoo=replace(stored.zoo, cards=cards)), [check], make="make")
    assert found.verdict == verdict
    assert ("two seeds of one training lie as far apart (0.25)" in found.reason) == (verdict != "holds")


def test_holms_correction_counts_every_comparison_of_the_claim():
    """One image in six differs: p alone is below .05, ten such questions together are not."""
    stored = stored_with("scenes", [KD, SWA], {("KD", "cam", "cosine"): 0.5, ("SWA", "cam", "cosine"): 0.5})
    rows = stored.metrics.rows
    above = rows["run_id"].str.contains("swa")
    rows["cosine"] = np.where(above & (rows["index"] < 6), 0.7, 0.5)
    one = between("SWA - KD", SWA, KD, "cam", "cosine")
    assert judged(stored, [one], make="make").verdict == "holds"
    ten = judged(stored, [one] * 10, make="make")
    assert ten.verdict == "does not hold"
    assert "not significant after Holm's correction" in ten.reason and ten.how == "not shown"
    below = judged(stored, [between("KD - SWA", KD, SWA, "cam", "cosine")] * 10, make="make")
    assert below.how == "not shown" and "on the other side, but not significant" in below.reason


def test_one_comparison_the_other_way_round_contradicts_a_claim_by_the_same_evidence_as_it_needs():
    means = {(label, "cam", metric): mean for metric, (kd, swa) in
             {"cosine": (0.5, 0.8), "pearson": (0.8, 0.5), "ssim": (0.5, 0.5)}.items()
             for label, mean in (("KD", kd), ("SWA", swa))}  # fmt: skip
    stored = stored_with("scenes", [KD, SWA], means)
    checks = [between(name, SWA, KD, "cam", name) for name in ("cosine", "pearson", "ssim")]
    found = judged(stored, checks, make="make")
    assert (found.how, found.against) == ("contradicted", 1)
    assert found.reason == (
        "Contradicted: 1 of 3 comparisons as claimed, 1 is the other way round. pearson: the other way round. "
        "ssim: the interval contains 0, no difference is shown. Judged by CAM: in the loss of SWA, not in the loss "
        "of KD."
    )
    stored = stored_with("scenes", [KD, SWA], means)
    cards = tuple(card for card in stored.zoo.cards if (card.method, card.seed) != ("swa", 1))
    rows = stored.metrics.rows
    rows.loc[rows["run_id"] == card_of(KD, "scenes", 1).id, "pearson"] -= 0.25
    one_seed = replace(stored, zoo=replace(stored.zoo, cards=cards))
    weak = judged(one_seed, checks[1:2], make="make")
    assert (weak.how, weak.against) == ("not shown", 0)
    assert "pearson: on the other side, but no further than another seed moves it. Judged by" in weak.reason


def test_only_images_that_all_runs_answer_right_count_where_asked():
    stored = stored_with("scenes", [KD, SWA], {("KD", "cam", "pointing"): 0.4, ("SWA", "cam", "pointing"): 0.6})
    answers = stored.results.answers
    wrong = answers["run_id"].str.contains("kd") & (answers["index"] < 5)
    answers["right"] = np.where(wrong, 0.0, answers["right"])
    check = between("SWA - KD", SWA, KD, "cam", "pointing", right_only=True)
    assert measure(stored, check).estimate.n == N_IMAGES - 5


def test_runs_that_were_not_trained_to_the_end_are_named():
    stored = stored_with("scenes", [KD, SWA], {("KD", "cam", "cosine"): 0.5, ("SWA", "cam", "cosine"): 0.8})
    checks = [between("SWA - KD", SWA, KD, "cam", "cosine")]
    assert "trained to the end" not in judged(stored, checks, make="").reason
    cards = tuple(card.model_copy(update={"undertrained": card.role == "naive"}) for card in stored.zoo.cards)
    short = replace(stored, zoo=replace(stored.zoo, cards=cards))
    assert judged(short, checks, make="").reason.endswith(". Not trained to the end: KD.")


def test_runs_are_found_by_the_fields_of_their_cards():
    others = [
        card_of(SWA, "scenes", 7, id="scenes-other-beta", beta=8.0),
        card_of(SWA, "scenes", 8, id="scenes-other-lam", lam=1.0),
        card_of(SWA, "scenes", 9, id="scenes-other-width", width=0.125),
        card_of(SWA, "scenes", 10, id="scenes-other-teacher", teacher_id="scenes-second"),
        card_of(SWA, "scenes", 11, id="scenes-control", role="control", recipe={"shuffled": True}),
        card_of(SWA, "scenes", 12, id="scenes-layers", recipe={"layers": "last-1+last"}),
    ]
    stored = stored_with("scenes", [SWA], {}, extra=others)
    assert list(stored.ids(SWA)) == list(SEEDS)
    assert list(stored.ids(Runs(family="swa", label="all λ", width=0.25, lam=None))) == [*SEEDS, 8]


def test_of_a_pruning_in_rounds_the_last_counts():
    pruned = Runs(family="weights-swa", label="pruned")
    last = card_of(pruned, "scenes", 0, id="scenes-a-last", recipe={"round": 5})
    first = card_of(pruned, "scenes", 0, id="scenes-z-first", recipe={"round": 1})
    assert stored_with("scenes", [], {}, extra=[last, first]).ids(pruned) == {0: "scenes-a-last"}


def test_what_is_missing_is_named_by_its_label():
    stored = stored_with("scenes", [KD, SWA], {("KD", "cam", "cosine"): 0.5})
    with pytest.raises(MissingRowsError, match="cosine of cam of SWA on scenes"):
        measure(stored, between("SWA - KD", SWA, KD, "cam", "cosine"))
    untrained = judged(stored_with("scenes", [KD], {}), [between("SWA - KD", SWA, KD, "cam", "cosine")], make="make")
    assert untrained.reason == "Not trained yet: SWA on scenes."


def test_rows_are_read_from_the_disk_below_a_root(tmp_path):
    assert read_stored("scenes", tmp_path).zoo.cards == ()
    found = CLAIMS["004-naive-scenes"].judge(tmp_path)
    assert found.verdict == "not testable here"
