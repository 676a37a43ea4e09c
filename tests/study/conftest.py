"""Stores to test with: SQLite, and a real PostgreSQL server that the tests start themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.study.postgres import Postgres
from xkd_core.study.store.database import Database


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    for name in ("XKD_STUDY_DB", "XKD_ADMIN_PASSWORD_HASH", "XKD_ADMIN_EMAILS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, home: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{home / 'study.sqlite3'}"
    return str(request.getfixturevalue("postgres").emptied())


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


@pytest.fixture
def sqlite(home: Path) -> Iterator[Database]:
    opened = Database()
    yield opened
    opened.close()
