"""The started server under load and under fire, through its own WebSocket: many at once, disk full, restarts, forgery.

The full drill: ``XKD_DRILL_SOCKETS=50 pytest tests/study/test_study_socket.py -k at_once -s``.
"""

from __future__ import annotations

import os
import random
import resource
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.app_server import StudyServer
from tests.study.made_study import make_participant, make_study
from tests.study.postgres import Postgres
from tests.study.visitor import Visitor
from xkd_core.study.store import answers
from xkd_core.study.store.database import Database
from xkd_core.study.store.frames import read_data
from xkd_core.study.store.studies import recruitment

PEOPLE = int(os.environ.get("XKD_DRILL_SOCKETS", "8"))
THINK_S = float(os.environ.get("XKD_DRILL_THINK_S", "0"))


@pytest.fixture
def server(home: Path) -> Iterator[StudyServer]:
    running = StudyServer(home)
    yield running
    running.stop()


def test_everyone_at_once_through_the_socket_and_every_answer_is_there_once(server, home):
    database = Database()
    study = make_study(database)
    times: list[float] = []
    given: list[tuple[str, int, int]] = []
    problems: list[str] = []

    def take_part(number: int) -> None:
        rng = random.Random(number)
        try:
            visitor = Visitor(server.port, {"s": study.id, "PROLIFIC_PID": f"p{number}"})
            visitor.walk_to_trials()
            while visitor.trial is not None:
                index, choice = visitor.trial["index"], rng.randint(1, 3)
                time.sleep(rng.uniform(0.5, 1.5) * THINK_S)
                started = time.perf_counter()
                visitor.answer(choice)
                times.append(time.perf_counter() - started)
                given.append((visitor.token, index, choice))
            visitor.press("finish")
            assert "C0DE-42" in "".join(one.code_text for one in visitor.of("code"))
            visitor.close()
        except BaseException as error:
            problems.append(f"{number}: {error!r}")

    threads = [threading.Thread(target=take_part, args=(number,)) for number in range(PEOPLE)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not problems, problems[:3]
    trials = read_data(database, study).trials
    counted = trials[trials["kind"] != "practice"]
    codes = {token: answers.progress(database, token).code for token, _, _ in given}
    stored = counted[["participant", "idx", "choice"]].astype({"choice": int}).itertuples(index=False, name=None)
    assert sorted(stored) == sorted((codes[token], index, choice) for token, index, choice in given)
    assert len(given) == PEOPLE * (study.config.n_shown - study.config.practice)
    assert recruitment(database, study).stages == {"done": PEOPLE}
    database.close()
    print(
        f"{PEOPLE} people at once through the socket, {len(times)} answers: p50 {np.median(times):.2f} s, "
        f"p95 {np.percentile(times, 95):.2f} s, all in {time.monotonic() - started:.0f} s"
    )


def test_a_full_disk_is_said_and_the_answer_can_be_given_again(server, home):
    database = Database()
    token = make_participant(database, make_study(database, trials=12))
    visitor = Visitor(server.port, {"p": token})
    log = Path(f"{database.url.database}-wal")
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    # A file that may not grow is what a full disk is to SQLite.
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (log.stat().st_size + 20_000, before[1]))
    confirmed = []
    while "disk" not in visitor.text:
        index = visitor.trial["index"]
        visitor.answer(1)
        if "disk" not in visitor.text:
            confirmed.append(index)
        assert len(confirmed) < 12
    assert visitor.trial["index"] == index and visitor.trial["failed"] == 1
    assert "What was confirmed is kept" in visitor.text
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)
    visitor.answer(2)
    assert visitor.trial["index"] == index + 1
    trials = read_data(database, study_of(database)).trials.set_index("idx")["choice"].dropna()
    assert set(confirmed) | {index} <= set(trials.index) and trials[index] == 2
    database.close()


def study_of(database: Database):
    from xkd_core.study.store.studies import list_studies

    return list_studies(database)[0]


