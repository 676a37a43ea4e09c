"""ROAR: do the pixels that a map ranks highest matter to a network that never saw the others removed?

Hooker et al. 2019; paper 004, App. E. In every image, of training and test alike, the highest share of pixels gets the
data set's mean colour, a fresh network is trained on what is left, and its quality is measured: the lower, the better
the ranking. The removed shape itself may give the class away (Rong et al. 2022), so the random ranking stands beside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as dump_arrays

from xkd_core import __version__, settings
from xkd_core.catalogue import EXPLAINERS, get
from xkd_core.distillation.recipes import Recipe, recipe_from
from xkd_core.distillation.runs import VALIDATION_IMAGES
from xkd_core.distillation.trainer import TrainingData, train
from xkd_core.distillation.validation import Validation
from xkd_core.distillation.views import draw_views, pixel_array
from xkd_core.errors import BadInputError
from xkd_core.evaluation.engines import in_processes
from xkd_core.evaluation.evaluate import first_teacher
from xkd_core.evaluation.rows import compared
from xkd_core.evaluation.wholes import measured
from xkd_core.explainers.engine import explain
from xkd_core.files import alone_with, cached, remove_leftovers, write_atomic
from xkd_core.images.background import background, training_split
from xkd_core.images.datasets import info, load
from xkd_core.images.sampling import first_images
from xkd_core.images.transforms import to_input
from xkd_core.metrics.localisation import resize_maps
from xkd_core.metrics.ties import orders, ranks
from xkd_core.models.architectures import check_input
from xkd_core.models.checkpoints import LoadedRun, find_card, load_run
from xkd_core.results.metric_store import add_roar, read_roar
from xkd_core.types import Bool, Float, Transform, UInt8

RATES = (0.1, 0.5, 0.9)
RANDOM = "random_map"
NOTHING = "nothing"
"""The ranking of rate 0: nothing is removed."""
IMAGES_AT_ONCE = 50
Report = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One retraining. run, explainer: whose maps rank the pixels. rate: share removed. recipe: of the fresh network."""

    run: str
    explainer: str
    rate: float
    recipe: Recipe
    root: Path | None = None

    @property
    def name(self) -> str:
        """Readable, and ends in a hash of everything that decides the result."""
        said = [self.run, self.explainer, self.rate, self.recipe.hash]
        digest = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:12]
        return f"roar-{self.recipe.dataset}-{self.explainer}-{100 * self.rate:g}-s{self.recipe.seed}-{digest}"


def trials(
    runs: Sequence[str],
    explainers: Sequence[str] = ("cam",),
    *,
    rates: Sequence[float] = RATES,
    options: Mapping[str, object] | None = None,
    root: Path | None = None,
) -> list[Trial]:
    """Every run's map of every explainer, the random ranking, and nothing removed, at every rate.

    options: fields of the recipe of the fresh networks (arch, width, epochs, seed, limit, ...). Errors: BadInputError
    for rates, for runs of several data sets, UnknownNameError for names.
    """
    if not rates or not all(0 < rate < 1 for rate in rates):
        raise BadInputError(f"Rates are shares above 0 and below 1; got {tuple(rates)}.")
    cards = [find_card(run_id, root) for run_id in runs]
    datasets = {card.dataset for card in cards}
    if len(datasets) != 1:
        raise BadInputError(f"ROAR takes runs of one data set; got {', '.join(sorted(datasets)) or 'none'}.")
    recipe = _recipe(datasets.pop(), options or {})
    check_input(recipe.arch, info(recipe.dataset).transform.size)
    first = first_teacher(recipe.dataset, root).id
    named = [get("explainer", name) and name for name in explainers]
    pairs = [(card.id, name) for card in cards for name in named if not EXPLAINERS[name].model_free]
    pairs += [(first, name) for name in dict.fromkeys((*named, RANDOM)) if EXPLAINERS[name].model_free]
    whole = Trial(run=first, explainer=NOTHING, rate=0.0, recipe=recipe, root=root)
    every = [
        Trial(run=run, explainer=name, rate=float(rate), recipe=recipe, root=root)
        for run, name in pairs
        for rate in rates
    ]
    return [whole, *every]


def roar(work: Sequence[Trial], *, workers: int = 1, root: Path | None = None, report: Report | None = None) -> int:
    """Train and measure what is not stored yet; returns how many. Killed, it goes on after the last whole epoch."""
    dataset = work[0].recipe.dataset
    there = set(read_roar(dataset, root=root).get("trial", ()))
    missing = [trial for trial in work if trial.name not in there]
    for number, (trial, rows) in enumerate(in_processes(missing, retrain, workers), 1):
        add_roar(dataset, rows, root=root)
        _state(trial).unlink(missing_ok=True)  # only now: a training that is not stored is not lost
        remove_leftovers(_state(trial))
        if report is not None:
            report(number, len(missing), trial.name)
    return len(missing)


