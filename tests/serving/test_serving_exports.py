"""What a visitor takes away is what was on screen, and the Python really runs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xkd_core import rendering
from xkd_core.rendering import Style
from xkd_core.serving import exports, figure, sheets, subjects
from xkd_core.serving.explaining import explain_image
from xkd_core.serving.results import Bar
from xkd_core.serving.sentences import confidence, headline
from xkd_core.serving.shelf import Shelf
from xkd_core.serving.zoo import ROWS, read_zoo

ROOT = Path(__file__).parents[2]


@pytest.fixture
def zoo(place):
    return read_zoo("scenes")


@pytest.fixture
def cards(zoo):
    return {row: zoo.pick(row, zoo.default()).card for row in ROWS}


@pytest.fixture
def view(zoo, cards):
    return explain_image(
        subjects.subject(subjects.key_of("scenes", 2)), list(cards.values()), names=["cam", "layer_cam"], shelf=Shelf()
    )


@pytest.fixture
def sheet(view, cards):
    return sheets.grid(view, cards, ["cam", "layer_cam"])


def test_the_table_has_a_row_per_map_and_every_metric(view, cards, sheet):
    table = exports.table(view, sheet)
    assert len(table) == 6
    assert list(table["model"].unique()) == ["teacher", "naive", "matched"]
    naive = table[(table["model"] == "naive") & (table["explainer"] == "CAM")].iloc[0]
    assert naive["cosine"] == pytest.approx(view.runs[cards["naive"].id].scores["cam"].cosine)
    assert pd.read_csv(io.BytesIO(exports.csv(table))).shape == table.shape


def test_metrics_stand_right_after_what_they_measure(view, sheet):
    columns = list(exports.table(view, sheet).columns)
    assert columns[:5] == ["model", "explainer", "settings", "cosine", "cosine_shuffled"]
    assert columns.index("pearson") < columns.index("explained class") < columns.index("image")


def test_npy_holds_the_raw_signed_maps(view, cards, sheet):
    maps = np.load(io.BytesIO(exports.npy(view, sheet, "cam")), allow_pickle=False)
    assert maps.dtype == np.float32
    assert np.array_equal(maps, np.stack([view.runs[card.id].maps["cam"] for card in cards.values()]))


def test_the_figure_contains_the_same_pixels_as_the_screen(view, cards, sheet):
    drawing = figure.Drawing(style=Style(opacity=50), scale="teacher")
    page = figure.compose(view, sheet, drawing)
    drawn = np.asarray(Image.open(io.BytesIO(figure.to_png(page))))
    assert drawn.shape == (page.height, page.width, 3)
    scale = rendering.divisor([view.runs[cards["teacher"].id].maps["cam"]])
    grid = view.runs[cards["naive"].id].maps["cam"]
    expected = rendering.panel(view.subject.photo, grid, scale, drawing.style)
    pictures = [part for part in page.parts if isinstance(part, figure.Picture)]
    place = pictures[2]  # row by row: teacher cam, teacher layer_cam, naive cam
    assert np.array_equal(drawn[place.y : place.y + 256, place.x : place.x + 256], expected)


def test_the_svg_is_well_formed_and_names_target_and_numbers(view, cards):
    page = figure.compose(view, sheets.grid(view, cards, ["cam"]), figure.Drawing(style=Style(), difference=True))
    tree = ElementTree.fromstring(figure.to_svg(page))
    words = " ".join(element.text or "" for element in tree.iter("{http://www.w3.org/2000/svg}text"))
    assert view.target_name in words
    assert "cosine" in words
    assert "less than the teacher" in words
    assert len(list(tree.iter("{http://www.w3.org/2000/svg}image"))) == 4  # three heatmaps and the colour bar


def test_copied_python_runs_and_prints_the_maps_on_screen(view, cards, made, tmp_path):
    code = exports.snippet(view, sheets.grid(view, cards, ["cam"]))
    environment = os.environ | {"XKD_CHECKPOINTS": str(made.root), "XKD_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.rsplit(" ", 1) for line in done.stdout.strip().splitlines()]
    assert len(lines) == 3
    for (words, largest), card in zip(lines, cards.values(), strict=True):
        assert words.startswith(f"{card.id} cam (8, 8)")
        assert float(largest) == pytest.approx(float(view.runs[card.id].maps["cam"].max()), rel=1e-4, abs=1e-9)


def test_copied_python_for_an_upload_is_python():
    class Key:
        dataset, split, index, networks, outside = "upload", "abc", 0, "cifar10", True

    class Run:
        target = 3
        instead = {}  # noqa: RUF012

    class Card:
        id = "cifar10-kd"

    class Shown:
        class subject:
            key = Key

        runs = {"cifar10-kd": Run}  # noqa: RUF012

    cell = sheets.Cell(row="naive", card=Card, explainer="cam")
    code = exports.snippet(Shown, sheets.Sheet(columns=("CAM",), heads=(("Naive student",),), rows=((cell,),)))
    compile(code, "snippet", "exec")
    assert "decode(open(" in code


def test_the_headline_says_what_the_numbers_say(view, cards):
    naive, matched = cards["naive"].id, cards["matched"].id
    bar = Bar(second=0.9, other=0.5)
    found = headline(view, naive, matched, bar=bar, story=None)
    assert f"{view.runs[naive].scores['cam'].cosine:.2f}" in found.detail
    assert headline(view, naive, "missing", bar=bar, story=None) is None
    assert confidence(0.999) == ">0.99"
    assert confidence(0.42) == "0.42"