def test_a_locked_database_is_waited_for(server, home):
    database = Database()
    token = make_participant(database, make_study(database))
    visitor = Visitor(server.port, {"p": token})
    index = visitor.trial["index"]
    other = sqlite3.connect(database.url.database, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    free = threading.Timer(1.0, lambda: other.execute("ROLLBACK"))
    free.start()
    visitor.answer(1)
    free.join()
    assert visitor.trial["index"] == index + 1 and "busy" not in visitor.text
    database.close()


def test_a_postgresql_server_that_restarts_is_said_and_nothing_is_lost(home, postgres: Postgres):
    database = Database(postgres.emptied())
    study = make_study(database)
    token = make_participant(database, study)
    server = StudyServer(home, url=postgres.url)
    visitor = Visitor(server.port, {"p": token})
    first = visitor.trial["index"]
    visitor.answer(3)
    postgres.stop("immediate")  # as a crash
    try:
        visitor.answer(1)
        assert visitor.trial is None and "tries again by itself" in visitor.text
        assert "does not answer" in visitor.text
    finally:
        postgres.start()
    visitor.run()
    assert visitor.trial["index"] == first + 1
    visitor.answer(2)
    trials = read_data(database, study).trials.set_index("idx")["choice"]
    assert trials[first] == 3 and trials[first + 1] == 2
    server.stop()
    database.close()


def test_pages_of_a_fresh_study_server_refuse_from_inside(server, home):
    study = make_study(Database())
    for page in ("explore", "compression", "glossary", "study_admin"):
        visitor = Visitor(server.port, {}, page=page)
        shown = visitor.text
        assert "open the link of your invitation" in shown, (page, shown)
        assert study.config.title not in shown and not list(visitor.of("text_input"))
        visitor.close()
    assert recruitment(Database(), study).arrived == 0


def test_a_link_is_followed_on_a_server_that_nobody_used_before(server, home):
    study = make_study(Database())
    visitor = Visitor(server.port, {"s": study.id})
    assert study.config.title in visitor.text


def test_forged_messages_change_nothing(server, home):
    database = Database()
    study = make_study(database)
    mine, other = (make_participant(database, study) for _ in range(2))
    visitor = Visitor(server.port, {"p": mine})
    before = read_data(database, study).trials
    component = visitor.component("study_pictures")
    trigger = f"$$STREAMLIT_INTERNAL_KEY_{component.id}__events"
    for forged in ("not json", "[]", "[1]", '[{"event": "answer"}]', '[{"event": "delete", "value": 1}]',
                   '[{"event": "answer", "value": {"index": 99999999999999999999, "choice": 1}}]',
                   f'[{{"event": "answer", "value": {{"token": "{other}", "index": 2, "choice": 7}}}}]',
                   "[" * 5000):  # fmt: skip
        visitor.run(WidgetState(id=trigger, json_trigger_value=forged))
        visitor.reload()
    for key in ("withdraw", "finish", "consent"):
        if key != "withdraw":  # that one is really on the page
            visitor.run(WidgetState(id=f"$$ID-0000-{key}", trigger_value=True))
    after = read_data(database, study).trials
    assert after["choice"].equals(before["choice"])
    assert answers.progress(database, other).stage == answers.progress(database, mine).stage == "trials"
    database.close()


def test_an_admin_page_does_not_open_by_the_socket(home):
    from xkd_core.study.access import hash_password

    server = StudyServer(home, mode="", XKD_ADMIN_PASSWORD_HASH=hash_password("correct horse battery"))
    database = Database()
    study = make_study(database, opened=False)
    visitor = Visitor(server.port, {"study": study.id, "_admin_used": "2026-01-01"}, page="study_admin")
    assert study.label not in visitor.text and not list(visitor.of("selectbox"))
    for name in ("open", "log_out", "create"):
        visitor.run(
            WidgetState(id="study", string_value=study.id), WidgetState(id="_admin_used", string_value="x"),
            WidgetState(id=f"$$ID-0000-{name}", trigger_value=True),
        )  # fmt: skip
        assert not list(visitor.of("selectbox")) and not list(visitor.of("metric"))
    assert study_of(database).status == "draft"
    visitor.close()
    server.stop()
    database.close()
