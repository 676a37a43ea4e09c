"""The pages on a zoo that is incomplete or damaged: what is there is shown, what is lost is named."""

from __future__ import annotations

import shutil

import pytest

from tests.pages.seen import payload, words


def test_a_link_to_a_run_without_weights_says_so_and_shows_the_nearest(open_page, made, tmp_path):
    root, gone = tmp_path / "runs", made.runs["swa 0.125 1"]
    shutil.copytree(made.root, root)
    (root / "scenes" / gone / "model.safetensors").unlink()
    app = open_page(run=gone, root=root)
    assert not app.exception and not app.error
    assert f"distill --run {gone}" in str(app.warning[0].value)
    assert app.query_params["run"] != [gone]
    app.switch_page("pages/compression.py").run()
    assert not app.exception and not app.error


@pytest.mark.parametrize("page", ["compression", "metrics", "sanity"])
def test_students_of_which_only_results_are_here_can_be_chosen_where_results_are_shown(open_page, made, tmp_path, page):
    root, gone = tmp_path / "runs", made.runs["ewa"]
    shutil.copytree(made.root, root)
    (root / "scenes" / gone / "model.safetensors").unlink()
    app = open_page(page, root=root)
    app.selectbox(key="match").select("ewa").run()
    assert not app.exception and not app.error
    assert "ewa" in app.query_params["match"]
    app.switch_page("pages/explore.py").run()
    assert not app.exception and not app.error
    assert "EWA" not in app.selectbox(key="match").options


def test_a_pair_says_how_many_runs_have_no_weights(open_page, made, tmp_path):
    root, gone = tmp_path / "runs", made.runs["ewa"]
    shutil.copytree(made.root, root)
    (root / "scenes" / gone / "model.safetensors").unlink()
    app = open_page(root=root, pair="1")
    assert not app.exception and not app.error
    assert "Of 1 more only the results are here" in words(app)
    assert gone not in app.selectbox(key="left").options


def test_without_any_weights_of_a_family_its_live_maps_are_explained_away(open_page, made, tmp_path):
    root = tmp_path / "runs"
    shutil.copytree(made.root, root)
    for name, run_id in made.runs.items():
        if name != "teacher":
            (root / "scenes" / run_id / "model.safetensors").unlink()
    app = open_page("compression", root=root)
    assert not app.exception and not app.error
    assert "only the results are here, not their weights" in words(app)


def test_an_empty_store_says_what_to_do(open_page, tmp_path):
    app = open_page(root=tmp_path / "nothing")
    assert not app.exception
    assert "python -m xkd_core sweep run checkpoints/scenes/sweep.yaml" in words(app)


def test_a_teacher_alone_says_that_students_are_missing(open_page, made, tmp_path):
    root = tmp_path / "lonely"
    shutil.copytree(made.root / "scenes" / made.runs["teacher"], root / "scenes" / made.runs["teacher"])
    app = open_page(root=root)
    assert not app.exception
    assert "no student" in words(app)


def test_one_pair_of_runs_without_results_is_enough(open_page, made, tmp_path):
    root = tmp_path / "pair"
    for name in ("teacher", "kd 0.125 0.5", "swa 0.125 0.5"):
        shutil.copytree(made.root / "scenes" / made.runs[name], root / "scenes" / made.runs[name])
    app = open_page(root=root)
    assert not app.exception
    assert len(payload(app)["runs"]) == 3
    assert "evaluate --dataset scenes" in words(app)


def test_a_naive_student_alone_is_shown_without_a_matched_row(open_page, made, tmp_path):
    root = tmp_path / "naive"
    for name in ("teacher", "kd 0.125 0.5"):
        shutil.copytree(made.root / "scenes" / made.runs[name], root / "scenes" / made.runs[name])
    app = open_page(root=root)
    assert not app.exception
    assert [row["role"] for row in payload(app)["layout"]["rows"]] == ["teacher", "naive"]


def test_broken_runs_are_named_and_the_rest_works(open_page, made, tmp_path):
    root = tmp_path / "broken"
    shutil.copytree(made.root, root)
    folder = root / "scenes"
    (folder / made.runs["ewa"] / "card.json").write_text("{")
    weights = folder / made.runs["swa 0.25 0.5"] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    app = open_page(root=root)
    assert not app.exception
    assert made.runs["ewa"] in words(app)
    assert made.runs["swa 0.25 0.5"] in words(app)
    assert made.runs["kd 0.125 0.5"] in payload(app)["runs"]


def test_a_broken_teacher_is_said_and_nothing_is_compared(open_page, made, tmp_path):
    root = tmp_path / "headless"
    shutil.copytree(made.root, root)
    (root / "scenes" / made.runs["teacher"] / "model.safetensors").write_bytes(b"x")
    app = open_page(root=root)
    assert not app.exception
    assert made.runs["teacher"] in words(app)


@pytest.mark.parametrize("page", ["explore", "compression"])
def test_damaged_weights_are_called_damaged(open_page, made, tmp_path, page):
    root = tmp_path / "damaged"
    shutil.copytree(made.root, root)
    weights = root / "scenes" / made.runs["swa 0.125 0.5"] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    app = open_page(page, root=root)
    assert not app.exception
    assert made.runs["swa 0.125 0.5"] in app.error[0].value
    assert payload(app)["lost"] == {made.runs["swa 0.125 0.5"]: "damaged"}
    app.toggle(key="plain").set_value(True).run()
    assert not app.exception
    assert "damaged" in words(app)


def test_students_of_a_damaged_teacher_say_so(open_page, made, tmp_path):
    root = tmp_path / "headless"
    shutil.copytree(made.root, root)
    (root / "scenes" / made.runs["teacher"] / "model.safetensors").write_bytes(b"x")
    lost = payload(open_page(root=root))["lost"]
    assert lost.pop(made.runs["teacher"]) == "damaged"
    assert set(lost.values()) == {"the teacher is damaged"}
