"""The Metrics page: numbers equal stored rows, marks lead to images, and everything that is missing is said."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages._ui import metric_figures, metric_parts
from tests.made_metrics import GONE, MATCHED, MEAN_AP, NAIVE, N, insertion, without_cam
from tests.made_zoo import Made
from tests.pages.seen import waited
from xkd_core.evaluation.rows import compared
from xkd_core.evaluation.scorers import scorer
from xkd_core.explainers.engine import cams
from xkd_core.images import datasets
from xkd_core.images.transforms import to_input
from xkd_core.metrics.planner import Case, Settings
from xkd_core.metrics.probes import measure
from xkd_core.models.checkpoints import load_run
from xkd_core.results.metric_store import add_roar, metrics_dir, read_run
from xkd_core.serving.zoo import read_zoo


def text_of(app):
    return "\n".join(str(part.value) for part in (*app.markdown, *app.caption, *app.info, *app.error))


def figure(app, key):
    return json.loads(next(chart.proto.spec for chart in app.get("plotly_chart") if chart.key == key))


def values_of(array):
    """A trace's numbers: a list, or bytes in base64."""
    if isinstance(array, dict):
        return np.frombuffer(base64.b64decode(array["bdata"]), dtype=array["dtype"]).tolist()
    return list(array)


def stored(wide, name):
    rows = read_run("scenes", wide.runs[name], root=wide.root)
    return rows[rows["explainer"] == "cam"].set_index("index")["insertion_auc"]


def test_the_marks_of_the_chart_are_means_of_the_stored_rows(open_page, wide):
    app = open_page("metrics", root=wide.root, metric="insertion_auc")
    assert not app.exception
    means = [trace for trace in figure(app, "boxes")["data"] if trace["type"] == "scatter"]
    shown = {data[0]: y for trace in means for data, y in zip(trace["customdata"], values_of(trace["y"]), strict=True)}
    expected = stored(wide, MATCHED).drop(GONE).mean()
    found = next(y for label, y in shown.items() if label.startswith("SWA") and "6" in label.split("λ")[1])
    assert found == pytest.approx(expected)
    assert f"{N - 1} images, the same for every mark" in text_of(app)
    assert "random map 0.20" in str(figure(app, "boxes")["layout"]["annotations"])


def test_the_sentence_and_the_table_say_the_same(open_page, wide):
    app = open_page("metrics", root=wide.root, metric="insertion_auc")
    naive, matched = (np.delete(insertion(name), GONE).mean() for name in (NAIVE, MATCHED))
    assert f"{matched:.2f} against {naive:.2f}" in text_of(app)
    rows = app.dataframe[0].value
    line = rows[rows["students"].str.startswith("Naive") & (rows["undefined"] > 0)].iloc[0]
    assert line["mean"] == pytest.approx(naive, abs=1e-3) and line["why"] == "1 the map is flat"
    assert "Undefined and left out: 1 values" in text_of(app)
    assert "higher is better ↑" in text_of(app).lower() and "Chance: read it beside the random map" in text_of(app)


def test_a_map_that_was_in_the_loss_does_not_judge_alone(open_page, wide):
    app = open_page("metrics", root=wide.root, metric="insertion_auc")
    assert "CAM was in the loss of SWA and cannot judge it alone. No map that was in no loss is stored" in text_of(app)
    app = open_page("metrics", root=wide.root, metric="same_answer")
    assert "cannot judge it alone" not in text_of(app)


def test_two_groups_are_compared_on_the_same_images(open_page, wide):
    app = open_page("metrics", root=wide.root, metric="insertion_auc")
    assert (
        "is better than" in text_of(app) and "mean difference +0.300" in text_of(app) and "n = 9 images" in text_of(app)
    )
    dots = figure(app, "differences")["data"][0]
    assert sorted(values_of(dots["customdata"])) == [index for index in range(N) if index != GONE]
    app.selectbox(key="second").set_value(app.selectbox(key="first").value).run()
    assert "Choose two different groups" in text_of(app)


