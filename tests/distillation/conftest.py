"""A place for runs and a home of its own for each file of this folder that asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XKD_HOME", str(tmp_path_factory.mktemp("home")))
        yield
