"""Images, items, order and slots: drawn from a seed, balanced, never by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from tests.study.made_study import make_candidates, make_config
from xkd_core.errors import BadInputError
from xkd_core.study.meaning import meaning
from xkd_core.study.plan import draw_trials, make_items, participant_seed
from xkd_core.study.selection import Candidate, choose_images


def drawn(config, people=1):
    items = make_items(config, choose_images(config, make_candidates()))
    seen: Counter[int] = Counter()
    plans = []
    for number in range(people):
        plan = draw_trials(config, items, seen=seen, seed=participant_seed(config, number))
        seen.update(trial.item for trial in plan if trial.kind == "main")
        plans.append(plan)
    return items, plans, seen


def test_images_come_in_proportion_to_their_strata():
    config = make_config(selection={"n_images": 12, "strata": ["class", "habitat"]})
    chosen = choose_images(config, make_candidates(60))
    # 60 images, 6 equal strata of 10: 12 images are 2 of each.
    assert Counter(chosen.main.values()) == {
        f"class={name}, habitat={place}": 2 for name in ("mug", "fish", "boat") for place in ("own", "other")
    }


def test_remainders_go_to_the_largest_fractions():
    # Strata of 5, 3 and 2 images, 4 places: 2.0, 1.2 and 0.8 -> 2, 1, 1.
    people = [Candidate(index=i, strata={"class": "aaaaabbbcc"[i]}) for i in range(10)]
    config = make_config(selection={"n_images": 4, "strata": ["class"]}, practice=0, catches=0, trials=4)
    counts = Counter(choose_images(config, people).main.values())
    assert counts == {"class=a": 2, "class=b": 1, "class=c": 1}


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_the_candidates():
    config = make_config()
    there = choose_images(config, make_candidates())
    assert choose_images(config, make_candidates()[::-1]) == there
    assert choose_images(make_config(selection={"n_images": 12, "seed": 1}), make_candidates()) != there


def test_practice_and_catch_images_are_others():
    chosen = choose_images(make_config(), make_candidates())
    groups = [set(chosen.main), set(chosen.practice), set(chosen.catches)]
    assert [len(group) for group in groups] == [12, 2, 2]
    assert len(set.union(*groups)) == 16


def test_only_images_that_all_answer_right():
    chosen = choose_images(make_config(selection={"n_images": 12, "only": "all_right"}), make_candidates())
    assert all(index % 4 for index in (*chosen.main, *chosen.practice, *chosen.catches))


def test_too_few_images_and_unknown_strata_are_said():
    with pytest.raises(BadInputError, match="needs 12 images and 4 for practice and catch trials, but only 10 of 10"):
        choose_images(make_config(), make_candidates(10))
    with pytest.raises(BadInputError, match="has no habitat"):
        choose_images(make_config(), [Candidate(index=i, strata={"class": "a", "correctness": "b"}) for i in range(20)])


def test_a_plan_has_every_kind_in_its_place():
    config = make_config()
    items, (plan,), _ = drawn(config)
    kinds = {item.number: item.kind for item in items}
    assert Counter(trial.kind for trial in plan) == {"practice": 2, "main": 6, "catch": 2, "repeat": 1}
    assert [trial.kind for trial in plan[:2]] == ["practice"] * 2
    assert plan[2].kind == "main"
    assert [trial.index for trial in plan] == list(range(11))
    assert all((kinds[trial.item] == "main") == (trial.kind in ("main", "repeat")) for trial in plan)


def test_every_arrangement_comes_equally_often_within_a_participant():
    config = make_config(trials=12, repeats=0, catches=0)
    for question, arrangements in (("most_similar_pair", 6), ("two_alternative", 2)):
        _, plans, _ = drawn(make_config(trials=12, repeats=0, catches=0, question=question), people=3)
        for plan in plans:
            counts = Counter(trial.slots for trial in plan if trial.kind == "main")
            assert list(counts.values()) == [config.trials // arrangements] * arrangements


def test_items_are_seen_equally_often_and_no_image_twice():
    pairs = [{"naive": f"naive-{i}", "matched": f"matched-{i}"} for i in range(3)]
    config = make_config(pairs=pairs, trials=7)
    items, plans, seen = drawn(config, people=18)  # 18 x 7 answers over 36 items: 3.5 each
    main = [item.number for item in items if item.kind == "main"]
    image = {item.number: item.image for item in items}
    counts = [seen[number] for number in main]
    assert (min(counts), max(counts)) == (3, 4)
    for plan in plans:
        shown = [image[trial.item] for trial in plan if trial.kind == "main"]
        assert len(set(shown)) == len(shown)


def test_a_repeat_comes_later_in_another_arrangement():
    config = make_config(trials=12, repeats=5)
    for seed in range(20):
        items = make_items(config, choose_images(config, make_candidates()))
        plan = draw_trials(config, items, seen={}, seed=seed)
        repeats = [trial for trial in plan if trial.kind == "repeat"]
        assert len(repeats) == 5
        for trial in repeats:
            original = plan[trial.repeat_of]
            assert original.kind == "main" and original.index < trial.index
            assert original.item == trial.item and original.slots != trial.slots
        assert len({trial.repeat_of for trial in repeats}) == 5


def test_catches_are_spread_over_the_trials():
    config = make_config(trials=12, repeats=0, catches=3)
    items = make_items(config, choose_images(config, make_candidates()))
    for seed in range(20):
        plan = [trial for trial in draw_trials(config, items, seen={}, seed=seed) if trial.kind != "practice"]
        places = [place for place, trial in enumerate(plan) if trial.kind == "catch"]
        stretches = [(place - rank - 1) // 4 for rank, place in enumerate(places)]
        assert stretches == [0, 1, 2], places


def test_the_same_seed_draws_the_same_and_participants_differ():
    config = make_config()
    _, plans, _ = drawn(config, people=2)
    assert plans == drawn(config, people=2)[1]
    assert plans[0] != plans[1]
    assert len({participant_seed(config, number) for number in range(500)}) == 500


def test_a_two_alternative_trial_compares_with_the_teacher():
    _, (plan,), _ = drawn(make_config(question="two_alternative"))
    for trial in plan:
        known = trial.kind in ("practice", "catch")
        assert trial.reference == ("same_a" if known else "teacher")
        assert set(trial.slots) == ({"same_b", "different"} if known else {"naive", "matched"})


@pytest.mark.parametrize(
    ("slots", "reference", "choice", "odd", "pair", "correct"),
    [
        (("teacher", "naive", "matched"), None, 2, "naive", "TM", None),
        (("teacher", "naive", "matched"), None, 3, "matched", "TN", None),
        (("teacher", "naive", "matched"), None, 1, "teacher", "NM", None),
        (("same_b", "different", "same_a"), None, 2, "different", None, True),
        (("same_b", "different", "same_a"), None, 3, "same_a", None, False),
        (("matched", "naive"), "teacher", 1, None, "TM", None),
        (("matched", "naive"), "teacher", 2, None, "TN", None),
        (("different", "same_b"), "same_a", 2, None, None, True),
        (("different", "same_b"), "same_a", 1, None, None, False),
    ],
)
def test_what_a_choice_means(slots, reference, choice, odd, pair, correct):
    found = meaning(slots, reference, choice)
    assert (found.odd, found.pair, found.correct) == (odd, pair, correct)


def test_a_blind_clicker_finds_each_pair_equally_often():
    config = make_config(trials=12)
    _, plans, _ = drawn(config, people=40)
    always_left = Counter(meaning(t.slots, None, 1).pair for plan in plans for t in plan if t.kind == "main")
    assert np.ptp(list(always_left.values())) == 0
