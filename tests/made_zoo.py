"""A throwaway zoo for tests of serving and pages: untrained networks and rows of their real maps on few images.

The numbers of maps are real (made by the evaluation's own functions); answers are set to right and same, so
that a story can be told whatever the random weights say.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from xkd_core.distillation.recipes import Recipe
from xkd_core.evaluation.rows import map_rows
from xkd_core.explainers.engine import cams
from xkd_core.images import datasets
from xkd_core.images.transforms import to_input
from xkd_core.models.architectures import VggGap, build, count_parameters
from xkd_core.models.cards import Card, CardTransform, Metric
from xkd_core.models.checkpoints import load_run, run_folder, save_run
from xkd_core.results.store import merge_rows

N_IMAGES = 24
SEED = 12


@dataclass(frozen=True)
class Made:
    """Where the zoo is and the ids of its runs: name -> run id."""

    root: Path
    runs: dict[str, str]


def make_zoo(root: Path, *, dataset: str = "scenes", rows: bool = True) -> Made:
    """Write about a dozen runs below ``root``, and with ``rows`` their rows on the first test images."""
    teacher = _save(root, dataset, Recipe(**_common(dataset), method="ce", split="teacher", seed=0), None)
    second = _save(root, dataset, Recipe(**_common(dataset), method="ce", split="teacher", seed=1), None)
    runs = {"teacher": teacher.id, "second": second.id}
    for name, options in _students().items():
        recipe = Recipe(**(_common(dataset) | {"split": "transfer", "teacher_id": teacher.id} | options))
        runs[name] = _save(root, dataset, recipe, teacher).id
    made = Made(root, runs)
    if rows:
        _write_rows(made, dataset)
    return made


def apart(made: Made) -> int:
    """An image of the scenes on which the naive student's own top class is not the teacher's."""
    pixels = datasets.load("scenes", "test").pixels(range(60))
    tops = []
    for name in ("teacher", "kd 0.125 0.5"):
        run = load_run(made.runs[name], made.root)
        tops.append(run.model(to_input(pixels, run.card.input_transform())).argmax(dim=1))
    return int((tops[0] != tops[1]).nonzero()[0])


def _common(dataset: str) -> dict[str, object]:
    return {"dataset": dataset, "arch": "vgg_gap_64" if dataset == "scenes" else "vgg_gap_tiny"}


def _students() -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = {}
    for width in (0.25, 0.125):
        for lam in (0.0, 0.5, 1.0):
            for method in ("kd", "swa"):
                found[f"{method} {width:g} {lam:g}"] = {"method": method, "width": width, "lam": lam}
    found["swa beta 8"] = {"method": "swa", "width": 0.125, "beta": 8.0}
    found["ewa"] = {"method": "ewa", "width": 0.125}
    found["shuffled"] = {"method": "swa", "width": 0.25, "shuffled": True}
    return found


def _save(root: Path, dataset: str, recipe: Recipe, teacher: Card | None) -> Card:
    info = datasets.info(dataset)
    torch.manual_seed(int(recipe.hash[:6], 16) + SEED)
    model = build(recipe.arch, len(info.classes), width=recipe.width)
    seen = datasets.load("scenes", "test") if dataset == "scenes" else datasets.load("photos", "all")
    _settle(model, to_input(seen.pixels(range(12)), info.transform))
    params = count_parameters(model)
    metrics = {
        "mAP" if info.multi_label else "accuracy": Metric(
            value=0.9 - 0.1 * recipe.lam * recipe.width, n=2000, split="test"
        )
    }
    card = Card(
        id=recipe.run_id, dataset=dataset, arch=recipe.arch, role=recipe.role, method=recipe.method,
        compression="none" if recipe.width == 1 else "width", teacher_id=recipe.teacher_id, width=recipe.width,
        ratio=1.0 if teacher is None else teacher.params / params, params=params, seed=recipe.seed,
        lam=None if teacher is None else recipe.lam,
        beta=None if teacher is None else recipe.beta if recipe.matches_maps else 0.0,
        T=None if teacher is None else recipe.temperature, transform=CardTransform(**asdict(info.transform)),
        classes=info.classes, multi_label=info.multi_label, recipe=asdict(recipe), recipe_hash=recipe.hash,
        metrics=metrics, sha256="0" * 64, versions={}, undertrained=recipe.lam == 1.0,
    )  # fmt: skip
    return save_run(run_folder(dataset, card.id, root), model, card)


@torch.no_grad()
def _settle(model: VggGap, x: torch.Tensor) -> None:
    """Let norms see images, and centre the class weights: else most maps would have no positive cell at all."""
    for _ in range(30):
        model.train()(x)
    typical = model.eval().features(x).mean(dim=(0, 2, 3))  # (K,)
    weight = model.classifier.weight
    weight -= (weight @ typical)[:, None] * typical[None] / typical.square().sum()
    weight *= 10


def _write_rows(made: Made, dataset: str) -> None:
    data = datasets.load(dataset, "test")
    pixels = data.pixels(range(N_IMAGES))
    teacher = load_run(made.runs["teacher"], made.root)
    x = to_input(pixels, teacher.card.input_transform())
    targets = teacher.model(x).argmax(dim=1)
    theirs = cams(teacher.model, x, targets, ["cam"])["cam"].numpy()
    masks = None
    if data.info.masks == "class":
        blank = np.zeros(pixels.shape[1:3], dtype=bool)
        masks = np.stack([data[i].masks.get(int(targets[i]), blank) for i in range(N_IMAGES)])
    for run_id in made.runs.values():
        maps = cams(load_run(run_id, made.root).model, x, targets, ["cam"])["cam"].numpy()
        rows = map_rows(maps, theirs, explainer="cam", masks=masks, indices=np.arange(N_IMAGES))
        rows.insert(0, "run_id", run_id)
        merge_rows(dataset, "maps", rows, root=made.root)
        merge_rows(dataset, "answers", _answers(run_id, targets.numpy()), root=made.root)
    merge_rows(dataset, "images", _images(data, targets.numpy()), root=made.root)


def _answers(run_id: str, targets: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({
        "run_id": run_id, "index": np.arange(N_IMAGES), "target": targets,
        "prob": np.linspace(0.55, 0.95, N_IMAGES), "top1": targets, "same_answer": True, "right": True,
    })  # fmt: skip


def _images(data: object, targets: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({
        "index": np.arange(N_IMAGES), "labels": [str(target) for target in targets], "target": targets,
        "in_habitat": np.arange(N_IMAGES) % 2 == 0,
    })  # fmt: skip
