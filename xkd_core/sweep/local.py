"""The local engine: one process a run, a few at a time, killed at the deadline and resumed next time.

Runs are independent and each survives kill -9 (at most one epoch is lost), so nothing else is needed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from xkd_core import settings
from xkd_core.distillation.recipes import Recipe
from xkd_core.errors import RunError
from xkd_core.models.checkpoints import CARD, WEIGHTS, is_whole, read_card, run_folder

Outcome = tuple[str, str]


@dataclass(frozen=True)
class Status:
    """Which runs of a plan are there, begun or missing. by_card: those done of which only the card is here.

    damaged: those whose card cannot be read or whose weights are not the card's; `sweep run` makes them again.
    """

    done: tuple[str, ...]
    begun: tuple[str, ...]
    missing: tuple[str, ...]
    by_card: tuple[str, ...]
    damaged: tuple[str, ...] = ()


def status(plan: Sequence[Recipe], *, root: Path | None = None, verify: bool = False) -> Status:
    """Look at the files; nothing else knows how far a sweep is. verify: read them too, which takes a moment."""
    done, begun, missing, by_card, damaged = [], [], [], [], []
    for recipe in plan:
        folder = run_folder(recipe.dataset, recipe.run_id, root)
        if verify and (folder / CARD).exists() and not is_whole(folder):
            damaged.append(recipe.run_id)
        elif (folder / CARD).exists():
            done.append(recipe.run_id)
            by_card += [] if (folder / WEIGHTS).exists() else [recipe.run_id]
        elif (settings.home() / "training" / f"{recipe.run_id}.safetensors").exists():
            begun.append(recipe.run_id)
        else:
            missing.append(recipe.run_id)
    return Status(tuple(done), tuple(begun), tuple(missing), tuple(by_card), tuple(damaged))


def run_all(
    plan: Sequence[Recipe],
    *,
    workers: int,
    minutes: float | None,
    report: Callable[[str, str], None],
    weights: bool = False,
) -> list[Outcome]:
    """Train what is missing, ``workers`` processes with one thread each, for at most ``minutes``.

    A run waits for the runs that it needs, which come before it in the plan. With ``weights`` a run of which only the
    card is here is missing too. ``report(run id, outcome)`` is called as runs end; outcomes are 'done', 'out of time'
    or the last line of a failed process. Returns them in the plan's order.
    """
    deadline = None if minutes is None else time.monotonic() + 60 * minutes
    ended = {recipe.run_id: threading.Event() for recipe in plan}

    def work(recipe: Recipe) -> Outcome:
        for needed in recipe.needs:
            if needed in ended:
                ended[needed].wait()
        try:
            outcome = run_one(recipe, deadline, weights=weights)
        finally:
            ended[recipe.run_id].set()  # whatever happens: others wait for it
        report(recipe.run_id, outcome)
        return recipe.run_id, outcome

    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, plan))


def run_one(recipe: Recipe, deadline: float | None = None, *, weights: bool = False) -> str:
    """Train one run in a process of its own; returns 'done', 'out of time' or the last line it said."""
    folder = run_folder(recipe.dataset, recipe.run_id)
    if is_whole(folder) and (not weights or (folder / WEIGHTS).exists()):
        return "done"
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        return "out of time"
    what, environment = _order(recipe, again=_has_card(folder))
    command = [sys.executable, "-m", "xkd_core", "distill", *what, "--quiet"]
    try:
        ended = subprocess.run(command, timeout=left, env=environment, capture_output=True, text=True, check=False)
    except subprocess.TimeoutExpired:
        return "out of time"
    if ended.returncode == 0:
        return "done"
    return (ended.stderr.strip().splitlines() or [f"exit {ended.returncode}"])[-1]


def _has_card(folder: Path) -> bool:
    try:
        return bool(read_card(folder).id)
    except RunError:
        return False


def _order(recipe: Recipe, *, again: bool) -> tuple[list[str], dict[str, str]]:
    """Options and environment of a training: one thread, or, where a run is trained again, as many as it had."""
    environment = {**os.environ, "XKD_THREADS": "1", "OMP_NUM_THREADS": "1"}
    if not again:
        return ["--recipe", json.dumps(asdict(recipe))], environment
    del environment["XKD_THREADS"]  # its card says how many; the last bits of the weights depend on it
    return ["--run", recipe.run_id], environment