def retrain(trial: Trial) -> pd.DataFrame:
    """Train one fresh network on what is left of the images and measure it on what is left of the test images."""
    recipe = trial.recipe
    with alone_with(_state(trial)):
        model = train(recipe, _training_data(trial), state_path=_state(trial)).model
    transform = load(recipe.dataset, "test").info.transform
    pixels, labels = _left(trial, "test", None)
    with torch.no_grad():
        parts = [model(to_input(pixels[start : start + 200], transform)) for start in range(0, len(pixels), 200)]
    return pd.DataFrame(list(_rows(trial, torch.cat(parts).numpy(), labels)))


def removed(maps: Float, rate: float, *, seed: int = 0) -> Bool:
    """Which pixels go: the highest ``rate`` of each map (n, H, W), equal values by the seeded rule. (n, H, W) bool."""
    flat = maps.reshape(len(maps), -1)
    gone: Bool = (ranks(orders(flat, seed=seed)) < round(rate * flat.shape[1])).reshape(maps.shape)
    return gone


def without(pixels: UInt8, gone: Bool, transform: Transform) -> UInt8:
    """Pixels (n, H, W, 3) with the data set's mean colour where they are gone."""
    mean = np.round(np.array(transform.mean) * 255).astype(np.uint8)
    return np.where(gone[..., None], mean, pixels)


def _state(trial: Trial) -> Path:
    return settings.home() / "training" / f"{trial.name}.safetensors"


def _recipe(dataset: str, options: Mapping[str, object]) -> Recipe:
    given = {name: value for name, value in options.items() if value is not None and name != "width"}
    recipe = recipe_from({**given, "dataset": dataset, "method": "ce"})
    width = options.get("width")
    return replace(recipe, width=1.0 if width is None else float(width))  # type: ignore[arg-type]


def _training_data(trial: Trial) -> TrainingData:
    recipe = trial.recipe
    pixels, labels = _left(trial, recipe.split, recipe.limit)
    seen = {"n_views": recipe.epochs, "shift_px": recipe.shift_px, "seed": recipe.seed}
    views = draw_views(len(pixels), **seen, flips=recipe.flip)
    known = load(recipe.dataset, "val").info
    validation = Validation(*_left(trial, "val", VALIDATION_IMAGES), known.transform, known.multi_label, None)
    return TrainingData(pixels, labels, views, validation)


def _left(trial: Trial, split: str, limit: int | None) -> tuple[UInt8, UInt8]:
    """Pixels and labels of a split after the removal."""
    data = load(trial.recipe.dataset, split)
    chosen = first_images(data, limit)
    pixels, labels = np.asarray(pixel_array(data, chosen)), data.labels()[chosen]
    if trial.explainer == NOTHING:
        return pixels, labels
    maps = resize_maps(_maps(trial, split, pixels), (pixels.shape[1], pixels.shape[2]))
    return without(pixels, removed(maps, trial.rate), data.info.transform), labels


def _maps(trial: Trial, split: str, pixels: UInt8) -> Float:
    """The ranking's maps of a split, explained for the first teacher's top-1, kept on disk for the other rates."""
    run = load_run(trial.run, trial.root)
    teacher = load_run(first_teacher(trial.recipe.dataset, trial.root).id, trial.root)
    images = hashlib.sha256(np.ascontiguousarray(pixels).tobytes()).hexdigest()
    said = [run.card.network, teacher.card.network, trial.explainer, images, __version__]
    key = hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
    path = settings.home() / "cache" / "roar" / f"{key}.safetensors"

    def write() -> None:
        starts = range(0, len(pixels), IMAGES_AT_ONCE)
        parts = [_block(trial.explainer, run, teacher, pixels[start : start + IMAGES_AT_ONCE]) for start in starts]
        write_atomic(path, dump_arrays({"maps": np.concatenate(parts)}))

    return cached(path, write, lambda file: parse_arrays(file.read_bytes())["maps"])


def _block(name: str, run: LoadedRun, teacher: LoadedRun, pixels: UInt8) -> Float:
    x = to_input(pixels, run.card.input_transform())
    with torch.no_grad():
        targets = teacher.model(x.clone()).argmax(dim=1)
    dataset = run.card.dataset
    ground = background(dataset, training_split(dataset)) if name == "gradient_shap" else None
    found = explain({"it": run.model}, x, {"it": targets}, names=[name], images=pixels, background=ground)
    return compared(found["it"][name].maps, name)


def _rows(trial: Trial, logits: Float, labels: UInt8) -> Iterator[dict[str, object]]:
    """Accuracy or mAP, and the mean F1 of the classes (paper 004 judges by F1 too, of each image)."""
    recipe = trial.recipe
    multi_label = load(recipe.dataset, "test").info.multi_label
    for metric in ("mAP" if multi_label else "accuracy", "f1"):
        facts: dict[str, object] = {
            "trial": trial.name, "run_id": trial.run, "explainer": trial.explainer, "rate": trial.rate,
            "seed": recipe.seed, "metric": metric, "recipe": json.dumps(asdict(recipe), sort_keys=True),
        }  # fmt: skip
        yield facts | measured(metric, labels, logits, multi_label)
