"""Two raylets on loopback, one killed with SIGKILL while it trains: every run is there, none was made twice."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    sweep = subprocess.Popen([*command, "--engine", "ray", "--address", address], env=environment)
    killed = kill_one_at_work(sorted(nodes)[0], home, sweep)
    assert sweep.wait(timeout=400) == 0
    assert killed, "the sweep ended before a node could be killed at work"
    cards = [json.loads(path.read_text()) for path in runs.glob("digits/*/card.json")]
    assert sorted((card["method"], card["width"]) for card in cards) == [
        ("ce", 1.0), ("kd", 0.25), ("kd", 0.5), ("swa", 0.25), ("swa", 0.5),
    ]  # fmt: skip
    assert all(len(card["curve"]) == card["recipe"]["epochs"] and card["metrics"] for card in cards)
    assert not list((home / "training").iterdir())


def kill_one_at_work(raylet: int, home: Path, sweep: subprocess.Popen[bytes]) -> bool:
    """Wait until two students have saved an epoch, then kill one node."""
    until = time.monotonic() + 240
    while time.monotonic() < until and sweep.poll() is None:
        if len(list((home / "training").glob("*.safetensors"))) >= 2:
            os.kill(raylet, signal.SIGKILL)
            return True
        time.sleep(0.05)
    return False
