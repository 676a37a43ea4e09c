"""The parts that the documents of methods, of the learned map and of slimmable students are made of."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from docs import beside, failures, lines, make_slimmable, make_surrogate, papers, text, training
from xkd_core.claims import proofs_tables
from xkd_core.claims.measuring import Floor, Measured
from xkd_core.claims.stored import read_stored
from xkd_core.metrics.statistics import Estimate
from xkd_core.models.checkpoints import list_runs
from xkd_core.models.slimmable import STOPS


def estimated(low: float, high: float) -> Estimate:
    return Estimate(mean=(low + high) / 2, low=low, high=high, n=10)


def of_seeds(low: float, high: float, floor: float | None = None) -> Measured:
    return Measured(estimate=estimated(low, high), p=0.01, seeds=3 if floor is None else 1, floor=Floor(value=floor))


@pytest.fixture(scope="module")
def cards() -> dict[str, object]:
    return {card.id.rpartition("-")[0]: card for card in list_runs() if card.dataset == "scenes"}


def test_printed_numbers_are_those_that_the_claims_test() -> None:
    tables = beside.tables()
    printed = {(row[0][-1], row[1]): tuple(row[2:]) for row in tables["004.T3"]["rows"] if row[1] != "Teacher"}
    narrow = {(name[1], name[3:]): pair for name, pair in proofs_tables.PAIRS.items() if name.startswith("/")}
    assert printed == narrow
    for name, table in (("unstructured", "004.T5"), ("structured", "004.T7")):
        for method, cosine, distance in tables[table]["rows"][1:]:
            word = "naive" if method == "Naive" else method
            assert (cosine, distance) == proofs_tables.PAIRS[f"{name} {word}"]
    scores = [row[2] for row in tables["002.T4"]["rows"] if row[0] == "Ours"]
    assert scores == [chosen for chosen, _ in proofs_tables.TABLE_4["insertion"]]


@pytest.mark.parametrize("dataset", ["scenes", "cifar10", "mnist", "tiny-imagenet-50"])
def test_every_row_of_a_comparison_is_found_in_its_printed_table(dataset: str) -> None:
    found = [
        beside.printed(row, measure)
        for one in papers.comparisons(dataset) for row in one.rows for measure in one.measures
    ]  # fmt: skip
    assert sum(value is not None for value in found) >= 2


def test_a_printed_row_with_a_target_stands_beside_that_explainer_only() -> None:
    of_mse = papers.explained("scenes")[0]
    row = next(row for row in of_mse.rows if row.name == "XD, target LIME")
    assert [beside.printed(row, measure) for measure in of_mse.measures] == [None, None, 0.006]
    with pytest.raises(KeyError, match="no row"):
        beside.printed(beside.Row(size="", name="", key=("EBP",), runs=row.runs), of_mse.measures[0])


@pytest.mark.parametrize(
    ("gap", "low", "high", "said"),
    [(1.0, 0.1, 0.2, "same"), (1.0, -0.2, -0.1, "other"), (-1.0, -0.2, -0.1, "same"), (1.0, -0.1, 0.1, "open"),
     (1.0, 1e-9, 0.1, "open"), (0.0, 0.1, 0.2, "-")],
)  # fmt: skip
def test_a_direction_needs_an_interval_without_zero(gap: float, low: float, high: float, said: str) -> None:
    assert beside._direction(gap, of_seeds(low, high)) == said


def test_a_direction_of_one_seed_must_be_more_than_another_seed_makes() -> None:
    assert beside._direction(0.1, of_seeds(0.01, 0.03, floor=0.01)) == "same"
    assert beside._direction(0.1, of_seeds(0.01, 0.03, floor=0.02)) == "open"
    assert make_slimmable._word(of_seeds(0.01, 0.03, floor=0.01)) == "higher"
    assert make_slimmable._word(of_seeds(0.01, 0.03, floor=0.02)) == "no further than another seed"


def test_a_number_is_shown_with_its_interval_and_without_a_minus_before_zero() -> None:
    assert text.interval(estimated(-0.0002, 0.0001)) == "0.000 [0.000, 0.000]"
    assert (
        text.interval(Estimate(mean=0.5, low=np.nan, high=np.nan, n=1, undefined=2), mark="†") == "0.500†, 2 undefined"
    )
    assert text.interval(Estimate(mean=np.nan, low=np.nan, high=np.nan, n=0)) == text.interval(None) == "-"


def test_lines_are_groups_of_seeds_with_their_speed(cards) -> None:
    found = {(line.name, line.size): line for line in lines.lines(read_stored("scenes"))}
    naive = found["naive", "/4"]
    assert len(naive.cards) >= 3 and naive.section == "methods" and naive.first.seed == 0
    epochs, images = 20, 12_000 // 128 * 128
    assert lines.images_per_second(naive.first) == pytest.approx(epochs * images / naive.first.train_seconds)
    assert found["SWA, shuffled", "/4"].section == "controls" and found["SWA, λ 0.25", "/4"].section == "λ"
    assert found["SWA, β 8", "/8"].section == "variants" and found["hard labels", "/8"].section == "methods"
    assert found["teacher", "vgg_gap_64"].cards[0].seed == 0


def test_f_r_during_training_is_the_cards_curve(cards) -> None:
    curve = tuple({"quality": 0.1 * epoch} for epoch in range(1, 11))
    base = cards["scenes-kd-w4-l0.5-s0"].model_copy(update={"method": "xd", "curve": curve})
    other = base.model_copy(update={"recipe": {**base.recipe, "fr_weight": 0.05}, "curve": curve[:4]})
    both = [lines.Line(name="XD", size="/4", section="methods", cards=(card,)) for card in (other, base)]
    text_of = training.by_fr_weight(both)
    assert "| 0.0005 | 1 | 0.2000 | 0.4000 | 0.6000 | 0.8000 | 1.0000 |" in text_of
    assert "| 0.05 | 1 | 0.2000 | 0.4000 | - | - | - |" in text_of
    assert training.by_fr_weight(both[:1]) == ""
    widths = [base.model_copy(update={"id": f"a@{width}", "train_seconds": 5400.0}) for width in (0.25, 0.5)]
    alone = base.model_copy(update={"id": "b", "train_seconds": None})
    copy = base.model_copy(update={"id": "c", "compression": "int8", "train_seconds": 7200.0})
    assert training.hours([*widths, alone, copy]).startswith("Training took 1.5 hours of the clock for 1 runs")


def test_marks_say_what_was_in_the_loss_or_an_input(cards) -> None:
    swa, naive, ewa = (cards[f"scenes-{name}-s0"] for name in ("swa-w4-l0.5-b2", "kd-w4-l0.5", "ewa-w4-l0.5-b2"))
    assert [lines.mark(card, "cam") for card in (swa, naive, ewa)] == ["†", "", ""]
    assert lines.mark(ewa, "ewa") == "†" and lines.mark(swa, "occlusion") == ""
    given = naive.model_copy(update={"method": "xd", "recipe": {**naive.recipe, "explained": "lime"}})
    assert [lines.mark(given, name) for name in ("lime", "gradient_shap", "cam")] == ["‡", "", ""]


def test_pruned_and_int8_runs_are_named_by_how_they_were_made_small(cards) -> None:
    card = cards["scenes-kd-w4-l0.5-s0"]
    pruned = {"compression": "unstructured", "width": 1.0, "recipe": {**card.recipe, "amount": 0.2, "round": 3}}
    assert lines._size(card.model_copy(update=pruned)) == "unstructured, 20% off, round 3"
    assert lines._own(card.model_copy(update=pruned)) == []
    assert lines._size(card.model_copy(update={"compression": "int8"})) == "int8 of /4"
    assert lines.images_per_second(card.model_copy(update={"compression": "int8"})) is None


def test_equal_compute_of_a_slimmable_run(monkeypatch, cards) -> None:
    """Widths cost 1 to 7: a step costs 1 + 7 + 2 x mean(2..6) = 16, seven students 28, those of 1, 3 and 7 eleven."""
    monkeypatch.setattr(make_slimmable, "flops", lambda card: 1 + STOPS.index(card.width))
    plain = cards["scenes-kd-w4-l0.5-s0"]
    slim = plain.model_copy(update={"width": 0.5, "recipe": {**plain.recipe, "slimmable": True}})
    alone = {STOPS[place]: plain.model_copy(update={"width": STOPS[place]}) for place in (0, 2, 6)}
    assert make_slimmable.forward_flops(slim) == 16
    assert make_slimmable.equal_epochs(slim, alone) == pytest.approx((20 * 16 / 28, 20 * 11 / 16))
    assert make_slimmable.training_flops(slim) == 3 * 16 * lines.images_seen(slim)


@pytest.mark.parametrize(
    ("low", "high", "word"),
    [(-0.005, 0.004, "about equal"), (0.02, 0.03, "higher"), (-0.03, -0.02, "lower"), (-0.03, 0.02, "not told apart")],
)
def test_the_words_of_the_slimmable_verdict(low: float, high: float, word: str) -> None:
    assert make_slimmable._word(of_seeds(low, high)) == word


def test_the_verdict_on_the_learned_map_names_who_is_beaten_by_which_metric() -> None:
    gaps = {
        ("rise", "deletion_auc"): (estimated(0.1, 0.2), 0.001),
        ("random_map", "deletion_auc"): (estimated(-0.2, -0.1), 0.001),
        ("lime", "deletion_auc"): (estimated(-0.2, -0.1), 0.2),
        ("rise", "insertion_auc"): (estimated(0.1, 0.2), 0.001),
    }
    assert make_surrogate.verdict(gaps) == (
        "Deletion: worse than RISE; not told apart from LIME on superpixels; better than Random map. "
        "Insertion: better than RISE. Pointing: not measured."
    )


def test_failures_are_the_largest_gaps_to_the_random_map(cards) -> None:
    card = cards["scenes-kd-w4-l0.5-s0"]
    scores = {"surrogate": pd.Series({4: 0.9, 7: 0.5, 9: np.nan, 11: 0.2}),
              "random_map": pd.Series({4: 0.8, 7: 0.1, 9: 0.1, 11: 0.6})}  # fmt: skip
    images = pd.DataFrame({"index": [4, 7, 9, 11], "labels": ["0", "1 2", "3", "4"], "target": [0, 2, 3, 4]})
    stored = SimpleNamespace(
        values=lambda run_id, name, metric: scores.get(name), results=SimpleNamespace(images=images)
    )
    found = failures.failures(stored, card)
    assert [one.index for one in found] == [7, 4, 11]
    assert (found[0].labels, found[0].target) == (f"{card.classes[1]}, {card.classes[2]}", card.classes[2])
    scores.clear()
    assert failures.failures(stored, card) == []


def test_a_collapse_is_said_with_the_numbers_it_is_judged_by(cards) -> None:
    card = cards["scenes-kd-w4-l0.5-s0"].model_copy(
        update={
            "extras": {"map/mean": 0.98, "map/span": 0.01, "map/n": 500},
            "note": "Its explanation network collapsed.",
        }
    )
    assert make_surrogate.collapsed(card).startswith("Its explanation network collapsed. On 500 validation images its")
    assert "mean is 0.980" in make_surrogate.collapsed(card)
    assert make_surrogate.collapsed(card.model_copy(update={"note": ""})).startswith("The map did not collapse.")
