"""The report holds the pixels and numbers on screen, by itself, with everything escaped."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from xkd_core.rendering import Style
from xkd_core.serving import exports, figure, sheets, subjects
from xkd_core.serving.explaining import explain_image
from xkd_core.serving.report import Said, report
from xkd_core.serving.shelf import Shelf
from xkd_core.serving.zoo import ROWS, read_zoo

DRAWING = figure.Drawing(style=Style())
SAID = Said(headline="Still says *mug* & <more>.", detail="0.5", notes=("a note",), link='http://x/?a=1&b="2')


class Seen(HTMLParser):
    """Every tag's attributes, the words, and whether each tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words, self.open = "", []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture
def shown(place):
    zoo = read_zoo("scenes")
    cards = {row: zoo.pick(row, zoo.default()).card for row in ROWS}
    view = explain_image(
        subjects.subject(subjects.key_of("scenes", 2)), list(cards.values()), names=["cam"], shelf=Shelf()
    )
    return view, cards, sheets.grid(view, cards, ["cam"])


def test_it_holds_the_pixels_the_numbers_and_the_runs(shown) -> None:
    view, cards, sheet = shown
    page = Seen(report(view, sheet, DRAWING, SAID).decode())
    assert page.open == []
    pictures = [tag for name, tag in page.tags if name == "img"]
    assert len(pictures) == 1 + 3 + 1  # photo, three maps, colour bar
    assert all(picture["alt"] for picture in pictures)
    expected, _ = figure.panels(view, sheet.cells, DRAWING)
    data = base64.b64decode(str(pictures[1]["src"]).partition(",")[2])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), expected[cards["teacher"].id, "cam"])
    table = exports.table(view, sheet)
    for value in table["cosine"].dropna():
        assert f"{value:.4g}" in page.words
    assert all(card.sha256 in page.words for card in cards.values())
    assert "a note" in page.words
    assert exports.snippet(view, sheet) in page.words


def test_nothing_is_fetched_and_nothing_typed_becomes_markup(shown) -> None:
    view, _, sheet = shown
    text = report(view, sheet, DRAWING, SAID, tables={"<b>": pd.DataFrame({"<i>": ["<script>"]})}).decode()
    page = Seen(text)
    assert "Still says mug & <more>." in page.words
    assert "<script>" in page.words and "<script>" not in text
    assert [tag["href"] for name, tag in page.tags if name == "a"] == [SAID.link]
    sources = [value for _, tag in page.tags for name, value in tag.items() if name in ("src", "srcset")]
    assert all(str(value).startswith("data:") for value in sources)
    assert not re.search(r"@import|url\(", text)


def test_what_is_missing_is_said(shown) -> None:
    view, cards, _ = shown
    gone = cards["naive"].id
    broken = replace(view, runs={run: each for run, each in view.runs.items() if run != gone}, broken={gone: "no"})
    page = Seen(report(broken, sheets.grid(broken, cards, ["cam", "occlusion"]), DRAWING, Said()).decode())
    assert page.words.count("damaged") == 3  # the row's head and its two panels
    assert page.words.count("not computed") == 2
