"""A study's pages over a database of their own, with a browser that a test plays."""

from __future__ import annotations

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages._ui.study import store
from tests.pages.conftest import ROOT
from tests.pages.study.study_pages import FakeBrowser, Opener
from xkd_core.study.store.database import Database


@pytest.fixture
def fake(monkeypatch) -> FakeBrowser:
    return FakeBrowser(monkeypatch)


@pytest.fixture
def database(monkeypatch, tmp_path):
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XKD_STUDY_DB", raising=False)
    monkeypatch.chdir(ROOT)
    st.cache_resource.clear()
    st.cache_data.clear()
    opened = Database(busy_ms=300)
    monkeypatch.setattr(store, "_database", lambda url: opened)
    yield opened
    opened.close()


@pytest.fixture
def open_page(database, fake, monkeypatch) -> Opener:
    """The participant's page of a study server."""
    monkeypatch.setenv("XKD_MODE", "study")

    def run(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        app.switch_page("pages/study.py").run()
        assert not app.exception
        return app

    return run
