"""Compression and glossary: numbers equal stored rows, every catalogue entry is explained."""

from __future__ import annotations

import json

import pytest

from tests.pages.seen import payload
from xkd_core import catalogue
from xkd_core.results.store import read_rows


def drift(made, name):
    rows = read_rows("scenes", "maps", root=made.root)
    chosen = rows[(rows["run_id"] == made.runs[name]) & (rows["explainer"] == "cam")]
    return 1 - chosen["cosine"].mean()


def test_compression_says_the_mean_drift_of_the_stored_rows(open_page, made):
    app = open_page("compression")
    assert not app.exception
    title = next(part.value for part in app.markdown if part.value.startswith("## "))
    assert f"{drift(made, 'swa 0.125 0.5'):.2f} against {drift(made, 'kd 0.125 0.5'):.2f}" in title


def test_every_dot_of_the_curve_is_a_run_with_its_stored_drift(open_page, made):
    app = open_page("compression")
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    naive = next(trace for trace in figure["data"] if trace.get("name") == "Naive student")
    ids = [data[0] for data in naive["customdata"]]
    assert ids == [made.runs["kd 0.25 0.5"], made.runs["kd 0.125 0.5"]]
    values = naive["y"]["_inputArray"] if isinstance(naive["y"], dict) else naive["y"]
    assert list(values) == pytest.approx([drift(made, "kd 0.25 0.5"), drift(made, "kd 0.125 0.5")])


def test_the_filmstrip_has_a_column_for_each_compression(open_page, made):
    data = payload(open_page("compression"))
    assert data["film"] == "cam"
    assert [column["title"] for column in data["layout"]["columns"]] == ["Teacher", "1/4 width", "1/8 width"]
    assert [slider["name"] for slider in data["layout"]["sliders"]] == ["lam", "beta"]


def test_every_chart_has_an_alt_text_with_numbers(open_page):
    app = open_page("compression")
    charts = app.get("plotly_chart")
    assert len(charts) == 4
    assert all(any(char.isdigit() for char in chart.proto.alt) for chart in charts)


@pytest.mark.parametrize("page", ["compression", "glossary"])
def test_an_empty_store_leaves_every_page_working(open_page, tmp_path, page):
    app = open_page(page, root=tmp_path / "nothing")
    assert not app.exception


def test_glossary_explains_every_explainer_and_metric(open_page):
    app = open_page("glossary")
    assert not app.exception
    text = "\n".join(str(part.value) for part in (*app.markdown, *app.caption))
    for entry in catalogue.EXPLAINERS.values():
        assert entry.title in text
        assert entry.source in text
    for info in catalogue.METRICS.values():
        assert info.title in text
        assert f"Range {info.low:g} to {info.high:g}" in text
        assert info.undefined in text
    assert len(app.latex) == len(catalogue.EXPLAINERS) + len(catalogue.METRICS)


def test_a_page_opened_without_the_entry_script_goes_there_first(made, monkeypatch, tmp_path):
    """On a fresh server Streamlit may run a file of pages/ by itself; the guard sends it through app.py."""
    import streamlit as st

    from pages._ui import guard

    calls = []
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "switch_page", lambda *args, **kwargs: calls.append(args))
    guard.page("pages/compression.py")
    assert calls == [("app.py",)]
