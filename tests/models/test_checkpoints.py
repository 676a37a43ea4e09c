"""Runs on disk: they come back, and what is damaged, foreign or renamed is refused with a sentence."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch

from xkd_core.errors import RunError, UnknownNameError, XKDError
from xkd_core.files import write_atomic
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.cards import Card, CardTransform
from xkd_core.models.checkpoints import list_runs, load_run, save_run, scan


def make_card(run_id: str = "digits-ce-w1-s0-test") -> Card:
    return Card(
        id=run_id,
        dataset="digits",
        arch="vgg_gap_tiny",
        role="teacher",
        method="ce",
        seed=0,
        params=count_parameters(build("vgg_gap_tiny", 10)),
        classes=tuple("0123456789"),
        multi_label=False,
        transform=CardTransform(size=32, mean=(0.5,) * 3, std=(0.5,) * 3),
        recipe={},
        recipe_hash="x",
        sha256="0" * 64,
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    folder = tmp_path / "digits" / "digits-ce-w1-s0-test"
    save_run(folder, build("vgg_gap_tiny", 10), make_card())
    return folder


def test_a_saved_run_comes_back_frozen_and_in_float32(run: Path, tmp_path: Path) -> None:
    loaded = load_run(run.name, tmp_path)
    assert not loaded.model.training
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in loaded.model.parameters())
    assert loaded.card.sha256 == hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()


def test_storing_kernels_as_float16_changes_no_logit_by_much(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = build("vgg_gap_tiny", 10).eval()
    save_run(tmp_path / "digits" / "digits-ce-w1-s0-test", model, make_card())
    x = torch.randn(4, 3, 32, 32)
    stored = load_run("digits-ce-w1-s0-test", tmp_path).model
    with torch.no_grad():
        torch.testing.assert_close(stored(x), model(x), rtol=0, atol=2e-3)


def test_one_changed_byte_is_noticed(run: Path, tmp_path: Path) -> None:
    data = bytearray((run / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (run / "model.safetensors").write_bytes(data)
    with pytest.raises(RunError, match="damaged or was changed"):
        load_run(run.name, tmp_path)


@pytest.mark.parametrize("keep", [0, 7, 100])
def test_a_truncated_file_is_noticed(run: Path, tmp_path: Path, keep: int) -> None:
    (run / "model.safetensors").write_bytes((run / "model.safetensors").read_bytes()[:keep])
    with pytest.raises(RunError, match="damaged"):
        load_run(run.name, tmp_path)


def test_garbage_whose_sha256_the_card_confirms_is_still_no_run(run: Path, tmp_path: Path) -> None:
    garbage = b"\x80\x04not tensors"
    (run / "model.safetensors").write_bytes(garbage)
    card = json.loads((run / "card.json").read_text()) | {"sha256": hashlib.sha256(garbage).hexdigest()}
    (run / "card.json").write_text(json.dumps(card))
    with pytest.raises(RunError, match="cannot be read"):
        load_run(run.name, tmp_path)


def test_weights_of_another_width_are_refused(run: Path, tmp_path: Path) -> None:
    card = json.loads((run / "card.json").read_text()) | {"width": 0.5}
    (run / "card.json").write_text(json.dumps(card))
    with pytest.raises(RunError, match="do not fit"):
        load_run(run.name, tmp_path)


def test_a_run_without_weights_counts_but_cannot_be_loaded(run: Path, tmp_path: Path) -> None:
    assert scan(tmp_path).away == frozenset()
    (run / "model.safetensors").unlink()
    found = scan(tmp_path)
    assert [card.id for card in found.cards] == [run.name] and found.away == {run.name} and not found.problems
    with pytest.raises(RunError, match=rf"not here.*distill --run {run.name}"):
        load_run(run.name, tmp_path)


def test_a_scan_lists_good_runs_and_says_what_is_wrong_with_the_others(run: Path, tmp_path: Path) -> None:
    for name, text in (
        ("empty", ""),
        ("list", "[]"),
        ("field", json.dumps(make_card("field").model_dump() | {"x": 1})),
    ):
        (tmp_path / "digits" / name).mkdir()
        (tmp_path / "digits" / name / "card.json").write_text(text)
    (tmp_path / "digits" / "bare").mkdir()
    found = scan(tmp_path)
    assert [card.id for card in found.cards] == [run.name]
    assert len(found.problems) == 4
    assert any("bare: card.json is missing" in problem for problem in found.problems)


def test_a_renamed_folder_is_noticed(run: Path, tmp_path: Path) -> None:
    run.rename(run.with_name("digits-other"))
    assert any("renamed" in problem for problem in scan(tmp_path).problems)


def test_an_empty_store_is_an_empty_list(tmp_path: Path) -> None:
    assert list_runs(tmp_path) == [] and list_runs(tmp_path / "nowhere") == []


def test_an_unknown_run_gets_the_nearest_name(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=f"Did you mean '{run.name}'"):
        load_run(run.name[:-1] + "x", tmp_path)


def test_a_run_id_is_never_used_as_a_path(run: Path, tmp_path: Path) -> None:
    for name in ("../digits/" + run.name, "/etc", ".", ""):
        with pytest.raises(UnknownNameError):
            load_run(name, tmp_path)


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_atomic(tmp_path / "file", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(XKDError, match="No space left"):
        write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
