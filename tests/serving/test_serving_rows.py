"""Stories, galleries and curves on rows small enough to count by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from xkd_core.serving import curves, gallery, stories
from xkd_core.serving.names import CONTROL_WORDS
from xkd_core.serving.results import Results, read_results
from xkd_core.serving.zoo import read_zoo

# image:            0     1     2     3     4     5      6     7
NAIVE = np.array([0.20, 0.95, 0.30, 0.10, 0.96, 0.40, np.nan, 0.99])
MATCHED = np.array([0.95, 0.97, 0.96, 0.94, 0.20, 0.30, 0.95, 0.98])
NAIVE_RIGHT = np.array([True, True, True, False, True, True, True, True])
POINTING = np.array([1.0, 1, 0, 0, 1, 1, 1, 1])


@pytest.fixture
def zoo(place):
    return read_zoo("scenes")


@pytest.fixture
def results(zoo):
    choice = zoo.default()
    naive, matched = (zoo.pick(row, choice).card.id for row in ("naive", "matched"))
    second = np.linspace(0.89, 0.97, 8)  # mean .93
    columns = {
        naive: (NAIVE, NAIVE_RIGHT, POINTING),
        matched: (MATCHED, np.ones(8, bool), np.ones(8)),
        zoo.teacher.id: (np.ones(8), np.ones(8, bool), np.ones(8)),
        zoo.second_teacher.id: (second, np.ones(8, bool), np.ones(8)),
    }
    maps, answers = [], []
    for run_id, (cosine, right, pointing) in columns.items():
        maps.append(pd.DataFrame({
            "run_id": run_id, "index": range(8), "explainer": "cam", "cosine": cosine, "cosine_shuffled": 0.5,
            "pointing": pointing,
        }))  # fmt: skip
        answers.append(pd.DataFrame({
            "run_id": run_id, "index": range(8), "target": 1, "prob": 0.9, "right": right, "same_answer": right,
        }))  # fmt: skip
    images = pd.DataFrame(
        {"index": range(8), "labels": "1 4", "target": 1, "in_habitat": [i % 2 == 0 for i in range(8)]}
    )
    return Results(dataset="scenes", maps=pd.concat(maps), answers=pd.concat(answers), images=images)


def test_the_bar_is_half_way_between_a_second_teacher_and_maps_of_other_images(results, zoo):
    bar = results.bar(zoo.second_teacher.id)
    assert (bar.second, bar.other) == (pytest.approx(0.93), pytest.approx(0.5))
    assert bar.value == pytest.approx(0.715)
    assert results.bar(None) is None
    assert results.bar(zoo.second_teacher.id, "occlusion") is None


def test_the_story_is_the_image_where_the_naive_map_left_the_object(results, zoo):
    story = stories.tell(results, zoo, zoo.default())
    assert story.index == 2  # image 0 has the larger gap, but only on 2 the peak left the object
    assert story.off_object
    assert (story.naive_cosine, story.matched_cosine) == (pytest.approx(0.30), pytest.approx(0.96))


def test_how_often_counts_both_directions_of_all_images(results, zoo):
    story = stories.tell(results, zoo, zoo.default())
    assert (story.naive_often.mean * 8, story.naive_often.n) == (pytest.approx(2), 8)  # 0 and 2; 3 is wrong
    assert story.matched_often.mean * 8 == pytest.approx(1)  # 4; on 5 both moved
    assert (story.naive_left.mean * 8, story.matched_left.mean * 8) == (pytest.approx(1), 0)  # 2 alone left the object
    # Wilson by hand for 2 of 8: (p + z²/2n ± z sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    p, n, z2 = 2 / 8, 8, 1.959964**2
    half = math.sqrt(z2) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    low, high = ((p + z2 / (2 * n) + sign * half) / (1 + z2 / n) for sign in (-1, 1))
    assert (story.naive_often.low, story.naive_often.high) == (
        pytest.approx(low, abs=1e-4),
        pytest.approx(high, abs=1e-4),
    )


def test_an_undefined_cosine_is_neither_moved_nor_kept(results, zoo):
    table, _ = stories.patterns(results, zoo, zoo.default())
    assert not table.loc[6, "naive_moved"]
    assert not table.loc[6, "matched_only_moved"]


def test_there_is_no_story_without_rows(zoo):
    assert stories.tell(Results(dataset="scenes"), zoo, zoo.default()) is None


def test_largest_drift_comes_first_and_undefined_last(results, zoo):
    found = gallery.find(results, zoo, zoo.default(), gallery.Wish(order="naive drift"), n_images=8)
    assert found.indices == (3, 0, 2, 5, 1, 4, 7, 6)
    assert found.cosines[0] == (pytest.approx(0.10), pytest.approx(0.94))


def test_filters_narrow_the_gallery(results, zoo):
    def indices(**wish):
        return gallery.find(results, zoo, zoo.default(), gallery.Wish(order="index", **wish), n_images=8).indices

    assert indices(outcome="wrong") == (3,)
    assert indices(outcome="moved") == (0, 2, 5)  # same answer, different map
    assert indices(habitat="in") == (0, 2, 4, 6)
    assert indices(target=0) == ()
    assert gallery.find(results, zoo, zoo.default(), gallery.Wish(order="gap"), n_images=8).indices[:2] == (3, 0)


def test_a_naive_student_without_a_matched_one_has_its_gallery_and_no_story(results, zoo):
    alone = replace(zoo, cards=tuple(card for card in zoo.cards if card.role != "matched"))
    choice = zoo.default()
    found = gallery.find(results, alone, choice, gallery.Wish(order="naive drift"), n_images=8)
    assert (found.indices, found.missing) == ((3, 0, 2, 5, 1, 4, 7, 6), "")
    assert found.cosines[0] == (pytest.approx(0.10),)
    assert gallery.find(results, alone, choice, gallery.Wish(outcome="moved"), n_images=8).indices == (0, 2, 5)
    assert list(gallery.orders(alone, choice)) == ["naive drift", "index"]
    assert list(gallery.orders(zoo, zoo.default())) == list(gallery.ORDERS)
    assert stories.tell(results, alone, choice) is None


def test_without_rows_all_images_come_by_number_with_the_reason(zoo):
    found = gallery.find(Results(dataset="scenes"), zoo, zoo.default(), gallery.Wish(), n_images=5)
    assert found.indices == (0, 1, 2, 3, 4)
    assert "evaluate --dataset scenes" in found.missing


def test_a_run_without_weights_is_on_the_curve_and_not_on_the_slider(results, zoo):
    choice = zoo.default()
    run_id = zoo.pick("naive", choice).card.id
    lost = replace(zoo, away=frozenset({run_id}))
    whole, short = (curves.curve(results, one, choice, row="naive", axis="ratio", explainer="cam")
                    for one in (zoo, lost))  # fmt: skip
    assert short == whole and [point.run_id for point in whole.points] == [run_id]
    assert lost.pick("naive", choice).card.id != run_id
    assert run_id in {card.id for card in lost.known("naive", choice.family)}
    assert run_id not in {card.id for card in lost.of("naive", choice.family)}
    assert lost.families == zoo.families
    assert lost.stored.pick("naive", choice).card.id == run_id and zoo.stored is zoo
    nothing = replace(zoo, away=frozenset(zoo.by_id))
    assert nothing.families == () and nothing.stored.families == zoo.families
    assert nothing.shown(choice) == choice
    assert zoo.shown(replace(choice, lam=0.9, ratio=1e6)) == replace(choice, lam=1.0, ratio=zoo.default().ratio)


def test_a_curve_carries_mean_n_interval_and_quality(results, zoo):
    choice = zoo.default()
    line = curves.curve(results, zoo, choice, row="naive", axis="ratio", explainer="cam")
    (point,) = line.points  # only the run at the default choice has rows
    defined = 1 - NAIVE[~np.isnan(NAIVE)]
    assert (point.drift.n, point.drift.undefined) == (7, 1)
    assert line.counts(point.x) == (8, 1)
    assert point.drift.mean == pytest.approx(defined.mean())
    half = 1.959964 * defined.std(ddof=1) / math.sqrt(7)
    assert (point.drift.low, point.drift.high) == pytest.approx((defined.mean() - half, defined.mean() + half))
    assert point.pointing.mean == pytest.approx(POINTING.mean())
    card = zoo.by_id[point.run_id]
    assert point.quality == card.metrics["mAP"].value
    found = curves.bands(results, zoo, [line], explainer="cam")
    assert (found.shuffled.low, found.shuffled.mean, found.shuffled.high) == pytest.approx((0.5, 0.5, 0.5))
    second = 1 - np.linspace(0.89, 0.97, 8)
    assert found.noise.mean == pytest.approx(second.mean())
    assert found.noise.high - found.noise.mean == pytest.approx(1.959964 * second.std(ddof=1) / math.sqrt(8))
    assert found.pointing.mean == 1.0


def test_dots_keep_undefined_images_so_that_they_can_be_counted(results, zoo):
    run_id = zoo.pick("naive", zoo.default()).card.id
    dots = curves.dots(results, run_id, explainer="cam")
    assert sorted(dots["index"]) == list(range(8))
    assert list(dots[dots["cosine"].isna()]["index"]) == [6]


def test_students_trained_differently_stand_beside_the_curve(place, zoo):
    stored, choice = read_results("scenes"), zoo.choice_of(place.runs["swa 0.25 0.5"])
    by_ratio = curves.controls(stored, zoo, choice, axis="ratio", explainer="cam")
    (line,) = by_ratio
    assert (line.row, line.control) == ("matched", CONTROL_WORDS["shuffled"])
    assert [point.run_id for point in line.points] == [place.runs["shuffled"]]
    assert curves.controls(stored, zoo, replace(choice, lam=1.0), axis="ratio", explainer="cam") == ()
    chosen = curves.controls(stored, zoo, replace(choice, family="shuffled"), axis="ratio", explainer="cam")
    assert chosen == ()  # it is the curve itself then
    table = curves.table([line], "ratio")
    assert list(table["run"]) == [place.runs["shuffled"]]


def test_sliders_offer_only_values_of_which_a_matched_run_exists(zoo):
    assert curves.axis_values(zoo, "lam", "swa") == (0.0, 0.5, 1.0)
    assert curves.axis_values(zoo, "lam", "ewa") == (0.5,)
    assert curves.axis_values(zoo, "ratio", "ewa") == (max(curves.axis_values(zoo, "ratio", "swa")),)
    assert curves.axis_values(zoo, "beta", "swa") == (2.0, 8.0)
    naive_only = replace(zoo, cards=tuple(card for card in zoo.cards if card.method in ("ce", "kd")))
    assert curves.axis_values(naive_only, "lam", "swa") == (0.0, 0.5, 1.0)


def test_curves_follow_the_stored_rows_of_real_maps(place, zoo):
    stored = read_results("scenes")
    for row in ("naive", "matched"):
        line = curves.curve(stored, zoo, zoo.default(), row=row, axis="lam", explainer="cam")
        assert [point.x for point in line.points] == [0.0, 0.5, 1.0]
        for point in line.points:
            rows = stored.maps[(stored.maps["run_id"] == point.run_id) & (stored.maps["explainer"] == "cam")]
            assert point.drift.mean == pytest.approx(1 - rows["cosine"].mean())


def test_a_damaged_table_becomes_a_sentence(tmp_path):
    folder = tmp_path / "scenes" / "results"
    folder.mkdir(parents=True)
    (folder / "maps.parquet").write_bytes(b"not parquet")
    found = read_results("scenes", root=tmp_path)
    assert found.maps.empty
    assert "maps.parquet" in found.problem
