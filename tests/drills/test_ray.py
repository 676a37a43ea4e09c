"""Two raylets on loopback, one killed with SIGKILL while it trains: every run is there, none was made twice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from xkd_core.distillation.recipes import recipe_of

SWEEP = """
defaults: {dataset: digits, arch: vgg_gap_tiny, split: train, limit: 512, epochs: 40, batch_size: 32}
teachers: [{method: ce, epochs: 1}]
students:
  - {method: [kd, swa], width: [0.25, 0.5]}
"""


def ray(*arguments: str, place: Path) -> None:
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_DISABLE_IMPORT_WARNING": "1"}
    command = [sys.executable, "-m", "ray.scripts.scripts", *arguments]
    done = subprocess.run(command, env=environment, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def raylets() -> set[int]:
    found = subprocess.run(["pgrep", "-f", "raylet/raylet"], capture_output=True, text=True, check=False)
    return {int(number) for number in found.stdout.split()}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, set[int]]]:
    """A head without room for work and two nodes with one CPU each; yields its address and the two raylets."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    store = ["--object-store-memory", str(100 * 2**20), "--disable-usage-stats"]
    head = ["--head", "--port", address.partition(":")[2], "--node-ip-address", "127.0.0.1", "--num-cpus", "0"]
    try:
        ray("start", *head, "--include-dashboard", "false", *store, place=tmp_path)
        before = raylets()
        for _ in range(2):
            ray("start", "--address", address, "--num-cpus", "1", *store, place=tmp_path)
        yield address, raylets() - before
    finally:
        ray("stop", "--force", place=tmp_path)


@pytest.mark.timeout(600)
def test_a_node_killed_in_mid_run_loses_nothing_and_nothing_is_made_twice(
    cluster: tuple[str, set[int]], tmp_path: Path
) -> None:
    address, nodes = cluster
    assert len(nodes) == 2
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    home, runs = tmp_path / "home", tmp_path / "runs"
    environment = {**os.environ, "XKD_HOME": str(home), "XKD_CHECKPOINTS": str(runs), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-m", "xkd_core", "sweep", "run", str(tmp_path / "sweep.yaml")]
    with Watch(home, runs) as seen:
        sweep = subprocess.Popen([*command, "--engine", "ray", "--address", address], env=environment)
        killed = kill_one_at_work(sorted(nodes)[0], home, sweep)
        assert sweep.wait(timeout=400) == 0
    assert killed is not None, "the sweep ended before a node could be killed at work"
    later = [epoch for epoch in seen.epochs[killed.run_id] if epoch > killed.epoch]
    print(f"{killed.run_id} was killed after epoch {killed.epoch}; after that were saved {later[0]} to {later[-1]}")
    assert killed.epoch >= 1 and later[0] <= killed.epoch + 2, "it did not go on where it was"
    for run_id, epochs in seen.epochs.items():
        assert epochs == sorted(set(epochs)), f"{run_id} was trained twice: {epochs}"
    cards = {path.parent.name: json.loads(path.read_text()) for path in runs.glob("digits/*/card.json")}
    # Not `seen.epochs`: the one epoch of the teacher can begin and end between two looks.
    assert {run_id: len(files) for run_id, files in seen.written.items()} == dict.fromkeys(cards, 1)
    assert sorted((card["method"], card["width"]) for card in cards.values()) == [
        ("ce", 1.0), ("kd", 0.25), ("kd", 0.5), ("swa", 0.25), ("swa", 0.5),
    ]  # fmt: skip
    assert all(len(card["curve"]) == card["recipe"]["epochs"] and card["metrics"] for card in cards.values())
    assert not list((home / "training").iterdir())


class Watch:
    """Look at the files of a sweep all the time: which epochs' states each run saves, and which weights it writes."""

    def __init__(self, home: Path, runs: Path) -> None:
        self.epochs: dict[str, list[int]] = {}
        self.written: dict[str, set[tuple[int, int]]] = {}
        self._home, self._runs, self._over = home, runs, threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        last = False
        while not last:
            last = self._over.wait(0.01)
            for state in (self._home / "training").glob("*.safetensors"):
                known = self.epochs.setdefault(state.stem, [])
                epoch = epoch_of(state)
                known += [epoch] if epoch and known[-1:] != [epoch] else []
            for weights in self._runs.glob("digits/*/model.safetensors"):
                there = weights.stat()
                self.written.setdefault(weights.parent.name, set()).add((there.st_ino, there.st_mtime_ns))


def epoch_of(state: Path) -> int:
    """How many epochs a saved state has behind it; 0 for one that has just been deleted."""
    try:
        data = state.read_bytes()
    except FileNotFoundError:
        return 0
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return int(json.loads(header["__metadata__"]["progress"])["epoch"])


@dataclass(frozen=True)
class Killed:
    """The run that died with its node, and how many epochs it had saved."""

    run_id: str
    epoch: int


def kill_one_at_work(raylet: int, home: Path, sweep: subprocess.Popen[bytes]) -> Killed | None:
    """Wait until the run of one node and another have saved an epoch, then kill the node with all its processes."""
    until = time.monotonic() + 240
    while time.monotonic() < until and sweep.poll() is None:
        states = {path.stem: path for path in (home / "training").glob("*.safetensors")}
        family = descendants(raylet)
        mine = [run_id for run_id in states if any(says(process, run_id) for process in family)]
        if len(states) >= 2 and mine:
            for process in (raylet, *family):
                os.kill(process, signal.SIGKILL)
            return Killed(mine[0], epoch_of(states[mine[0]]))
        time.sleep(0.05)
    return None


def descendants(parent: int) -> list[int]:
    """The processes below one, parents first, as they are now."""
    found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True, check=False)
    children = [int(number) for number in found.stdout.split()]
    return [process for child in children for process in (child, *descendants(child))]


def says(process: int, run_id: str) -> bool:
    """Whether the recipe in a process's command line is that of ``run_id``."""
    try:
        words = Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
        return "--recipe" in words and recipe_of(json.loads(words[words.index("--recipe") + 1])).run_id == run_id
    except FileNotFoundError:
        return False
