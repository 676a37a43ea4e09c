"""Widths of a slimmable run share a file, and what is kept of their answers and maps must not be mixed up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.made_zoo import make_zoo
from xkd_core.evaluation.forward import forward_pass
from xkd_core.evaluation.heavy import heavy_maps
from xkd_core.evaluation.split import open_split
from xkd_core.images.transforms import to_input
from xkd_core.models.cards import Stop, at_width
from xkd_core.models.checkpoints import LoadedRun, find_card, load_run, run_folder, save_run
from xkd_core.models.slimmable import build_slim

WIDTHS = ("0.125", "0.25", "0.5")


@pytest.fixture
def widths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[LoadedRun]:
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    made = make_zoo(tmp_path, dataset="digits", rows=False)
    plain = find_card(made.runs["kd 0.25 0.5"], tmp_path)
    own = {"id": "digits-kd-slim-l0.5-s0-0123456789ab", "compression": "slimmable", "width": 0.5,
           "stops": {width: Stop(params=1, ratio=1.0) for width in WIDTHS}}  # fmt: skip
    card = plain.model_copy(update=own)
    torch.manual_seed(1)
    save_run(run_folder("digits", card.id, tmp_path), build_slim(card.arch, len(card.classes)), card)
    return [load_run(f"{card.id}@{width}", tmp_path) for width in WIDTHS]


def test_a_key_is_the_files_sha256_and_the_width(widths: list[LoadedRun]) -> None:
    whole = widths[0].card.model_copy(update={"id": "digits-kd-slim-l0.5-s0-0123456789ab"})
    assert whole.network == whole.sha256
    assert [run.card.network for run in widths] == [f"{whole.sha256}@{width}" for width in WIDTHS]
    stopped = whole.model_copy(update={"stops": {"0.25": Stop(params=1, ratio=1.0)}})
    assert at_width(stopped, "0.25").network == widths[1].card.network


def test_every_width_has_its_own_answers_and_class_maps(widths: list[LoadedRun]) -> None:
    pixels = open_split("digits", "test", np.zeros(1)).pixels[:6]
    for run in widths:
        with torch.no_grad():
            expected = run.model(to_input(pixels, run.card.input_transform())).numpy()
        np.testing.assert_allclose(forward_pass(run, pixels, None).logits, expected, rtol=1e-4, atol=1e-5)
    logits = [forward_pass(run, pixels, None).logits for run in widths]
    assert all(np.abs(logits[0] - other).max() > 1e-3 for other in logits[1:])


def test_every_width_has_its_own_heavier_maps(widths: list[LoadedRun]) -> None:
    split = open_split("digits", "test", np.zeros(20, dtype=np.int64))
    maps = [heavy_maps(run, split, np.arange(2), "occlusion").maps for run in widths]
    assert all(np.abs(maps[0] - other).max() > 1e-3 * np.abs(maps[0]).max() for other in maps[1:])
