"""Where things are: every place and switch that the environment may set, read anew at each call."""

from __future__ import annotations

import os
from pathlib import Path

from xkd_core.errors import BadInputError

REPOSITORY = Path(__file__).resolve().parent.parent


def home() -> Path:
    """Caches, jobs and databases: ``XKD_HOME``, or ``.xkd`` beside the code."""
    return Path(os.environ.get("XKD_HOME") or REPOSITORY / ".xkd")


def data_dir() -> Path:
    """Data sets that torchvision or the user put there: ``XKD_DATA_DIR``, or ``data`` in the home."""
    return Path(os.environ.get("XKD_DATA_DIR") or home() / "data")


def checkpoints_dir() -> Path:
    """The runs: ``XKD_CHECKPOINTS``, or ``checkpoints`` beside the code."""
    return Path(os.environ.get("XKD_CHECKPOINTS") or REPOSITORY / "checkpoints")


def check() -> None:
    """Errors: BadInputError for a place that is a file, where a folder is meant."""
    for name, place in (("XKD_HOME", home()), ("XKD_DATA_DIR", data_dir()), ("XKD_CHECKPOINTS", checkpoints_dir())):
        if place.exists() and not place.is_dir():
            raise BadInputError(f"{name} must be a folder; {place} is a file.")


def threads() -> int:
    """Torch threads of this process: ``XKD_THREADS``, or half of the cores, at least one."""
    given = os.environ.get("XKD_THREADS")
    if not given:
        return max(1, (os.cpu_count() or 2) // 2)
    if not given.isdecimal() or int(given) < 1:
        raise BadInputError(f"XKD_THREADS must be a whole number from 1; got {given!r}.")
    return int(given)
