"""An older database with data in it becomes a new one, and nothing is lost; a newer one is left alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, text

from tests.study.made_study import make_config, make_study
from xkd_core.study.store import database as database_module
from xkd_core.study.store import migrate
from xkd_core.study.store.answers import answer, progress
from xkd_core.study.store.database import Database
from xkd_core.study.store.frames import read_data
from xkd_core.study.store.studies import find_study
from xkd_core.study.store.tables import Base
from xkd_core.study.store.trouble import StoreError

OLD = """
INSERT INTO study VALUES ('{study}', 'old', 1, '{config}', 'hash', 'open', 4, '{at}', '{at}', NULL);
INSERT INTO item VALUES (1, '{study}', 0, 'main', 7, 'all', 0), (2, '{study}', 1, 'catch', 8, 'all', NULL);
INSERT INTO stimulus VALUES ('{photo}.png', 1, 'photo', 'x'), ('{naive}.png', 1, 'naive', 'x'),
    ('{teacher}.png', 1, 'teacher', 'x'), ('{matched}.png', 1, 'matched', 'x');
INSERT INTO participant VALUES
    ('done', '{study}', 0, '{done}', 'ext', 11, '1', 'sha', '{at}', '{at}', '{at}', 'fine'),
    ('half', '{study}', 1, '{half}', NULL, 12, '1', 'sha', '{at}', '{at}', NULL, NULL),
    ('agreed', '{study}', 2, '{agreed}', NULL, 13, '1', 'sha', '{at}', '{at}', NULL, NULL),
    ('new', '{study}', 3, '{new}', NULL, 14, NULL, NULL, '{at}', NULL, NULL, NULL);
INSERT INTO platform VALUES ('done', 'PROLIFIC_PID', 'p1');
INSERT INTO trial VALUES
    (1, 'done', 0, 'main', 1, 'teacher', 'naive', 'matched', NULL, NULL, '{at}'),
    (2, 'done', 1, 'catch', 2, 'same_b', 'different', 'same_a', NULL, NULL, NULL),
    (3, 'half', 0, 'main', 1, 'matched', 'naive', 'teacher', NULL, NULL, NULL),
    (4, 'half', 1, 'main', 1, 'naive', 'teacher', 'matched', NULL, 0, NULL);
INSERT INTO response VALUES (1, 2, 'naive', 900, '0.0.1', '{at}'), (2, 2, 'different', 950, '0.0.1', '{at}'),
    (3, 3, NULL, 1000, '0.0.1', '{at}');
"""


def old_database(url: str) -> None:
    """As the first version made it, with two people's answers."""
    database = object.__new__(Database)
    database.engine = database_module._engine(database_module._checked(url), 5000)
    migrate.upgrade(database.engine, "0001")
    tokens = {name: name[0] * 32 for name in ("done", "half", "agreed", "new")}
    pictures = {name: name[0] * 32 for name in ("photo", "naive", "teacher", "matched")}
    config = make_config(name="old").to_json().replace("'", "''")
    script = OLD.format(study="0" * 24, config=config, at="2026-01-02 03:04:05+00:00", **tokens, **pictures)
    with database.engine.begin() as connection:
        for statement in script.split(";\n"):
            if statement.strip():
                connection.exec_driver_sql(statement.replace("%", "%%") if "postgresql" in url else statement)
    database.close()


def test_the_migrations_end_at_the_tables_of_the_program(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, Base.metadata)
    # Comments are for the codebook and are not kept in the database.
    changes = [one for change in found for one in (change if isinstance(change, list) else [change])]
    assert [change for change in changes if change[0] != "modify_comment"] == []


def test_every_row_of_an_older_database_is_still_there_and_means_the_same(url):
    old_database(url)
    database = Database(url)
    study = find_study(database, "old")
    data = read_data(database, study)
    assert study.config == make_config(name="old")
    assert dict(zip(data.participants["participant"], data.participants["stage"], strict=True)) == {
        "done": "done", "half": "trials", "agreed": "screen", "new": "consent",
    }  # fmt: skip
    given = data.trials[data.trials["choice"].notna()]
    columns = ["participant", "choice", "odd", "answer", "correct", "rt_client_ms"]
    assert given[columns].astype(object).where(given[columns].notna(), None).to_numpy().tolist() == [
        ["done", 2, "naive", "TM", None, 900],
        ["done", 2, "different", None, True, 950],
        ["half", 3, "teacher", "NM", None, 1000],
    ]
    assert data.items["similarities"].tolist() == [{}, {}]
    assert data.participants["check_failures"].tolist() == [0, 0, 0, 0]
    assert str(data.participants["completed_at"][0]) == "2026-01-02 03:04:05+00:00"
    database.close()


def test_a_half_done_participant_of_an_older_database_goes_on(url):
    old_database(url)
    database = Database(url)
    now = progress(database, "h" * 32)
    assert (now.stage, now.trial.index, now.answered) == ("trials", 1, 1)
    assert answer(database, "h" * 32, 1, 1).first
    assert progress(database, "h" * 32).stage == "comment"
    database.close()


def test_replicas_that_start_at_once_migrate_once(url):
    old_database(url)
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(lambda _: Database(url), range(6)))
    assert all(len(read_data(one, find_study(one, "old")).trials) == 4 for one in opened)
    for one in opened:
        one.close()


def test_a_migration_that_fails_leaves_the_old_database_whole(url, monkeypatch):
    old_database(url)
    real = migrate.command.upgrade

    def broken(config, revision):
        real(config, revision)
        raise RuntimeError("power cut")

    monkeypatch.setattr(migrate.command, "upgrade", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        Database(url)
    monkeypatch.undo()
    engine = create_engine(database_module._checked(url))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "0001"
        assert connection.execute(text("SELECT count(*) FROM response")).scalar() == 3
    engine.dispose()


def test_a_database_of_a_newer_program_is_refused_and_not_touched(url):
    database = Database(url)
    study = make_study(database)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer program.*9999.*knows 0002"):
        Database(url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0002'"))
    assert find_study(Database(url), "small") == study
    database.close()
