"""Each statistic beside a value that was worked out by hand or restated plainly here."""

from __future__ import annotations

import json
import math
from collections import Counter
from itertools import product

import numpy as np
import pandas as pd
import pytest

from tests.study.made_study import make_config, make_participant, make_study
from xkd_core.errors import BadInputError
from xkd_core.study.analysis.agreement import krippendorff_alpha, position_bias, repeat_consistency
from xkd_core.study.analysis.clusters import bootstrap_interval, bootstrap_means, clustered_mean, crossed
from xkd_core.study.analysis.exclusions import counted, excluded, rules
from xkd_core.study.analysis.predictors import predictors
from xkd_core.study.analysis.primary import mixed_model, primary
from xkd_core.study.analysis.proportions import PAPER_003, answer_shares, majorities, reference, wilson
from xkd_core.study.analysis.report import analyse
from xkd_core.study.config import Exclusions
from xkd_core.study.store import participants
from xkd_core.study.store.answers import Given, answer, progress
from xkd_core.study.store.frames import read_data
from xkd_core.study.store.tables import TrialRow

Z = 1.959963984540054


def table(rows, columns=("participant", "item", "answer")):
    return pd.DataFrame(rows, columns=list(columns))


def test_wilson_is_the_formula_and_paper_003s_interval():
    hits, n = 18, 30
    p = hits / n
    centre = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    found = wilson(hits, n)
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half), abs=1e-12)
    assert (round(found.low, 3), round(found.high, 3)) == (0.423, 0.754)
    assert found.exact_low < found.low < 0.6 < found.high < found.exact_high


def test_the_exact_interval_of_no_hit_is_the_closed_form():
    found = wilson(0, 10)
    assert found.exact_low == 0
    assert found.exact_high == pytest.approx(1 - 0.025 ** (1 / 10), abs=1e-12)
    assert math.isnan(wilson(0, 0).share)
    with pytest.raises(BadInputError, match="hits must be 0 to n"):
        wilson(3, 2)


def test_shares_and_majorities_are_counts():
    answers = table([("a", 0, "TM"), ("a", 1, "TM"), ("a", 2, "NM"), ("b", 0, "TN"), ("b", 1, "TM"), ("c", 0, "NM")])
    shares = answer_shares(answers["answer"], "odd_one_out")
    assert {pair: (one.hits, one.n) for pair, one in shares.items()} == {"TM": (3, 6), "TN": (1, 6), "NM": (2, 6)}
    assert majorities(answers) == {"TM": 1, "TN": 0, "NM": 1, "tie": 1}
    assert set(answer_shares(answers["answer"], "two_alternative")) == {"TM", "TN"}


def test_paper_003_is_the_reference_of_three_panel_questions():
    assert PAPER_003 == {"TM": 18, "NM": 5, "TN": 7}
    assert reference(make_config())["TM"].share == 0.6
    assert reference(make_config(question="two_alternative")) == {}


def test_the_two_way_clustered_error_is_the_one_worked_out_by_hand():
    # Two people, two items, answers 1 1 / 0 1: mean 3/4, residuals 1/4 1/4 / -3/4 1/4.
    # Sums of residuals: people 1/2, -1/2; items -1/2, 1/2; cells as they are.
    # V = sum of squares / 16 * G/(G-1): people 0.5/16*2, items 0.5/16*2, cells 0.75/16*4/3 -> 1/16 + 1/16 - 1/16.
    data = crossed(np.array([1.0, 1, 0, 1]), pd.Series([0, 0, 1, 1]), pd.Series(["x", "y", "x", "y"]))
    found = clustered_mean(data)
    assert (found.mean, found.se, found.df) == (0.75, pytest.approx(0.25), 1)
    # t = 1 with one degree of freedom (Cauchy): p = 1/2.
    assert found.p == pytest.approx(0.5)
    assert (found.n, found.participants, found.items) == (4, 2, 2)


def restated_error(values, people, items):
    """Cameron, Gelbach & Miller in plain loops."""
    n, mean = len(values), sum(values) / len(values)

    def part(keys):
        sums: Counter = Counter()
        for value, key in zip(values, keys, strict=True):
            sums[key] += value - mean
        return sum(total**2 for total in sums.values()) / n**2 * len(sums) / (len(sums) - 1)

    return math.sqrt(part(people) + part(items) - part(list(zip(people, items, strict=True))))


def test_the_two_way_clustered_error_equals_a_plain_restatement():
    rng = np.random.default_rng(0)
    people, items = rng.integers(0, 9, 300), rng.integers(0, 14, 300)
    values = (rng.random(300) < 0.4 + 0.03 * people).astype(float)
    found = clustered_mean(crossed(values, pd.Series(people), pd.Series(items)))
    assert found.se == pytest.approx(restated_error(values, people, items), rel=1e-9)
    assert found.df == 8


