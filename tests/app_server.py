"""The started app, on a port that stays the same when it is killed and started again; also as a study server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]


class AppServer:
    """`streamlit run app.py` over a home of its own. more: variables of its environment."""

    def __init__(self, home: Path, **more: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.home, self.log = home, home / "server.log"
        home.mkdir(parents=True, exist_ok=True)
        self.environment = os.environ | {"XKD_HOME": str(home), "XKD_THREADS": "1", "OMP_NUM_THREADS": "1"} | more
        self.start()

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.headless=true",
                   f"--server.port={self.port}", "--server.address=localhost"]  # fmt: skip
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=self.log.open("a"), stderr=subprocess.STDOUT
        )
        for _ in range(480):
            try:
                with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=1):
                    return
            except OSError:
                time.sleep(0.25)
        raise RuntimeError(f"The server did not start:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """kill -9: no goodbye to anyone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()


class StudyServer(AppServer):
    """With ``XKD_MODE=study`` (or another ``mode``) and without runs. url: of the database, else SQLite."""

    def __init__(self, home: Path, *, url: str | None = None, mode: str = "study", **more: str) -> None:
        runs = home / "no_runs"
        runs.mkdir(parents=True, exist_ok=True)
        database = {"XKD_STUDY_DB": url} if url else {}
        super().__init__(home, XKD_MODE=mode, XKD_CHECKPOINTS=str(runs), **database, **more)
