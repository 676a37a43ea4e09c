"""Which seeds decide a claim: pairs where there are two, else all that are measured; what one seed cannot decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.claims.made_rows import N_IMAGES, card_of, spread, stored_with
from xkd_core.claims.columns import Check, MissingRowsError, Term, choose
from xkd_core.claims.contrasts import judged
from xkd_core.claims.measuring import between, measure
from xkd_core.claims.stored import Runs
from xkd_core.metrics.seeds_and_images import difference_over_seeds, mean_over_seeds
from xkd_core.results.paired import ANY_SEED, paired_seeds, within_floor

NST = Runs(family="nst", label="NST", width=0.25)
BASELINE = Runs(family="naive", label="baseline", width=0.25, lam=0.0)
HALF = replace(BASELINE, label="λ 0.5", lam=0.5)
ONE = replace(BASELINE, label="λ 1", lam=1.0)
POINTING = {0: 0.885, 1: 0.855, 2: 0.819, 3: 0.860, 4: 0.799}
"""Of five seeds the first is the best."""


def with_seeds(*groups):
    """Each group of runs with the mean of its cosine for each of its seeds."""
    means = {(runs.label, "cam", "cosine"): 0.0 for runs, _ in groups}
    seeds = {runs.label: tuple(of) for runs, of in groups}
    stored = stored_with("scenes", [runs for runs, _ in groups], means, seeds=seeds)
    rows = stored.metrics.rows
    for runs, of in groups:
        for seed, mean in of.items():
            rows.loc[rows["run_id"] == card_of(runs, "scenes", seed).id, "cosine"] += mean
    return stored


def asked(first, second, **more):
    return between(f"{first.label} - {second.label}", first, second, "cam", "cosine", **more)


def values(runs, of):
    return np.stack([spread(card_of(runs, "scenes", seed).id, 0.0) + mean for seed, mean in of.items()])


def test_seeds_are_paired_where_two_are_shared_else_all_enter_and_lone_runs_stand_beside_all():
    five, three, one, teacher = (0, 1, 2, 3, 4), (0, 1, 2), (0,), (ANY_SEED,)
    assert choose([five, three]) == (three, three)
    assert choose([five, one, teacher, three]) == (three, one, teacher, three)
    assert choose([five, one]) == (five, one) and choose([one, teacher]) == (one, teacher)
    assert choose([(0, 1), (1, 2)]) == ((0, 1), (1, 2))
    assert choose([one, (3,)]) == (one, (3,))


def test_a_selected_partner_does_not_decide_that_a_method_is_as_good_as_the_baseline():
    """The seed that the baseline shares is within .01; the three are .009 below it, from 0 to .024."""
    stored = with_seeds((NST, {0: 0.998, 1: 0.995, 2: 0.974}), (BASELINE, {0: 0.998}))
    check = asked(NST, BASELINE, rule="within", margin=0.01)
    found = judged(stored, [check], make="")
    assert found.verdict == "not testable here" and "the interval reaches over the margin of 0.01" in found.reason
    assert "Seeds not paired: NST has 0, 1, 2; baseline has 0." in found.reason
    (number,) = found.numbers
    assert (number.value, number.seeds) == (pytest.approx(-0.009), 1) and number.low < -0.02
    alone = judged(with_seeds((NST, {0: 0.998}), (BASELINE, {0: 0.998})), [check], make="")
    assert alone.full == "holds (one seed)"


def test_the_best_of_five_seeds_does_not_contradict_a_claim():
    stored = with_seeds((BASELINE, {0: 0.758}), (HALF, POINTING))
    found = judged(stored, [asked(BASELINE, HALF)], make="")
    assert found.numbers[0].value == pytest.approx(0.758 - np.mean(list(POINTING.values())))
    assert found.words == "does not hold: not shown"
    assert "on the other side, but no further than another seed moves it" in found.reason
    selected = judged(with_seeds((BASELINE, {0: 0.758}), (HALF, {0: 0.885})), [asked(BASELINE, HALF)], make="")
    assert selected.full == "does not hold: contradicted (one seed)"


@pytest.mark.parametrize(("alone", "above", "below"), [
    (0.75, "not testable here", "does not hold: not shown"),  # .1 from the mean, as far as the two seeds lie apart
    (0.74, "holds", "does not hold: contradicted"),
])  # fmt: skip
def test_a_difference_as_large_as_that_of_two_seeds_shows_nothing(alone, above, below):
    stored = with_seeds((BASELINE, {0: alone}), (HALF, {0: 0.9, 1: 0.8}))
    more, less = (judged(stored, [asked(*both)], make="") for both in ((HALF, BASELINE), (BASELINE, HALF)))
    assert (more.words, less.words) == (above, below)
    assert more.one_seed == less.one_seed == (alone < 0.75)


def test_equal_is_within_the_floor_whatever_is_rounded():
    assert within_floor(-(0.1 + 0.2), 0.3) and within_floor(0.3, 0.1 + 0.2)
    assert not within_floor(0.301, 0.3) and not within_floor(0.0, None)


def test_seeds_of_two_sides_are_drawn_apart_where_fewer_than_two_are_shared():
    first, second = {0: 0.5, 1: 0.6}, {1: 0.8, 2: 0.85, 3: 0.9}
    found = measure(with_seeds((NST, second), (HALF, first)), asked(NST, HALF))
    by_hand = difference_over_seeds(values(NST, second), values(HALF, first))
    assert found.estimate.mean == pytest.approx(0.3) == pytest.approx(by_hand.mean)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((by_hand.low, by_hand.high))
    assert (found.seeds, found.floor.value, found.estimate.n) == (2, None, N_IMAGES)
    assert found.unpaired == (("NST", (1, 2, 3)), ("λ 0.5", (0, 1)))
    lone = measure(with_seeds((NST, second), (HALF, {0: 0.5})), asked(HALF, NST))
    by_hand = mean_over_seeds(values(HALF, {0: 0.5}) - values(NST, second))
    assert (lone.estimate.low, lone.estimate.high) == pytest.approx((by_hand.low, by_hand.high))
    assert (lone.seeds, lone.floor.value, lone.floor.partial) == (1, pytest.approx(0.1), True)


def test_two_shared_seeds_are_paired_and_the_others_do_not_enter():
    """Seed 1 lifts both groups: with seeds drawn apart the interval would reach from -.3 to .5."""
    stored = with_seeds((NST, {0: 0.5, 1: 0.9, 7: 0.0}), (HALF, {0: 0.4, 1: 0.8}))
    found = measure(stored, asked(NST, HALF))
    by_hand = mean_over_seeds(values(NST, {0: 0.5, 1: 0.9}) - values(HALF, {0: 0.4, 1: 0.8}))
    assert found.estimate.mean == pytest.approx(0.1) and (found.seeds, found.unpaired) == (2, ())
    assert (found.estimate.low, found.estimate.high) == pytest.approx((by_hand.low, by_hand.high))
    assert found.estimate.low > 0.08


def test_runs_of_one_seed_each_are_compared_though_it_is_another():
    found = judged(with_seeds((NST, {5: 0.8}), (HALF, {6: 0.5})), [asked(NST, HALF)], make="")
    assert found.full == "holds (one seed)"
    assert "Seeds not paired: NST has 5; λ 0.5 has 6." in found.reason


def test_of_three_groups_a_lone_one_stands_beside_each_seed_of_the_others():
    terms = tuple(Term(weight=weight, runs=runs, explainer="cam", metric="cosine")
                  for weight, runs in ((0.5, NST), (0.5, HALF), (-1.0, BASELINE)))  # fmt: skip
    check = Check(label="mean - baseline", terms=terms)
    of = {0: 0.6, 1: 0.8}
    found = measure(with_seeds((NST, of), (HALF, {**of, 2: 0.0}), (BASELINE, {4: 0.3})), check)
    by_hand = mean_over_seeds((values(NST, of) + values(HALF, of)) / 2 - values(BASELINE, {4: 0.3}))
    assert found.estimate.mean == pytest.approx(0.4)
    assert (found.estimate.low, found.estimate.high) == pytest.approx((by_hand.low, by_hand.high))
    apart = with_seeds((NST, of), (HALF, {1: 0.5, 2: 0.5}), (BASELINE, {2: 0.3, 3: 0.3}))
    with pytest.raises(MissingRowsError, match="with two seeds that all share"):
        measure(apart, check)


@pytest.mark.parametrize(("rule", "mean", "apart", "passes"), [
    ("within", 0.500, 0.024, None), ("within", 0.500, 0.015, True), ("within", 0.55, 0.015, False),
    ("within", 0.55, 0.045, None), ("not below", 0.500, 0.024, None), ("not below", 0.52, 0.024, True),
    ("not below", 0.45, 0.015, False), ("not below", 0.45, 0.045, None),
])  # fmt: skip
def test_a_margin_that_another_seed_may_pass_decides_nothing(rule, mean, apart, passes):
    """λ 1 and λ 0 have one seed; of λ .5 it is known how far two lie apart. The margin is .02."""
    stored = with_seeds((ONE, {0: mean}), (BASELINE, {0: 0.5}), (HALF, {0: 0.5, 1: 0.5 + apart}))
    found = judged(stored, [asked(ONE, BASELINE, rule=rule, margin=0.02)], make="")
    assert (found.numbers[0].passes, found.one_seed) == (passes, passes is not None)
    said = f"one seed only, and two seeds of one training lie as far apart ({apart} at λ 0.5) as it is from the margin"
    assert (said in found.reason) == (passes is None)


@pytest.mark.parametrize(("first", "second"), [((0,), (0, 1)), ((0, 1, 3), (1, 0, 2)), ((0,), (0,)), ((0, 1), (1, 2))])
def test_of_two_groups_pages_pair_the_seeds_that_claims_pair(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    ours, theirs = choose([first, second])
    paired = paired_seeds(first, second)
    assert (ours, theirs) == ((paired, paired) if paired else (first, second))
