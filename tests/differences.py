"""A pytest plugin that writes down how far the package is from its oracles: ``pytest -p tests.differences``.

What an oracle returned is looked for in the comparison that follows (assert_allclose, assert_close, approx), and the
largest difference that the comparison let pass is kept; where a whole test is the second derivation, of all of its
comparisons. With XKD_DIFFERENCES=FILE it is written there, as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.oracles import REFERENCE_TESTS

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("oracles*.py"))
pending: set[str] = set()
standing: set[str] = set()
called: defaultdict[str, int] = defaultdict(int)
largest: defaultdict[str, list[float]] = defaultdict(list)


def pytest_configure() -> None:
    for stem in MODULES:
        table = importlib.import_module(f"tests.{stem}").ORACLES
        table.update({name: _watched(name, function) for name, function in table.items()})
    for owner, name in ((np.testing, "assert_allclose"), (torch.testing, "assert_close")):
        setattr(owner, name, _recording(getattr(owner, name)))
    for example in (1.0, np.ones(1), [1.0]):
        kind = type(pytest.approx(example))
        kind.__eq__ = _recording_approx(kind.__eq__)  # type: ignore[method-assign,assignment]


def pytest_runtest_setup(item: pytest.Item) -> None:
    pending.clear()
    standing.clear()
    tested = {name for name, test in REFERENCE_TESTS.items() if item.nodeid.partition("[")[0] == test}
    own = getattr(item, "callspec", None)
    standing.update(tested & {own.params["name"]} if own is not None and "name" in own.params else tested)
    for name in standing:
        called[name] += 1


def pytest_sessionfinish() -> None:
    found = {name: {"calls": calls, "largest": max(largest[name], default=None)} for name, calls in called.items()}
    if path := os.environ.get("XKD_DIFFERENCES"):
        Path(path).write_text(json.dumps(found, indent=1, sort_keys=True))


def _watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def watched(*args: Any, **options: Any) -> Any:
        pending.add(name)
        called[name] += 1
        return function(*args, **options)

    return watched


def _recording(check: Callable[..., Any]) -> Callable[..., Any]:
    def recording(actual: Any, desired: Any, *args: Any, **options: Any) -> Any:
        __tracebackhide__ = True
        done = check(actual, desired, *args, **options)
        _note(actual, desired)
        return done

    return recording


def _recording_approx(check: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def recording(self: Any, actual: Any) -> Any:
        same = check(self, actual)
        if same:
            _note(actual, self.expected)
        return same

    return recording


def _note(actual: Any, desired: Any) -> None:
    if not pending | standing:
        return
    found, wanted = (np.asarray(side, dtype=np.float64) for side in (actual, desired))
    finite = np.isfinite(found) & np.isfinite(wanted)
    apart = np.abs(found - wanted)[finite] / np.maximum(1.0, np.abs(wanted))[finite]
    for name in pending | standing:
        largest[name].append(float(apart.max(initial=0.0)))
    pending.clear()