@pytest.mark.parametrize("along", ["lam", "method"])
def test_the_first_comparison_is_the_one_of_the_headline(open_page, wide, tmp_path, along):
    mixed = Made(tmp_path / "mixed", wide.runs)
    shutil.copytree(wide.root, mixed.root)
    control, like = (mixed.root / "scenes" / wide.runs[name] / "card.json" for name in ("kd 0.25 0.5", NAIVE))
    card, naive = (json.loads(path.read_text()) for path in (control, like))
    few = {"role": "control", "recipe": {**card["recipe"], "label": "few"}}
    control.write_text(json.dumps({**card, **{key: naive[key] for key in ("width", "ratio", "params")}, **few}))
    app = open_page("metrics", root=mixed.root, metric="insertion_auc", by=along)
    assert ("3,000 images" in str(app.selectbox(key="first").options)) == (along == "method")
    first, second = (app.selectbox(key=key).value for key in ("first", "second"))
    assert first.startswith("SWA, λ") and second.startswith("Naive, λ")
    assert f": {first} is better than naive" in text_of(app)


def test_a_stand_in_is_drawn_and_named(open_page, wide, tmp_path):
    mixed = Made(tmp_path / "mixed", wide.runs)
    shutil.copytree(wide.root, mixed.root)
    without_cam(mixed, NAIVE)
    app = open_page("metrics", root=mixed.root, metric="insertion_auc")
    assert not app.exception
    assert "Hollow: networks without CAM; Grad-CAM stands in." in text_of(app)
    marks = [trace for trace in figure(app, "boxes")["data"] if trace["type"] == "scatter"]
    symbols = {data[0].split(",")[0]: symbol for trace in marks
               for data, symbol in zip(trace["customdata"], trace["marker"]["symbol"], strict=True)}  # fmt: skip
    assert symbols == {"Naive": "diamond-open", "SWA": "diamond"}
    assert app.dataframe[0].value["why"].str.startswith("Grad-CAM stands in").sum() == 1


def test_one_number_for_all_images_stands_there_with_its_interval(open_page, wide):
    app = open_page("metrics", root=wide.root, metric="mAP")
    assert not app.exception
    rows = app.dataframe[0].value
    line = rows[rows["students"].str.startswith("SWA") & rows["mean"].notna()].iloc[0]
    assert (line["mean"], line["low"], line["high"], line["images"]) == (MEAN_AP[MATCHED], 0.94, 0.96, 2000)
    assert "One number for all 2,000 images" in text_of(app) and "no pairs of images to test" in text_of(app)
    assert "the teacher 0.99" in str(figure(app, "boxes")["layout"]["annotations"])


def test_metrics_without_any_value_are_named_with_their_command(open_page, wide):
    app = open_page("metrics", root=wide.root, metric="mAP")
    assert any(one.label.startswith("Not measured yet: ") for one in app.expander)
    assert "Calibration error" in text_of(app) and "calibration_error" in text_of(app)


@pytest.mark.parametrize("axis", ["lam", "ratio", "method"])
def test_every_axis_has_a_chart_with_an_alt_text(open_page, wide, axis):
    app = open_page("metrics", root=wide.root, metric="cosine", by=axis)
    assert not app.exception
    chart = next(chart for chart in app.get("plotly_chart") if chart.key == "boxes")
    assert "Cosine to the teacher's map" in chart.proto.alt and "n=" in chart.proto.alt
    assert app.query_params.get("by", ["ratio"]) in ([axis], axis)


def test_without_wide_rows_the_page_shows_what_the_other_pages_have(open_page, made):
    app = open_page("metrics")
    assert not app.exception
    assert app.selectbox(key="metric").options[0] == "Cosine to the teacher's map ↑ (like the teacher's)"
    assert any(chart.key == "boxes" for chart in app.get("plotly_chart"))


def test_answers_need_no_map(open_page, made):
    app = open_page("metrics", metric="same_answer")
    assert not app.exception
    assert "map" not in [box.key for box in app.selectbox]


