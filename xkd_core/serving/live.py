"""Measurements made while a visitor waits: each once for all sessions, as a job with its cost known beforehand."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from xkd_core.serving.jobs import Job, Jobs, Progress
from xkd_core.serving.shelf import Recent

Key = tuple[Hashable, ...]
Work = Callable[["Ticks"], Any]


@dataclass
class Ticks:
    """Counts forwards of a job, tells how far it is, and ends it when it is cancelled."""

    total: int
    progress: Progress
    cancel: threading.Event
    done: int = 0

    def __call__(self, forwards: int, note: str = "") -> None:
        """So many forwards more. Errors: CancelledError once the job is cancelled."""
        from xkd_core.explainers.base import CancelledError  # imports torch

        if self.cancel.is_set():
            raise CancelledError("Stopped.")
        self.done += forwards
        self.progress(min(1.0, self.done / max(1, self.total)), note)


@dataclass
class Live:
    """Results kept by key, and how long a forward of each kind of work took when it was last done."""

    jobs: Jobs
    kept: Recent[Key, Any] = field(default_factory=lambda: Recent(128))
    pace: dict[Hashable, float] = field(default_factory=dict)

    def start(self, key: Key, forwards: int, work: Work) -> Job:
        """Begin ``work(tick)``; its result is kept under ``key``. Errors: BadInputError when busy."""

        def timed(progress: Progress, cancel: threading.Event) -> bool:
            tick, began = Ticks(forwards, progress, cancel), time.monotonic()
            self.kept.put(key, work(tick))
            self.pace[key[0]] = (time.monotonic() - began) / max(1, tick.done)
            return True

        return self.jobs.submit(key, timed)

    def seconds(self, key: Key, forwards: int) -> float | None:
        """How long it would take at the pace of the last work of this kind (the key's first part), or None."""
        pace = self.pace.get(key[0])
        return None if pace is None else pace * forwards
