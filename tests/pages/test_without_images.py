"""Without the files of the images everything that stored numbers say is shown, and what is missing is said."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.seen import words
from xkd_core.errors import DataUnavailableError
from xkd_core.serving import subjects

REASON = "The images of scenes are not in the folder of data."
CHARTS = {"compression": "drift_ratio", "metrics": "boxes", "sanity": "floors"}


@pytest.fixture
def no_images(monkeypatch) -> None:
    def refuse(dataset: str, split: str) -> None:
        raise DataUnavailableError(REASON)

    monkeypatch.setattr(subjects, "_open", refuse)


@pytest.mark.parametrize("page", CHARTS)
def test_stored_numbers_are_shown_and_the_missing_images_named(open_page, wide, no_images, page):
    app = open_page(page, root=wide.root)
    assert not app.exception
    assert CHARTS[page] in {chart.key for chart in app.get("plotly_chart")}
    assert words(app).count(REASON) == 1


def test_the_worst_images_are_named_by_their_numbers(made, no_images):
    def page(root: str, run_id: str) -> None:
        from pathlib import Path

        from pages._ui import charts
        from xkd_core.models.checkpoints import find_card

        charts.pick_image({7: "cosine 0.12"}, find_card(run_id, Path(root)), key="worst")

    app = AppTest.from_function(page, args=(str(made.root), made.runs["teacher"]), default_timeout=30).run()
    assert not app.exception
    assert "image 7: cosine 0.12" in words(app) and "not on this machine" in words(app)


def test_heatmaps_need_images(open_page, wide, no_images):
    app = open_page("explore", root=wide.root)
    assert not app.exception and not app.get("bidi_component")
    assert words(app).count(REASON) == 1