def test_no_rows_at_all_names_the_command(open_page, made, tmp_path):
    root = tmp_path / "bare"
    shutil.copytree(made.root, root, ignore=shutil.ignore_patterns("*.parquet"))
    app = open_page("metrics", root=root)
    assert not app.exception
    assert "`python -m xkd_core evaluate --data scenes:test --explainers cam --metrics all` makes them" in text_of(app)


def test_runs_without_rows_name_the_command_for_them(open_page, wide):
    app = open_page("metrics", root=wide.root, metric="insertion_auc", lam="0")
    assert not app.exception
    assert "--explainers cam --metrics insertion_auc` makes it. Stored for: Naive (λ 0.5, " in text_of(app)
    assert (app.dataframe[0].value["why"] == "not measured").any()


@pytest.mark.parametrize("page", ["metrics", "sanity"])
def test_an_empty_folder_and_a_damaged_file_are_said(open_page, wide, tmp_path, page):
    assert "There is no teacher" in text_of(open_page(page, root=tmp_path / "nothing"))
    root = tmp_path / "damaged"
    shutil.copytree(wide.root, root)
    (metrics_dir("scenes", root=root) / "refused.parquet").write_bytes(b"no parquet")
    app = open_page(page, root=root)
    assert not app.exception
    assert "refused.parquet of the metrics cannot be read" in text_of(app)


@pytest.mark.parametrize(
    ("query", "words"),
    [({"metric": "magic"}, "metric 'magic'"), ({"by": "size"}, "along 'size'"), ({"who": "nobody"}, "'nobody'")],
)
def test_what_a_link_cannot_mean_is_said(open_page, wide, query, words):
    app = open_page("metrics", root=wide.root)
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page("pages/glossary.py").run()
    for name, value in query.items():
        app.query_params[name] = value
    app.switch_page("pages/metrics.py").run()
    assert any(words in str(warning.value) for warning in app.warning)


def test_numbers_can_be_taken_away(open_page, wide):
    labels = [button.proto.label for button in open_page("metrics", root=wide.root).get("download_button")]
    assert {"Numbers (CSV)", "Tests (CSV)", "Figure (PNG)", "Figure (SVG)"} <= set(labels)


def test_live_curves_are_those_of_the_metric_and_the_scrubber_shows_the_masked_image(open_page, made):
    app = waited(open_page("metrics", image="2", step="0"), "live_curves")
    assert not app.exception
    lines = [trace for trace in figure(app, "live_curves")["data"] if trace["line"]["dash"] == "solid"]
    assert [trace["name"] for trace in lines] == ["Teacher", "Naive student", "Matched student"] * 2
    data = datasets.load("scenes", "test")
    run = load_run(made.runs["teacher"], made.root)
    x = to_input(data.pixels([2]), run.card.input_transform())
    target = run.model(x).argmax(dim=1)
    maps = compared(cams(run.model, x, target, ["cam"])["cam"].numpy(), "cam")
    case = Case(score=scorer(run.model), maps=maps, targets=target.numpy())
    found = measure(x.numpy(), {"it": case}, ["deletion_auc"], Settings(multi_label=True))["it"]["deletion_auc"]
    deletion = np.array(values_of(lines[3]["y"]))
    assert np.trapezoid(deletion) / (len(deletion) - 1) == pytest.approx(found.values[0], abs=1e-6)
    alts = [picture.alt for image in app.image for picture in image.proto.imgs]
    assert "Teacher: deletion, 0 % of the pixels" in alts
    app.slider(key="step").set_value(32).run()
    assert "Teacher: deletion, 100 % of the pixels" in [p.alt for image in app.image for p in image.proto.imgs]
    assert "Curves (CSV)" in [button.proto.label for button in app.get("download_button")]


def test_two_jobs_can_be_followed_on_one_page():
    def page():
        from pages._ui import widgets
        from xkd_core.serving.jobs import Job

        widgets.follow(Job(key=("maps",)), lambda: 1)
        widgets.follow(Job(key=("curves",)), lambda: 1, doing="Measure", name="curves")

    app = AppTest.from_function(page, default_timeout=30).run()
    assert not app.exception
    assert [button.label for button in app.button] == ["Stop", "Stop"]


