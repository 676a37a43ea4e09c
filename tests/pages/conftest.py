"""Pages run from app.py, as a visitor runs them, on a throwaway zoo."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.made_metrics import add_metrics
from tests.made_zoo import Made, make_zoo

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    return make_zoo(tmp_path_factory.mktemp("page_zoo"))


@pytest.fixture(scope="session")
def wide(made, tmp_path_factory) -> Made:
    """The same zoo with wide rows of metrics."""
    root = tmp_path_factory.mktemp("wide") / "zoo"
    shutil.copytree(made.root, root)
    own = Made(root, made.runs)
    add_metrics(own)
    return own


@pytest.fixture
def open_page(made, monkeypatch, tmp_path) -> Callable[..., AppTest]:
    """open_page(page, root=..., **query) -> the app on that page, run once; computed maps are waited for."""
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XKD_DATA_DIR", raising=False)
    monkeypatch.chdir(ROOT)

    def run(page: str = "explore", *, root: Path | None = None, **query: str) -> AppTest:
        monkeypatch.setenv("XKD_CHECKPOINTS", str(root or made.root))
        st.cache_resource.clear()
        st.cache_data.clear()
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        if page != "explore":
            app.switch_page(f"pages/{page}.py").run()
        return app

    return run
