"""The app as a study server: ``XKD_MODE=study``, on a port that stays the same when it is killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[2]


class StudyServer:
    """`streamlit run app.py` over a home of its own. mode: value of XKD_MODE."""

    def __init__(self, home: Path, *, url: str | None = None, mode: str = "study", **more: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.home, self.log = home, home / "server.log"
        home.mkdir(parents=True, exist_ok=True)
        (home / "no_runs").mkdir(exist_ok=True)
        self.environment = os.environ | {
            "XKD_HOME": str(home), "XKD_MODE": mode, "XKD_THREADS": "1", "OMP_NUM_THREADS": "1",
            "XKD_CHECKPOINTS": str(home / "no_runs"),
        } | ({"XKD_STUDY_DB": url} if url else {}) | more  # fmt: skip
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
