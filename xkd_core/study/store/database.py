"""The database of studies: one engine, transactions that are tried again once, errors as sentences.

SQLite: WAL, synchronous=FULL (a power cut loses no confirmed answer), writers queue. PostgreSQL: by URL.
"""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session

from xkd_core.errors import BadInputError
from xkd_core.study.environment import database_url
from xkd_core.study.store.trouble import BUSY, StoreError, is_away, is_conflict, readable

T = TypeVar("T")
BUSY_MS = 15_000
POOL_S = 60.0  # how long a thread waits for a connection when all are in use
TRIES = 4


class Database:
    """All access to the store goes through `read` and `write`; safe in threads, one for a process is enough."""

    def __init__(self, url: str | None = None, *, busy_ms: int = BUSY_MS) -> None:
        """Connect and bring the tables up to date. Errors: BadInputError for a bad URL, StoreError."""
        self.url = _checked(url or database_url())
        self.engine = _engine(self.url, busy_ms)
        self._patience_s = max(POOL_S, busy_ms / 1000)
        # SQLite has one writer at a time and lets the others poll: the threads of a process stand in line instead.
        self._one_writer = self.engine.dialect.name == "sqlite"
        self._line = threading.Lock()
        from xkd_core.study.store.migrate import upgrade

        try:
            upgrade(self.engine)
        except SQLAlchemyError as error:
            raise readable(error) from error

    def write(self, work: Callable[[Session], T], *, alone: bool = False) -> T:
        """Run ``work`` in one committed transaction; done again when another one or a restart came between.

        ``work`` may run more than once, so it must be right to repeat. alone: it locks what others lock too, so the
        threads of this process come one after the other and do not hold connections while they wait.
        Errors: StoreError; those of ``work``.
        """
        with self._turn() if alone or self._one_writer else nullcontext():
            return self._run(work, self.engine)

    def read(self, work: Callable[[Session], T]) -> T:
        """Run ``work`` in a transaction that keeps no writer waiting."""
        return self._run(work, self.engine.execution_options(xkd_read=True))

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._line.acquire(timeout=self._patience_s):
            raise StoreError(BUSY)
        try:
            yield
        finally:
            self._line.release()

    def _run(self, work: Callable[[Session], T], engine: Engine) -> T:
        for left in reversed(range(TRIES)):
            try:
                with Session(engine, expire_on_commit=False) as session, session.begin():
                    return work(session)
            except SQLAlchemyError as error:
                if not left or not (is_away(error) or is_conflict(error)):
                    raise readable(error) from error
                time.sleep(0.05 * (TRIES - left))
        raise AssertionError("unreachable")


def _checked(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadInputError("XKD_STUDY_DB must be a URL, e.g. postgresql://user@host/database.") from error
    if parsed.get_backend_name() not in ("sqlite", "postgresql"):
        raise BadInputError(f"Studies are kept in sqlite or postgresql; got {parsed.get_backend_name()!r}.")
    if parsed.get_backend_name() == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    return parsed


def _engine(url: URL, busy_ms: int) -> Engine:
    if url.get_backend_name() == "postgresql":
        timeouts = {"connect_timeout": 5, "options": f"-c lock_timeout={busy_ms} -c statement_timeout=60000"}
        pool = {"pool_size": 10, "max_overflow": 20, "pool_timeout": max(POOL_S, busy_ms / 1000)}
        return create_engine(url, pool_pre_ping=True, connect_args=timeouts, **pool)
    _make_folder(url)
    try:
        engine = create_engine(
            url,
            connect_args={"timeout": busy_ms / 1000},
            pool_size=10,
            max_overflow=30,
            pool_timeout=max(POOL_S, busy_ms / 1000),
        )
    except NoSuchModuleError as error:
        raise BadInputError(f"Unknown kind of database: {url.drivername!r}.") from error
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _make_folder(url: URL) -> None:
    if not url.database or url.database == ":memory:":
        raise BadInputError("Studies need a database file, e.g. sqlite:///study.sqlite3; memory forgets.")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else str(error.strerror)
        raise StoreError(f"The folder of the study's database cannot be made: {why}.") from error


def _on_connect(connection: Any, _: object) -> None:
    connection.isolation_level = None  # sqlite3 must not begin transactions by itself: see `_on_begin`
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _on_begin(connection: Connection) -> None:
    # A writer takes the lock at once: upgrading a read lock later fails without waiting.
    read = connection.get_execution_options().get("xkd_read", False)
    connection.exec_driver_sql("BEGIN" if read else "BEGIN IMMEDIATE")
