"""Rows and cards of whole runs: the card notes heavier maps, 8-bit runs lack pixel gradients, nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from xkd_core.distillation.recipes import Recipe, int8_of
from xkd_core.distillation.runs import distill
from xkd_core.evaluation import evaluate as module
from xkd_core.evaluation.evaluate import evaluate
from xkd_core.evaluation.quick import measure_card
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import find_card
from xkd_core.results.store import read_rows

COMMON = {"dataset": "digits", "arch": "vgg_gap_tiny", "split": "train", "limit": 256, "epochs": 1, "batch_size": 32}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XKD_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setattr(module, "SAMPLE", 12)
        yield tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def runs(place: Path) -> list[Card]:
    teacher = distill(Recipe(**COMMON, method="ce"), root=place)
    student = distill(Recipe(**COMMON, method="swa", width=0.5, teacher_id=teacher.id), root=place)
    cards = [teacher, student, distill(int8_of("digits", student.id), root=place)]
    for card in cards:
        measure_card(card, root=place)
    assert evaluate("digits", root=place) == 3
    return [find_card(card.id, place) for card in cards]


def test_the_card_notes_the_mean_of_the_stored_rows_of_each_explainer(runs: list[Card], place: Path) -> None:
    rows = read_rows("digits", "maps", root=place)
    student = runs[1]
    for name in ("occlusion", "gradient_shap", "kernel_shap"):
        mine = rows[(rows["run_id"] == student.id) & (rows["explainer"] == name)]["cosine"].astype(float)
        found = student.metrics[f"cosine/{name}"]
        assert len(mine) == 12 and found.n == mine.notna().sum()
        assert found.value == pytest.approx(mine.mean(), abs=1e-4)
    assert "accuracy" in student.metrics and "cosine/cam" in student.metrics


def test_eight_bits_have_every_map_but_those_of_pixel_gradients(runs: list[Card], place: Path) -> None:
    rows = read_rows("digits", "maps", root=place)
    assert set(rows[rows["run_id"] == runs[2].id]["explainer"]) == {"cam", "occlusion", "kernel_shap"}


def test_what_is_stored_is_not_measured_again(runs: list[Card], place: Path) -> None:
    assert evaluate("digits", root=place) == 0
    assert measure_card(runs[1], root=place) == runs[1]