def test_one_order_for_all_models_shares_the_masked_images(open_page, made):
    app = waited(open_page("metrics", image="2", order="teacher"), "live_curves")
    alts = [picture.alt for image in app.image for picture in image.proto.imgs]
    assert [alt.split(":")[0] for alt in alts] == ["Every model"] * 2


def test_no_two_kinds_of_students_on_a_chart_have_one_colour():
    names = ("naive", *(f"one {number}" for number in range(20)))
    shown = names[:1] + names[3:20:2]
    found = SimpleNamespace(
        ask=SimpleNamespace(families=names, choice=SimpleNamespace(family=names[3])), groups=shown,
        boxes=[SimpleNamespace(family=name, label=name) for name in shown],
    )  # fmt: skip
    assert len({metric_figures._colour(found, name) for name in shown}) == len(shown)


def test_networks_that_were_trained_without_pixels_stand_beside_the_random_ranking(open_page, wide, tmp_path):
    root = tmp_path / "zoo"
    shutil.copytree(wide.root, root)
    recipe = json.dumps({"arch": "vgg_gap_tiny", "width": 0.5, "epochs": 2, "limit": 64, "seed": 0})
    rows = [
        {"trial": f"{name}{rate}", "run_id": wide.runs["teacher"], "explainer": name, "rate": rate, "seed": 0,
         "metric": "mAP", "value": value, "low": value - 0.1, "high": value + 0.1, "n": 24, "undefined": 0,
         "recipe": recipe}
        for name, rate, value in (("nothing", 0.0, 0.8), ("cam", 0.5, 0.3), ("random_map", 0.5, 0.6))
    ]  # fmt: skip
    add_roar("scenes", pd.DataFrame(rows), root=root)
    app = open_page("metrics", root=root)
    assert not app.exception
    assert "mAP is 0.60 where they were random, 0.30 where CAM of the teacher chose them" in text_of(app)
    drawn = {trace["name"]: values_of(trace["y"]) for trace in figure(app, "retrained")["data"]}
    assert drawn == {"CAM of the teacher": [0.3], "Random map": [0.6]}
    (metrics_dir("scenes", root=root) / "roar.parquet").write_bytes(b"no parquet")
    app = open_page("metrics", root=root)
    assert not app.exception and "roar.parquet" in text_of(app)


def test_without_such_networks_their_command_is_named(open_page, made):
    app = open_page("metrics")
    assert f"python -m xkd_core roar --runs {made.runs['teacher']}" in text_of(app)


def test_it_begins_along_lambda_where_all_students_have_one_size(made):
    zoo = read_zoo("scenes", root=made.root)
    family = zoo.default().family
    assert metric_parts._longest(zoo, family) == "ratio"
    one_size = replace(zoo, cards=tuple(card for card in zoo.cards if card.width in (0.25, 1.0)))
    assert metric_parts._longest(one_size, family) == "lam"
    one_run = replace(one_size, cards=tuple(card for card in one_size.cards if card.lam in (None, 0.5)))
    assert metric_parts._longest(one_run, family) == "ratio"


def test_only_what_is_answered_rightly(open_page, wide, tmp_path):
    mixed = Made(tmp_path / "mixed", wide.runs)
    shutil.copytree(wide.root, mixed.root)
    path = mixed.root / "scenes" / "results" / "answers.parquet"
    rows = pd.read_parquet(path)
    wrong = (rows["run_id"] == wide.runs[MATCHED]) & rows["index"].isin([0, 1])
    rows.assign(right=~wrong).to_parquet(path)
    app = open_page("metrics", root=mixed.root, metric="insertion_auc", of="right")
    assert not app.exception
    assert f"{N - 3} images, all answered rightly and the same for every mark" in text_of(app)
    assert "own mean: on all that a group answers rightly by itself" in text_of(app)
    table = app.dataframe[0].value
    own = dict(zip(table["own mean"].round(3), table["own images"], strict=True))
    assert own[round(insertion(MATCHED)[2:].mean(), 3)] == N - 2 and set(own.values()) >= {N, N - 1, N - 2}
