"""A study's pages over a database of their own, with a browser that a test plays."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages._ui.study import store
from tests.pages.conftest import ROOT
from tests.pages.study.admin_pages import PASSWORD, log_in
from tests.pages.study.study_pages import FakeBrowser, Opener
from xkd_core.study import access
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
        app = _app(query, timeout=60)
        app.run()
        app.switch_page("pages/study.py").run()
        assert not app.exception
        return app

    return run


@pytest.fixture
def leader(monkeypatch) -> None:
    """A server where the study leader can log in."""
    for name in ("XKD_MODE", "XKD_ADMIN_EMAILS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XKD_ADMIN_PASSWORD_HASH", access.hash_password(PASSWORD))


@pytest.fixture
def visit(database, leader, monkeypatch, tmp_path, request) -> Opener:
    """The page as someone comes to it who is not logged in; with runs only for tests that ask for ``made``."""
    made = request.getfixturevalue("made") if "made" in request.fixturenames else None
    monkeypatch.setenv("XKD_CHECKPOINTS", str(tmp_path / "none" if made is None else made.root))

    def run(**query: str) -> AppTest:
        app = _app(query, timeout=90)
        app.switch_page("pages/study_admin.py").run()
        assert not app.exception
        return app

    return run


@pytest.fixture
def enter(visit) -> Opener:
    def run(view: str = "", **query: str) -> AppTest:
        app = visit(**query)
        log_in(app)
        if view:
            app.segmented_control(key="view").set_value(view).run()
            assert not app.exception
        return app

    return run


def _app(query: Mapping[str, str], *, timeout: int) -> AppTest:
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=timeout)
    for name, value in query.items():
        app.query_params[name] = value
    return app
