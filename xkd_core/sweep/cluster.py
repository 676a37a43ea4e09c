"""The same sweep on a Ray cluster, for those who outgrow one machine (``pip install "ray[default]"``).

All nodes share XKD_HOME, XKD_CHECKPOINTS and XKD_DATA_DIR through a common file system. A node that dies
gives its run to another, which goes on after the last whole epoch; a run that two processes hold is
trained by one of them, the other waits and finds it done.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import xkd_core
from xkd_core.distillation.recipes import Recipe
from xkd_core.errors import BadInputError
from xkd_core.sweep.local import Outcome, run_one

RETRIES = 5
PLACES = ("XKD_HOME", "XKD_CHECKPOINTS", "XKD_DATA_DIR")


def run_all_on_ray(
    ray: Any, plan: Sequence[Recipe], *, report: Callable[[str, str], None], weights: bool = False
) -> list[Outcome]:
    """Train what is missing of ``plan`` on a connected cluster, one run per CPU. As `sweep.local.run_all`."""
    train = ray.remote(num_cpus=1, max_retries=RETRIES)(_train)
    tasks: dict[str, Any] = {}
    for recipe in plan:
        tasks[recipe.run_id] = train.remote(recipe, weights, *(tasks[one] for one in recipe.needs if one in tasks))
    waiting, outcomes = {task: run_id for run_id, task in tasks.items()}, {}
    while waiting:
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        run_id = waiting.pop(ready)
        outcomes[run_id] = _outcome(ray, ready)
        report(run_id, outcomes[run_id])
    return [(recipe.run_id, outcomes[recipe.run_id]) for recipe in plan]


def _train(recipe: Recipe, weights: bool, *_needed: str) -> str:
    return run_one(recipe, weights=weights)


def _outcome(ray: Any, task: Any) -> str:
    try:
        return str(ray.get(task))
    except ray.exceptions.RayError as error:
        return f"lost: {str(error).splitlines()[0]}"


def connect(address: str) -> Any:
    """The ray module, connected to the cluster at ``address`` ("auto": the one of this machine).

    Errors: BadInputError when Ray is not installed or no cluster answers.
    """
    try:
        import ray
    except ImportError as error:
        raise BadInputError('--engine ray needs Ray: pip install "ray[default]".') from error
    places = {name: os.environ[name] for name in PLACES if name in os.environ}
    places["PYTHONPATH"] = str(Path(xkd_core.__file__).parent.parent)  # the nodes run this very copy
    try:
        _knock(address)
        ray.init(address=address, log_to_driver=False, runtime_env={"env_vars": places}, ignore_reinit_error=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise BadInputError(f"No Ray cluster answers at {address!r}: {str(error).splitlines()[0]}") from error
    return ray


def _knock(address: str) -> None:
    """Errors: OSError when nobody listens; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=10).close()
