"""Quirks of papers as `evaluate` measures them, where more than the formula belongs to the quirk."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from xkd_core.evaluation.measures import FAMILIES


def test_paper_001s_complexity_is_of_the_map_after_min_max_whatever_its_unit() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 8, 8)) * 7
    block = SimpleNamespace(maps=maps, shown=np.maximum(maps, 0))
    found = FAMILIES["complexity"](block, ["mean_l1@xml", "mean_l1"])
    for one, value, plain in zip(maps, found["mean_l1@xml"].values, found["mean_l1"].values, strict=True):
        unit = (one - one.min()) / (one.max() - one.min())
        assert value == pytest.approx(np.linalg.norm(unit, ord=1)) and value <= 8
        assert plain == pytest.approx(np.maximum(one, 0).mean() / one.max())


def multi_label_block() -> SimpleNamespace:
    """Two images with three labels; the network's logits are three means of its input."""
    x = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    ours, theirs = (
        np.array(rows) for rows in (((2.0, 1.0, -1.0), (-0.5, 3.0, 1.0)), ((1.0, -2.0, 4.0), (0.5, 2.0, -1.0)))
    )
    return SimpleNamespace(
        run=SimpleNamespace(card=SimpleNamespace(multi_label=True), model=None), x=x, targets=np.array([1, 0]),
        labels=np.array([[1, 1, 0], [0, 1, 1]], dtype=np.uint8), logits=ours, teachers_logits=theirs,
        shown=np.random.default_rng(1).random((2, 4, 4)), explain=None,
        score=lambda given: 4 * given.mean(axis=(2, 3)) - 1, careful=None,
    )  # fmt: skip


def sigmoid(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


def test_of_several_labels_each_is_answered_by_itself() -> None:
    found = FAMILIES["prediction"](multi_label_block(), ["same_answer", "right", "kl_to_teacher"])
    # Class 1 of the first image: yes beside the teacher's no, and there; 0 of the second: no beside yes, not there.
    assert found["same_answer"].values.tolist() == [0, 0] and found["right"].values.tolist() == [1, 1]
    block = multi_label_block()
    p, q = sigmoid(block.teachers_logits), sigmoid(block.logits)
    coins = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert found["kl_to_teacher"].values == pytest.approx(coins.mean(axis=1), rel=1e-6)


def test_of_several_labels_faithfulness_asks_the_sigmoid_of_the_explained_one() -> None:
    block = multi_label_block()
    drop = FAMILIES["faithfulness"](block, ["average_drop"])["average_drop"].values
    unit = block.shown / block.shown.max(axis=(1, 2), keepdims=True)
    whole, seen = (
        sigmoid(block.score(x))[[0, 1], block.targets] for x in (block.x.numpy(), block.x.numpy() * unit[:, None])
    )
    assert drop == pytest.approx(np.maximum(whole - seen, 0) / whole, rel=1e-5)
