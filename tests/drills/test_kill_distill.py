"""kill -9 at random instants, some during a write: the run that comes out is the uninterrupted one.

Three kills by default; the full drill is ``XKD_DRILL_KILLS=20 pytest tests/drills/test_kill_distill.py -s``.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from xkd_core.distillation.recipes import Recipe

KILLS = int(os.environ.get("XKD_DRILL_KILLS", "3"))


def start(home: Path, runs: Path, recipe: Recipe) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "XKD_HOME": str(home), "XKD_CHECKPOINTS": str(runs), "XKD_THREADS": "1"}
    command = [sys.executable, "-m", "xkd_core", "distill", "--recipe", json.dumps(asdict(recipe)), "--quiet"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def sha256_of(runs: Path, recipe: Recipe) -> str:
    return str(json.loads((runs / "digits" / recipe.run_id / "card.json").read_text())["sha256"])


def wait_for_write(home: Path, process: subprocess.Popen[bytes], limit_s: float) -> bool:
    """Watch for the temporary file of a state that is just being written."""
    until = time.monotonic() + limit_s
    while time.monotonic() < until and process.poll() is None:
        if any((home / "training").glob(".*")):
            return True
        time.sleep(0.0005)
    return False


@pytest.mark.timeout(1800)
def test_a_training_killed_again_and_again_ends_in_the_same_bytes(tmp_path: Path) -> None:
    teacher = Recipe(dataset="digits", arch="vgg_gap_tiny", split="train", method="ce", limit=512, epochs=1)
    recipe = Recipe(
        dataset="digits",
        arch="vgg_gap_tiny",
        split="train",
        method="swa",
        width=0.5,
        limit=512,
        epochs=max(6, 2 * KILLS),
        teacher_id=teacher.run_id,
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for runs in (whole, cut):
        assert start(runs / "home", runs, teacher).wait() == 0
    assert start(whole / "home", whole, recipe).wait() == 0

    chance, killed, during_writes = random.Random(0), 0, 0
    while killed < KILLS:
        process = start(cut / "home", cut, recipe)
        if killed % 2:
            during_writes += wait_for_write(cut / "home", process, limit_s=60)
        else:
            time.sleep(chance.uniform(0.5, 12))
        if process.poll() is not None:
            break  # it finished between two kills
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
    last = start(cut / "home", cut, recipe)
    assert last.wait() == 0, last.stderr.read() if last.stderr else ""
    print(f"{killed} kills, {during_writes} of them during a write")
    assert killed >= 1
    assert sha256_of(cut, recipe) == sha256_of(whole, recipe)
