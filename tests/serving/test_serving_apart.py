"""Maps of different classes are never compared, and the headline blames nobody wrongly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xkd_core import rendering
from xkd_core.rendering import Style
from xkd_core.serving import exports, figure, sentences, sheets, subjects
from xkd_core.serving.curves import axis_values
from xkd_core.serving.explaining import explain_image
from xkd_core.serving.results import Bar
from xkd_core.serving.shelf import Shelf
from xkd_core.serving.zoo import ROWS, read_zoo

BAR = Bar(second=0.9, other=0.5)


@pytest.fixture
def zoo(place):
    return read_zoo("scenes")


@pytest.fixture
def cards(zoo):
    return {row: zoo.pick(row, zoo.default()).card for row in ROWS}


@pytest.fixture
def view(zoo, cards):
    subject = subjects.subject(subjects.key_of("scenes", 2))
    return explain_image(subject, list(cards.values()), names=["cam"], shelf=Shelf())


def changed(view, run_id, **answer):
    run = view.runs[run_id]
    target = answer.pop("target", run.target)
    other = replace(run, target=target, answer=replace(run.answer, **answer))
    return replace(view, runs={**view.runs, run_id: other})


def with_cosine(view, run_id, cosine):
    run = view.runs[run_id]
    scores = {**run.scores, "cam": replace(run.scores["cam"], values={**run.scores["cam"].values, "cosine": cosine})}
    return replace(view, runs={**view.runs, run_id: replace(run, scores=scores)})


def title(view, cards, **more):
    return sentences.headline(view, cards["naive"].id, cards["matched"].id, bar=BAR, story=None, **more).title


def test_models_explained_for_different_classes_get_no_headline_about_moving(view, cards):
    other = (view.target + 1) % len(view.subject.classes)
    apart = changed(view, cards["naive"].id, target=other, same=True)
    found = sentences.headline(apart, cards["naive"].id, cards["matched"].id, bar=BAR, story=None)
    assert "different classes" in found.title
    assert not any(word in found.title + found.detail for word in ("moved", "stayed", "cosine", "Cosine"))
    assert f"naive student *{view.subject.classes[other]}*" in found.detail
    assert found.often == ""
    assert sentences.verdict(apart, apart.runs[cards["naive"].id]).startswith("other class")
    assert "same answer" not in sentences.verdict(apart, apart.runs[cards["naive"].id])


def test_similarities_of_another_class_are_empty_in_the_table_and_localisation_stays(view, cards):
    apart = changed(view, cards["naive"].id, target=(view.target + 1) % len(view.subject.classes))
    before = exports.table(view, sheets.grid(view, cards, ["cam"])).set_index("model")
    after = exports.table(apart, sheets.grid(apart, cards, ["cam"])).set_index("model")
    assert before.loc["naive", ["cosine", "pearson", "cosine_shuffled"]].notna().any()
    assert after.loc["naive", ["cosine", "pearson", "ssim", "cosine_shuffled"]].isna().all()
    assert after.loc["matched", "cosine"] == before.loc["matched", "cosine"]


def test_there_is_no_difference_between_maps_of_different_classes(view, cards):
    apart = changed(view, cards["naive"].id, target=(view.target + 1) % len(view.subject.classes))
    drawing = figure.Drawing(style=Style(), difference=True)
    pixels, _ = figure.panels(apart, sheets.grid(apart, cards, ["cam"]).cells, drawing)
    hatched = rendering.hatching(view.subject.photo.shape[0])
    assert np.array_equal(pixels[cards["naive"].id, "cam"], hatched)
    assert not np.array_equal(pixels[cards["matched"].id, "cam"], hatched)


def test_both_students_are_named_when_both_answer_otherwise(view, cards):
    naive, matched = cards["naive"].id, cards["matched"].id
    one = changed(changed(view, naive, same=False), matched, same=True)
    both = changed(one, matched, same=False)
    other = changed(changed(view, naive, same=True), matched, same=False)
    assert "the naive student answers otherwise" in title(one, cards)
    assert "both students answer otherwise" in title(both, cards)
    assert "the matched student answers otherwise" in title(other, cards)
    names = ("baseline student", "AT student")
    assert "the baseline student answers" in title(one, cards, words=names)
    assert "the AT student answers" in title(other, cards, words=names)


@pytest.mark.parametrize(
    ("cosines", "words"),
    [((0.2, 0.9), "The naive student still"), ((0.2, 0.3), "maps of both students moved"),
     ((0.9, 0.2), "matching did not help"), ((0.9, 0.9), "look where their teacher looks"),
     ((None, 0.9), "compare where they look"), ((None, None), "there is no evidence to compare")],
)  # fmt: skip
def test_the_headline_follows_the_two_cosines_and_fits_two_lines(view, cards, cosines, words):
    seen = changed(changed(view, cards["naive"].id, same=True), cards["matched"].id, same=True)
    for row, cosine in zip(("naive", "matched"), cosines, strict=True):
        seen = with_cosine(seen, cards[row].id, cosine)
    assert words in title(seen, cards)
    assert len(title(seen, cards)) < 100


def test_a_chosen_class_that_is_not_the_top_answer_is_not_called_the_answer(view, cards):
    """Single label: the answer is the top class, whatever class is explained."""
    single = replace(view, subject=replace(view.subject, multi_label=False))
    for card in cards.values():
        single = changed(single, card.id, same=True, says="something else")
        single = with_cosine(single, card.id, 0.95)
    assert view.target_name not in title(single, cards)


def test_the_filmstrip_has_a_row_for_each_student_and_a_column_for_each_compression(zoo, place):
    choice = zoo.default()
    ratios = axis_values(zoo, "ratio", choice.family)
    subject = subjects.subject(subjects.key_of("scenes", 2))
    first = zoo.teacher.id
    order = [zoo.teacher, *(card for card in zoo.cards if card.id != first)]
    view = explain_image(subject, order, names=["cam"], shelf=Shelf())
    sheet = sheets.film(view, zoo, choice, ratios, "cam")
    assert sheet.columns[0] == "Teacher"
    assert [[cell.card.id for cell in row] for row in sheet.rows] == [
        [first, place.runs[f"{kind} 0.25 0.5"], place.runs[f"{kind} 0.125 0.5"]] for kind in ("kd", "swa")
    ]
    assert len(sheet.cells) == 5  # the teacher counts once
    page = figure.compose(view, sheet, figure.Drawing(style=Style()))
    assert sum(isinstance(part, figure.Picture) for part in page.parts) == 6 + 1
    gone = place.runs["kd 0.25 0.5"]
    lost = replace(
        view, runs={run_id: run for run_id, run in view.runs.items() if run_id != gone}, broken={gone: "bad"}
    )
    sheet = sheets.film(lost, zoo, choice, ratios, "cam")
    assert sheet.rows[0][1].lost == "damaged"
    assert gone not in [card.id for card in sheet.cards]
    words = [part.words for part in figure.compose(lost, sheet, figure.Drawing(style=Style())).parts
             if isinstance(part, figure.Text)]  # fmt: skip
    assert "damaged" in words


@pytest.mark.parametrize(
    ("same", "cosine", "pointing", "words"),
    [(False, 0.9, 1.0, "the naive student answers otherwise"), (True, 0.2, 1.0, "its reasons have moved"),
     (True, 0.2, 0.0, "its strongest evidence lies beside it"), (True, 0.9, 0.0, "looks where its teacher looks"),
     (True, None, 1.0, "there is no evidence to compare")],
)  # fmt: skip
def test_one_student_alone_has_a_headline_too(view, cards, same, cosine, pointing, words):
    naive, teacher = cards["naive"].id, cards["teacher"].id
    seen = with_cosine(changed(view, naive, same=same), naive, cosine)
    for run_id, value in ((naive, pointing), (teacher, 1.0)):
        seen.runs[run_id].scores["cam"].values["pointing"] = value
    found = sentences.of_one(seen, naive, bar=BAR, word="naive student")
    assert words in found.title
    assert "matched" not in found.title + found.detail
    assert f"naive student {sentences.number(cosine)}. A second teacher gets 0.90" in found.detail


def test_one_student_without_a_bar_or_of_another_class_is_not_judged(view, cards):
    naive = cards["naive"].id
    agreed = changed(view, naive, same=True)
    assert "compare where they look" in sentences.of_one(agreed, naive, bar=None, word="student").title
    apart = changed(view, naive, target=(view.target + 1) % len(view.subject.classes))
    assert "different classes" in sentences.of_one(apart, naive, bar=BAR, word="student").title
    assert sentences.of_one(view, "nobody", bar=BAR, word="student") is None
