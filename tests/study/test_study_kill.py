"""kill -9 of the server between and during answers: what was acknowledged is stored, once, and everyone goes on.

Ten kills by default; the full drill is ``XKD_DRILL_SERVER_KILLS=200 pytest tests/study/test_study_kill.py -s``.
"""

from __future__ import annotations

import os
import random
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from websockets.exceptions import WebSocketException

from tests.app_server import StudyServer
from tests.study.made_study import make_participant, make_study
from tests.study.visitor import Visitor
from xkd_core.study.store import answers
from xkd_core.study.store.database import Database
from xkd_core.study.store.frames import read_data

KILLS = int(os.environ.get("XKD_DRILL_SERVER_KILLS", "10"))
PEOPLE = 3
LOST = (WebSocketException, OSError, TimeoutError, EOFError)


@dataclass
class Person:
    """What a participant knows: answers that were followed by the next trial, and the one that was not."""

    token: str
    acknowledged: dict[int, int] = field(default_factory=dict)
    pending: tuple[int, int] | None = None
    done: bool = False
    problems: list[str] = field(default_factory=list)

    def go_on(self, port: int, rng: random.Random) -> None:
        """Answer until the server is gone, or all is answered."""
        with suppress(*LOST):
            visitor = Visitor(port, {"p": self.token}, wait_s=30)
            self._compare(visitor)
            while visitor.trial is not None:
                index, choice = visitor.trial["index"], rng.randint(1, 3)
                self.pending = (index, choice)
                visitor.answer(choice)
                if visitor.trial is not None and visitor.trial["index"] == index:
                    continue  # it said that this was not stored
                self.acknowledged[index] = choice
                self.pending = None
            self.done = True

    def _compare(self, visitor: Visitor) -> None:
        """The trial after a restart is never one that was acknowledged, and no trial is left out."""
        shown = None if visitor.trial is None else visitor.trial["index"]
        if shown in self.acknowledged:
            self.problems.append(f"trial {shown} was acknowledged and asked again")
        if self.pending is not None and shown not in (self.pending[0], self.pending[0] + 1, None):
            self.problems.append(f"after {self.pending[0]} came {shown}")


@pytest.mark.timeout(0)
def test_no_acknowledged_answer_is_lost_or_doubled_by_kill_9(home):
    database, rng = Database(), random.Random(1)
    study = make_study(database, trials=12)
    everyone = [Person(make_participant(database, study)) for _ in range(PEOPLE)]
    server, started = StudyServer(home), time.monotonic()
    during = 0
    for kill in range(KILLS):
        if all(person.done for person in everyone[-PEOPLE:]):
            everyone += [Person(make_participant(database, study)) for _ in range(PEOPLE)]
        active = everyone[-PEOPLE:]
        threads = [threading.Thread(target=person.go_on, args=(server.port, random.Random(1000 * kill + place)))
                   for place, person in enumerate(active) if not person.done]  # fmt: skip
        before = sum(len(person.acknowledged) for person in active)
        for thread in threads:
            thread.start()
        _wait_for_answers(active, before + rng.randint(1, 4), threads)
        time.sleep(rng.uniform(0, 0.3))
        server.kill()
        for thread in threads:
            thread.join()
        during += sum(person.pending is not None for person in active)
        _check(database, active)
        server.start()
    server.stop()
    trials = read_data(database, study).trials
    assert not [problem for person in everyone for problem in person.problems]
    for person in everyone:
        _go_to_the_end(database, person)
    assert read_data(database, study).trials["choice"].notna().all()
    acknowledged = sum(len(person.acknowledged) for person in everyone)
    assert acknowledged >= KILLS
    database.close()
    print(
        f"{KILLS} kills, {during} answers on their way at that moment; {acknowledged} acknowledged answers, "
        f"{int(trials['choice'].notna().sum())} stored; {time.monotonic() - started:.0f} s"
    )


def _wait_for_answers(active: list[Person], wanted: int, threads: list[threading.Thread]) -> None:
    """Instants are counted in answers and not in seconds: a slow machine is killed at the same places."""
    until = time.monotonic() + 60
    while time.monotonic() < until and any(thread.is_alive() for thread in threads):
        if sum(len(person.acknowledged) for person in active) >= wanted:
            return
        time.sleep(0.01)


def _check(database: Database, active: list[Person]) -> None:
    """Every acknowledged answer is stored as it was given; an unacknowledged one as it was sent, or not at all."""
    for person in active:
        code = answers.progress(database, person.token).code
        stored = _stored(database, code)
        assert person.acknowledged.items() <= stored.items()
        extra = stored.keys() - person.acknowledged.keys()
        assert len(extra) <= 1
        if extra:
            assert person.pending is not None and extra == {person.pending[0]}
            # It was stored although the next trial never came: the participant goes on after it.
            person.acknowledged[person.pending[0]] = stored[person.pending[0]]


def _stored(database: Database, code: str) -> dict[int, int]:
    from xkd_core.study.store.studies import list_studies

    trials = read_data(database, list_studies(database)[0]).trials
    own = trials[(trials["participant"] == code) & (trials["kind"] != "practice") & trials["choice"].notna()]
    return {int(index): int(choice) for index, choice in zip(own["idx"], own["choice"], strict=True)}


def _go_to_the_end(database: Database, person: Person) -> None:
    """After the last kill everyone resumes and finishes."""
    while (now := answers.progress(database, person.token)).trial is not None:
        assert answers.answer(database, person.token, now.trial.index, 1).first
    assert now.stage == "comment"
