"""Files that are whole or not there, and a lock that one process holds at a time."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from xkd_core.errors import XKDError
from xkd_core.files import alone_with, write_atomic


def test_one_holds_the_lock_at_a_time_though_each_deletes_its_file(tmp_path: Path) -> None:
    """The second waits for a file that the first deletes; the third must not get past it with a new one."""
    inside, most, first_in, second_in = 0, 0, threading.Event(), threading.Event()
    leave = [threading.Event(), threading.Event(), threading.Event()]

    def work(number: int) -> None:
        nonlocal inside, most
        with alone_with(tmp_path / "state"):
            inside += 1
            most = max(most, inside)
            (first_in, second_in, second_in)[number].set()
            leave[number].wait(20)
            inside -= 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    threads[0].start()
    assert first_in.wait(20)
    threads[1].start()
    time.sleep(0.2)  # it opens the file that the first one holds
    leave[0].set()
    assert second_in.wait(20)
    threads[2].start()
    time.sleep(0.2)  # were it let in, it would be by now
    leave[1].set()
    leave[2].set()
    for thread in threads:
        thread.join(20)
    assert most == 1
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(XKDError, match=r"Could not write state: .*may be written to"):
        write_atomic(tmp_path / "file" / "state", b"")
    with pytest.raises(XKDError, match="Could not write state"), alone_with(tmp_path / "file" / "state"):
        pass
