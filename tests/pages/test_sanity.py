"""The Sanity page: checks equal stored rows, live checks are jobs with their cost first, everything missing is said."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.made_metrics import KEPT, NAIVE, N
from tests.pages.seen import waited
from xkd_core.results.metric_store import read_run
from xkd_core.serving import live_sanity


def text_of(app):
    return "\n".join(str(part.value) for part in (*app.markdown, *app.caption, *app.info, *app.error))


def figure(app, key):
    return json.loads(next(chart.proto.spec for chart in app.get("plotly_chart") if chart.key == key))


def test_checks_and_marks_are_those_of_the_stored_rows(open_page, wide):
    app = open_page("sanity", root=wide.root)
    assert not app.exception
    assert "1 of 1 explainers checked is safe to compare students by: CAM" in text_of(app)
    row = app.dataframe[0].value.iloc[0]
    stored = read_run("scenes", wide.runs["teacher"], root=wide.root)
    expected = stored[stored["explainer"] == "cam"]["randomisation_cascading"].mean()
    assert row["left of the map"] == pytest.approx(expected, abs=1e-3) and row["safe to compare"] == "✓ safe"
    assert (row["second teacher"], row["other images"]) == pytest.approx((0.8, 0.25), abs=1e-3)
    assert row["images"] == N
    for way, share in (("cascading", 1), ("independent", 2)):
        key = f"left_randomisation_{way}"
        alt = next(chart.proto.alt for chart in app.get("plotly_chart") if chart.key == key)
        assert f"Naive student, CAM: {KEPT[NAIVE] / share:.3f}" in alt and f"(n={N})" in alt
        runs = {data[0] for trace in figure(app, key)["data"] for data in trace["customdata"]}
        assert runs == {wide.runs[name] for name in KEPT}
    assert "Good is near 0: of the teacher's CAM 0.10 is left" in text_of(app)


def test_the_noise_floor_stands_between_chance_and_the_students(open_page, wide):
    app = open_page("sanity", root=wide.root)
    alt = next(chart.proto.alt for chart in app.get("plotly_chart") if chart.key == "floors")
    assert "other images 0.250" in alt and "second teacher 0.800" in alt and "naive 0.300" in alt
    assert "there is room between the two" in text_of(app)


def test_the_live_cascade_says_its_cost_first_and_then_the_numbers(open_page, made):
    app = open_page("sanity", image="2")
    assert not app.exception
    button = app.button(key="cascade_start")
    assert button.label.startswith("Randomise: ") and "forward passes" in button.label
    button.click().run()
    app = waited(app, "cascade")
    assert not app.exception
    text = text_of(app)
    assert ("**Teacher**: " in text and "half way between a map of another image" in text) or "undefined at" in text
    names = [trace["name"] for trace in figure(app, "cascade")["data"]]
    assert names == ["Teacher", "Naive student", "Matched student"]
    alts = [picture.alt for image in app.image for picture in image.proto.imgs]
    steps = figure(app, "cascade")["data"][0]["x"]
    assert [alt for alt in alts if alt.startswith("Teacher: map, ")][: len(steps)] == [
        f"Teacher: map, {step}" for step in steps
    ]
    assert "Steps (CSV)" in [button.proto.label for button in app.get("download_button")]


def test_layers_are_compared_at_once(open_page, made):
    app = waited(open_page("sanity", image="2"), "layers")
    assert not app.exception
    assert "Naive student: from " in text_of(app)
    assert [trace["name"] for trace in figure(app, "layers")["data"]] == ["Naive student", "Matched student"]


def test_layers_of_a_network_of_another_depth_are_shown_without_lines(open_page, made, monkeypatch):
    whole, naive = live_sanity._grad_cams, made.runs["kd 0.125 0.5"]
    monkeypatch.setattr(live_sanity, "_grad_cams", lambda view, card, *more: dict(
        list(whole(view, card, *more).items())[: 2 if card.id == naive else None]))  # fmt: skip
    app = waited(open_page("sanity", image="5"), "layers")
    assert not app.exception
    assert [trace["name"] for trace in figure(app, "layers")["data"]] == ["Matched student"]
    assert any("has 2 activation layers and the teacher" in info.value for info in app.info)


def test_without_checks_the_command_is_named(open_page, made, tmp_path):
    root = tmp_path / "bare"
    shutil.copytree(made.root, root, ignore=shutil.ignore_patterns("*.parquet"))
    app = open_page("sanity", root=root)
    assert not app.exception
    text = text_of(app)
    assert "Can these maps be compared?" in text and "The checks of scenes are not stored yet" in text
    assert made.runs["teacher"] in text and "--metrics similarity,randomisation --images 100` makes them" in text
    assert "Weight randomisation of the chosen runs is not stored" in text
    assert "No similarity of maps is stored" in text


def test_the_rows_of_the_other_pages_give_the_noise_floor(open_page, made):
    app = open_page("sanity")
    assert not app.exception
    assert "floors" in [chart.key for chart in app.get("plotly_chart")]
    assert "Some checks are not stored yet" in text_of(app)
    assert "Weight randomisation is not measured" in app.dataframe[0].value.iloc[0]["why"]


def test_choices_stand_in_the_link(open_page, made):
    app = open_page("sanity")
    app.selectbox(key="way").set_value("independent").run()
    assert app.query_params["way"] in ("independent", ["independent"])
