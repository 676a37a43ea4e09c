"""Bring a database to the tables of this program: Alembic, in one transaction, safe when several start at once."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from xkd_core.study.store.trouble import StoreError

FOLDER = Path(__file__).parent / "migrations"
_LOCK = 7_203_001  # any fixed number: PostgreSQL's name for "someone migrates the studies"


def head() -> str:
    """The newest revision that this program knows."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Bring the database to ``revision``, with the data in it. Errors: StoreError when a newer program wrote it."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        now = MigrationContext.configure(connection).get_current_revision()
        if now is not None and now not in _known():
            raise StoreError(
                f"The study's database is of a newer program (revision {now}; this one knows {head()}). "
                "Nothing was changed. Start the newer program, or point XKD_STUDY_DB to another database."
            )
        if now != revision and not (revision == "head" and now == head()):
            command.upgrade(_config(connection), revision)


def _known() -> set[str]:
    return {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
