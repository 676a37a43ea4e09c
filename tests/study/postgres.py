"""A PostgreSQL server of our own in a temporary folder, on a free port, as a user that is not root."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest


def program(name: str) -> str:
    """Where a server program is; missing, it is a failure and not a skip."""
    places = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    found = os.environ.get("XKD_POSTGRES_BIN") and f"{os.environ['XKD_POSTGRES_BIN']}/{name}"
    found = found or shutil.which(name) or next((str(place) for place in places), None)
    if not found:
        pytest.fail("No PostgreSQL server for the study's tests: install postgresql, or set XKD_POSTGRES_BIN.")
    return str(found)


class Postgres:
    """initdb and pg_ctl. durable: as in earnest, each commit on the disk; off, the tests are ten times faster."""

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        # Not below pytest's folders: those are closed to the other user that the server runs as.
        self.folder = Path(tempfile.mkdtemp(prefix="xkd-postgres-"))
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        if os.geteuid() == 0:
            self.user = self.user if _exists(self.user) else "nobody"
            shutil.chown(self.folder, self.user)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._call("initdb", "-U", "study", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "-D", self.data)
        self.start()

    @property
    def data(self) -> str:
        return str(self.folder / "data")

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300"
        options += "" if self.durable else " -c fsync=off -c full_page_writes=off"
        log = str(self.folder / "log")
        self._call("pg_ctl", "-D", self.data, "-w", "-t", "60", "-o", options, "-l", log, "start")

    def stop(self, mode: str = "fast") -> None:
        self._call("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop")

    def remove(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"postgresql://study@127.0.0.1:{self.port}/postgres"

    def emptied(self) -> str:
        """The URL of the database, with nothing in it: faster than a new database for each test."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return self.url

    def _call(self, name: str, *arguments: str) -> None:
        # A file, not a pipe: the server that pg_ctl leaves behind would hold a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [program(name), *arguments],
                user=self.user if os.geteuid() == 0 else None,
                cwd=self.folder,
                env=os.environ | {"LC_ALL": "C"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            output.seek(0)
            if done.returncode:
                raise RuntimeError(f"{name}: {output.read()[-2000:]}")


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
