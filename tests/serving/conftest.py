"""One throwaway zoo for all tests of serving."""

from __future__ import annotations

import pytest

from tests.made_zoo import Made, make_zoo


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    return make_zoo(tmp_path_factory.mktemp("zoo"))


@pytest.fixture
def place(made, monkeypatch, tmp_path) -> Made:
    """The zoo as the environment's folder of runs, with a home of its own."""
    monkeypatch.setenv("XKD_CHECKPOINTS", str(made.root))
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    return made
