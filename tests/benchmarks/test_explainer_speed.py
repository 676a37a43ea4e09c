"""Explainers against the libraries, in one run: ``pytest tests/benchmarks/test_explainer_speed.py``.

Rounds of ours and of theirs alternate, so a load on the machine meets both; ratios are of medians. Three
networks of the shipped widths at 64 px, one image, frozen for us and as the libraries need them for them.
"""

from __future__ import annotations

import copy
import os
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from captum.attr import GradientShap, Occlusion
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from xkd_core.explainers.engine import cams, explain
from xkd_core.explainers.fast import laid_out, prepared
from xkd_core.models.architectures import build

WIDTHS = {"teacher": 1.0, "/4": 0.25, "/8": 0.125}
LIBRARY = {"grad_cam": "GradCAM", "grad_cam_pp": "GradCAMPlusPlus", "hires_cam": "HiResCAM", "layer_cam": "LayerCAM"}
ROUNDS = int(os.environ.get("XKD_BENCHMARK_ROUNDS", "15"))
TARGET = torch.tensor([3])


@pytest.fixture(scope="module")
def models() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    made = {name: build("vgg_gap_64", 8, width=width) for name, width in WIDTHS.items()}
    with torch.no_grad():
        for model in made.values():  # statistics of batch norm as after a training, or activations die out
            for _ in range(5):
                model(torch.randn(16, 3, 64, 64))
    return {name: model.eval().requires_grad_(False) for name, model in made.items()}


@pytest.fixture
def image() -> Tensor:
    return torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def compare(benchmark: Any, title: str, ours: Callable[[], object], theirs: Callable[[], object], *, goal: str) -> None:
    """Alternate the two, print the ratio of the medians, keep ours in the benchmark's own table."""
    ours(), theirs()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for run, taken in zip((ours, theirs), seconds, strict=True):
            start = time.perf_counter()
            run()
            taken.append(time.perf_counter() - start)
    mine, other = (statistics.median(taken) for taken in seconds)
    best = min(seconds[1]) / min(seconds[0])
    line = (
        f"{title}: {other * 1e3:.1f} / {mine * 1e3:.1f} ms = {other / mine:.2f} (of minima {best:.2f}; goal {goal}); "
        f"{ROUNDS} rounds, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} of {os.cpu_count()} cores"
    )
    benchmark.pedantic(ours, rounds=3)
    benchmark.extra_info["ratio"] = line
    print("\n" + line)


def targets(models: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    return dict.fromkeys(models, TARGET)


def trainable(models: Mapping[str, nn.Module]) -> list[nn.Module]:
    """Copies whose parameters want gradients: without them pytorch-grad-cam gets none at the layer."""
    return [copy.deepcopy(model).requires_grad_() for model in models.values()]


def test_four_cams_of_three_networks_against_pytorch_grad_cam(
    benchmark: Any, models: dict[str, nn.Module], image: Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    methods = [
        getattr(pytorch_grad_cam, name)(model, [model.features])
        for model in trainable(models)
        for name in LIBRARY.values()
    ]

    def ours() -> None:
        for model in models.values():
            cams(model, image, TARGET, list(LIBRARY))

    def theirs() -> None:
        for method in methods:
            method(image, [ClassifierOutputTarget(int(TARGET))])

    with capsys.disabled():
        compare(benchmark, "pytorch-grad-cam / ours, 4 CAMs x 3 networks", ours, theirs, goal=">= 4")


@pytest.mark.parametrize("which", ["all", *WIDTHS])
def test_occlusion_against_captum(
    benchmark: Any, models: dict[str, nn.Module], image: Tensor, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = models if which == "all" else {which: models[which]}

    def theirs() -> None:
        with torch.no_grad():
            for model in chosen.values():
                Occlusion(model).attribute(image, (3, 16, 16), strides=(3, 8, 8), baselines=0, target=TARGET)

    def ours() -> None:
        explain(chosen, image, targets(chosen), names=["occlusion"])

    with capsys.disabled():
        compare(benchmark, f"captum / ours, occlusion, {which}", ours, theirs, goal=">= 4")


@pytest.mark.parametrize("which", ["all", *WIDTHS])
@pytest.mark.parametrize("form", ["plain network", "our fast copy"])
def test_occlusion_against_the_floor_of_its_forwards(
    benchmark: Any,
    models: dict[str, nn.Module],
    image: Tensor,
    which: str,
    form: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The floor: 50 masked images, made before, through each network in one batch."""
    chosen = models if which == "all" else {which: models[which]}
    networks = [prepared(model) if form == "our fast copy" else model for model in chosen.values()]
    batch = image.expand(50, -1, -1, -1).contiguous()
    batch = laid_out(batch) if form == "our fast copy" else batch

    def floor() -> None:
        with torch.inference_mode():
            for network in networks:
                network(batch)

    def ours() -> None:
        explain(chosen, image, targets(chosen), names=["occlusion"])

    with capsys.disabled():
        compare(benchmark, f"ours / floor of forwards ({form}), occlusion, {which}", floor, ours, goal="<= 1.1")


@pytest.mark.parametrize("which", ["all", *WIDTHS])
def test_gradient_shap_against_captum(
    benchmark: Any, models: dict[str, nn.Module], image: Tensor, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = models if which == "all" else {which: models[which]}
    background = torch.randn(50, 3, 64, 64)

    def theirs() -> None:
        for model in chosen.values():
            GradientShap(model).attribute(image, background, n_samples=50, stdevs=0.0, target=TARGET)

    def ours() -> None:
        explain(chosen, image, targets(chosen), names=["gradient_shap"], background=background)

    with capsys.disabled():
        compare(benchmark, f"captum / ours, GradientSHAP of 50 samples, {which}", ours, theirs, goal=">= 2")


def test_a_full_live_image(
    benchmark: Any, models: dict[str, nn.Module], image: Tensor, capsys: pytest.CaptureFixture[str]
) -> None:
    """Teacher and two students: CAM, GradientSHAP and occlusion (goal: 2 s on two cores)."""
    background, names = torch.randn(50, 3, 64, 64), ["cam", "gradient_shap", "occlusion"]
    pixels = np.zeros((1, 64, 64, 3), dtype=np.uint8)

    def full() -> None:
        explain(models, image, targets(models), names=names, background=background, images=pixels)

    benchmark.pedantic(full, rounds=ROUNDS, warmup_rounds=1)
    with capsys.disabled():
        print(f"\nfull live image, 3 networks x {names}: median {benchmark.stats.stats.median:.2f} s (goal <= 2 s)")
