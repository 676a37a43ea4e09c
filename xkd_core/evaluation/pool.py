"""Processes that measure beside one another, and what is said when one of them is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context

from xkd_core.errors import WorkerError


@contextmanager
def processes(workers: int, settle: Callable[..., None], *given: object) -> Iterator[ProcessPoolExecutor]:
    """A pool of fresh processes, each begun by ``settle(*given)``. Errors: WorkerError when one of them is killed."""
    try:
        with ProcessPoolExecutor(workers, get_context("spawn"), initializer=settle, initargs=given) as pool:
            yield pool
    except BrokenProcessPool:
        raise WorkerError(
            f"One of {workers} workers was killed, most often because memory ran out. Run the same command again with "
            "fewer --workers: what is stored stays, only what is missing is computed."
        ) from None
