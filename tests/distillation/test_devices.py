"""What surrounds a training runs on its device too: the teacher's outputs and explanations, and the autoencoder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch import nn

from tests.models.test_kinds import card
from xkd_core import settings
from xkd_core.distillation import trainer
from xkd_core.distillation.autoencoding import Lesson, train_autoencoder
from xkd_core.distillation.explained import EXPLAINERS, Wanted, explanation_targets
from xkd_core.distillation.targets import lent, teacher_outputs
from xkd_core.distillation.views import draw_views
from xkd_core.models.architectures import build
from xkd_core.models.autoencoders import build_cae
from xkd_core.models.checkpoints import LoadedRun
from xkd_core.models.quantized import quantize
from xkd_core.types import UInt8

Result = TypeVar("Result")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XKD_HOME", str(tmp_path))


@pytest.fixture
def pixels() -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3), dtype=np.uint8)


def teacher() -> LoadedRun:
    torch.manual_seed(0)
    return LoadedRun(build("vgg_gap_tiny", 5).eval().requires_grad_(False), card("teacher"))


def lesson(pixels: UInt8) -> Lesson:
    wanted = Wanted(teacher(), "grad_cam", 12)
    return Lesson(wanted, pixels, wanted.teacher.card.input_transform(), epochs=2, seed=0)


def autoencoder() -> nn.Module:
    torch.manual_seed(1)
    return build_cae("small")


@dataclass
class Elsewhere:
    """In place of a GPU: the CPU, by another name, and a note of who was moved where."""

    moved: list[tuple[str, str]] = field(default_factory=list)

    def watch(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Say from now on that trainings run on "cpu:0", and write down each network that is moved."""
        real = nn.Module.to

        def to(module: nn.Module, *given: object, **named: object) -> nn.Module:
            self.moved += [(type(module).__name__, str(place)) for place in given if isinstance(place, torch.device)]
            return real(module, *given, **named)

        monkeypatch.setattr(trainer, "device", lambda: torch.device("cpu:0"))
        monkeypatch.setattr(nn.Module, "to", to)


WORK: dict[str, Callable[[UInt8], object]] = {
    "VggGap": lambda pixels: teacher_outputs(teacher(), pixels, draw_views(40, n_views=2, shift_px=2, seed=0)),
    "VggGap, explained": lambda pixels: explanation_targets(Wanted(teacher(), "gradient_shap", 12), pixels),
    "SmallCAE": lambda pixels: train_autoencoder(autoencoder(), lesson(pixels)),
}


@pytest.mark.parametrize("work", WORK)
def test_the_network_goes_to_the_device_of_the_training_and_comes_back(
    work: str, pixels: UInt8, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = Elsewhere()
    elsewhere.watch(monkeypatch)
    WORK[work](pixels)
    own = [place for name, place in elsewhere.moved if name == work.partition(",")[0]]
    assert own and own[0] == "cpu:0" and own[-1] == "cpu", "asked for the device, and given back"


def test_a_network_comes_back_where_its_work_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = Elsewhere()
    elsewhere.watch(monkeypatch)
    with pytest.raises(ZeroDivisionError), lent(nn.Linear(2, 2)):
        _ = 1 / 0
    assert elsewhere.moved == [("Linear", "cpu:0"), ("Linear", "cpu")]


def test_a_network_without_parameters_is_lent_too() -> None:
    eight = quantize(build("lenet5_32", 3).eval(), torch.randn(2, 3, 32, 32))
    assert not list(eight.parameters())
    with lent(eight) as place:
        assert place == trainer.device()


@needs_gpu
def test_outputs_of_a_teacher_are_those_of_the_cpu(pixels: UInt8, monkeypatch: pytest.MonkeyPatch) -> None:
    views = draw_views(40, n_views=2, shift_px=2, seed=0)
    run = teacher()
    there = teacher_outputs(run, pixels, views)
    assert next(run.model.parameters()).device.type == "cpu"
    here = _on_the_cpu(monkeypatch, lambda: teacher_outputs(run, pixels, views))
    torch.testing.assert_close(there.logits, here.logits, rtol=1e-2, atol=1e-3)
    for one, other in ((there.swa, here.swa), (there.ewa, here.ewa)):
        assert one.device.type == "cpu"
        torch.testing.assert_close(one.float(), other.float(), rtol=0, atol=2e-2)


@needs_gpu
@pytest.mark.parametrize("explainer", EXPLAINERS)
def test_explanations_of_a_teacher_are_those_of_the_cpu(
    explainer: str, pixels: UInt8, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Wanted(teacher(), explainer, 12)
    there = explanation_targets(wanted, pixels)
    here = _on_the_cpu(monkeypatch, lambda: explanation_targets(wanted, pixels))
    assert np.abs(there - here).mean() < 0.02


@needs_gpu
def test_an_autoencoder_learns_there_what_it_learns_on_the_cpu(pixels: UInt8, monkeypatch: pytest.MonkeyPatch) -> None:
    there = train_autoencoder(autoencoder(), lesson(pixels))
    here = _on_the_cpu(monkeypatch, lambda: train_autoencoder(autoencoder(), lesson(pixels)))
    assert all(value.device.type == "cpu" for value in there.state.values())
    for name, value in here.state.items():
        torch.testing.assert_close(there.state[name], value, rtol=0, atol=2e-2)


def _on_the_cpu(monkeypatch: pytest.MonkeyPatch, work: Callable[[], Result]) -> Result:
    """The same once more, without what was kept of the first time."""
    monkeypatch.setattr(trainer, "device", lambda: torch.device("cpu"))
    monkeypatch.setenv("XKD_HOME", f"{settings.home()}/again")
    return work()
