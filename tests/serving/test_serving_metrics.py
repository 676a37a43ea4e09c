"""The Metrics page's numbers: boxes over the same images, controls, tables and tests, by hand-made values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests.made_metrics import GONE, MATCHED, MEAN_AP, NAIVE, N, add_metrics, insertion, without_cam
from tests.made_zoo import N_IMAGES, make_zoo
from xkd_core.metrics.statistics import Estimate
from xkd_core.results.compare import differences, per_image
from xkd_core.results.metric_store import metrics_dir, reasons_text
from xkd_core.results.metrics import Metrics, read_metrics
from xkd_core.serving import metric_pairs as pairs
from xkd_core.serving import metric_rows
from xkd_core.serving import metrics_view as view
from xkd_core.serving.results import Results, read_results
from xkd_core.serving.zoo import read_zoo

NAN = float("nan")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    made = make_zoo(tmp_path_factory.mktemp("metrics_zoo"))
    add_metrics(made)
    return made


@pytest.fixture(scope="module")
def zoo(own):
    return read_zoo("scenes", root=own.root)


@pytest.fixture(scope="module")
def metrics(own):
    return metric_rows.all_metrics(read_results("scenes", root=own.root), root=own.root)


def ask(zoo, **other):
    found = view.Ask(metric="insertion_auc", explainer="cam", axis="ratio", families=("naive", "swa"),
                     choice=zoo.default("swa"))  # fmt: skip
    return replace(found, **other)


def box_of(found, words):
    return next(
        box for box in found.boxes if box.label.startswith(words) and box.x == max(one.x for one in found.boxes)
    )


def test_boxes_are_over_the_images_that_all_groups_have(own, zoo, metrics):
    found = view.chart(metrics, zoo, ask(zoo))
    assert found.images == tuple(index for index in range(N) if index != GONE)
    assert [box.label for box in found.boxes if box.line.shared.n] == list(found.groups)
    matched, naive = box_of(found, "SWA"), box_of(found, "Naive")
    kept = np.delete(insertion(MATCHED), GONE)
    assert matched.line.shared.mean == pytest.approx(kept.mean(), rel=2**-10)
    assert matched.line.own.mean == pytest.approx(insertion(MATCHED).mean(), rel=2**-10)
    assert matched.line.own.n == N and matched.line.shared.n == N - 1
    assert naive.line.undefined == {"the map is flat": 1}
    assert matched.in_loss and not naive.in_loss
    assert matched.run_ids == (own.runs[MATCHED],)


def test_controls_and_both_teachers_stand_beside_the_boxes(zoo, metrics):
    bands = {band.words: band for band in view.chart(metrics, zoo, ask(zoo)).bands}
    assert list(bands) == ["random map", "the teacher", "a second teacher"]
    assert bands["random map"].estimate.mean == pytest.approx(0.2, rel=2**-10)
    assert bands["the teacher"].estimate.mean == pytest.approx(np.delete(insertion("teacher"), GONE).mean(), rel=2**-10)
    assert not any(band.floor for band in bands.values())
    similar = {band.words: band for band in view.chart(metrics, zoo, ask(zoo, metric="cosine")).bands}
    assert list(similar) == ["maps of other images", "a second teacher"]
    assert similar["a second teacher"].floor and similar["a second teacher"].estimate.mean == pytest.approx(0.8, 1e-3)


def test_a_box_is_quartiles_and_the_values_within_the_whiskers():
    five = view.five_of(np.array([0.0, 1.0, 2.0, 3.0, 4.0, 100.0, NAN]))
    assert five == view.Five(low=0.0, q1=1.25, median=2.5, q3=3.75, high=4.0)
    assert view.five_of(np.array([NAN])) is None


def test_shares_have_no_box_and_are_still_averaged(own, zoo, metrics):
    found = view.chart(metrics, zoo, ask(zoo, metric="pointing"))
    rows = read_results("scenes", root=own.root).of_run(own.runs["swa 0.25 0.5"])["pointing"]
    assert all(box.five is None for box in found.boxes)
    box = next(box for box in found.boxes if box.run_ids == (own.runs["swa 0.25 0.5"],))
    assert box.line.own.mean == pytest.approx(rows.mean()) and box.line.own.n == rows.notna().sum()


def test_a_refused_metric_keeps_its_line_with_the_reason(zoo, metrics):
    found = view.chart(metrics, zoo, ask(zoo, families=("naive", "ewa"), axis="method"))
    row = view.table(found).set_index("students").filter(like="EWA", axis=0).iloc[0]
    assert row["why"] == "it was made up" and row["images"] == 0 and np.isnan(row["mean"])
    assert row["metric"] == f"{view.title_of(found.ask.metric)} {view.arrow(found.ask.metric)}"
    assert row["judged by"] == "not in the loss"  # EWA was trained on another map
    lost = view.table(view.chart(metrics, zoo, ask(zoo, axis="lam"))).set_index("students")
    assert lost.filter(like="SWA, λ 0, ", axis=0).iloc[0]["why"] == "not measured"


def test_every_kind_is_tested_against_naive_at_its_own_place(zoo, metrics):
    found = view.chart(metrics, zoo, ask(zoo))
    questions = pairs.pairs(found)
    assert [(one.first[:3], one.second[:5]) for one in questions] == [("SWA", "Naive"), ("SWA", "Naive")]
    assert all(one.first.split(", ", 1)[1] == one.second.split(", ", 1)[1] for one in questions)
    answers = differences(metrics, found.groups, questions, seeds=found.seeds, resamples=99)
    last = pairs.test_table(answers).iloc[-1]
    assert last["difference"] == pytest.approx(0.3, abs=1e-3) and last["images"] == N - 1 and last["undefined"] == 1
    assert last["first is higher"] == 1 and last["rank biserial"] == 1
    assert last["p after Holm"] == last["Wilcoxon p"] == pytest.approx(2 / 2**9)  # all of 9 signs alike, two-sided
    assert answers[0].holm_p == pytest.approx(2 * answers[0].test.wilcoxon_p)  # the smaller of two p values
    assert last["permutation p after Holm"] >= last["permutation p"] == pytest.approx(answers[-1].test.permutation_p)
    assert "permutation p" not in pairs.test_table(
        differences(metrics, found.groups, questions, seeds=found.seeds, resamples=0)
    )
    assert "is better than" in pairs.verdict(answers[-1]) and "n = 9 images; seed 0 alone" in pairs.verdict(answers[-1])
    assert pairs.verdict(answers[-1]).endswith("No noise floor is known for this comparison: each has one seed.")
    assert per_image(metrics, found.groups, questions[-1], seeds=found.seeds).isna().sum() == 1


def test_a_difference_stands_beside_what_another_seed_makes(zoo, metrics):
    found = view.chart(metrics, zoo, ask(zoo))
    one = differences(metrics, found.groups, pairs.pairs(found), seeds=found.seeds, resamples=0)[-1]
    assert one.sure and pairs.test_table([one])["seeds"].item() == "seed 0 alone, the one that both have"
    small, large = replace(one, floor=0.4), replace(one, floor=0.2)
    assert "That is no more than another seed of the same training makes (0.400)" in pairs.verdict(small)
    assert "It is more than another seed of the same training makes (0.200)" in pairs.verdict(large)
    assert not small.sure and large.sure  # one seed: the interval knows of images alone
    assert replace(small, seeds=(0, 1), fewest=2).sure


def test_small_p_values_are_not_spelled_out():
    assert (pairs.p_words(0.0123), pairs.p_words(4e-245)) == ("p = 0.012", "p < 0.001")


def test_the_sentence_names_both_means(zoo, metrics):
    found = view.chart(metrics, zoo, ask(zoo))
    words = pairs.headline(found)
    naive, matched = (np.delete(insertion(name), GONE).mean() for name in (NAIVE, MATCHED))
    assert words.startswith("Insertion ↑: SWA") and f"{matched:.2f} against {naive:.2f}" in words


def test_the_sentence_says_better_only_where_the_test_does(metrics, zoo):
    found = view.chart(metrics, zoo, ask(zoo))
    answers = differences(metrics, found.groups, pairs.pairs(found), seeds=found.seeds, resamples=99)
    assert "is better than naive" in pairs.headline(found, answers)
    unsure = [replace(one, holm_p=0.06) for one in answers]
    assert "cannot be told apart from naive" in pairs.headline(found, unsure)
    wide = [replace(one, estimate=replace(one.estimate, low=-0.01)) for one in answers]
    assert "cannot be told apart from naive" in pairs.headline(found, wide)
    assert "cannot be told apart" in pairs.verdict(wide[-1]) and "contains 0" in pairs.verdict(wide[-1])
    assert "contains 0" not in pairs.verdict(unsure[-1])


def test_the_sentence_follows_the_test_where_the_images_of_the_chart_say_the_opposite(metrics, zoo):
    found = view.chart(metrics, zoo, ask(zoo))
    answers = differences(metrics, found.groups, pairs.pairs(found), seeds=found.seeds, resamples=99)
    other = [replace(one, estimate=replace(one.estimate, mean=-0.02, low=-0.03, high=-0.01)) for one in answers]
    assert pairs.headline(found, other).endswith("is worse than naive, by 0.020 over 9 images")
    assert "is worse than" in pairs.verdict(other[-1])


def test_the_sentence_is_about_the_kind_of_students_that_was_chosen(metrics, zoo):
    chosen = replace(zoo.default("swa"), family="ewa")
    found = view.chart(metrics, zoo, ask(zoo, families=("naive", "swa", "ewa"), axis="method", choice=chosen))
    assert pairs.lacks_chosen(found) == (not any(box.line.shared.n for box in found.boxes if box.family == "ewa"))
    as_ewa = [replace(box, family="ewa", label="EWA") if box.family == "swa" else box for box in found.boxes
              if box.family != "ewa"]  # fmt: skip
    both = replace(found, boxes=(*(box for box in found.boxes if box.family != "ewa"), *as_ewa))
    assert pairs.headline_pair(both)[0].family == "ewa"
    none = replace(
        found,
        boxes=tuple(box for box in found.boxes if box.family == "naive")
        + tuple(
            replace(box, line=replace(box.line, shared=replace(box.line.shared, n=0)))
            for box in as_ewa
            if box.label == "EWA"
        ),
    )
    assert pairs.lacks_chosen(none) and "not stored for EWA; Naive" in pairs.headline(none)


def test_groups_that_are_equal_on_every_image_are_said_to_be(metrics, zoo):
    found = view.chart(metrics, zoo, ask(zoo))
    labels = list(found.groups)
    same = pairs.question(found, labels[0], labels[0])
    (one,) = differences(metrics, found.groups, [same], seeds=found.seeds, resamples=0)
    assert "are equal on each of" in pairs.verdict(one) and "nan" not in pairs.verdict(one)


def test_the_worst_images_come_first(zoo, metrics):
    found = view.chart(metrics, zoo, ask(zoo))
    assert list(view.ranked(metrics, box_of(found, "SWA"), found.ask).index) == list(range(N))[::-1]
    lower = view.ranked(metrics, box_of(found, "Naive"), replace(found.ask, metric="cosine"))
    assert len(lower) == N_IMAGES


def test_what_only_the_other_pages_have_is_there_too(own, metrics):
    assert "same_answer" in metrics.names and "answers" in metrics.explainers
    stored = metrics.values([own.runs["ewa"]], "cam", "cosine")
    rows = read_results("scenes", root=own.root).of_run(own.runs["ewa"])
    assert len(stored) == N_IMAGES
    np.testing.assert_allclose(stored[own.runs["ewa"]], rows["cosine"], rtol=1e-6)


def test_the_other_pages_fill_in_only_what_the_wide_rows_know_nothing_of():
    wide = pd.DataFrame({
        "run_id": "a", "explainer": "cam", "index": [0, 1, 2], "target": 1, "cosine": [0.1, NAN, NAN], "iou": 0.5,
        "undefined": [None, reasons_text({"cosine": "the map is flat"}), None],
    })  # fmt: skip
    maps = pd.DataFrame({"run_id": "a", "index": range(5), "explainer": "cam", "cosine": [0.9, 0.8, 0.7, 0.6, NAN],
                         "undefined": [None] * 4 + ["the map is zero everywhere"]})  # fmt: skip
    found = metric_rows.with_page_rows(Metrics(dataset="scenes", rows=wide), Results(dataset="scenes", maps=maps))
    values = found.values(["a"], "cam", "cosine")["a"]
    np.testing.assert_allclose(values, [0.1, NAN, 0.7, 0.6, NAN])
    reasons = [found.reason("a", "cam", "cosine", index) for index in range(5)]
    assert reasons == [None, "the map is flat", None, None, "the map is zero everywhere"]
    assert list(found.values(["a"], "cam", "iou").index) == [0, 1, 2]


def test_a_network_without_cam_is_in_the_chart_by_what_stands_in(zoo, tmp_path):
    mixed = make_zoo(tmp_path / "mixed")
    add_metrics(mixed)
    without_cam(mixed, NAIVE)
    metrics = metric_rows.all_metrics(read_results("scenes", root=mixed.root), root=mixed.root)
    assert metrics.instead == {(mixed.runs[NAIVE], "cam")}
    found = view.chart(metrics, zoo, ask(zoo))
    naive, matched = box_of(found, "Naive"), box_of(found, "SWA")
    assert (naive.instead, matched.instead) == ("grad_cam", "")
    assert found.instead == {naive.label: "grad_cam"}
    assert naive.line.shared.mean == pytest.approx(np.delete(insertion(NAIVE), GONE).mean(), rel=2**-10)
    assert view.table(found).iloc[list(found.boxes).index(naive)]["why"].startswith("Grad-CAM stands in; 1 the map")
    alone = view.chart(metrics, zoo, ask(zoo, explainer="grad_cam"))
    assert alone.instead == {} and list(alone.groups) == [naive.label]


def test_where_no_network_has_cam_nothing_stands_in():
    maps = pd.DataFrame({"run_id": "a", "index": [0, 1], "explainer": "grad_cam", "cosine": 0.5, "undefined": None})
    rows = metric_rows.with_page_rows(Metrics(dataset="scenes"), Results(dataset="scenes", maps=maps))
    found = metric_rows.with_stand_ins(rows)
    assert found.instead == frozenset() and view.measured(found) == {"cosine": ("grad_cam",)}


def test_one_number_for_all_images_is_a_mark_for_each_run_with_its_own_interval(own, zoo, metrics):
    assert view.measured(metrics)["mAP"] == ("answers",)
    found = view.chart(metrics, zoo, ask(zoo, metric="mAP", explainer="answers"))
    assert found.whole and found.n == 2000 and found.images == ()
    shown = {box.run_ids: box.line.shared for box in found.boxes if box.line.shared.n}
    assert set(shown) == {(own.runs[NAIVE],), (own.runs[MATCHED],)}
    value = shown[own.runs[MATCHED],]
    assert (value.mean, value.low, value.high, value.undefined) == (0.95, 0.94, 0.96, 1)
    assert [(band.words, band.estimate.mean) for band in found.bands] == [
        ("the teacher", MEAN_AP["teacher"]), ("a second teacher", MEAN_AP["second"])
    ]  # fmt: skip
    rows = view.table(found)
    assert (rows["why"] == "not measured").sum() == len(found.boxes) - 2
    assert rows.dropna(subset="mean").iloc[0]["why"] == "1 classes: no image shows the class"
    assert "0.95 against 0.90" in pairs.headline(found)


def of_seeds(found, label: str, *values: tuple[float, float, float]):
    """The box of the label once for each seed, with these means and intervals."""
    (box,) = (one for one in found.boxes if one.label.startswith(label) and one.line.shared.n)
    return [
        replace(box, label=f"{box.label}, seed {seed}", cards=(box.cards[0].model_copy(update={"seed": seed}),),
                line=replace(box.line, shared=Estimate(mean=mean, low=low, high=high, n=9)))
        for seed, (mean, low, high) in enumerate(values)
    ]  # fmt: skip


HIGH, LOW, WIDE = (0.95, 0.94, 0.96), (0.90, 0.89, 0.91), (0.95, 0.90, 0.97)


@pytest.mark.parametrize(
    ("matched", "naive", "words"),
    [((HIGH, HIGH), (LOW, LOW), "is better than naive, 0.95 against 0.90"),
     ((LOW, LOW), (HIGH, HIGH), "is worse than naive, 0.90 against 0.95"),
     ((LOW, HIGH, HIGH), (HIGH, LOW, LOW), "cannot be told apart from naive"),  # seed 0 says the opposite
     ((HIGH, WIDE), (LOW, LOW), "cannot be told apart from naive"),
     ((HIGH, WIDE), (LOW,), "is better than naive")],  # seed 0 is the only one that both have
)  # fmt: skip
def test_one_number_for_all_images_is_better_only_if_every_paired_seed_says_so(zoo, metrics, matched, naive, words):
    found = view.chart(metrics, zoo, ask(zoo, metric="mAP", explainer="answers"))
    boxes = (*of_seeds(found, "Naive", *naive), *of_seeds(found, "SWA", *matched))
    assert words in pairs.headline(replace(found, boxes=boxes))


def test_no_seed_in_common_tells_nothing_apart(zoo, metrics):
    found = view.chart(metrics, zoo, ask(zoo, metric="mAP", explainer="answers"))
    boxes = (*of_seeds(found, "Naive", LOW), *of_seeds(found, "SWA", LOW, HIGH)[1:])
    assert "cannot be told apart" in pairs.headline(replace(found, boxes=boxes))


def test_what_is_not_measured_is_known(metrics):
    missing = view.unmeasured(view.measured(metrics))
    assert {"f1", "calibration_error", "kl_to_teacher", "road"} <= set(missing)
    assert not {"mAP", "cosine", "insertion_auc"} & set(missing)


def test_gaps_of_those_rows_have_their_reason():
    maps = pd.DataFrame({
        "run_id": "a", "index": [0, 1, 2], "explainer": "cam", "cosine": [0.5, NAN, 0.25],
        "pointing": [1.0, NAN, NAN], "iou": NAN, "undefined": [None, "the map is zero everywhere", None],
    })  # fmt: skip
    found = metric_rows.with_page_rows(Metrics(dataset="scenes"), Results(dataset="scenes", maps=maps))
    assert found.names == ["cosine", "pointing"]
    assert found.undefined(["a"], "cam", "cosine") == {"the map is zero everywhere": 1}
    assert found.undefined(["a"], "cam", "pointing") == {
        "the map is zero everywhere": 1, "the mask is empty, or the map is constant": 1,
    }  # fmt: skip
    assert view.measured(found) == {"cosine": ("cam",), "pointing": ("cam",)}


def test_a_damaged_file_is_the_problem_and_new_rows_change_the_stamp(own, tmp_path):
    before = metric_rows.stamp("scenes", root=own.root)
    assert before == metric_rows.stamp("scenes", root=own.root) != metric_rows.stamp("scenes", root=tmp_path)
    path = metrics_dir("scenes", root=tmp_path) / "run.parquet"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no parquet")
    found = metric_rows.all_metrics(read_results("scenes", root=tmp_path), root=tmp_path)
    assert "cannot be read" in found.problem and found.rows.empty


def test_families_have_words_of_their_own(zoo):
    names = view.families_of(zoo)
    assert names[0] == "naive" and names[-1] == "shuffled"
    words = [view.family_words(name) for name in (*names, "filters-ewa", "few naive", "few", "int8-naive", "untrained")]
    assert (
        len(set(words)) == len(words) and "EWA (filters pruned)" in words and "Naive, trained on 3,000 images" in words
    )


def test_cells_of_another_class_or_with_another_partner_are_not_filled_from_the_pages_rows(own, metrics):
    run_id = own.runs[MATCHED]
    wide = read_metrics("scenes", root=own.root)
    results = read_results("scenes", root=own.root)
    index = wide.rows["index"].max()
    moved = wide.rows.assign(target=wide.rows["target"].where(wide.rows["index"] != index, 99))
    found = metric_rows.with_page_rows(replace(wide, rows=moved), results)
    plain = metric_rows.with_page_rows(wide, results)
    known, lost = (one.values([run_id], "cam", "pointing")[run_id] for one in (plain, found))
    assert index in known.index and index not in lost.index and len(lost) == len(known) - 1
    few = wide.rows.assign(cosine_shuffled=wide.rows["cosine_shuffled"].where(wide.rows["index"] < 3))
    controls = metric_rows.with_page_rows(replace(wide, rows=few), results).values([run_id], "cam", "cosine_shuffled")
    assert sorted(controls[run_id].dropna().index) == [0, 1, 2]  # the others have partners of another kind
