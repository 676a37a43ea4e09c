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
MORE = 6  # kills at most until one falls into a write


def start(home: Path, runs: Path, recipe: Recipe) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "XKD_HOME": str(home), "XKD_CHECKPOINTS": str(runs), "XKD_THREADS": "1"}
    command = [sys.executable, "-m", "xkd_core", "distill", "--recipe", json.dumps(asdict(recipe)), "--quiet"]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def card_of(runs: Path, recipe: Recipe) -> dict[str, object]:
    """Everything that a card says, the sha256 of the weights and each epoch's values too, but for how long it took."""
    card = json.loads((runs / "digits" / recipe.run_id / "card.json").read_text())
    return {name: value for name, value in card.items() if name != "train_seconds"}


def half_written(home: Path) -> set[Path]:
    """The temporary files of states: there while one is written, and left by a process that was killed meanwhile."""
    return set((home / "training").glob(".*"))


def wait_for_write(home: Path, process: subprocess.Popen[bytes], limit_s: float) -> None:
    """Watch for the temporary file of a state that is just being written."""
    until = time.monotonic() + limit_s
    left_by_others = half_written(home)
    while time.monotonic() < until and process.poll() is None and not half_written(home) - left_by_others:
        time.sleep(0.0005)


def wait_for_epochs(home: Path, process: subprocess.Popen[bytes], count: int, within_s: float) -> None:
    """Wait until ``count`` epochs were saved, and none if ``count`` is 0 or ``within_s`` is over first.

    Instants are counted in epochs and not in seconds: on a fast machine all epochs fit between two seconds.
    """
    until, seen, saved = time.monotonic() + within_s, saves(home), 0
    while time.monotonic() < until and process.poll() is None and saved < max(count, 1):
        time.sleep(0.002)
        now = saves(home)
        saved, seen = saved + (now != seen), now


def saves(home: Path) -> list[int]:
    return [path.stat().st_mtime_ns for path in (home / "training").glob("*.safetensors")]


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
        epochs=6 * KILLS + 6 + MORE,  # more than all killed processes together get through
        teacher_id=teacher.run_id,
    )
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for runs in (whole, cut):
        assert start(runs / "home", runs, teacher).wait() == 0
    assert start(whole / "home", whole, recipe).wait() == 0

    chance, killed, during_writes = random.Random(0), 0, 0
    while killed < KILLS or (not during_writes and killed < KILLS + MORE):
        left = half_written(cut / "home")
        process = start(cut / "home", cut, recipe)
        if killed % 2 or killed >= KILLS:
            wait_for_write(cut / "home", process, limit_s=60)
        else:
            epochs = chance.randrange(3)  # 0: while it starts
            wait_for_epochs(cut / "home", process, epochs, within_s=60 if epochs else chance.uniform(0, 4))
            time.sleep(chance.uniform(0, 0.2))
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.wait()
        killed += 1
        during_writes += len(half_written(cut / "home") - left)  # what it had begun and could not finish
    last = start(cut / "home", cut, recipe)
    assert last.wait() == 0, last.stderr.read() if last.stderr else ""
    print(f"{killed} kills, {during_writes} of them during a write")
    assert during_writes, "no kill fell into a write: the drill has not shown that half a state is harmless"
    assert not any((cut / "home" / "training").iterdir()), "a state or half of one was left behind"
    assert card_of(cut, recipe) == card_of(whole, recipe)
