"""The door of the study leader's page: who comes in, and who does not."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ROOT
from tests.pages.study.admin_pages import PASSWORD, is_closed, log_in
from tests.pages.study.study_pages import press, texts
from tests.study.made_study import make_study
from xkd_core.study import access
from xkd_core.study.store import studies


def test_without_configuration_the_page_is_closed_and_says_how_to_open_it(visit, database, monkeypatch):
    make_study(database)
    monkeypatch.delenv("XKD_ADMIN_PASSWORD_HASH")
    app = visit()
    assert "is closed" in texts(app) and "XKD_ADMIN_PASSWORD_HASH" in texts(app)
    assert is_closed(app) and not app.text_input and not app.button


def test_a_hash_that_cannot_be_read_opens_nothing(visit, monkeypatch):
    monkeypatch.setenv("XKD_ADMIN_PASSWORD_HASH", "secret")
    app = visit()
    assert "cannot be read" in texts(app)
    assert is_closed(app) and not app.text_input


def test_the_right_password_opens_and_log_out_closes(enter, database):
    study = make_study(database)
    app = enter()
    assert study.label in app.selectbox(key="study").options[0]
    press(app, "log_out")
    assert is_closed(app) and app.text_input


def test_wrong_passwords_show_nothing_and_are_throttled(visit, database):
    make_study(database)
    app = visit()
    for _ in range(access.TRIES):
        log_in(app, "wrong password!")
        assert "This is not the password" in texts(app) and is_closed(app)
    log_in(app, PASSWORD)
    assert "Too many wrong passwords" in texts(app) and is_closed(app)
    other = visit()
    log_in(other, PASSWORD)
    assert is_closed(other)


@pytest.mark.parametrize(
    "query", [{"study": "new"}, {"admin": "1", "_admin_used": "1"}, {"p": "x" * 5000}, {"s": "' OR 1=1"}]
)
def test_parameters_of_the_address_do_not_open_the_door(visit, database, query):
    study = make_study(database)
    app = visit(**query)
    assert is_closed(app) and study.label not in texts(app)


def test_an_idle_session_is_closed_before_anything_is_done(enter, database):
    study = make_study(database, opened=False)
    app = enter()
    app.session_state["_admin_used"] = app.session_state["_admin_used"] - access.IDLE * 2
    app.button(key="open").click().run()
    assert is_closed(app)
    assert studies.find_study(database, study.id).status == "draft"


def test_an_oidc_login_needs_a_listed_and_verified_address(visit, database, monkeypatch):
    make_study(database)
    monkeypatch.delenv("XKD_ADMIN_PASSWORD_HASH")
    monkeypatch.setenv("XKD_ADMIN_EMAILS", "leader@example.org")
    app = visit()
    assert is_closed(app) and app.button(key="door_login")
    for email, verified, opens in (("other@example.org", True, False), ("leader@example.org", False, False),
                                   ("leader@example.org", True, True)):  # fmt: skip
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        app.user = {"is_logged_in": True, "email": email, "email_verified": verified}
        app.switch_page("pages/study_admin.py").run()
        press(app, "door_oidc")
        assert is_closed(app) is not opens


def test_a_locked_store_keeps_the_door_closed(visit, database):
    import sqlite3

    app = visit()
    other = sqlite3.connect(database.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    log_in(app)
    assert "busy with another program" in texts(app) and is_closed(app)
    other.execute("ROLLBACK")


def test_the_menu_has_the_page_only_where_it_can_be_opened(visit, database, monkeypatch):
    from pages._ui import guard
    from xkd_core.study.environment import admin_is_configured

    assert admin_is_configured() and guard.shows("pages/study_admin.py")
    monkeypatch.delenv("XKD_ADMIN_PASSWORD_HASH")
    assert not admin_is_configured()
