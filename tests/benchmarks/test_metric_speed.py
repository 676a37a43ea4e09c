"""Time of faithfulness beside its forwards and the libraries: ``pytest tests/benchmarks/test_metric_speed.py``.

Each side is a process of its own that runs rounds on request, so they alternate and a load on the machine meets
all. plain: the forwards of the network as it is; floor: of its fast copy, on masked images made before. Quantus
joins in when XKD_QUANTUS_PYTHON names the Python of an environment with tests/benchmarks/requirements.txt.
composed: with the Grad-CAM that is judged, by pytorch-grad-cam; whole: the same by us. Printed, not asserted.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from scipy.stats import spearmanr

from xkd_core.evaluation.scorers import explainer, scorer
from xkd_core.images.transforms import to_input
from xkd_core.metrics.planner import Case, Settings
from xkd_core.metrics.probes import forwards, measure
from xkd_core.models.architectures import build
from xkd_core.models.checkpoints import list_runs, load_run

ROUNDS = int(os.environ.get("XKD_BENCHMARK_ROUNDS", "11"))
WIDTHS = {"full width": 1.0, "half width": 0.5, "/4": 0.25, "/8": 0.125}
SCRIPT = Path(__file__).with_name("quantus_compare.py")
NAMES = ["faithfulness_estimate", "monotonicity_correlation", "deletion_auc"]


class Side:
    """One process of `quantus_compare.py rounds`: its first line is the memory of a round in MiB."""

    def __init__(self, python: str, *args: str) -> None:
        command = [python, str(SCRIPT), "rounds", *args]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.memory = self._answer()[0]
        self.seconds: list[tuple[float, float]] = []

    def round(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.seconds.append(self._answer())

    def median(self, which: int) -> float:
        """Seconds of a round, by the clock (0) or of the processor (1), which a load on the machine moves less."""
        return statistics.median(one[which] for one in self.seconds)

    def close(self) -> None:
        self.process.communicate()

    def _answer(self) -> tuple[float, float]:
        assert self.process.stdout is not None
        wall, processor = self.process.stdout.readline().split()
        return float(wall), float(processor)


def race(sides: dict[str, Side]) -> None:
    """Let them alternate."""
    try:
        for _ in range(ROUNDS):
            for side in sides.values():
                side.round()
    finally:
        for side in sides.values():
            side.close()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_three_metrics_against_their_forwards_and_quantus(
    benchmark: Any, width: str, precision: str, capsys: pytest.CaptureFixture[str]
) -> None:
    args = str(WIDTHS[width]), precision
    sides = {name: Side(sys.executable, name, *args) for name in ("plain", "floor", "ours", "whole")}
    if other := os.environ.get("XKD_QUANTUS_PYTHON"):
        sides |= {name: Side(other, name, *args) for name in ("quantus", "composed")}
    race(sides)
    lines = [f"{width}, {precision}, {ROUNDS} rounds, load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores:"]
    for which, clock in enumerate(("clock", "processor")):
        took = {name: side.median(which) for name, side in sides.items()}
        text = ", ".join(f"{name} {seconds * 1e3:.0f} ms" for name, seconds in took.items())
        beside = {"plain": "ours", "quantus": "ours", "composed": "whole"}
        others = [f", {one} / {own} {took[one] / took[own]:.1f}" for one, own in beside.items() if one in took]
        lines.append(f"  {clock}: {text}; ours / floor {took['ours'] / took['floor']:.2f}{''.join(others)}")
    lines.append("  memory of a round: " + ", ".join(f"{name} +{side.memory:.0f} MiB" for name, side in sides.items()))
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info["race"] = lines
    with capsys.disabled():
        print("\nFE 64 + MC 16 x 5 + flips 32, one image of 64 px, " + "\n".join(lines))


def trained_look(width: float) -> torch.nn.Module:
    torch.manual_seed(0)
    net = build("vgg_gap_64", 8, width=width)
    with torch.no_grad():
        for _ in range(5):
            net(torch.randn(16, 3, 64, 64))
    return net.eval().requires_grad_(False)


def test_sharing_masked_images_between_metrics(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    net = trained_look(0.125)
    x = np.random.default_rng(0).normal(size=(4, 3, 64, 64)).astype(np.float32)
    case = {"it": Case(score=scorer(net), maps=np.random.default_rng(1).random((4, 8, 8)), targets=np.zeros(4, int))}
    names = [*NAMES, "deletion_relative", "monotonicity", "monotonicity_share", "insertion_auc", "insertion_relative"]
    benchmark.pedantic(lambda: measure(x, case, names), rounds=ROUNDS, warmup_rounds=1)
    start = time.perf_counter()
    for name in names:
        measure(x, case, [name])
    apart = time.perf_counter() - start
    together, alone = forwards(names, 64 * 64), sum(forwards([name], 64 * 64) for name in names)
    with capsys.disabled():
        print(
            f"\neight metrics together {benchmark.stats.stats.median * 1e3:.0f} ms ({together} forwards an image), "
            f"one by one {apart * 1e3:.0f} ms ({alone}), /8, 4 images"
        )


def test_road_against_pytorch_grad_cam(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    net = trained_look(0.5)
    x = np.random.default_rng(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    maps = np.random.default_rng(1).random((2, 64, 64)).astype(np.float32)
    case = {"it": Case(score=scorer(net), maps=maps, targets=np.array([3, 3]))}
    chosen = Settings(noise=0.01)
    metric = ROADCombined(percentiles=[int(percent) for percent in chosen.road_percent])
    targets = [ClassifierOutputSoftmaxTarget(3)] * 2

    def theirs() -> float:
        start = time.perf_counter()
        metric(torch.from_numpy(x), maps, targets, net)
        return time.perf_counter() - start

    other = statistics.median(theirs() for _ in range(3))
    benchmark.pedantic(lambda: measure(x, case, ["road"], chosen), rounds=5, warmup_rounds=1)
    mine = benchmark.stats.stats.median
    with capsys.disabled():
        print(
            f"\nROAD, 5 percents both ways, 2 images: pytorch-grad-cam {other:.2f} s, ours {mine:.2f} s "
            f"= {other / mine:.1f}"
        )


def test_bf16_against_fp32_on_trained_runs(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Rank correlation over images of the values in bfloat16 with those in float32 (goal >= .99)."""
    from xkd_core.images.datasets import load

    n_images = int(os.environ.get("XKD_BENCHMARK_IMAGES", "100"))
    cards = [card for card in list_runs() if card.dataset == "scenes" and card.seed == 0]
    wanted = [next(c for c in cards if c.role == "teacher"), min(cards, key=lambda card: (card.params, card.id))]
    names = [*NAMES, "faithfulness_estimate_rank", "insertion_auc", "average_drop"]
    pixels = load("scenes", "test").pixels(range(n_images))
    for card in wanted:
        run = load_run(card.id)
        x = to_input(pixels, card.input_transform()).numpy()
        targets = scorer(run.model)(x).argmax(axis=1)
        maps = explainer(run.model, "cam")(x, targets)
        found = {}
        for precision in ("fp32", "bf16"):
            careful = None if precision == "fp32" else scorer(run.model)
            score = scorer(run.model, precision=precision)
            case = {"it": Case(score=score, maps=maps, targets=targets, careful=careful)}
            start = time.perf_counter()
            found[precision] = measure(x, case, names, Settings(multi_label=True))["it"]
            seconds = time.perf_counter() - start
            with capsys.disabled():
                print(f"\n{card.id} {precision}: {seconds / n_images * 1e3:.0f} ms an image", end="")
        with capsys.disabled():
            for name in names:
                both = [found[precision][name].values for precision in ("fp32", "bf16")]
                known = ~np.isnan(both).any(axis=0)
                rank = spearmanr(*(values[known] for values in both)).statistic
                gap = np.abs(both[0][known] - both[1][known]).max()
                print(f"\n  {name}: Spearman {rank:.4f}, largest difference {gap:.4f}, n = {known.sum()}", end="")
    benchmark.pedantic(lambda: None, rounds=1)
