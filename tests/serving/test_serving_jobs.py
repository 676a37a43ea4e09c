"""Slow work: once, bounded, with progress, and it stops when told to."""

from __future__ import annotations

import threading

import pytest

from xkd_core.errors import BadInputError, XKDError
from xkd_core.serving.desk import Desk
from xkd_core.serving.jobs import Jobs


@pytest.fixture
def jobs():
    made = Jobs(workers=1, waiting=1)
    yield made
    made.close()


def test_progress_and_result_can_be_read_while_and_after(jobs):
    gate, reached = threading.Event(), threading.Event()

    def work(progress, cancel):
        progress(0.5, "half")
        reached.set()
        gate.wait(10)
        return 42

    job = jobs.submit(("a",), work)
    assert reached.wait(10)
    assert (job.done, job.note, job.finished, job.result) == (0.5, "half", False, None)
    assert jobs.submit(("a",), work) is job  # the same work only once
    gate.set()
    job.future.result(timeout=10)
    assert job.result == 42


def test_more_than_the_line_holds_is_refused_with_a_sentence(jobs):
    gate = threading.Event()
    for name in ("a", "b"):
        jobs.submit((name,), lambda progress, cancel: gate.wait(10))
    with pytest.raises(BadInputError, match="try again"):
        jobs.submit(("c",), lambda progress, cancel: None)
    gate.set()


def test_cancel_reaches_the_work(jobs):
    def work(progress, cancel):
        assert cancel.wait(10)
        raise XKDError("Stopped on request.")

    job = jobs.submit(("a",), work)
    job.cancel.set()
    job.future.result(timeout=10)
    assert (job.error, job.result) == ("Stopped on request.", None)


def test_an_unexpected_failure_tells_no_internals(jobs, caplog):
    def work(progress, cancel):
        raise RuntimeError("secret path /home/x")

    job = jobs.submit(("a",), work)
    job.future.result(timeout=10)
    assert "secret" not in job.error
    assert "log" in job.error
    assert "secret" in caplog.text


def test_work_goes_on_while_one_of_two_callers_still_waits(jobs):
    def work(progress, cancel):
        return cancel.wait(0.3)

    first = jobs.submit(("a",), work)
    assert jobs.submit(("a",), work) is first
    first.leave()
    assert not first.cancel.is_set()
    first.leave()
    assert first.cancel.is_set()


def test_who_is_refused_reads_the_sentence_of_the_line():
    line, gate = Jobs(workers=1, waiting=0, busy="Come back later."), threading.Event()
    line.submit(("a",), lambda progress, cancel: gate.wait(10))
    with pytest.raises(BadInputError, match="Come back later"):
        line.submit(("b",), lambda progress, cancel: None)
    gate.set()
    line.close()


def test_an_errand_keeps_no_map_waiting_and_the_other_way_round():
    desk = Desk()
    for slow, quick in ((desk.errands, desk.jobs), (desk.jobs, desk.errands)):
        gate = threading.Event()
        slow.submit(("slow",), lambda progress, cancel, gate=gate: gate.wait(30))
        assert quick.submit(("quick",), lambda progress, cancel: 42).future.result(timeout=10) == 42
        gate.set()
    desk.jobs.close()
    desk.errands.close()
