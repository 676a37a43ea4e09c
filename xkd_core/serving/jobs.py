"""Slow work beside the pages: few at a time, with progress and cancel, the same work only once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from xkd_core.errors import BadInputError, XKDError

Progress = Callable[[float, str], None]
Work = Callable[[Progress, threading.Event], Any]
LOGGER = logging.getLogger(__name__)
BUSY = "Many maps are being computed already; try again in a minute."


@dataclass(kw_only=True)
class Job:
    """One piece of work. ``done`` is a share 0..1, ``note`` what it is at, ``error`` a sentence if it failed.

    waiting: how many callers want the result; the last one to leave stops the work.
    """

    key: tuple[Hashable, ...]
    cancel: threading.Event = field(default_factory=threading.Event)
    done: float = 0.0
    note: str = ""
    error: str = ""
    waiting: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    future: Future[Any] | None = None

    @property
    def finished(self) -> bool:
        """True when it ended in any way."""
        return self.future is not None and self.future.done()

    @property
    def result(self) -> Any:
        """What the work returned; None while it runs, or when it failed or was cancelled."""
        return self.future.result() if self.finished and self.future is not None and not self.error else None

    def leave(self) -> None:
        """One caller does not want the result any more."""
        with self.lock:
            self.waiting -= 1
            if self.waiting <= 0:
                self.cancel.set()


class Jobs:
    """A bounded executor. At most ``waiting`` jobs stand in line; then new ones are refused."""

    def __init__(self, *, workers: int = 1, waiting: int = 8, busy: str = BUSY) -> None:
        """busy: what is said to whom is refused."""
        self._busy = busy
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="xkd-job")
        self._limit = workers + waiting
        self._jobs: dict[Hashable, Job] = {}
        self._lock = threading.Lock()

    def submit(self, key: tuple[Hashable, ...], work: Work) -> Job:
        """Start ``work(progress, cancel)``, or join the job with the same key. Errors: BadInputError when busy."""
        with self._lock:
            self._jobs = {name: job for name, job in self._jobs.items() if not job.finished}
            if key in self._jobs and not self._jobs[key].cancel.is_set():
                self._jobs[key].waiting += 1
                return self._jobs[key]
            if len(self._jobs) >= self._limit:
                raise BadInputError(self._busy)
            job = Job(key=key, waiting=1, lock=self._lock)
            self._jobs[key] = job
            job.future = self._pool.submit(_run, job, work)
            return job

    def close(self) -> None:
        """Cancel everything and wait for it."""
        for job in self._jobs.values():
            job.cancel.set()
        self._pool.shutdown(wait=True, cancel_futures=True)


def _run(job: Job, work: Work) -> Any:
    def progress(done: float, note: str) -> None:
        job.done, job.note = done, note

    if job.cancel.is_set():
        job.error = "Stopped before it began."
        return None
    try:
        result = work(progress, job.cancel)
        job.done = 1.0
        return result
    except XKDError as error:
        job.error = str(error)
    except Exception:
        LOGGER.exception("job failed")
        job.error = "This could not be computed; the log of the server says why."
    return None
