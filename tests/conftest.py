"""One torch thread for each test process: two processes with two threads each wait for each other most of the time."""

from __future__ import annotations

import os

if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "XKD_THREADS"):
        os.environ.setdefault(name, "1")
