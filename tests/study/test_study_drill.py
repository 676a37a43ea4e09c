"""Many people at once, in four processes (replicas) on one database: every answer is there, once.

The full drill prints what an answer took: ``XKD_DRILL_PEOPLE=200 XKD_DRILL_THINK_S=2 pytest
tests/study/test_study_drill.py -s``. Without time to think everybody clicks as fast as the store answers.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.study.made_study import make_study
from tests.study.postgres import Postgres
from xkd_core.study.store import answers, participants
from xkd_core.study.store.answers import Given
from xkd_core.study.store.database import Database
from xkd_core.study.store.frames import read_data

ROOT = Path(__file__).parents[2]
PEOPLE = int(os.environ.get("XKD_DRILL_PEOPLE", "24"))
THINK_S = float(os.environ.get("XKD_DRILL_THINK_S", "0"))
PROCESSES = int(os.environ.get("XKD_DRILL_PROCESSES", "4"))


def take_part(database: Database, study_id: str, consent: str, number: int) -> dict[str, list]:
    """One person, from the link to the end; every second answer is a double click."""
    times, given, rng = [], [], random.Random(number)
    token = participants.enrol(database, study_id, {"PROLIFIC_PID": f"p{number}"}).token
    participants.consent(database, token, consent)
    participants.pass_screen(database, token, 1000)
    participants.finish_instructions(database, token)
    while (now := answers.progress(database, token)).stage != "comment":
        if now.stage == "check":
            participants.answer_check(database, token, right=True)
            continue
        choice = 1 + (number + now.trial.index) % 3
        time.sleep(rng.uniform(0.5, 1.5) * THINK_S)
        started = time.perf_counter()
        found = answers.answer(database, token, now.trial.index, choice, Given(rt_ms=1000 + number))
        times.append(time.perf_counter() - started)
        assert found.first
        if now.trial.index % 2:
            assert not answers.answer(database, token, now.trial.index, 1 + choice % 3).first
        given.append([now.code, now.trial.index, choice])
    participants.finish(database, token)
    return {"times": times, "given": given}


def people(url: str, study_id: str, consent: str, first: int, count: int) -> None:
    """A process of the drill: ``count`` threads, all at once; prints what they did as JSON."""
    database, done = Database(url, busy_ms=60_000), []
    threads = [
        threading.Thread(target=lambda number=number: done.append(take_part(database, study_id, consent, number)))
        for number in range(first, first + count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == count
    print(json.dumps({key: [one for person in done for one in person[key]] for key in ("times", "given")}))


@pytest.fixture(scope="module")
def durable() -> Iterator[Postgres]:
    server = Postgres(durable=True)
    yield server
    server.remove()


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_every_answer_of_people_at_once_is_there_once(backend, home, request):
    sqlite = f"sqlite:///{home / 'study.sqlite3'}"
    url = sqlite if backend == "sqlite" else request.getfixturevalue("durable").emptied()
    database = Database(url)
    study = make_study(database)
    script = (
        "import sys; from tests.study.test_study_drill import people; people(*sys.argv[1:4], *map(int, sys.argv[4:]))"
    )
    share = PEOPLE // PROCESSES
    started = time.monotonic()
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, url, study.id, study.config.consent_sha256, str(share * n), str(share)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )
        for n in range(PROCESSES)
    ]  # fmt: skip
    outputs = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES
    found = [json.loads(output) for output in outputs]
    times = [one for part in found for one in part["times"]]
    given = sorted(tuple(one) for part in found for one in part["given"])
    trials = read_data(database, study).trials
    stored = sorted(trials[["participant", "idx", "choice"]].astype({"choice": int}).itertuples(index=False, name=None))
    assert stored == given
    assert len(stored) == share * PROCESSES * study.config.n_shown
    main = trials[trials["kind"] == "main"]["item"].value_counts()
    assert main.max() - main.min() <= 1
    database.close()
    print(
        f"{backend}: {share * PROCESSES} people at once, {len(times)} answers, p50 {np.median(times) * 1e3:.0f} ms, "
        f"p95 {np.percentile(times, 95) * 1e3:.0f} ms, all in {time.monotonic() - started:.0f} s"
    )
