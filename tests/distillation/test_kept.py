"""What is kept of the teacher for AT, EWA of several layers and NST says the same as the teacher asked live."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests import restated_losses
from xkd_core.distillation import kept as module
from xkd_core.distillation.kept import Lessons, keep
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.runs import distill, training_data
from xkd_core.distillation.targets import teacher_outputs
from xkd_core.distillation.task import Batch, objective
from xkd_core.distillation.teaching import LiveTeacher, channels, guide
from xkd_core.distillation.transfer import nst_loss, selectivity, selectivity_loss
from xkd_core.distillation.views import batches, draw_views, pixel_array
from xkd_core.images.datasets import load
from xkd_core.models.architectures import build
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import load_run
from xkd_core.models.seams import Network

pytestmark = pytest.mark.usefixtures("home")
SMALL = Recipe(
    dataset="digits", arch="vgg_gap_tiny", split="train", method="ce",
    limit=64, epochs=2, lr=6e-3, batch_size=32, warmup_epochs=0.5,
)  # fmt: skip
WAYS = {
    "at": {"method": "at"},
    "at as in the code": {"method": "at", "form": "code"},
    "ewa of two layers": {"method": "ewa", "layers": "last-1+last"},
    "swa of two layers": {"method": "swa", "layers": "last-1+last"},
    "sswa": {"method": "sswa"},
    "sswa of two layers": {"method": "sswa", "layers": "last-1+last"},
    "nst": {"method": "nst"},
}


@pytest.fixture(scope="module")
def teacher(zoo: Path, home: None) -> Card:
    return distill(SMALL, root=zoo)


@pytest.fixture(scope="module")
def lessons(teacher: Card, zoo: Path) -> Lessons:
    run, pixels = load_run(teacher.id, zoo), pixel_array(load("digits", "train"), np.arange(64))
    views = draw_views(64, n_views=2, shift_px=2, seed=0)
    return Lessons(run, pixels, views, teacher_outputs(run, pixels, views).logits)


def student(teacher: Card, **fields: object) -> Recipe:
    return replace(SMALL, **{"width": 0.5, "teacher_id": teacher.id, "views": 2, "epochs": 3, **fields})


def noise(channels: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(3, channels, 2, 3, generator=generator, dtype=torch.float64).relu()
    found[0, 1] = 0  # a dead channel
    return found


def test_nst_of_the_means_is_nst_of_all_pairs_with_its_gradient() -> None:
    ours, theirs = noise(4, 0).requires_grad_(), noise(7, 1)
    pairs, means = nst_loss(ours, theirs), selectivity_loss(ours, selectivity(theirs))
    torch.testing.assert_close(means, pairs)
    gradients = (torch.autograd.grad(each, ours)[0] for each in (pairs, means))
    torch.testing.assert_close(*gradients)
    expected = restated_losses.neuron_selectivity(ours.detach().numpy(), theirs.numpy())
    assert float(means.detach()) == pytest.approx(expected, rel=1e-9)


def test_selectivity_by_hand() -> None:
    activation = torch.tensor([[[[3.0, 4.0]], [[0.0, 2.0]]]])  # channels (.6, .8) and (0, 1)
    assert selectivity(activation)[0].tolist() == [
        pytest.approx([0.18, 0.24]),
        pytest.approx([0.24, 0.82]),
    ]


@pytest.mark.parametrize("way", WAYS)
def test_the_loss_with_what_is_kept_is_the_loss_with_the_teacher_live(
    teacher: Card, lessons: Lessons, way: str
) -> None:
    recipe = student(teacher, **WAYS[way])
    torch.manual_seed(0)
    model = build(recipe.arch, 10, width=0.5).eval()
    found = keep(recipe, lessons)
    assert found is not None
    moment = (1, 1)  # the second view, and the second batch of its epoch
    rows = list(batches(64, 32, seed=0, epoch=1))[1]
    x = lessons.views.batch(lessons.pixels, rows, 1, lessons.teacher.card.input_transform())
    logits = lessons.logits[1, torch.from_numpy(rows)]
    live = LiveTeacher(lessons.teacher.model, channels(model, recipe.layer_names, 32))
    shown = (guide(live, x, logits, recipe, moment=moment), found.guide(1, torch.from_numpy(rows), x.device))
    losses = [
        _loss(model, Batch(x, torch.arange(32) % 10, logits, None, logits.argmax(1), guide=g), recipe) for g in shown
    ]
    assert losses[0] > 0
    assert losses[1] == pytest.approx(losses[0], rel=2e-3, abs=1e-5)  # float16 beside float32


def _loss(model: Network, batch: Batch, recipe: Recipe) -> float:
    parts = objective(model, batch, recipe, multi_label=False).parts
    return float(parts["nst" if recipe.method == "nst" else "matching"].detach())


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"method": "sswa", "mask": "independent"}, "masks of the student's channels too"),
        ({"method": "swa", "top_k": 2}, "maps of several classes"),
        ({"method": "ab", "init_epochs": 1}, "signs of all neurons"),
        ({"method": "at", "epochs": 2}, "no view is seen twice"),
        ({"method": "nst", "arch": "resnet18_cifar", "width": 0.125}, "another grid"),
    ],
)
def test_other_recipes_ask_the_teacher_live(teacher: Card, zoo: Path, fields: dict[str, object], why: str) -> None:
    data = training_data(student(teacher, **fields), root=zoo)
    assert data.kept is None and data.live_teacher is not None, why


def test_what_would_fill_the_disk_is_not_kept(teacher: Card, lessons: Lessons, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = student(teacher, method="nst", layers="last-1")  # 16 x 16 cells: a matrix of 256 x 256
    bytes_needed = 2 * 64 * 256 * 256 * 2
    monkeypatch.setattr(module, "MOST_BYTES", bytes_needed - 1)
    assert keep(recipe, lessons) is None
    monkeypatch.setattr(module, "MOST_BYTES", bytes_needed)
    assert keep(recipe, lessons) is not None


def read_all(recipe: Recipe, lessons: Lessons) -> list[torch.Tensor]:
    found = keep(recipe, lessons)
    assert found is not None
    guides = [found.guide(epoch, torch.arange(64), torch.device("cpu")) for epoch in range(recipe.epochs)]
    return [each for one in guides for each in (*one.maps, *one.selectivity)]


def files(home: Path) -> list[Path]:
    return sorted((home / "cache" / "kept").glob("*.safetensors"))


def test_a_view_that_was_lost_is_the_only_one_made_again(
    teacher: Card, lessons: Lessons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XKD_HOME", str(tmp_path))
    recipe = student(teacher, method="at")
    first = read_all(recipe, lessons)
    assert len(files(tmp_path)) == 2
    whole, lost = ((path, path.stat().st_mtime_ns) for path in files(tmp_path))
    lost[0].unlink()
    again = read_all(replace(recipe, seed=3), lessons)  # another seed needs nothing else
    assert whole[0].stat().st_mtime_ns == whole[1] and lost[0].stat().st_mtime_ns > lost[1]
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))


def test_only_trainings_that_ask_for_the_same_share_files(
    teacher: Card, lessons: Lessons, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XKD_HOME", str(tmp_path))
    made = []
    for fields in (
        {"method": "at"},
        {"method": "nst"},
        {"method": "at", "layers": "last-1"},
        {"method": "ewa", "layers": "last-1"},  # the same as AT
        {"method": "swa", "layers": "last-1"},
        {"method": "sswa"},  # three epochs
        {"method": "sswa", "width": 0.25, "lam": 0.25, "beta": 8.0},  # the same
        {"method": "sswa", "seed": 1},
        {"method": "sswa", "drop_prob": 0.5},
    ):
        read_all(student(teacher, **fields), lessons)
        made.append(len(files(tmp_path)))
    assert made == [2, 4, 6, 6, 8, 11, 11, 14, 17]
