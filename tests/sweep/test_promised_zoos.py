"""Every cell of the promised zoos is planned by a sweep file, and every planned cell is named here.

A cell is a run by what sets it apart from the usual student of its data set. Whoever takes a cell out of a sweep file,
or puts one in, must say so below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from xkd_core.distillation.recipes import Recipe
from xkd_core.sweep.plan import read_sweep

ROOT = Path(__file__).resolve().parents[2] / "checkpoints"
Group = Mapping[str, Any]
Cell = tuple[tuple[str, Any], ...]

KEYS = ("method", "arch", "width", "lam", "beta", "seed", "epochs", "split", "limit", "label", "shuffled", "slimmable",
        "compress", "amount", "round", "layers", "mask", "form", "kd_form", "explained", "fr_weight", "l1_weight",
        "through", "erasing", "name")  # fmt: skip
DEFAULTS = {each.name: each.default for each in fields(Recipe)} | {"width": 1.0, "teacher": None, "int8": False}
WITHOUT_BETA = ("ce", "kd", "xd", "surrogate")
THREE, FIVE = [0, 1, 2], [0, 1, 2, 3, 4]
NARROW, PAIR, LAMS = [0.125, 0.25, 0.5], ["kd", "swa"], [0.0, 0.25, 0.5, 0.75, 1.0]
FILTERS = {"method": PAIR, "width": 1.0, "compress": "structured", "amount": 0.5, "round": 1, "epochs": 4}
ROUNDS = {"method": PAIR, "width": 1.0, "compress": "unstructured", "amount": 0.2, "round": [1, 2, 3, 4, 5],
          "epochs": 2}  # fmt: skip
ALONE = (
    {"method": "at", "lam": 0.0, "form": "code", "beta": 333.3, "seed": THREE},
    {"method": ["nst", "ab"], "lam": 0.0, "beta": 10.0, "seed": THREE},
)
"""AT, NST and AB as paper 003 has them: beside hard labels alone."""
SURROGATE = {"method": "surrogate", "l1_weight": [0.5, 5.0]}
VGGS = {"arch": ["vgg7", "vgg11"], "teacher": "vgg16", "epochs": 500, "lam": 0.0}
FUSED = {"method": "xd", "teacher": "vgg16", "epochs": 500, "lam": 0.1, "kd_form": "added", "name": "alharbi-003-xd"}
WIDE = {"arch": "resnet18_cifar", "lam": 0.95, "epochs": 170, "kd_form": "compat_001", "name": "chhabra-001"}

USUAL: Mapping[str, Group] = {
    "scenes": {"arch": "vgg_gap_64", "width": 0.25, "split": "transfer", "epochs": 20, "teacher": "vgg_gap_64"},
    "cifar10": {"arch": "vgg_gap_32", "width": 0.25, "split": "train", "epochs": 16, "teacher": "vgg_gap_32"},
    "tiny-imagenet-50": {"method": "kd", "arch": "mobilenet_v3_small_s16", "split": "train", "epochs": 12,
                         "erasing": 0.5, "teacher": "resnet18_small"},
    "oxford-iiit-pet": {"split": "train", "epochs": 80, "teacher": "vgg_gap_64"},
    "mnist": {"split": "train", "epochs": 12, "teacher": "lenet5"},
    "cifar10/sweep_gpu": {"split": "train", "width": 1.0},
}  # fmt: skip
TINY_TEACHERS = {"method": "ce", "arch": "resnet18_small", "epochs": 30, "seed": [0, 1]}

PROMISED: Mapping[str, Sequence[Group]] = {
    "scenes/sweep": (
        {"method": PAIR, "slimmable": True, "width": 0.5, "seed": THREE},
        {"method": PAIR, "width": NARROW, "seed": FIVE},
        {"method": ["ewa", "sswa"], "seed": THREE},
        *ALONE,
        {"method": "xd", "arch": "vgg_gap_64_xd", "seed": THREE},
        FILTERS | {"seed": THREE},
        ROUNDS | {"seed": THREE},
        {"method": PAIR, "width": NARROW, "int8": True},
        {"method": "xd", "arch": "vgg_gap_64_xd", "fr_weight": [0.0, 5e-4, 5e-3, 5e-2]},
        SURROGATE | {"arch": "attentive_resnet18_explained", "width": 0.125},
    ),
    "cifar10/sweep": (
        {"method": "kd", "lam": [0.0, 0.5], "seed": THREE},
        *ALONE,
        {"method": "xd", "arch": "vgg_gap_32_xd", "seed": THREE},
        {"method": "xd", "arch": "vgg_gap_32_xd", "explained": "grad_cam"},
        {"method": "kd", "width": 0.28125, "label": "sized", "seed": THREE},
        {"method": ["ewa", "sswa"], "width": NARROW},
        FILTERS,
        ROUNDS,
    ),
    "tiny-imagenet-50/sweep": (TINY_TEACHERS, {"lam": LAMS}),
    "mnist/sweep": (
        {"method": "ce", "arch": "lenet5", "seed": [0, 1]},
        {"method": "kd", "arch": "net", "lam": [0.0, 0.5], "seed": FIVE},
        {"method": "xd", "arch": "net_xd", "seed": FIVE},
    ),
    "cifar10/sweep_gpu": (
        {"method": "ce", "arch": "vgg16", "epochs": 500, "name": "alharbi-003-teacher", "seed": [0, 1]},
        VGGS | {"method": "kd", "lam": [0.0, 0.1], "kd_form": "added", "name": "alharbi-003-kd"},
        VGGS | {"method": "at", "form": "code", "beta": 333.3, "name": "alharbi-003-at"},
        VGGS | {"method": "nst", "beta": 10.0, "name": "alharbi-003-nst"},
        VGGS | {"method": "ab", "beta": 10 / 3, "name": "alharbi-003-ab"},
        FUSED | {"arch": ["vgg7_xd", "vgg11_xd"], "explained": ["", "grad_cam", "lime"]},
        {"method": "ce", "arch": ["wrn_28_10", "wrn_16_4"], "epochs": 170, "name": "chhabra-001-teacher"},
        WIDE | {"teacher": ["wrn_28_10", "wrn_16_4"]},
        SURROGATE | {"arch": "attentive_resnet18_explained", "teacher": "vgg16", "epochs": 190,
                     "name": "lee-002-surrogate"},
    ),
    "tiny-imagenet-50/sweep_gpu": (TINY_TEACHERS, {"lam": LAMS, "seed": [1, 2, 3, 4]}),
    "scenes/sweep_gpu": (
        {"method": "ce", "width": 1.0, "split": "teacher", "epochs": 8},
        {"method": "xd", "arch": "vgg_gap_64_xd", "explained": "lime"},
    ),
}  # fmt: skip
"""The zoos of issue 3, and what they are learned from."""

BEYOND: Mapping[str, Sequence[Group]] = {
    "scenes/sweep": (
        {"method": "ce", "width": 1.0, "split": "teacher", "epochs": 8, "seed": [0, 1]},
        {"method": PAIR, "lam": LAMS, "width": NARROW},
        {"method": "swa", "beta": [0.5, 8.0], "width": 0.125},
        {"method": ["ewa", "sswa"], "width": NARROW},
        {"method": "ewa", "beta": 4.0},
        {"method": "swa", "shuffled": True},
        {"method": PAIR, "split": "plain"},
        {"method": PAIR, "width": NARROW, "limit": 3000, "epochs": 80, "label": "few"},
        {"method": "swa", "beta": [0.5, 8.0], "width": 0.125, "limit": 3000, "epochs": 80, "label": "few"},
        {"method": "at"},
        {"method": ["nst", "ab"], "beta": 10.0},
        {"method": "xd", "arch": "vgg_gap_64_xd", "explained": "grad_cam"},
        {"method": "xd", "arch": "vgg_gap_64_xd", "explained": "none", "seed": THREE},
        {"method": "kd", "width": 0.28125, "label": "sized", "seed": THREE},
        ROUNDS | {"amount": [0.6, 0.9], "round": 1, "epochs": 4},
    ),
    "cifar10/sweep": (
        {"method": "ce", "width": 1.0, "seed": [0, 1]},
        {"method": PAIR, "width": NARROW},
        {"method": "swa", "seed": THREE},
        {"method": "ewa", "beta": 4.0},
        {"method": "swa", "shuffled": True},
        {"method": "at", "seed": [0, 1]},
        {"method": ["nst", "ab"], "beta": 10.0},
        {"method": "xd", "arch": "vgg_gap_32_xd", "explained": "none"},
    ),
    "oxford-iiit-pet/sweep": (
        {"method": "ce", "arch": "vgg_gap_64", "seed": [0, 1]},
        {"method": PAIR, "arch": "vgg_gap_64", "width": 0.25, "seed": THREE},
    ),
    "mnist/sweep": (
        {"method": "kd", "arch": "net_sized", "label": "sized", "seed": FIVE},
        {"method": "xd", "arch": "net_xd", "explained": "none", "seed": FIVE},
    ),
    "cifar10/sweep_gpu": (
        FUSED | {"arch": "vgg7_xd", "explained": "none"},
        VGGS | {"method": "kd", "arch": ["vgg7_sized", "vgg11_sized"], "lam": 0.1, "kd_form": "added",
                "label": "sized", "name": "alharbi-003-kd"},
    ),
}  # fmt: skip
"""What sweep files plan besides: controls, other λ and β, one-shot pruning, photographs with masks."""
FILES = sorted({*PROMISED, *BEYOND})


def cells(name: str, groups: Sequence[Group]) -> Iterator[Cell]:
    """The runs that ``groups`` stand for: a list stands for each of its values, as in a sweep file."""
    usual = USUAL.get(name, USUAL[name.partition("/")[0]])
    for group in groups:
        lists = {key: value if isinstance(value, list) else [value] for key, value in (usual | group).items()}
        for values in product(*lists.values()):
            yield cell(DEFAULTS | dict(zip(lists, values, strict=True)))


def cell(values: Group) -> Cell:
    known = dict(values) | {"beta": 0.0 if values["method"] in WITHOUT_BETA else float(f"{values['beta']:.4g}")}
    known["teacher"] = None if values["method"] == "ce" else values["teacher"]
    return tuple((key, known[key]) for key in (*KEYS, "teacher", "int8"))


def planned(name: str) -> Mapping[Cell, Recipe]:
    """Cell -> the recipe that a sweep file has for it; an int8 form is the cell of the run that it rounds."""
    plan = read_sweep(ROOT / f"{name}.yaml")
    by_id = {recipe.run_id: recipe for recipe in plan}
    found = {}
    for recipe in plan:
        whole = by_id[str(recipe.source_id)] if recipe.compress == "int8" else recipe
        teacher = by_id[whole.teacher_id].arch if whole.teacher_id else None
        values = {key: getattr(whole, key) for key in KEYS}
        found[cell(values | {"teacher": teacher, "int8": recipe.compress == "int8"})] = recipe
    assert len(found) == len(plan), "two runs of one sweep file are the same cell: name what tells them apart in KEYS"
    return found


@pytest.mark.parametrize("name", PROMISED)
def test_every_promised_run_is_planned(name: str) -> None:
    assert not set(cells(name, PROMISED[name])) - planned(name).keys()


@pytest.mark.parametrize("name", FILES)
def test_every_planned_run_is_named_so_that_none_can_be_taken_out_unseen(name: str) -> None:
    named = set(cells(name, (*PROMISED.get(name, ()), *BEYOND.get(name, ()))))
    assert [recipe.run_id for found, recipe in planned(name).items() if found not in named] == []
    assert not named - planned(name).keys()


def test_every_sweep_file_is_looked_at() -> None:
    assert [str(path.relative_to(ROOT).with_suffix("")) for path in sorted(ROOT.glob("*/sweep*.yaml"))] == FILES


@pytest.mark.parametrize("name", FILES)
def test_rounds_go_on_from_each_other_and_all_other_pruning_from_the_teacher(name: str) -> None:
    by_id = {recipe.run_id: recipe for recipe in planned(name).values()}
    for recipe in by_id.values():
        if recipe.compress in ("structured", "unstructured"):
            source = by_id[str(recipe.source_id)]
            same = (source.method, source.seed, source.amount) == (recipe.method, recipe.seed, recipe.amount)
            assert (source.round, same) == (recipe.round - 1, True) if recipe.round > 1 else source.role == "teacher"
