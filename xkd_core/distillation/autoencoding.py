"""Phase 1 of XDistillation: an autoencoder learns to draw the teacher's explanation, and is then kept as it is.

L1 and Adam at 1e-3 as paper 003 states. A tenth of the images is held out, on which its error stands beside those
of the mean and the median map. In absolute error the median is the best map for all images: an autoencoder that is no
better than it has learned nothing about the single image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from xkd_core import settings
from xkd_core.distillation.explained import Wanted, explanation_targets
from xkd_core.distillation.state import Progress, load_state, save_state
from xkd_core.distillation.targets import lent
from xkd_core.files import alone_with, cached, remove_leftovers, write_atomic
from xkd_core.images.transforms import to_input
from xkd_core.models.autoencoders import LargeCAE, SmallCAE
from xkd_core.types import Float, Float64, Int, Transform, UInt8

CAE = SmallCAE | LargeCAE
LR, BATCH = 1e-3, 128
HELD_OUT_EVERY = 10


@dataclass(frozen=True)
class Errors:
    """Mean absolute errors on ``n`` images held out, of maps in -1..1: the autoencoder's and two constant maps'.

    mean_map: that of the images learned from, the usual yardstick. median_map: the best constant map in this error.
    """

    cae: float
    mean_map: float
    median_map: float
    n: int


@dataclass(frozen=True)
class Autoencoder:
    """Weights of an autoencoder and how well it draws; errors None for one that was never trained."""

    state: Mapping[str, Tensor]
    errors: Errors | None = None


@dataclass(frozen=True)
class Lesson:
    """What one autoencoder learns from: images (N, S, S, 3), their targets' kind, and for how long."""

    wanted: Wanted
    pixels: UInt8
    transform: Transform
    epochs: int
    seed: int


def train_autoencoder(model: CAE, lesson: Lesson) -> Autoencoder:
    """Train ``model``, or read what the same model and lesson gave before from the home's cache.

    The same arguments give the same bytes, and a killed training goes on after its last whole epoch. The weights that
    ``model`` begins with are among them: they depend on what else was drawn before it, such as a wider student.
    """
    begun = hashlib.sha256(dump_tensors(dict(model.state_dict()))).hexdigest()[:12]
    key = f"{type(model).__name__}-{begun}-{lesson.wanted.key(lesson.pixels)}-e{lesson.epochs}-s{lesson.seed}"
    path = settings.home() / "cache" / "autoencoders" / f"{key}.safetensors"
    with alone_with(path):
        return cached(path, lambda: _train(model, lesson, path), _trained)


def _trained(path: Path) -> Autoencoder:
    data = path.read_bytes()
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    return Autoencoder(parse_tensors(data), Errors(**json.loads(header["__metadata__"]["errors"])))


def split_off(n_images: int) -> tuple[Int, Int]:
    """Places of the images to learn from, and of those held out: every tenth one."""
    places = np.arange(n_images)
    held_out = places % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    return places[~held_out], places[held_out]


def held_out_errors(drawn: Float, targets: Float, learned: Int, held_out: Int) -> Errors:
    """Compare the maps ``drawn`` (len(held_out), S, S) with their targets, and so constant maps of what was learned."""
    shown, truth = targets[learned].astype(np.float64), targets[held_out].astype(np.float64)

    def error(maps: Float64) -> float:
        return float(np.abs(maps - truth).mean())

    return Errors(
        cae=error(drawn.astype(np.float64)),
        mean_map=error(shown.mean(axis=0)),
        median_map=error(np.median(shown, axis=0)),
        n=len(held_out),
    )


def _train(model: CAE, lesson: Lesson, path: Path) -> None:
    targets = explanation_targets(lesson.wanted, lesson.pixels)
    learned, held_out = split_off(len(targets))
    halfway = path.with_name(f"{path.stem}.half.safetensors")
    with lent(model) as place:
        _all_epochs(model, lesson, targets, learned, halfway, place)
        drawn = _drawn(model, lesson, held_out, place)
    errors = held_out_errors(drawn, targets, learned, held_out)
    write_atomic(path, dump_tensors(dict(model.state_dict()), metadata={"errors": json.dumps(asdict(errors))}))
    halfway.unlink(missing_ok=True)
    remove_leftovers(halfway)


def _all_epochs(model: CAE, lesson: Lesson, targets: Float, learned: Int, halfway: Path, place: torch.device) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)
    progress = load_state(halfway, model, nn.Module(), optimizer)
    while progress.epoch < lesson.epochs:
        order = np.random.default_rng([lesson.seed, progress.epoch, 3]).permutation(learned)
        for start in range(0, len(order), BATCH):
            indices = np.sort(order[start : start + BATCH])
            x = to_input(np.asarray(lesson.pixels[indices]), lesson.transform)
            _step(model, optimizer, x.to(place), torch.from_numpy(targets[indices]).to(place))
        progress = Progress(progress.epoch + 1)
        save_state(halfway, model, nn.Module(), optimizer, progress)


def _step(model: CAE, optimizer: torch.optim.Optimizer, x: Tensor, targets: Tensor) -> None:
    loss = (model(x) - targets).abs().mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


@torch.no_grad()
def _drawn(model: CAE, lesson: Lesson, indices: Int, place: torch.device) -> Float:
    blocks = (indices[start : start + BATCH] for start in range(0, len(indices), BATCH))
    inputs = (to_input(np.asarray(lesson.pixels[block]), lesson.transform) for block in blocks)
    return np.concatenate([model(x.to(place)).cpu().numpy() for x in inputs])
