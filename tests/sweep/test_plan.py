"""Sweep files: every combination once, teachers first, and mistakes that name the file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.claims.made_rows import _card
from xkd_core.errors import BadInputError
from xkd_core.models.checkpoints import write_card
from xkd_core.sweep.local import run_all, run_one, status
from xkd_core.sweep.plan import read_sweep
from xkd_core.sweep_command import sweep_run, sweep_status

ROOT = Path(__file__).resolve().parents[2]
TINY = """
defaults: {dataset: digits, arch: vgg_gap_tiny, split: train, limit: 256, epochs: 1, batch_size: 32}
teachers: [{method: ce}]
students:
  - {method: [kd, swa], width: 0.5}
  - {method: kd, width: 0.5}
"""


def test_lists_multiply_and_repeats_are_trained_once(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(TINY)
    plan = read_sweep(tmp_path / "sweep.yaml")
    assert [recipe.method for recipe in plan] == ["ce", "kd", "swa"]
    assert plan[1].teacher_id == plan[2].teacher_id == plan[0].run_id


def test_pruned_groups_are_chains_and_int8_forms_follow_their_runs(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(
        TINY
        + "  - {method: [kd, swa], compress: unstructured, amount: 0.2, rounds: 3}\n"
        + "  - {method: swa, width: 0.25, int8: true}\n"
        + "  - {method: swa, slimmable: true, width: 0.5}\n"
    )
    plan = read_sweep(tmp_path / "sweep.yaml")
    by_id = {recipe.run_id: recipe for recipe in plan}
    assert len(by_id) == len(plan) == 3 + 6 + 2 + 1
    for method in ("kd", "swa"):
        chain = sorted((r for r in plan if r.compress == "unstructured" and r.method == method), key=lambda r: r.round)
        assert [r.source_id for r in chain] == [plan[0].run_id, chain[0].run_id, chain[1].run_id]
    quantized = next(r for r in plan if r.compress == "int8")
    assert by_id[str(quantized.source_id)].width == 0.25
    order = [recipe.run_id for recipe in plan]
    assert all(order.index(str(r.source_id)) < order.index(r.run_id) for r in plan if r.source_id)


def test_a_group_may_begin_with_a_named_recipe(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(TINY + "  - {recipe: park-004-swa-small, dataset: digits, seed: [0, 1]}\n")
    *_, first, second = read_sweep(tmp_path / "sweep.yaml")
    assert first.name == "park-004-swa-small" and first.batch_size == 128 and first.limit is None
    assert (first.seed, second.seed, first.method) == (0, 1, "swa")


def test_a_named_recipe_that_prunes_begins_with_the_groups_teacher(tmp_path: Path) -> None:
    name = "park-004-unstructured-swa-small"
    (tmp_path / "sweep.yaml").write_text(TINY + f"  - {{recipe: {name}, dataset: digits, rounds: 2}}\n")
    plan = read_sweep(tmp_path / "sweep.yaml")
    first, second = (one for one in plan if one.name == name)
    assert (first.source_id, first.round, first.width) == (plan[0].run_id, 1, 1.0)
    assert (second.source_id, second.round) == (first.run_id, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "teachers"), ("teachers: [", "not valid YAML"), (TINY + "students: []\n", "students stands twice"),
     (TINY.replace("width", "witdh"), "witdh"),
     (TINY.replace("epochs: 1", "epochs: 0"), "epochs"), (TINY.replace("epochs: 1", "epochs: abc"), "type int"),
     (TINY.replace("split: train, ", ""), "needs 'split'"),
     (TINY.replace("width: 0.5}", "width: 0.5, teacher: 4}"), "teacher"), ("teachers: 5", "list of groups"),
     ("teachers: [{recipe: park-005}]", "park-004"),
     (TINY.replace("students", "studnets"), "no part 'studnets'"),
     (TINY.replace("width: 0.5}", "width: 0.5, rounds: 2}"), "rounds are of pruning"),
     (TINY.replace("[{method: ce}]", "[ce]"), "mapping"), ("defaults: 3\nteachers: [{}]", "mapping")],
)  # fmt: skip
def test_a_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "sweep.yaml").write_text(text)
    with pytest.raises(BadInputError, match=said):
        read_sweep(tmp_path / "sweep.yaml")


def test_a_file_of_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_bytes(b"# caf\xe9\n" + TINY.encode())
    with pytest.raises(BadInputError, match="not text in UTF-8"):
        read_sweep(tmp_path / "sweep.yaml")


def test_a_run_stands_behind_the_one_that_it_is_made_of_wherever_the_file_names_it(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text(TINY)
    small = read_sweep(tmp_path / "sweep.yaml")[1].run_id
    group = f"  - {{method: kd, width: 0.5, compress: unstructured, amount: 0.5, source_id: {small}}}\n"
    (tmp_path / "sweep.yaml").write_text(TINY.replace("students:\n", "students:\n" + group))
    plan = read_sweep(tmp_path / "sweep.yaml")
    assert [recipe.compress for recipe in plan] == ["", "", "unstructured", ""]
    assert plan[2].needs == (plan[0].run_id, small) and plan[1].run_id == small


def test_the_shipped_grid_is_the_promised_one() -> None:
    plan = read_sweep(ROOT / "checkpoints" / "scenes" / "sweep.yaml")
    grid = {(r.method, r.lam, r.width) for r in plan if r.seed == 0 and r.role in ("naive", "matched", "baseline")
            and (r.method == "kd" or r.beta == 2)}  # fmt: skip
    for width in (0.5, 0.25, 0.125):
        assert {(m, lam, width) for m in ("kd", "swa") for lam in (0, 0.25, 0.5, 0.75, 1)} <= grid
        assert {("ewa", 0.5, width), ("sswa", 0.5, width)} <= grid
        seeds = {
            (r.method, r.seed) for r in plan if r.width == width and r.lam == 0.5 and r.role in ("naive", "matched")
        }
        assert {(m, s) for m in ("kd", "swa") for s in (0, 1, 2)} <= seeds
    assert {r.beta for r in plan if r.method == "swa" and r.width == 0.125 and r.lam == 0.5} == {0.5, 2, 8}
    assert sum(r.shuffled for r in plan) == 1
    assert sorted(r.method for r in plan if r.split == "plain") == ["kd", "swa"]
    assert [r.seed for r in plan if r.role == "teacher" and not r.compress] == [0, 1]


def test_the_papers_own_networks_have_a_naive_control_of_xdistillations_size() -> None:
    plan = read_sweep(ROOT / "checkpoints" / "cifar10" / "sweep_gpu.yaml")
    xd = [r for r in plan if r.method == "xd" and r.explained == ""]
    sized = [r for r in plan if r.label == "sized"]
    assert sorted(r.arch.replace("_sized", "_xd") for r in sized) == sorted(r.arch for r in xd)
    assert {(r.method, r.role) for r in sized} == {("kd", "control")}
    assert {(r.lam, r.epochs, r.teacher_id) for r in sized} == {(r.lam, r.epochs, r.teacher_id) for r in xd}


@pytest.mark.timeout(600)
def test_a_sweep_trains_all_and_repeats_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sweep.yaml").write_text(TINY)
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XKD_CHECKPOINTS", str(tmp_path / "runs"))
    plan, heard = read_sweep(tmp_path / "sweep.yaml"), []
    late = run_all(plan, workers=1, minutes=0.0, report=lambda *said: heard.append(said))
    assert {outcome for _, outcome in late} == {"out of time"}
    done = run_all(plan, workers=2, minutes=None, report=lambda *said: heard.append(said))
    assert {outcome for _, outcome in done} == {"done"}, done
    assert len(status(plan).done) == 3
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.safetensors")}
    run_all(plan, workers=1, minutes=None, report=lambda *said: None)
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


@pytest.mark.timeout(600)
def test_runs_that_are_here_by_their_card_only_are_trained_again_where_their_weights_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sweep.yaml").write_text(TINY.replace("[kd, swa]", "kd"))
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XKD_CHECKPOINTS", str(tmp_path / "runs"))
    sweep_run(tmp_path / "sweep.yaml", workers=1)
    files = {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    for path in files:
        if path.name == "model.safetensors":
            path.unlink()
    for weights, left in ((False, "2 done (2 by their card only), 0"), (True, "2 done, 0 begun, 0 missing")):
        sweep_run(tmp_path / "sweep.yaml", workers=1, weights=weights)
        capsys.readouterr()
        sweep_status(tmp_path / "sweep.yaml")
        assert capsys.readouterr().out.startswith(left)
    assert {path: path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()} == files


@pytest.mark.parametrize("has_card", [False, True])
def test_a_run_that_is_trained_again_has_the_threads_of_its_card_and_a_new_one_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_card: bool
) -> None:
    monkeypatch.setenv("XKD_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("XKD_THREADS", "4")
    (tmp_path / "sweep.yaml").write_text(TINY)
    teacher = read_sweep(tmp_path / "sweep.yaml")[0]
    folder = tmp_path / "digits" / teacher.run_id
    if has_card:
        write_card(folder, _card("digits", id=teacher.run_id, role="teacher", method="ce", seed=0, recipe={}))
    called = []
    ended = subprocess.CompletedProcess((), 0)
    monkeypatch.setattr("subprocess.run", lambda command, **given: called.append((command, given)) or ended)
    assert run_one(teacher, weights=True) == "done"
    ((command, given),) = called
    assert ("--run" in command, given["env"].get("XKD_THREADS")) == ((True, None) if has_card else (False, "1"))