def test_a_test_that_cannot_be_made_says_why():
    same = clustered_mean(crossed(np.ones(4), pd.Series([0, 0, 1, 1]), pd.Series([0, 1, 0, 1])))
    assert math.isnan(same.p) and same.mean == 1 and same.reason == "all answers are the same"
    alone = clustered_mean(crossed(np.array([1.0, 0]), pd.Series([0, 0]), pd.Series([0, 1])))
    assert math.isnan(alone.p) and "fewer than two" in alone.reason
    none = clustered_mean(crossed(np.array([]), pd.Series([], dtype=int), pd.Series([], dtype=int)))
    assert math.isnan(none.mean) and none.n == 0


def test_draws_of_people_have_the_distribution_of_all_draws():
    # Person 0 always 1 (3 answers), person 1 always 0 (1 answer): of the 4 equally likely draws, 00 gives 1,
    # 01 and 10 give 3/4, 11 gives 0.
    data = crossed(np.array([1.0, 1, 1, 0]), pd.Series([0, 0, 0, 1]), pd.Series([0, 1, 2, 0]))
    means = bootstrap_means(data, by="participant", seed=0, resamples=8000)
    shares = {value: float((means == value).mean()) for value in (1.0, 0.75, 0.0)}
    assert shares == pytest.approx({1.0: 0.25, 0.75: 0.5, 0.0: 0.25}, abs=0.03)


def test_draws_of_both_weigh_each_answer_by_person_and_item():
    answers = np.array([[1.0, 0.0], [1.0, 1.0]])
    data = crossed(answers.ravel(), pd.Series([0, 0, 1, 1]), pd.Series([0, 1, 0, 1]))
    expected: Counter = Counter()
    for people, items in product(product(range(2), repeat=2), repeat=2):
        expected[float(np.mean([answers[p, i] for p in people for i in items]))] += 1 / 16
    means = bootstrap_means(data, by="both", seed=1, resamples=16000)
    assert {value: float((means == value).mean()) for value in expected} == pytest.approx(dict(expected), abs=0.02)


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(3)
    data = crossed(rng.random(50), pd.Series(rng.integers(0, 5, 50)), pd.Series(rng.integers(0, 6, 50)))
    assert bootstrap_interval(data, by="both", seed=4) == bootstrap_interval(data, by="both", seed=4)
    assert bootstrap_interval(data, by="both", seed=4) != bootstrap_interval(data, by="both", seed=5)


def test_alpha_is_the_one_worked_out_by_hand():
    # Two raters; items TM/TM, TM/TN, TN/TN, NM/NM. Coincidences off the diagonal: 2 of 8, so D_o = 1/4.
    # Values: TM 3, TN 3, NM 2 of 8; D_e = 1 - (6 + 6 + 2)/56 = 3/4; alpha = 1 - 1/3.
    pairs = [("TM", "TM"), ("TM", "TN"), ("TN", "TN"), ("NM", "NM")]
    rows = [(rater, item, pair[place]) for item, pair in enumerate(pairs) for place, rater in enumerate("ab")]
    found = krippendorff_alpha(table(rows))
    assert found.alpha == pytest.approx(2 / 3)
    assert (found.raters, found.items) == (2, 4)
    assert found.low <= found.alpha <= found.high
    # An item that only one person saw changes nothing.
    assert krippendorff_alpha(table([*rows, ("a", 9, "NM")])).alpha == pytest.approx(2 / 3)


def test_alpha_without_disagreement_to_measure_is_undefined():
    found = krippendorff_alpha(table([("a", 0, "TM"), ("b", 0, "TM"), ("a", 1, "TM"), ("b", 1, "TM")]))
    assert math.isnan(found.alpha) and found.reason == "only one answer was ever given"
    assert krippendorff_alpha(table([("a", 0, "TM"), ("b", 1, "TN")])).reason == "fewer than two shared items"


def test_position_bias_is_the_chi_square_of_equal_use():
    chosen = pd.DataFrame({"choice": [1] * 10 + [2] * 20 + [3] * 30})
    found = position_bias(chosen, slots=3)
    # Expected 20 each: (100 + 0 + 100) / 20 = 10, and with two degrees of freedom p = exp(-10 / 2).
    assert (found.counts, found.chi2) == ((10, 20, 30), 10.0)
    assert found.p == pytest.approx(math.exp(-5))
    assert math.isnan(position_bias(chosen[:0], slots=3).p)


