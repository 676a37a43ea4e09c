"""Pages run from app.py, as a visitor runs them, on a throwaway zoo."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.made_zoo import Made, make_zoo

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    return make_zoo(tmp_path_factory.mktemp("page_zoo"))


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


def payload(app: AppTest) -> dict:
    """What the viewer of the page was given."""
    nodes = [node for node in app.get("bidi_component") if "xkd_viewer" in node.proto.component_name]
    assert nodes, "the page shows no viewer"
    proto = nodes[0].proto
    return json.loads(proto.json or proto.mixed.json)


def settled(app: AppTest) -> AppTest:
    """Run again until the maps that are computed beside the page have come."""
    for _ in range(60):
        data = payload(app)
        names = [column["method"] for column in data["layout"]["columns"]]
        shown = [data["where"][row["role"]] for row in data["layout"]["rows"]]
        at = tuple(data["axes"][name].index(data["choice"][name]) for name in ("lam", "ratio", "beta"))
        cells = [data["runs"][table[at[0]][at[1]][at[2]][0]]["cells"] for table in shown]
        if all(cell.get(name) for cell in cells for name in names):
            return app
        time.sleep(0.5)
        app.run()
    raise AssertionError("some maps never came")
