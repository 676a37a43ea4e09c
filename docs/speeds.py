"""How many images a second the attentive student answers and explains, one image at a time."""

from __future__ import annotations

import datetime
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from xkd_core.explainers.engine import explain
from xkd_core.models.architectures import build

ARCH, WIDTH, CLASSES, SIZE_PX = "attentive_resnet18_explained", 0.125, 8, 64
EXPLAINERS = {"learned map": "surrogate", "Grad-CAM": "grad_cam", "LIME, 500 samples": "lime",
              "RISE, 1,000 masks": "rise"}  # fmt: skip
ROUNDS: Mapping[str, int] = {"rise": 3, "lime": 3}
MANY_ROUNDS = 30


def measure_speeds(*, seed: int = 0) -> dict[str, Any]:
    """Images per second of plain inference and of each explainer (median of a few rounds), with machine and date.

    The weights are random: they change no speed.
    """
    torch.manual_seed(seed)
    model = build(ARCH, CLASSES, width=WIDTH).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, 3, SIZE_PX, SIZE_PX, generator=generator)
    pixels = np.random.default_rng(seed).integers(0, 256, (1, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
    target = {"it": torch.tensor([0])}

    def infer() -> None:
        with torch.inference_mode():
            model(x)

    found = {"plain inference": 1 / _seconds(infer, MANY_ROUNDS)}
    for title, name in EXPLAINERS.items():

        def run(name: str = name) -> None:
            explain({"it": model}, x, target, names=[name], images=pixels)

        found[title] = 1 / _seconds(run, ROUNDS.get(name, MANY_ROUNDS))
    return {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} {platform.machine()} cores, {torch.get_num_threads()} torch thread(s), torch "
        f"{torch.__version__}, load {os.getloadavg()[0]:.1f}",
        "what": f"{ARCH} at {WIDTH:g} width, one image of {SIZE_PX}x{SIZE_PX} at a time",
        "per_second": found,
    }  # fmt: skip


def _seconds(run: Callable[[], None], rounds: int) -> float:
    run()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)
