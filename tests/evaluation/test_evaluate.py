"""Rows and cards of whole runs: the card notes heavier maps, 8-bit runs lack pixel gradients, nothing is done twice."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.claims.made_rows import _card
from xkd_core.distillation import recipes
from xkd_core.distillation.recipes import Recipe, int8_of
from xkd_core.distillation.runs import distill
from xkd_core.errors import BadInputError, UnknownNameError, WorkerError, XKDError
from xkd_core.evaluate_command import evaluate as command
from xkd_core.evaluation import evaluate as module
from xkd_core.evaluation.controls import control_maps
from xkd_core.evaluation.evaluate import evaluate, open_bench
from xkd_core.evaluation.heavy import HEAVY, heavy_maps
from xkd_core.evaluation.quick import measure_card, measure_cards
from xkd_core.evaluation.wide import Order, evaluate_metrics
from xkd_core.explainers.engine import cams
from xkd_core.images import datasets
from xkd_core.images.transforms import to_input
from xkd_core.models.cards import Card, equal_teachers
from xkd_core.models.checkpoints import find_card, load_run, write_metrics
from xkd_core.results.store import merge_rows, read_rows, results_dir
from xkd_core.serving.zoo import Zoo

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
        assert found.value == pytest.approx(mine.mean(), rel=1e-3)
    assert "accuracy" in student.metrics and "cosine/cam" in student.metrics


def test_eight_bits_have_every_map_but_those_of_pixel_gradients(runs: list[Card], place: Path) -> None:
    rows = read_rows("digits", "maps", root=place)
    assert set(rows[rows["run_id"] == runs[2].id]["explainer"]) == {"cam", "occlusion", "kernel_shap"}


def test_heavier_maps_have_their_controls_beside_the_teachers_maps(runs: list[Card], place: Path) -> None:
    rows, bench = read_rows("digits", "maps", root=place), open_bench(runs[0].id, root=place)
    chosen = bench.split.sample(12)
    for name in HEAVY:
        theirs = heavy_maps(bench.teacher, bench.split, chosen, name).maps.astype(float)
        for control, maps in control_maps(theirs.shape).items():
            own = rows[(rows["run_id"] == f"control:{control}") & (rows["explainer"] == name)].set_index("index")
            norms = np.linalg.norm(maps, axis=(1, 2)) * np.linalg.norm(theirs, axis=(1, 2))
            expected = (maps * theirs).sum(axis=(1, 2)) / np.where(norms > 0, norms, np.nan)
            np.testing.assert_allclose(own["cosine"][chosen].astype(float), expected, atol=1e-3)


def test_what_is_stored_is_not_measured_again(runs: list[Card], place: Path) -> None:
    assert evaluate("digits", root=place) == 0
    assert measure_card(runs[1], root=place) == runs[1]


@pytest.fixture(scope="module")
def other(runs: list[Card], place: Path) -> Card:
    """A student of another architecture: its head allows no CAM, and its last map has 10 x 10 cells, not 8 x 8."""
    recipe = Recipe(**{**COMMON, "arch": "lenet5_32"}, method="kd", teacher_id=runs[0].id)
    card = measure_card(distill(recipe, root=place), root=place)
    assert evaluate("digits", heavy=False, root=place) == 1
    return card


def test_a_network_without_cam_is_compared_by_grad_cam_on_the_smaller_grid(
    other: Card, runs: list[Card], place: Path
) -> None:
    teacher, student = (load_run(card.id, place).model for card in (runs[0], other))
    data = datasets.load("digits", "test")
    x = to_input(data.pixels(range(20)), runs[0].input_transform())
    with torch.no_grad():
        target = teacher(x).argmax(dim=1)
    theirs, ours = (cams(model, x, target, ["grad_cam"])["grad_cam"].relu() for model in (teacher, student))
    assert (theirs.shape[-1], ours.shape[-1]) == (8, 10)
    pooled = F.adaptive_avg_pool2d(ours[:, None], 8)[:, 0]
    expected = F.cosine_similarity(pooled.flatten(1), theirs.flatten(1), dim=1).numpy()
    rows = read_rows("digits", "maps", root=place)
    mine = rows[(rows["run_id"] == other.id) & (rows["explainer"] == "grad_cam")].set_index("index")
    for index in range(20):
        stored = mine["cosine"][index]
        undefined = not bool(pooled[index].any()) or not bool(theirs[index].any())
        assert np.isnan(stored) if undefined else stored == pytest.approx(expected[index], abs=1e-3)
    assert mine["cosine"][:20].notna().sum() > 5
    found = other.metrics["cosine/grad_cam"]
    assert found.n == mine["cosine"].notna().sum() and found.value == pytest.approx(mine["cosine"].mean(), abs=1e-3)


def test_controls_stand_beside_both_names_and_nothing_is_measured_twice(other: Card, place: Path) -> None:
    rows = read_rows("digits", "maps", root=place)
    controls = rows[rows["run_id"] == "control:centre"].groupby("explainer", observed=True).size()
    assert controls[controls > 0].to_dict() == {"cam": 300, "grad_cam": 300, **dict.fromkeys(HEAVY, 12)}
    assert evaluate("digits", heavy=False, root=place) == 0


def test_controls_that_are_stored_stay_and_a_wrong_name_writes_nothing(other: Card, place: Path) -> None:
    rows = read_rows("digits", "maps", root=place)
    control = rows["run_id"] == "control:random"
    merge_rows("digits", "maps", rows[control].assign(distance=7.0), root=place)
    assert evaluate("digits", heavy=False, root=place) == 0
    kept = read_rows("digits", "maps", root=place)
    assert (kept[kept["run_id"] == "control:random"]["distance"] == 7.0).all()
    merge_rows("digits", "maps", rows[control], root=place)
    written = (results_dir("digits", place) / "images.parquet").stat().st_mtime_ns
    with pytest.raises(UnknownNameError, match="nobody"):
        evaluate("digits", run_ids=["nobody"], heavy=False, root=place)
    assert (results_dir("digits", place) / "images.parquet").stat().st_mtime_ns == written


def test_runs_of_the_pages_rows_are_named_by_id_or_pattern(
    runs: list[Card], place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XKD_CHECKPOINTS", str(place))
    command(dataset="digits", runs=["digits-swa-*"], heavy=False)
    assert capsys.readouterr().out == "0 runs measured\n"
    with pytest.raises(UnknownNameError, match="run of digits called 'nobody'"):
        command(dataset="digits", runs=["nobody"], heavy=False)


def test_a_damaged_run_does_not_stop_those_after_it(runs: list[Card], place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    shutil.rmtree(results_dir("digits", tmp_path))
    damaged = tmp_path / "digits" / runs[2].id / "model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:-9])
    ids = [runs[2].id, runs[0].id, runs[1].id]
    for measured in (2, 0):
        with pytest.raises(XKDError, match=f"1 runs could not be measured, {measured} were: .*damaged or was changed"):
            evaluate("digits", run_ids=ids, heavy=False, root=tmp_path)
    rows = read_rows("digits", "maps", root=tmp_path)
    assert {runs[0].id, runs[1].id} <= set(rows["run_id"]) and runs[2].id not in set(rows["run_id"])
    cards, problems = measure_cards(ids, root=tmp_path)
    assert len(cards) == 3 and not problems  # it was measured before it was damaged
    (damaged.parent / "card.json").write_text("{")
    cards, problems = measure_cards(ids, root=tmp_path)
    assert [card.id for card in cards] == ids[1:] and runs[2].id in problems[0]


def test_answers_that_were_deleted_come_back(runs: list[Card], place: Path, tmp_path: Path) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    path = results_dir("digits", tmp_path) / "answers.parquet"
    before = path.read_bytes()
    path.write_bytes(before[:-9])
    with pytest.raises(XKDError, match="Put the file back as it was, or delete it"):
        evaluate("digits", heavy=False, root=tmp_path)
    path.unlink()
    ids = [card.id for card in runs]
    assert evaluate("digits", run_ids=ids, heavy=False, root=tmp_path) == 3
    now = read_rows("digits", "answers", root=tmp_path)
    assert len(now) == 3 * 300 and set(now["run_id"]) == set(ids)


def test_rows_of_other_images_are_not_mixed_with_those_that_are_stored(
    runs: list[Card], place: Path, tmp_path: Path
) -> None:
    shutil.copytree(place, tmp_path, dirs_exist_ok=True)
    images = read_rows("digits", "images", root=tmp_path)
    merge_rows("digits", "images", images.iloc[:1].assign(labels="7 8"), root=tmp_path)
    for again in (
        lambda: evaluate("digits", heavy=False, root=tmp_path),
        lambda: evaluate_metrics(Order(dataset="digits", metrics=("gini",), explainers=("cam",)), root=tmp_path),
    ):
        with pytest.raises(BadInputError, match="are not the 300 of its stored rows"):
            again()


def killed(*given: object) -> None:
    os._exit(9)


def test_a_killed_worker_of_the_sweeps_rows_is_told(runs: list[Card], place: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "_rows_in_worker", killed)
    bench = module.open_bench(runs[0].id, root=place)
    with pytest.raises(WorkerError, match="One of 2 workers was killed"):
        list(module._measured([(runs[1].id, ("cam",))], bench, np.array([], np.int64), 2, place))


def test_the_first_teacher_is_the_one_that_most_students_name_here_and_on_the_pages(monkeypatch) -> None:
    def made(run: str, teacher: str | None = None, seed: int = 0) -> Card:
        return _card("digits", id=f"digits-{run}", method="kd" if teacher else "ce", seed=seed, recipe={},
                     role="naive" if teacher else "teacher", teacher_id=teacher and f"digits-{teacher}")  # fmt: skip

    teachers = [made("late", seed=2), made("old", seed=0), made("new", seed=1)]
    students = [made("a", "old"), made("b", "new"), made("c", "new"), made("d", "gone"), made("e", "gone"),
                made("f", "gone")]  # fmt: skip
    for cards, expected in ((teachers + students, "digits-new"), (teachers + students[:2], "digits-old"),
                            (teachers, "digits-old")):  # fmt: skip
        monkeypatch.setattr(module, "list_runs", lambda root, cards=cards: cards)
        teacher = Zoo(dataset="digits", cards=tuple(cards)).teacher
        assert teacher is not None and module.first_teacher("digits").id == teacher.id == expected


def test_a_trial_or_a_copy_is_no_second_teacher_and_nobodys_default(monkeypatch) -> None:
    def made(run: str, seed: int, **recipe: object) -> Card:
        return _card(
            "digits", id=f"digits-{run}", method="ce", seed=seed, role="teacher", recipe={"seed": seed, **recipe}
        )

    first, equal = made("z-first", 0, epochs=8, limit=None), made("equal", 1, epochs=8, label="")
    others = [made("a-trial", 3, epochs=1), made("b-few", 2, epochs=8, limit=128), made("copy", 0, epochs=8)]
    student = _card("digits", id="digits-student", method="kd", role="naive", seed=0, recipe={}, teacher_id=first.id)
    cards = [*others, first, equal, student]
    assert equal_teachers(cards) == (equal,)
    assert Zoo(dataset="digits", cards=tuple(cards)).second_teacher == equal
    monkeypatch.setattr("xkd_core.models.checkpoints.list_runs", lambda: cards)
    assert recipes.first_teacher("digits") == first.id


def test_images_of_stories_are_not_forgotten_without_heavier_maps(other: Card, place: Path) -> None:
    images = read_rows("digits", "images", root=place)
    plain = images.loc[~images["gallery"], "index"].iloc[:1]
    merge_rows("digits", "images", images.assign(gallery=images["gallery"] | images["index"].isin(plain)), root=place)
    assert evaluate("digits", heavy=False, root=place) == 0
    kept = read_rows("digits", "images", root=place).set_index("index")
    assert kept.loc[plain, "gallery"].all() and kept["gallery"].sum() == images["gallery"].sum() + 1
    merge_rows("digits", "images", images, root=place)


def copied(place: Path, runs: list[Card], tmp_path: Path) -> Path:
    """A place with these runs and their rows only."""
    for card in runs:
        shutil.copytree(place / "digits" / card.id, tmp_path / "again" / "digits" / card.id)
    shutil.copytree(results_dir("digits", place), results_dir("digits", tmp_path / "again"))
    return tmp_path / "again"


def counted(table: str, runs: list[Card], root: Path) -> dict[str, int]:
    rows = read_rows("digits", table, root=root)["run_id"].value_counts()
    return {card.id: int(rows.get(card.id, 0)) for card in runs}


def test_a_kill_between_two_tables_leaves_nothing_out(
    runs: list[Card], place: Path, tmp_path: Path, monkeypatch
) -> None:
    root, student = copied(place, runs, tmp_path), runs[1]
    for table in ("maps", "answers", "gallery"):
        (results_dir("digits", root) / f"{table}.parquet").unlink()
    bare = {name: value for name, value in student.metrics.items() if not name.endswith(module.HEAVY)}
    write_metrics(student.model_copy(update={"metrics": bare}), root)
    whole = {table: counted(table, runs, place) for table in ("maps", "answers", "gallery")}
    killed_at: list[str] = []

    def killed(dataset: str, table: str, rows, *, root: Path) -> None:
        first = rows["run_id"].iloc[0] if "run_id" in rows else ""
        if first == student.id and table not in killed_at:
            killed_at.append(table)
            raise KeyboardInterrupt
        merge_rows(dataset, table, rows, root=root)

    monkeypatch.setattr(module, "merge_rows", killed)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            evaluate("digits", root=root)
    assert evaluate("digits", root=root) >= 1 and set(killed_at) == {"maps", "answers", "gallery"}
    assert {table: counted(table, runs, root) for table in whole} == whole
    assert find_card(student.id, root).metrics == student.metrics


def test_a_card_that_says_nothing_of_rows_that_are_there_is_mended(
    runs: list[Card], place: Path, tmp_path: Path
) -> None:
    root, student = copied(place, runs, tmp_path), runs[1]
    bare = {name: value for name, value in student.metrics.items() if not name.endswith("/occlusion")}
    assert len(bare) < len(student.metrics)
    write_metrics(student.model_copy(update={"metrics": bare}), root)
    assert evaluate("digits", root=root) == 0
    found = find_card(student.id, root).metrics
    assert set(found) == set(student.metrics)
    for name in set(student.metrics) - set(bare):
        assert found[name].value == pytest.approx(student.metrics[name].value, rel=2e-3)


def test_a_card_says_nothing_of_another_teachers_maps(runs: list[Card], place: Path, tmp_path: Path) -> None:
    root, (teacher, student, _) = copied(place, runs, tmp_path), runs
    rows = read_rows("digits", "maps", root=root)
    own = rows[rows["run_id"] == student.id].assign(cosine=0.5)
    module.note_in_card(student.id, own, "another", root)
    assert find_card(student.id, root).metrics == student.metrics
    module.note_in_card(student.id, own, teacher.id, root)
    assert find_card(student.id, root).metrics["cosine/occlusion"].value == 0.5
