"""Compression and glossary: numbers equal stored rows, every catalogue entry is explained."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from pages._ui import figures as figures_of_pages
from pages._ui.plot import Plot
from pages._ui.words import cited
from tests.pages.seen import payload
from xkd_core import catalogue
from xkd_core.metrics.statistics import Estimate
from xkd_core.results.store import merge_rows, read_rows
from xkd_core.serving import pareto
from xkd_core.serving.results import read_results
from xkd_core.serving.zoo import read_zoo


def drift(made, name):
    rows = read_rows("scenes", "maps", root=made.root)
    chosen = rows[(rows["run_id"] == made.runs[name]) & (rows["explainer"] == "cam")]
    return 1 - chosen["cosine"].mean()


def test_compression_says_the_mean_drift_of_the_stored_rows(open_page, made):
    app = open_page("compression")
    assert not app.exception
    title = next(part.value for part in app.markdown if part.value.startswith("## "))
    means = [f"{drift(made, name):.2f}" for name in ("swa 0.125 0.5", "kd 0.125 0.5")]
    assert " against ".join(means) in title or " and ".join(means) in title
    assert "Matched student minus naive student, with 95 % interval: " in text_of(app)


def test_students_are_compared_where_both_have_a_run(open_page, made):
    app = open_page("compression", match="shuffled")  # one run, at a quarter of the width
    title = next(part.value for part in app.markdown if part.value.startswith("## "))
    means = [f"{drift(made, name):.2f}" for name in ("shuffled", "kd 0.25 0.5")]
    assert title.startswith("## At 15.8x smaller, ")
    assert " against ".join(means) in title or " and ".join(means) in title
    assert "Shuffled control minus naive student, with 95 % interval: " in text_of(app)


def test_quality_is_not_drawn_larger_than_life_and_ticks_have_room(open_page):
    axes = figures(open_page("compression"))[0]["layout"]
    low, high = axes["yaxis3"]["range"]
    assert high - low >= figures_of_pages.LEAST
    ratios = [3.98, 4.06, 5.2, 7.06, 10.15, 15.8, 28.0, 62.2]
    assert figures_of_pages.spaced(ratios) == [3.98, 7.06, 15.8, 28.0, 62.2]
    assert figures_of_pages.spaced([2.79]) == [2.79] and figures_of_pages.spaced([]) == []


def test_every_dot_of_the_curve_is_a_run_with_its_stored_drift(open_page, made):
    app = open_page("compression")
    figure = json.loads(app.get("plotly_chart")[0].proto.spec)
    naive = next(trace for trace in figure["data"] if trace.get("name") == "Naive student")
    ids = [data[0] for data in naive["customdata"]]
    assert ids == [made.runs["kd 0.25 0.5"], made.runs["kd 0.125 0.5"]]
    assert values_of(naive["y"]) == pytest.approx([drift(made, "kd 0.25 0.5"), drift(made, "kd 0.125 0.5")])


def values_of(array):
    return list(array["_inputArray"] if isinstance(array, dict) else array)


def figures(app):
    return [json.loads(chart.proto.spec) for chart in app.get("plotly_chart")]


def text_of(app):
    return "\n".join(str(part.value) for part in (*app.markdown, *app.caption, *app.get("html")))


def test_titles_name_the_map_that_is_shown_and_how_many_images_it_was_measured_on(open_page, made):
    from tests.made_zoo import N_IMAGES

    app = open_page("compression")
    title = next(part.value for part in app.markdown if part.value.startswith("## "))
    assert "CAM maps" in title
    assert figures(app)[2]["layout"]["yaxis"]["title"]["text"] == "cosine to the teacher's CAM"
    assert f"all {N_IMAGES} images of the test split" in text_of(app)
    rows = read_rows("scenes", "maps", root=made.root)
    lost = rows[rows["run_id"] == made.runs["kd 0.125 0.5"]]["cosine"].isna().sum()
    expected = f"{lost} of {N_IMAGES} images" if lost else f"the {N_IMAGES} images is defined"
    assert expected in text_of(app)


def test_another_map_has_its_own_name_and_its_sample_is_called_one(open_page, made, tmp_path):
    root = tmp_path / "sampled"
    shutil.copytree(made.root, root)
    rows = read_rows("scenes", "maps", root=root)
    few = rows[rows["index"] < 10].assign(explainer="kernel_shap")
    few.loc[few["index"] == 3, "cosine"] = float("nan")
    merge_rows("scenes", "maps", few, root=root)
    app = open_page("compression", root=root, map="kernel_shap")
    name = catalogue.get("explainer", "kernel_shap").title
    text = text_of(app)
    assert f"student's {name} maps" in text
    assert "a sample of 10 of the 24 test images" in text
    assert "Undefined and left out: 1 of 10 images" in text
    assert figures(app)[3]["layout"]["yaxis"]["title"]["text"] == f"cosine to the teacher's {name}"


def test_runs_that_were_not_trained_to_the_end_are_hollow_and_explained(open_page):
    app = open_page("compression")
    naive = next(trace for trace in figures(app)[1]["data"] if trace.get("name") == "Naive student")
    assert values_of(naive["x"]) == [0.0, 0.5, 1.0]
    assert naive["marker"]["symbol"] == ["circle", "circle", "circle-open"]  # λ = 1 is undertrained in the made zoo
    assert "hollow: not trained to the end" in text_of(app)


def test_the_axis_of_lambda_ends_near_0_and_1_with_ticks_at_runs(open_page):
    axis = figures(open_page("compression"))[1]["layout"]["xaxis"]
    assert -0.1 < axis["range"][0] < 0 and 1 < axis["range"][1] < 1.1
    assert values_of(axis["tickvals"]) == [0.0, 0.5, 1.0]


def test_controls_are_marks_and_bands(open_page, made):
    app = open_page("compression", ratio="15.8")
    by_ratio = figures(app)[0]
    shuffled = next(trace for trace in by_ratio["data"] if "other images" in (trace.get("name") or ""))
    assert [data[0] for data in shuffled["customdata"]] == [made.runs["shuffled"]]
    assert values_of(shuffled["y"]) == pytest.approx([drift(made, "shuffled")])
    assert "Matched to maps of other images" in text_of(app)
    rows = read_rows("scenes", "maps", root=made.root)
    second = 1 - rows[rows["run_id"] == made.runs["second"]]["cosine"].dropna()
    half = 1.959964 * second.std() / len(second) ** 0.5
    bands = [shape for shape in by_ratio["layout"]["shapes"] if shape["type"] == "rect"]
    edges = [(band["y0"], band["y1"]) for band in bands]
    assert any(edge == pytest.approx((second.mean() - half, second.mean() + half)) for edge in edges)
    low, high = by_ratio["layout"]["yaxis"]["range"]
    assert all(low <= edge[0] and edge[1] <= high for edge in edges[:2])  # both drift bands are on the chart
    assert all(note["x"] == 1 and note["xanchor"] == "left" for note in by_ratio["layout"]["annotations"])


def test_localisation_stands_between_drift_and_quality_where_there_are_masks(open_page, made):
    figure = figures(open_page("compression"))[0]
    assert [figure["layout"][f"yaxis{n}"]["title"]["text"] for n in ("", "2", "3")] == [
        "drift, 1 - cosine", "peak on object", "mAP",
    ]  # fmt: skip
    naive = [trace for trace in figure["data"] if trace.get("name") == "Naive student"]
    rows = read_rows("scenes", "maps", root=made.root)
    share = rows[rows["run_id"] == made.runs["kd 0.25 0.5"]]["pointing"].mean()
    assert values_of(naive[1]["y"])[0] == pytest.approx(share)


def test_error_bars_are_wider_than_the_marks(open_page):
    naive = next(
        trace for trace in figures(open_page("compression"))[0]["data"] if trace.get("name") == "Naive student"
    )
    assert 2 * naive["error_y"]["width"] > naive["marker"]["size"]


def test_sliders_offer_only_values_with_a_matched_run(open_page):
    app = open_page(match="ewa")
    assert [slider.key for slider in app.select_slider] == []
    assert payload(app)["axes"]["lam"] == [0.5]
    assert [slider.key for slider in open_page().select_slider] == ["lam", "ratio", "beta"]


def test_compression_can_be_taken_away_like_the_landing_page(open_page, made):
    app = open_page("compression", lam="0")
    link, code = (str(part.value) for part in app.code)
    assert "map=cam" in link and "lam=0" in link and "maps=" not in link
    assert made.runs["swa 0.25 0"] in code and made.runs["kd 0.125 0"] in code
    labels = [button.proto.label for button in app.get("download_button")]
    assert "Drift by compression (CSV)" in labels and "Drift by λ (CSV)" in labels and "Figure (PNG)" in labels
    assert "Report (HTML)" in labels


def test_the_plain_form_of_compression_is_pictures_with_alt_texts(open_page):
    app = open_page("compression", plain="1")
    assert not app.exception
    alts = [picture.alt for image in app.image for picture in image.proto.imgs]
    assert len([alt for alt in alts if "heatmap of the" in alt]) == 6


def test_the_filmstrip_has_a_column_for_each_compression(open_page, made):
    data = payload(open_page("compression"))
    assert data["film"] == "cam"
    assert [column["title"] for column in data["layout"]["columns"]] == ["Teacher", "1/4 width", "1/8 width"]
    assert [slider["name"] for slider in data["layout"]["sliders"]] == ["lam", "beta"]


def test_every_chart_has_an_alt_text_with_numbers(open_page):
    app = open_page("compression")
    charts = app.get("plotly_chart")
    assert [chart.key for chart in charts][-1] == "pareto" and len(charts) == 5
    assert all(any(char.isdigit() for char in chart.proto.alt) for chart in charts)


def test_the_front_over_all_runs_names_those_that_are_on_it(open_page, made):
    app = open_page("compression")
    alt = next(chart.proto.alt for chart in app.get("plotly_chart") if chart.key == "pareto")
    found = pareto.candidates(
        read_results("scenes", root=made.root), read_zoo("scenes", root=made.root), explainer="cam"
    )
    best = [one for one in found if one.on_front]
    assert best and all(one.words in alt for one in best)
    assert any(f"{len(found)} runs, of which {len(best)} are on the front" in str(one.value) for one in app.caption)


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
        assert cited(entry.source) in text
    metrics = {**catalogue.METRICS, **catalogue.RETRAINED}
    for info in metrics.values():
        assert info.title in text
        assert f"Range {info.low:g} to {info.high:g}" in text
        assert ("Never undefined" if info.undefined == "never" else f"Undefined when {info.undefined}") in text
    for one in (*catalogue.EXPLAINERS.values(), *metrics.values()):
        file, line = catalogue.source_line(one.attr).split(":")
        assert re.search(rf"\b{one.attr.partition(':')[2]}\b", Path(file).read_text().splitlines()[int(line) - 1])
        assert f"`{file}:{line}`" in text
    quirks = [f"`{name}@{quirk}`" for name, info in catalogue.METRICS.items() for quirk, _ in info.compat]
    assert quirks and all(quirk in text for quirk in quirks)
    assert len(app.latex) == len(catalogue.EXPLAINERS) + len(metrics)
    assert not re.search(r"\bpapers? 00\d|(?<!,)\b00[0-4]\b", text)  # but 1,000
    assert not re.search(r"\b1 forward passes\b|(?<!pytorch-)grad-cam|when never", text)
    for word in ("Accuracy", "mAP", "Agreement"):
        assert f"**{word}.**" in text


def test_papers_are_cited_by_authors_and_year():
    assert cited("papers 000 and 004") == "Wilfling et al. and Park et al. 2020"
    assert cited("Petsiuk et al. 2018 (RISE); paper 002; 11 px") == "Petsiuk et al. 2018 (RISE); Lee & Kim 2021; 11 px"
    assert cited("100 images, k = 2") == "100 images, k = 2"


def test_a_page_opened_without_the_entry_script_goes_there_first(made, monkeypatch, tmp_path):
    """On a fresh server Streamlit may run a file of pages/ by itself; the guard sends it through app.py."""
    import streamlit as st

    from pages._ui import guard

    calls = []
    monkeypatch.setattr(st, "session_state", {})
    monkeypatch.setattr(st, "switch_page", lambda *args, **kwargs: calls.append(args))
    guard.page("pages/compression.py")
    assert calls == [("app.py",)]


@pytest.mark.parametrize("page", ["explore", "compression", "metrics", "sanity"])
def test_the_disk_is_read_once_for_all_data_sets_and_not_again_while_it_stays_the_same(
    open_page, wide, monkeypatch, page
):
    from xkd_core.models import checkpoints

    seen = []
    real = checkpoints.scan

    def counted(root=None):
        seen.append(root)
        return real(root)

    monkeypatch.setattr(checkpoints, "scan", counted)
    app = open_page(page, root=wide.root)
    assert len(seen) == 1
    app.run()
    assert not app.exception
    assert len(seen) == 1


def test_names_of_bands_that_lie_near_each_other_do_not_overlap():
    plot, means = Plot(), [Estimate(mean=value, low=value, high=value, n=9) for value in (0.66, 0.61, 0.9)]
    figures_of_pages._add_bands(plot, dict(zip("abc", means, strict=True)), 1, apart=0.1)
    names = {note.text: note.y for note in plot.figure(height=100).layout.annotations}
    assert names == pytest.approx({"a": 0.71, "b": 0.61, "c": 0.9})
