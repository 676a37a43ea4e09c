"""What can go wrong with a database, in sentences for a person. An error here means: not acknowledged, so not lost."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError, TimeoutError

from xkd_core.errors import XKDError

AGAIN = "What was confirmed is kept. Try again in a moment."

BUSY = f"The study's database is busy with another program. {AGAIN}"

# Parts of SQLite's messages -> what they mean to a person.
_SQLITE = {
    "locked": BUSY,
    "busy": BUSY,
    "disk is full": f"The disk of the study's database is full. Free some space. {AGAIN}",
    "disk i/o error": f"The disk of the study's database does not work as it should. {AGAIN}",
    "readonly": "The study's database may not be written to. Check the rights of its folder and file.",
    "unable to open": "The study's database cannot be opened. Check XKD_HOME or XKD_STUDY_DB and the folder's rights.",
    "not a database": "The study's database file is damaged or not a database. Put back a copy of it.",
    "malformed": "The study's database file is damaged. Put back a copy of it.",
    "no such table": "The study's database was not set up by this program. Check XKD_STUDY_DB.",
}
_SERVER_AWAY = f"The study's database server does not answer. {AGAIN}"


class StoreError(XKDError):
    """The database cannot do it now: locked, full, away, damaged or of a newer program."""


def readable(error: SQLAlchemyError) -> StoreError:
    """The sentence for an error of the database driver."""
    if isinstance(error, TimeoutError):  # SQLAlchemy's: every connection of the pool was in use all the time
        return StoreError(f"Too many people answer at once. {AGAIN}")
    cause = getattr(error, "orig", None)
    if isinstance(cause, psycopg.Error):
        return StoreError(_of_postgres(cause))
    words = str(cause or error).lower()
    for part, sentence in _SQLITE.items():
        if part in words:
            return StoreError(sentence)
    return StoreError(f"The study's database refused: {' '.join(str(cause or error).split())[:200]}. {AGAIN}")


def is_away(error: SQLAlchemyError) -> bool:
    """True when the connection broke (a restarted server), so that a new one is worth a try."""
    lost = isinstance(error, DBAPIError) and error.connection_invalidated
    return lost or isinstance(error, InterfaceError)


def is_conflict(error: SQLAlchemyError) -> bool:
    """True when two transactions met and one of them has to be done again."""
    if isinstance(error, IntegrityError):
        return True
    cause = getattr(error, "orig", None)
    return isinstance(error, OperationalError) and isinstance(
        cause, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected
    )


def _of_postgres(cause: psycopg.Error) -> str:
    if isinstance(cause, psycopg.errors.DiskFull):
        return _SQLITE["disk is full"]
    if isinstance(cause, psycopg.errors.LockNotAvailable | psycopg.errors.QueryCanceled):
        return _SQLITE["locked"]
    if isinstance(cause, psycopg.errors.ReadOnlySqlTransaction | psycopg.errors.InsufficientPrivilege):
        return _SQLITE["readonly"]
    if isinstance(cause, psycopg.errors.UndefinedTable):
        return _SQLITE["no such table"]
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return _SERVER_AWAY
    return f"The study's database refused: {' '.join(str(cause).split())[:200]}. {AGAIN}"
