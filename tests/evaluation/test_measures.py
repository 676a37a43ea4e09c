"""Quirks of papers as `evaluate` measures them, where more than the formula belongs to the quirk."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from xkd_core.evaluation.measures import FAMILIES


def test_paper_001s_complexity_is_of_the_map_after_min_max_whatever_its_unit() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 8, 8)) * 7
    block = SimpleNamespace(maps=maps, shown=np.maximum(maps, 0))
    found = FAMILIES["complexity"](block, ["mean_l1@xml", "mean_l1"])
    for one, value, plain in zip(maps, found["mean_l1@xml"].values, found["mean_l1"].values, strict=True):
        unit = (one - one.min()) / (one.max() - one.min())
        assert value == pytest.approx(np.linalg.norm(unit, ord=1)) and value <= 8
        assert plain == pytest.approx(np.maximum(one, 0).mean() / one.max())