def test_repeats_are_compared_with_the_trial_they_repeat():
    columns = ("participant", "idx", "kind", "repeat_of", "answer")
    rows = [("a", 0, "main", None, "TM"), ("a", 1, "main", None, "TN"), ("a", 5, "repeat", 0, "TM"),
            ("a", 6, "repeat", 1, "NM"), ("b", 0, "main", None, "NM"), ("b", 5, "repeat", 0, "NM"),
            ("b", 6, "repeat", 1, None), ("c", 5, "repeat", 0, "TM")]  # fmt: skip
    found = repeat_consistency(table(rows, columns))
    assert (found.hits, found.n) == (2, 3)


def people(kinds_choices_correct_rt):
    columns = ("participant", "kind", "choice", "correct", "rt_client_ms")
    return table(kinds_choices_correct_rt, columns)


def test_each_rule_excludes_whom_it_names_and_practice_never_counts():
    good = [("good", "main", 1 + place % 3, None, 2000) for place in range(12)] + [("good", "catch", 1, False, 2000)]
    practised = [("good", "practice", 1, False, 10)] * 5
    careless = [("careless", "catch", 1, False, 2000)] * 2 + [("careless", "main", 2, None, 2000)]
    fast = [("fast", "main", 1 + place % 3, None, 500 if place < 4 else 900) for place in range(12)]
    left = [("left", "main", 1 if place < 8 else 2, None, 2000) for place in range(12)]
    begun = [("begun", "main", None, None, None)]
    trials = people(good + practised + careless + fast + left + begun)
    found = {one.participant: one.reasons for one in excluded(trials, Exclusions())}
    assert found == {
        "careless": ("2 wrong catch trials",),
        "fast": ("33% of the answers in under 800 ms",),
        "left": ("one place in 67% of the answers",),
    }
    kept = counted(trials, excluded(trials, Exclusions()))
    assert set(kept["participant"]) == {"good"} and len(kept) == 12
    off = Exclusions(failed_catches=None, fast_share=None, slot_share=None)
    assert excluded(trials, off) == () and rules(off) == ()
    assert len(rules(Exclusions(unfinished=True))) == 4


def test_the_limits_of_the_rules_are_as_they_are_worded():
    exactly = people([("a", "main", 1, None, 100)] + [("a", "main", 2 + place % 2, None, 900) for place in range(3)])
    assert excluded(exactly, Exclusions(fast_share=0.25)) == ()  # 25 % is not more than 25 %
    unknown = people([("a", "main", 1, None, None)] * 4)
    assert excluded(unknown, Exclusions()) == ()  # an unknown time is not a fast one
    unfinished = people([("a", "main", 1, None, 900), ("a", "main", None, None, None)])
    assert excluded(unfinished, Exclusions(unfinished=True))[0].reasons == ("1 trials not answered",)


def crossed_answers(log_odds, person_sd, item_sd, shape, seed):
    rng = np.random.default_rng(seed)
    pull = log_odds + rng.normal(0, person_sd, shape[0])[:, None] + rng.normal(0, item_sd, shape[1])
    matched = rng.random(shape) < 1 / (1 + np.exp(-pull))
    return table([(p, i, "TM" if matched[p, i] else "TN") for p in range(shape[0]) for i in range(shape[1])])


def test_the_mixed_model_gives_back_what_the_answers_were_made_from():
    found = mixed_model(crossed_answers(0.8, 0.7, 0.4, (60, 60), seed=1))
    assert found is not None
    assert found.log_odds == pytest.approx(0.8, abs=0.25)
    assert found.person_sd == pytest.approx(0.7, abs=0.2) and found.item_sd == pytest.approx(0.4, abs=0.2)
    assert found == mixed_model(crossed_answers(0.8, 0.7, 0.4, (60, 60), seed=1))


def test_the_primary_test_ignores_answers_that_leave_the_teacher_alone():
    answers = crossed_answers(0.0, 0.0, 0.0, (10, 10), seed=2)
    alone = table([(p, 100 + p, "NM") for p in range(10)])
    found = primary(answers, model=False)
    assert primary(pd.concat([answers, alone]), model=False) == found
    matched = int((answers["answer"] == "TM").sum())
    assert found.test.mean == matched / 100 and found.odds == pytest.approx(matched / (100 - matched))
    assert set(found.bootstrap) == {"participant", "item", "both"}
    for interval in found.bootstrap.values():
        assert interval.low <= found.test.mean <= interval.high and interval.resamples == 2000


