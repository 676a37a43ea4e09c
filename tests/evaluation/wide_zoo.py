"""Four tiny runs on digits for the tests of wide evaluations, and what they answer, asked one image at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from xkd_core.distillation.recipes import Recipe, int8_of
from xkd_core.distillation.runs import distill
from xkd_core.explainers.engine import explain
from xkd_core.images import datasets
from xkd_core.images.transforms import to_input
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import load_run

N = 4  # images in the stored rows
EXPLAINERS = ("cam", "kernel_shap", "smooth_grad")
# Not saliency: digits have flat areas, where max pooling chooses among equal values by their rounding, which differs
# between one image and a batch on some processors. Noise leaves no equal values.
COMMON = {"dataset": "digits", "arch": "vgg_gap_tiny", "split": "train", "limit": 512, "epochs": 2, "batch_size": 32}


@dataclass(frozen=True)
class Zoo:
    """Where the runs are; student: of the teacher's kind; int8: its form of 8 bits; other: a network without CAM."""

    root: Path
    teacher: Card
    student: Card
    int8: Card
    other: Card


def make(root: Path) -> Zoo:
    teacher = distill(Recipe(**{**COMMON, "epochs": 6}, method="ce"), root=root)
    student = distill(Recipe(**COMMON, method="swa", width=0.5, teacher_id=teacher.id), root=root)
    other = distill(Recipe(**{**COMMON, "arch": "lenet5_32"}, method="kd", teacher_id=teacher.id), root=root)
    return Zoo(root, teacher, student, distill(int8_of("digits", student.id), root=root), other)


@dataclass(frozen=True)
class Seen:
    """One test image as a network sees it: x (1, 3, 32, 32), pixels, mask of the explained class, labels."""

    model: torch.nn.Module
    x: torch.Tensor
    pixels: np.ndarray
    mask: np.ndarray
    labels: np.ndarray
    target: int

    @property
    def image(self) -> np.ndarray:
        return self.x[0].numpy().astype(np.float64)

    def logits(self, image: np.ndarray | None = None) -> np.ndarray:
        x = self.x if image is None else torch.from_numpy(np.asarray(image, dtype=np.float32))[None]
        with torch.no_grad():
            return self.model(x.clone())[0].numpy().astype(np.float64)

    def prob(self, image: np.ndarray) -> float:
        powers = np.exp(self.logits(image) - self.logits(image).max())
        return float(powers[self.target] / powers.sum())

    def map(self, name: str, image: np.ndarray | None = None, model: torch.nn.Module | None = None) -> np.ndarray:
        """Raw and signed, (h, w)."""
        x = self.x if image is None else torch.from_numpy(np.asarray(image, dtype=np.float32))[None]
        asked = {"names": [name], "images": self.pixels[None]}
        return explain({"it": model or self.model}, x, {"it": torch.tensor([self.target])}, **asked)["it"][name].maps[0]


@cache
def network(root: Path, run_id: str) -> torch.nn.Module:
    return load_run(run_id, root).model


def targets(zoo: Zoo) -> np.ndarray:
    """The teacher's top-1 on all test images."""
    data = datasets.load("digits", "test")
    with torch.no_grad():
        logits = network(zoo.root, zoo.teacher.id)(to_input(data.pixels(range(len(data))), data.info.transform))
    return logits.argmax(dim=1).numpy()


def seen(zoo: Zoo, run: Card, index: int) -> Seen:
    data = datasets.load("digits", "test")
    teacher, model = (network(zoo.root, card.id) for card in (zoo.teacher, run))
    x = to_input(data.pixels([index]), run.input_transform())
    with torch.no_grad():
        target = int(teacher(x.clone()).argmax())
    mask = data[index].masks.get(target, np.zeros((32, 32), dtype=bool))
    return Seen(model, x, data.pixels([index])[0], mask, data.labels()[index], target)


def large(values: np.ndarray, side: int = 32) -> np.ndarray:
    x = torch.from_numpy(np.asarray(values, dtype=np.float64))[None, None]
    return F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False)[0, 0].numpy()
