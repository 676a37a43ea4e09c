"""A few images of one run and one explainer: everything that metrics of maps are computed from, made when asked for.

Maps of the run that others are compared with are kept on disk: every student of a teacher asks for them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
import torch
from safetensors.numpy import load as parse_arrays
from safetensors.numpy import save as dump_arrays
from torch import Tensor, nn

from xkd_core import __version__, settings
from xkd_core.evaluation.asked import plain
from xkd_core.evaluation.evaluate import Bench, open_bench
from xkd_core.evaluation.heavy import files_state
from xkd_core.evaluation.mosaic import Mosaics
from xkd_core.evaluation.rows import compared
from xkd_core.evaluation.scorers import scorer
from xkd_core.explainers.engine import explain
from xkd_core.explainers.superpixels import superpixels
from xkd_core.files import cached, write_atomic
from xkd_core.images.background import background, training_split
from xkd_core.images.transforms import to_input
from xkd_core.metrics.planner import Score
from xkd_core.models.checkpoints import LoadedRun, load_run
from xkd_core.types import Bool, Float, Int, Precision, UInt8

CALIBRATION_IMAGES = 64
_SCORERS: WeakKeyDictionary[nn.Module, dict[Precision, Score]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Block:
    """Images ``indices`` (n,) of a split, explained by ``explainer`` for the teacher's top-1.

    run: whose maps are measured. bench: the split, and the run that it is compared with. partners (n,): for each
    image another one, whose map of the teacher is what unrelated maps have in common (the shuffled control).
    precision: of answers to masked images; maps and plain answers are float32 always.
    """

    bench: Bench
    run: LoadedRun
    explainer: str
    indices: Int
    partners: Int
    precision: Precision = "fp32"

    @property
    def name(self) -> str:
        """The explainer without its seed."""
        return plain(self.explainer)[0]

    @cached_property
    def images(self) -> UInt8:
        """(n, H, W, 3) uint8."""
        return np.asarray(self.bench.split.pixels[self.indices])

    @cached_property
    def x(self) -> Tensor:
        """(n, 3, S, S), normalised."""
        return to_input(self.images, self.run.card.input_transform())

    @cached_property
    def targets(self) -> Int:
        """(n,), the explained classes."""
        return self.bench.split.targets[self.indices]

    @cached_property
    def labels(self) -> UInt8:
        """(n, C), multi-hot."""
        return self.bench.split.labels[self.indices]

    @cached_property
    def masks(self) -> Bool | None:
        """(n, H, W), visible pixels of the explained class, or None."""
        masks = self.bench.split.masks
        return None if masks is None else masks[self.indices]

    @cached_property
    def superpixels(self) -> Int:
        """(n, H, W), the same for every explainer and network."""
        return superpixels(self.images)

    @cached_property
    def logits(self) -> Float:
        """What the run answers: (n, C)."""
        with torch.no_grad():
            found: Float = self.run.model(self.x).numpy()
        return found

    @property
    def teachers_logits(self) -> Float:
        """What the teacher answers: (n, C)."""
        return self.bench.theirs.logits[self.indices]

    @cached_property
    def maps(self) -> Float:
        """(n, h, w), raw and signed."""
        if self.run.card.id == self.bench.teacher.card.id:
            return _kept(self.run, self.bench, self.explainer, self.indices)
        return _maps(self.run, self.bench, self.explainer, self.indices)

    @cached_property
    def theirs(self) -> Float:
        """The maps to compare with: the teacher's, or for another seed the run's own of the first one."""
        return self._others(self.indices)

    @cached_property
    def theirs_shuffled(self) -> Float:
        """The same of each image's partner."""
        return self._others(self.partners)

    @property
    def alone(self) -> Bool:
        """(n,), images without a partner: the only one of a split stands beside itself."""
        return np.asarray(self.partners == self.indices)

    @cached_property
    def shown(self) -> Float:
        """The maps as they enter metrics: class activation maps after ReLU."""
        return compared(self.maps, self.name)

    @property
    def score(self) -> Score:
        """The run as faithfulness asks it."""
        return _scorer(self.run, self.precision)

    @property
    def careful(self) -> Score | None:
        """The run in float32, for metrics that rest on one pair of answers; None where it is asked so anyway."""
        return None if self.precision == "fp32" else _scorer(self.run, "fp32")

    def explain(self, model: nn.Module, x: Float, targets: Int, *, kept: Bool | None = None) -> Float:
        """Raw maps of other pictures x of these images or by another network; ``kept``: which images x is of."""
        own = torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32))
        images = self.images if kept is None else self.images[kept]
        return _explained(model, self.bench, self.explainer, own, images, targets)

    def on_mosaics(self, made: Mosaics) -> Float:
        """Raw maps of mosaics, each for the class of its own image."""
        x = to_input(made.images, replace(self.run.card.input_transform(), size=made.images.shape[1]))
        return _explained(self.run.model, self.bench, self.explainer, x, made.images, made.targets)

    def calibration(self) -> Tensor:
        """Images of the training split, from which randomised batch norms take their statistics."""
        return _background(self.run.card.dataset, CALIBRATION_IMAGES)

    def _others(self, indices: Int) -> Float:
        if plain(self.explainer)[1]:
            return _maps(self.run, self.bench, self.name, indices)
        return _kept(self.bench.teacher, self.bench, self.name, indices)


