"""Who computes the pieces: this process, a pool of processes, or a Ray cluster. The rows are the same.

Outcomes come as they are ready. Only the process that asked writes to the store.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, TypeVar

from xkd_core.evaluation.pieces import Outcome, Piece, compute
from xkd_core.evaluation.pool import processes

Work = TypeVar("Work")
Result = TypeVar("Result")
Engine = Callable[[Sequence[Piece]], Iterator[tuple[Piece, Outcome]]]
AHEAD = 4
"""Pieces that wait for each worker: enough to keep it busy, few enough to forget quickly."""
RETRIES = 5


def local(workers: int) -> Engine:
    """This process alone, or ``workers`` processes of one thread each."""
    return lambda work: in_processes(work, attempt, workers)


def in_processes(work: Sequence[Work], do: Callable[[Work], Result], workers: int) -> Iterator[tuple[Work, Result]]:
    """Do each of ``work``, in this process or in a few; pairs of work and result as they are ready.

    Errors: WorkerError when a process is killed.
    """
    if workers <= 1 or len(work) < 2:
        yield from ((one, do(one)) for one in work)
        return
    with processes(workers, _settle, os.getpid()) as pool:
        queue, waiting = iter(work), dict[Future[Result], Work]()
        while True:
            for one in _next(queue, AHEAD * workers - len(waiting)):
                waiting[pool.submit(do, one)] = one
            if not waiting:
                return
            ready, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                yield waiting.pop(future), future.result()


def on_ray(ray: Any) -> Engine:
    """A connected Ray cluster, one piece for each CPU; a node that dies gives its pieces to another.

    All nodes share XKD_HOME, XKD_CHECKPOINTS and XKD_DATA_DIR, as for `sweep run --engine ray`.
    """

    def engine(work: Sequence[Piece]) -> Iterator[tuple[Piece, Outcome]]:
        remote = ray.remote(num_cpus=1, max_retries=RETRIES)(_alone)
        ahead = AHEAD * max(1, int(ray.cluster_resources().get("CPU", 1)))
        queue, waiting = iter(work), dict[Any, Piece]()
        while True:
            for piece in _next(queue, ahead - len(waiting)):
                waiting[remote.remote(piece)] = piece
            if not waiting:
                return
            (ready,), _ = ray.wait(list(waiting), num_returns=1)
            yield waiting.pop(ready), _of_ray(ray, ready)

    return engine


def attempt(piece: Piece) -> Outcome:
    """Compute a piece; an error of the program is told with the outcome and does not stop the others.

    The command then ends with an error that names it; XKD_DEBUG=1 stops at once and shows where, as in __main__.
    """
    try:
        return compute(piece)
    except Exception as error:  # a night's work must not end because of one network
        if os.environ.get("XKD_DEBUG"):
            raise
        return Outcome(failed=f"{piece.run}, {piece.explainer}: {type(error).__name__}: {error}")


def _next(queue: Iterator[Work], n: int) -> list[Work]:
    return [one for _, one in zip(range(n), queue, strict=False)]


def _settle(parent: int) -> None:
    """One thread in each process: two of two threads each slow one another down. And none outlives its parent."""
    import torch

    torch.set_num_threads(1)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _alone(piece: Piece) -> Outcome:
    import torch

    torch.set_num_threads(1)
    return attempt(piece)


def _of_ray(ray: Any, task: Any) -> Outcome:
    try:
        found: Outcome = ray.get(task)
    except ray.exceptions.RayError as error:
        return Outcome(failed=f"lost: {str(error).splitlines()[0]}")
    return found
