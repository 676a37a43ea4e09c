"""Locked, full, away, damaged: a sentence, nothing acknowledged lost, and it goes on afterwards."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest

from tests.study.made_study import make_participant, make_study
from tests.study.postgres import Postgres
from xkd_core.errors import BadInputError
from xkd_core.study.store import answers
from xkd_core.study.store.answers import answer, progress
from xkd_core.study.store.database import Database
from xkd_core.study.store.trouble import StoreError

ROOT = Path(__file__).parents[2]


def test_a_locked_database_says_so_and_goes_on_when_it_is_free(home):
    database = Database(busy_ms=200)
    study = make_study(database)
    token = make_participant(database, study)
    index = progress(database, token).trial.index
    other = sqlite3.connect(database.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="busy with another program"):
        answer(database, token, index, 1)
    assert progress(database, token).trial.index == index  # readers are not kept waiting
    other.execute("ROLLBACK")
    assert answer(database, token, index, 1).first
    database.close()


def test_a_writer_waits_for_another(home):
    database = Database()
    token = make_participant(database, make_study(database))
    index = progress(database, token).trial.index
    other = sqlite3.connect(database.url.database, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    free = threading.Timer(0.5, lambda: other.execute("ROLLBACK"))
    free.start()
    assert answer(database, token, index, 1).first
    free.join()
    database.close()


FULL = """
import resource, sys
from xkd_core.study.store.answers import answer, progress
from xkd_core.study.store.database import Database
from xkd_core.study.store.trouble import StoreError
import os, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = Database()
token, confirmed = sys.argv[1], []
log = os.path.join(os.environ["XKD_HOME"], "study", "study.sqlite3-wal")
limit = os.path.getsize(log) + 20_000
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # a file that may not grow: what a full disk does to SQLite
try:
    while (now := progress(database, token)).trial is not None:
        answer(database, token, now.trial.index, 1)
        confirmed.append(now.trial.index)
except StoreError as error:
    print("SAID", error)
print("CONFIRMED", *confirmed)
"""


def test_a_full_disk_says_so_and_every_confirmed_answer_is_there(home):
    database = Database()
    token = make_participant(database, make_study(database, trials=12))
    first = progress(database, token).trial.index
    environment = os.environ | {"XKD_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", FULL, token], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    said, confirmed = done.stdout.splitlines()
    assert "disk" in said and "What was confirmed is kept" in said and "Traceback" not in done.stderr
    count = len(confirmed.split()) - 1
    assert count >= 1
    assert progress(database, token).trial.index == first + count
    assert answer(database, token, first + count, 1).first
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    database.close()


def test_a_restarted_server_loses_nothing_and_answers_go_on(postgres: Postgres):
    database = Database(postgres.emptied())
    token = make_participant(database, make_study(database))
    first = progress(database, token).trial.index
    assert answer(database, token, first, 2).first
    postgres.stop("immediate")  # as a crash
    try:
        with pytest.raises(StoreError, match="server does not answer"):
            answer(database, token, first + 1, 1)
        with pytest.raises(StoreError, match="server does not answer"):
            progress(database, token)
        with pytest.raises(StoreError, match="server does not answer"):
            Database(postgres.url)
    finally:
        postgres.start()
    assert progress(database, token).trial.index == first + 1
    assert answer(database, token, first, 1).choice == 2  # as it was confirmed
    assert answer(database, token, first + 1, 1).first
    database.close()


def test_a_connection_that_broke_is_made_anew_without_a_word(postgres: Postgres):
    database = Database(postgres.emptied())
    token = make_participant(database, make_study(database))
    index = progress(database, token).trial.index
    postgres.stop("fast")
    postgres.start()
    assert answer(database, token, index, 1).first
    database.close()


def test_an_answer_whose_confirmation_was_lost_is_found_and_not_doubled(postgres: Postgres, monkeypatch):
    """The commit went through and the line broke before the server could say so: done again, it finds the answer."""
    database = Database(postgres.emptied())
    token = make_participant(database, make_study(database))
    index = progress(database, token).trial.index
    dialect, broken = database.engine.dialect, []
    commit = dialect.do_commit

    def commit_and_break(connection):
        commit(connection)
        if not broken:
            broken.append(connection)
            connection.dbapi_connection.close()
            raise psycopg.OperationalError("terminating connection due to administrator command")

    monkeypatch.setattr(dialect, "do_commit", commit_and_break)
    found = answer(database, token, index, 3)
    assert broken and (found.first, found.choice) == (False, 3)
    assert progress(database, token).answered == 1
    database.close()


def test_a_damaged_file_and_a_foreign_folder_are_said(home, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("no database at all, but long enough to be read as one " * 10)
    with pytest.raises(StoreError, match="damaged or not a database"):
        Database(f"sqlite:///{path}")
    assert path.read_text().startswith("no database")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be made"):
        Database(f"sqlite:///{tmp_path / 'file' / 'study.sqlite3'}")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("mysql://x/y", "sqlite or postgresql; got 'mysql'"),
        ("not a url", "must be a URL"),
        ("sqlite://", "memory forgets"),
    ],
)
def test_a_bad_address_is_refused_in_words(url, words):
    with pytest.raises(BadInputError, match=words):
        Database(url)


def test_the_home_is_the_default_and_the_environment_wins(home, monkeypatch, tmp_path):
    Database().close()
    assert (home / "study" / "study.sqlite3").exists()
    monkeypatch.setenv("XKD_STUDY_DB", f"sqlite:///{tmp_path / 'other.sqlite3'}")
    Database().close()
    assert (tmp_path / "other.sqlite3").exists()


def test_sqlite_is_set_so_that_a_confirmed_answer_survives_a_power_cut(sqlite):
    with sqlite.engine.connect() as connection:
        values = [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in
                  ("journal_mode", "synchronous", "foreign_keys")]  # fmt: skip
    assert values == ["wal", 2, 1]
    assert answers.INPUT_METHODS