@lru_cache(maxsize=4)
def bench_of(teacher_id: str, split: str, root: Path | None) -> Bench:
    """The bench of one teacher, once for each process."""
    return open_bench(teacher_id, split=split, root=root)


@lru_cache(maxsize=4)
def run_of(run_id: str, root: Path | None) -> LoadedRun:
    """A loaded run, the last few of each process."""
    return load_run(run_id, root)


def _scorer(run: LoadedRun, precision: Precision) -> Score:
    own = _SCORERS.setdefault(run.model, {})
    if precision not in own:
        own[precision] = scorer(run.model, precision=precision)
    return own[precision]


@lru_cache(maxsize=4)
def _background(dataset: str, size: int) -> Tensor:
    return background(dataset, training_split(dataset), size)


def _ground(dataset: str, side_px: int) -> Tensor:
    """GradientSHAP's background, (50, 3, side, side); for mosaics of 2 x 2 images mosaics of it."""
    ground = _background(dataset, 50)
    if ground.shape[-1] == side_px:
        return ground
    parts = [ground.roll(place, dims=0) for place in range(4)]
    return torch.cat([torch.cat(parts[:2], dim=3), torch.cat(parts[2:], dim=3)], dim=2)


def _maps(run: LoadedRun, bench: Bench, explainer: str, indices: Int) -> Float:
    images = np.asarray(bench.split.pixels[indices])
    x = to_input(images, run.card.input_transform())
    return _explained(run.model, bench, explainer, x, images, bench.split.targets[indices])


def _explained(model: nn.Module, bench: Bench, explainer: str, x: Tensor, images: UInt8, targets: Int) -> Float:
    name, seed = plain(explainer)
    found = explain(
        {"it": model},
        x,
        {"it": torch.from_numpy(np.ascontiguousarray(targets, dtype=np.int64))},
        names=[name],
        seed=seed,
        images=images,
        background=_ground(bench.teacher.card.dataset, x.shape[-1]) if name == "gradient_shap" else None,
    )
    return found["it"][name].maps


def _kept(run: LoadedRun, bench: Bench, explainer: str, indices: Int) -> Float:
    path = settings.home() / "cache" / "maps" / f"{_key(run, bench, explainer, indices)}.safetensors"

    def write() -> None:
        write_atomic(path, dump_arrays({"maps": _maps(run, bench, explainer, indices)}))

    return cached(path, write, lambda file: parse_arrays(file.read_bytes())["maps"])


def _key(run: LoadedRun, bench: Bench, explainer: str, indices: Int) -> str:
    data = bench.split.data
    said = [run.card.sha256, run.card.id, explainer, data.info.name, data.split, __version__]
    said += [indices.tolist(), bench.split.targets[indices].tolist(), *files_state(bench.split, plain(explainer)[0])]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:32]
