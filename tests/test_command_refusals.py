"""What commands refuse before they begin, damaged files among them, and output that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from xkd_core import settings
from xkd_core.__main__ import app
from xkd_core.distillation.recipes import pruning_rounds
from xkd_core.distillation.runs import distill
from xkd_core.errors import BadInputError, XKDError
from xkd_core.models.checkpoints import find_card
from xkd_core.sweep.local import run_all, status
from xkd_core.sweep.plan import read_sweep

TINY = """
defaults: {dataset: digits, arch: vgg_gap_tiny, split: train, limit: 64, epochs: 1, batch_size: 32}
teachers: [{method: ce}]
students:
  - {method: kd, width: 0.5}
"""


@pytest.fixture(scope="module", autouse=True)
def place(tmp_path_factory: pytest.TempPathFactory):
    """A teacher and a student, and the sweep file that they are of."""
    root = tmp_path_factory.mktemp("place")
    (root / "sweep.yaml").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XKD_HOME", str(root / "home"))
        patch.setenv("XKD_CHECKPOINTS", str(root / "runs"))
        torch.set_num_threads(1)  # commands set another number: the last bits of a training depend on it
        for recipe in read_sweep(root / "sweep.yaml"):
            distill(recipe)
        yield root


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("distill", "--dataset", "digits", "--method", "ce", "--lam", "0.5"), "ce does not read lam"),
        (("distill", "--set", "slimable=true"), "a field of a recipe; got 'slimable=true'"),
        (("distill", "--set", "margin"), "FIELD=VALUE"),
        (("distill", "--seed", "1", "--set", "seed=2"), "seed is given twice"),
        (("distill", "--dataset", "digits", "--set", "clip_norm=much"), "clip_norm must be of type float"),
        (("distill", "--dataset", "digits", "--set", "erasing=much"), "erasing must be in 0..1"),
        (("distill", "--dataset", "digits", "--method", "kd", "--beta", "2"), "kd does not read beta"),
        (("distill", "--dataset", "digits", "--beta", "2"), "kd does not read beta"),
        (("distill", "--dataset", "digits", "--method", "swa", "--beta", "inf"), "finite"),
        (("sweep", "run", "SWEEP", "--minutes", "nan"), "--minutes must be above 0"),
        (("sweep", "run", "SWEEP", "--minutes", "-1"), "--minutes must be above 0"),
        (("study", "simulate", "--seed", "-1"), "--seed must be 0 or more"),
        (("study", "simulate", "--null", "--matched", "0.5"), "leave --matched and --naive out"),
        (("evaluate", "--dataset", "digits", "--runs", ""), "at least one"),
        (("evaluate", "--dataset", "digits", "--metrics", ","), "at least one"),
        (("claims", "--only", ""), "at least one"),
    ],
)  # fmt: skip
def test_an_option_that_would_change_nothing_or_mean_everything_is_refused(
    place: Path, arguments: tuple[str, ...], said: str
) -> None:
    words = [str(place / "sweep.yaml") if word == "SWEEP" else word for word in arguments]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, BadInputError), result.output
    assert said in str(result.exception)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TINY.replace("{method: ce}", "{recipe: 3}"), "recipe must be the name"),
        (TINY.replace("width: 0.5", "seed: []"), "seed is an empty list"),
        (TINY.replace("width: 0.5", "int8: 'no'"), "int8 must be true or false"),
        (TINY.replace("epochs: 1", "lr: 1e-3"), "write 1.0e-3"),
    ],
)  # fmt: skip
def test_a_sweep_file_that_would_lose_runs_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "sweep.yaml").write_text(text)
    with pytest.raises(BadInputError, match=said):
        read_sweep(tmp_path / "sweep.yaml")


def test_a_place_that_is_a_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XKD_CHECKPOINTS", str(tmp_path / "file"))
    with pytest.raises(BadInputError, match="XKD_CHECKPOINTS must be a folder"):
        settings.check()


def test_a_place_that_is_read_only_is_said_before_the_training(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xkd_core.distillation.runs.training_data", lambda *_, **__: pytest.fail("it began"))
    monkeypatch.setattr(os, "access", lambda path, how: Path(path) != place / "runs" / "digits")  # also for root
    plan = read_sweep(place / "sweep.yaml")
    with pytest.raises(XKDError, match="digits is read-only"):
        distill(replace(plan[1], seed=5))


def test_a_damaged_run_is_not_done_and_is_made_again_as_it_was(place: Path) -> None:
    torch.set_num_threads(1)  # as the first time
    plan = read_sweep(place / "sweep.yaml")
    student = place / "runs" / "digits" / plan[1].run_id
    for name in ("model.safetensors", "card.json"):
        before = (student / name).read_bytes()
        (student / name).write_bytes(before[:-20])
        now = status(plan, verify=True)
        assert (now.done, now.damaged) == ((plan[0].run_id,), (plan[1].run_id,))
        distill(plan[1])
        assert not status(plan, verify=True).damaged
        if name == "model.safetensors":
            assert (student / name).read_bytes() == before


def test_a_sweep_makes_damaged_runs_again(place: Path) -> None:
    plan = read_sweep(place / "sweep.yaml")
    weights = place / "runs" / "digits" / plan[1].run_id / "model.safetensors"
    before = weights.read_bytes()
    weights.write_bytes(b"cut")
    assert dict(run_all(plan, workers=1, minutes=None, report=lambda *_: None)) == dict.fromkeys(
        (recipe.run_id for recipe in plan), "done"
    )
    assert weights.read_bytes() == before


@pytest.mark.parametrize(("method", "beta", "first_stage"), [("ab", 10.0, 1), ("nst", 10.0, 0), ("swa", 2.0, 0)])
def test_pruning_takes_what_a_method_needs_from_the_method(
    place: Path, method: str, beta: float, first_stage: int
) -> None:
    teacher = find_card(read_sweep(place / "sweep.yaml")[0].run_id)
    training = {"method": method, "epochs": 2, "beta": None}
    (recipe,) = pruning_rounds(teacher, how="unstructured", amount=0.2, rounds=1, training=training)
    assert (recipe.beta, recipe.init_epochs) == (beta, first_stage)


def test_any_field_of_a_recipe_can_be_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    monkeypatch.setattr("xkd_core.distillation.runs.distill", lambda recipe, **_: made.append(recipe) or sys.exit(0))
    options = ["--set", "slimmable=true", "--set", "optimizer=sgd", "--set", "drop_prob=0.2", "--width", "0.5"]
    CliRunner().invoke(app, ["distill", "--dataset", "digits", "--method", "sswa", *options])
    (recipe,) = made
    assert (recipe.slimmable, recipe.optimizer, recipe.drop_prob, recipe.width) == (True, "sgd", 0.2, 0.5)


def test_output_that_cannot_be_written_is_one_line(place: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "xkd_core", "runs"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1 and done.stderr.startswith("error: The output could not be written: No space left")
    assert len(done.stderr.splitlines()) == 1


def test_a_terminal_without_greek_letters_gets_other_signs(place: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "xkd_core", "runs"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "\\u03bb 0.5" in done.stdout
