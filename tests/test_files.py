"""Files of several processes: one at a time inside the lock, and a place that cannot be written to is said."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import numpy as np
import pytest

from xkd_core import files
from xkd_core.errors import XKDError
from xkd_core.files import alone_with, cached, write_atomic


def test_who_waited_for_the_lock_keeps_the_next_one_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, asked, inside, leave = tmp_path / "rows", threading.Event(), threading.Event(), threading.Event()

    class Asked:
        """fcntl as it is, but it says when a lock is asked for."""

        LOCK_EX = fcntl.LOCK_EX

        @staticmethod
        def flock(handle: int, kind: int) -> None:
            asked.set()
            fcntl.flock(handle, kind)

    def second() -> None:
        with alone_with(path):
            inside.set()
            leave.wait()

    waiting = threading.Thread(target=second)
    with alone_with(path):
        monkeypatch.setattr(files, "fcntl", Asked)
        waiting.start()
        asked.wait()
    inside.wait()
    try:
        with path.with_name("rows.lock").open("w") as third, pytest.raises(BlockingIOError):
            fcntl.flock(third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    finally:
        leave.set()
        waiting.join()
    assert not path.with_name("rows.lock").exists()


def test_a_place_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(XKDError, match=r"Could not write state: .*may be written to"):
        write_atomic(tmp_path / "file" / "state", b"")
    with pytest.raises(XKDError, match="Could not write state"), alone_with(tmp_path / "file" / "state"):
        pass


def test_a_cut_file_of_a_cache_is_made_again_and_a_whole_one_is_not(tmp_path: Path) -> None:
    path, made = tmp_path / "numbers.npy", []

    def write() -> None:
        made.append(True)
        np.save(path, np.arange(100))

    for before, times in ((None, 1), (None, 1), (b"", 2), (path, 3)):
        if before is not None:
            path.write_bytes(path.read_bytes()[:-9] if before is path else before)
        assert cached(path, write, np.load).sum() == 4950
        assert len(made) == times
