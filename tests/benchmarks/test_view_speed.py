"""How long the server needs: a change of image (all CAMs of all shipped runs) and a full live image.

Goals on two idle cores: p95 <= 300 ms, and <= 2 s. Printed, not asserted: run with `pytest -s tests/benchmarks`.
"""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from xkd_core import settings
from xkd_core.serving import subjects
from xkd_core.serving.desk import Desk, ViewRequest
from xkd_core.serving.zoo import ROWS, read_zoo

LIVE = ("gradient_shap", "occlusion")


@pytest.fixture(scope="module")
def zoo():
    torch.set_num_threads(settings.threads())
    found = read_zoo("scenes")
    if found.teacher is None or not found.students:
        pytest.fail("No runs of scenes: train them, or point XKD_CHECKPOINTS to them.")
    return found


def request(zoo, index):
    return ViewRequest(key=subjects.key_of("scenes", index), stamp=zoo.stamp, explainers=("cam",))


def test_change_of_image(zoo):
    desk = Desk()
    started = time.perf_counter()
    desk.view(request(zoo, 0), zoo)
    print(f"\nfirst image, with loading {len(zoo.cards)} runs: {time.perf_counter() - started:.2f} s")
    times = []
    for index in range(1, 41):
        started = time.perf_counter()
        desk.view(request(zoo, index), zoo)
        times.append(time.perf_counter() - started)
    p50, p95 = np.percentile(times, [50, 95]) * 1000
    print(f"change of image, CAM and scores of {len(zoo.cards)} runs: p50 {p50:.0f} ms, p95 {p95:.0f} ms")


def test_full_live_image(zoo):
    desk = Desk()
    cards = [zoo.pick(row, zoo.default()).card for row in ROWS]
    desk.compute(desk.view(request(zoo, 0), zoo), cards, LIVE).future.result()  # background images and caches
    times = []
    for index in range(1, 9):
        started = time.perf_counter()
        view = desk.view(request(zoo, index), zoo)
        desk.compute(view, cards, LIVE).future.result()
        times.append(time.perf_counter() - started)
    print(f"\nfull live image, CAM + {' + '.join(LIVE)} of 3 models: median {np.median(times):.2f} s")