def test_the_best_metric_is_the_one_that_agrees_with_people():
    # Item 0: people say matched 3 of 4 times; item 1: naive always. "good" says matched, naive; "bad" the reverse;
    # "flat" cannot tell. Agreement: good (3 + 4)/8, bad (1 + 0)/8, flat one half.
    answers = table([*[(p, 0, "TM") for p in "abc"], ("d", 0, "TN"), *[(p, 1, "TN") for p in "abcd"], ("a", 0, "NM")])
    values = {"good": ((0.1, 0.9), (0.8, 0.7)), "bad": ((0.9, 0.1), (0.2, 0.3)), "flat": ((0, 0), (1, 1))}
    similarities = {
        item: {name: dict(zip(("naive", "matched"), pairs[item], strict=True)) for name, pairs in values.items()}
        for item in (0, 1)
    }
    found = {one.metric: one for one in predictors(answers, similarities)}
    assert list(found) == ["good", "flat", "bad"]
    assert {name: one.agreement for name, one in found.items()} == {"good": 7 / 8, "flat": 0.5, "bad": 1 / 8}
    assert (found["good"].behind, found["bad"].behind) == (None, 0.75)
    assert (found["good"].rank_correlation, found["bad"].rank_correlation) == pytest.approx((1, -1))
    assert math.isnan(found["flat"].rank_correlation)
    assert (found["good"].n, found["good"].undefined) == (8, 0)
    assert found["good"].interval.low <= 7 / 8 <= found["good"].interval.high


def test_metrics_are_compared_where_all_of_them_are_defined():
    answers = table([("a", 0, "TM"), ("b", 0, "TM"), ("a", 1, "TN"), ("b", 1, "TN"), ("a", 2, "TM")])
    whole = {"naive": 0.1, "matched": 0.9}
    similarities = {0: {"x": whole, "y": whole}, 1: {"x": whole, "y": whole},
                    2: {"x": whole, "y": {"naive": None, "matched": 0.5}}}  # fmt: skip
    for one in predictors(answers, similarities):
        assert (one.n, one.undefined, one.agreement) == (4, 1, 0.5)
    assert predictors(answers, {}) == ()


def test_a_stored_study_gives_back_what_its_people_did(sqlite):
    """People who see the truth with probability 0.7: through enrolment, trials, answers, tables and analysis."""
    study = make_study(sqlite, trials=12, repeats=3)
    rng = np.random.default_rng(5)

    def slots(code, index):
        def read(session):
            row = session.query(TrialRow).filter_by(participant_id=code, idx=index).one()
            return [row.slot1, row.slot2, row.slot3]

        return sqlite.read(read)

    tokens = [make_participant(sqlite, study) for _ in range(12)]
    expected: Counter = Counter()
    for place, token in enumerate(tokens):
        while (now := progress(sqlite, token)).stage == "trials":
            shown = slots(now.code, now.trial.index)
            wanted = "different" if "different" in shown else "naive" if rng.random() < 0.7 else "matched"
            if place == 0 and wanted == "different":
                wanted = "same_a"
            answer(sqlite, token, now.trial.index, shown.index(wanted) + 1, Given(rt_ms=2000))
    participants.withdraw(sqlite, tokens.pop())
    data = read_data(sqlite, study)
    report = analyse(data, resamples=200)
    kept = data.trials[data.trials["participant"] != progress(sqlite, tokens[0]).code]
    expected.update(kept.loc[kept["kind"] == "main", "answer"])
    assert [one.reasons for one in report.excluded] == [("2 wrong catch trials",)]
    assert (report.participants, report.answers) == (10, 120)
    assert {pair: one.hits for pair, one in report.shares.items()} == {
        "TM": expected["TM"],
        "TN": expected["TN"],
        "NM": 0,
    }
    assert report.primary.test.mean == expected["TM"] / 120
    assert 0.6 < report.primary.test.mean < 0.8 and report.primary.test.p < 0.05
    assert (report.catches.hits, report.catches.n) == (20, 22)
    assert report.repeats.n == 30
    assert sum(report.position.counts) == 120
    (cell,) = report.cells
    assert (cell.ratio, cell.lam, cell.p_holm) == (63.0, 0.5, report.primary.test.p)
    assert {one.metric for one in report.predictors} == {"cosine", "pearson"}
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["chance"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("question", ["most_similar_pair", "two_alternative"])
def test_a_study_without_answers_can_be_analysed(sqlite, question):
    study = make_study(sqlite, question=question)
    report = analyse(read_data(sqlite, study))
    assert report.answers == 0 and math.isnan(report.primary.test.p)
    participants.enrol(sqlite, study.id)
    report = analyse(read_data(sqlite, study))
    assert (report.participants, report.answers, report.excluded) == (0, 0, ())
    json.dumps(report.to_dict(), allow_nan=False)
