"""Training needs only the few packages that a bare GPU machine has; all others of the app are made unimportable."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from xkd_core.distillation.validation import average_precision, quality

ROOT = Path(__file__).resolve().parents[2]
ENOUGH = {"torch", "torchvision", "numpy", "safetensors", "scikit-image", "typer", "pyyaml", "tqdm"}
OWN_NEEDS = {"scipy", "pillow", "pydantic"}  # of scikit-image and of typer
MODULES = {"scikit-learn": "sklearn", "grad-cam": "pytorch_grad_cam", "torch-pruning": "torch_pruning"}
RUN = """
import sys
sys.modules.update(dict.fromkeys({blocked!r}))  # None there: "not installed"
sys.argv = ["xkd_core", *{arguments!r}]
from xkd_core.__main__ import main
main()
"""


def blocked() -> set[str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    packages = {re.split(r"[<>=\[]", line)[0].strip() for line in lines if line and not line.startswith("#")}
    return {MODULES.get(name, name) for name in packages - ENOUGH - OWN_NEEDS}


def train(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"XKD_CHECKPOINTS": str(place / "runs"), "XKD_HOME": str(place / "home")}
    script = RUN.format(blocked=blocked(), arguments=["distill", "--limit", "128", "--epochs", "1", *arguments])
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True)


def test_the_app_needs_more_than_training_does() -> None:
    assert {"streamlit", "pandas", "sklearn", "captum", "pytorch_grad_cam"} <= blocked()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bare")


@pytest.mark.timeout(900)  # two processes that import torch and draw scenes
def test_a_teacher_and_a_student_are_trained_without_the_apps_packages(place: Path) -> None:
    done = train(place, "--method", "ce", "--arch", "vgg_gap_tiny")
    assert done.returncode == 0, done.stderr
    assert "Not measured: pandas" in done.stderr
    teacher = done.stdout.split()[-1]
    done = train(place, "--teacher", teacher, "--width", "0.5", "--method", "xd", "--arch", "vgg_gap_tiny_xd_small")
    assert done.returncode == 0, done.stderr
    assert (place / "runs" / "scenes" / done.stdout.split()[-1] / "model.safetensors").exists()


@pytest.mark.parametrize("seed", range(20))
def test_average_precision_is_scikit_learns_with_equal_scores_too(seed: int) -> None:
    generator = np.random.default_rng(seed)
    labels = (generator.random(50) < 0.3).astype(np.uint8)
    scores = generator.normal(size=50).astype(np.float32).round(seed % 3)
    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-12)


def test_average_precision_by_hand() -> None:
    labels = np.array([1, 0, 1, 0], dtype=np.uint8)
    assert average_precision(labels, np.array([0.9, 0.8, 0.7, 0.1])) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision(labels, np.zeros(4)) == 0.5
    assert average_precision(np.zeros(4, dtype=np.uint8), np.arange(4.0)) == 0.0


def test_a_class_that_no_image_shows_is_left_out_of_the_mean() -> None:
    labels = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 0], [0, 0, 1]], dtype=np.uint8)
    logits = np.array([[0.9, 0.0, 0.1], [0.8, 0.0, 0.9], [0.7, 0.0, 0.2], [0.1, 0.0, 0.8]])
    assert quality(logits, labels, multi_label=True) == pytest.approx((0.5 * 1 + 0.5 * 2 / 3 + 1) / 2)
    assert quality(logits, np.zeros_like(labels), multi_label=True) == 0
