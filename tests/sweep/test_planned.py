"""What sweep files promise and the folder lacks: counted by method and network, gone once it is trained."""

from __future__ import annotations

from pathlib import Path

from xkd_core.sweep.local import run_all
from xkd_core.sweep.plan import read_sweep
from xkd_core.sweep.planned import planned

DEFAULTS = "defaults: {dataset: digits, arch: vgg_gap_tiny, split: train, limit: 128, epochs: 1, batch_size: 32}\n"
TEACHER = "teachers: [{method: ce}]\n"
HERE = DEFAULTS + TEACHER + "students: [{method: kd, width: [0.5, 0.25], lam: [0.0, 0.5], int8: true}]\n"
LATER = DEFAULTS + TEACHER + "students: [{method: swa, width: 0.5, slimmable: true, seed: [0, 1, 2]}]\n"


def write(root: Path, **texts: str) -> None:
    (root / "digits").mkdir(exist_ok=True)
    for name, text in texts.items():
        (root / "digits" / f"{name}.yaml").write_text(text)


def test_missing_runs_are_counted_by_method_and_network(tmp_path: Path) -> None:
    write(tmp_path, sweep=HERE, sweep_gpu=LATER)
    found = planned("digits", root=tmp_path)
    assert (found.total, found.missing, found.problem) == (13, 13, "")
    gaps = {(gap.file, gap.method, gap.compress): gap for gap in found.gaps}
    assert {kind: gap.n for kind, gap in gaps.items()} == {
        ("sweep.yaml", "ce", ""): 1, ("sweep.yaml", "ce", "int8"): 4, ("sweep.yaml", "kd", ""): 4,
        ("sweep_gpu.yaml", "ce", ""): 1, ("sweep_gpu.yaml", "swa", "slimmable"): 3,
    }  # fmt: skip
    assert gaps["sweep.yaml", "kd", ""].widths == (0.25, 0.5) and gaps["sweep.yaml", "kd", ""].lams == (0.0, 0.5)
    assert gaps["sweep_gpu.yaml", "swa", "slimmable"].seeds == (0, 1, 2)


def test_what_was_trained_is_not_missing_any_more(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XKD_CHECKPOINTS", str(tmp_path))
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    write(tmp_path, sweep=HERE)
    run_all(
        read_sweep(tmp_path / "digits" / "sweep.yaml")[:1], workers=1, minutes=None, report=lambda run_id, outcome: None
    )
    found = planned("digits")
    assert found.missing == 8 and all(gap.method == "kd" or gap.compress for gap in found.gaps)


def test_a_broken_file_is_named_and_the_others_count(tmp_path: Path) -> None:
    write(tmp_path, sweep=HERE, sweep_more="teachers: [")
    found = planned("digits", root=tmp_path)
    assert found.missing == 9 and "sweep_more.yaml" in found.problem


def test_a_data_set_without_a_sweep_file_plans_nothing(tmp_path: Path) -> None:
    assert planned("digits", root=tmp_path).total == 0
