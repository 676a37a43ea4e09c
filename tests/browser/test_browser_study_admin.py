"""The study leader in a real browser: the door, a study set up and opened, results that can be read on a phone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.seen import at_rest
from tests.study.made_study import answer_all, make_participant, make_study
from xkd_core.study.access import hash_password
from xkd_core.study.store.database import Database
from xkd_core.study.store.studies import list_studies

pytestmark = pytest.mark.browser
PASSWORD = "correct horse battery"


@pytest.fixture
def server(start_server, monkeypatch) -> Iterator[object]:
    monkeypatch.setenv("XKD_ADMIN_PASSWORD_HASH", hash_password(PASSWORD))
    for name in ("XKD_MODE", "XKD_STUDY_DB", "XKD_ADMIN_EMAILS"):
        monkeypatch.delenv(name, raising=False)
    running = start_server()
    monkeypatch.setenv("XKD_HOME", str(running.log.parent))
    return running


def enter(open_tab, server, **window: int) -> Page:
    page = open_tab(f"{server.url}/study_admin", wait='input[type="password"]', **window)
    page.locator('input[type="password"]').fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=60_000)
    at_rest(page)
    return page


def test_a_study_is_set_up_and_opened(server, open_tab, made):
    page = enter(open_tab, server)
    for label, value in (("How many images", "4"), ("Trials of each", "3"), ("Catch trials", "1"), ("Repeats", "1")):
        field = page.get_by_role("spinbutton", name=label, exact=True)
        field.fill(value)
        field.press("Enter")
        at_rest(page)
    for label, value in (("Name", "first"), ("Contact for participants", "study@example.org")):
        field = page.get_by_role("textbox", name=label, exact=True)
        field.fill(value)
        field.press("Enter")
        at_rest(page)
    page.get_by_role("button", name="Create the study").click()
    page.get_by_role("button", name="Open the study").click(timeout=240_000)
    expect(page.get_by_text("the link takes participants in")).to_be_visible(timeout=60_000)
    database = Database()
    [study] = list_studies(database)
    assert study.status == "open" and study.config.teacher == made.runs["teacher"]
    expect(page.get_by_text(f"{server.url}/study?s={study.id}")).to_be_visible()
    database.close()


def test_results_fit_on_a_phone_and_every_chart_has_words(server, open_tab):
    database = Database()
    study = make_study(database, exclusions={"failed_catches": 3})
    for number in range(3):
        token = make_participant(database, study)
        answer_all(database, token, lambda trial, number=number: 1 + (trial.index + number) % 3)
    page = enter(open_tab, server, width=390, height=844)
    page.get_by_role("radio", name="Results").or_(page.get_by_role("button", name="Results")).first.click()
    expect(page.get_by_text("Teacher and matched student were put together")).to_be_visible(timeout=90_000)
    at_rest(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    database.close()


def test_a_wrong_password_shows_nothing(server, open_tab):
    database = Database()
    study = make_study(database)
    page = open_tab(f"{server.url}/study_admin?study={study.id}", wait='input[type="password"]')
    page.locator('input[type="password"]').fill("not the password")
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_text("This is not the password.")).to_be_visible(timeout=60_000)
    assert study.label not in page.content() and study.id not in page.content().replace(page.url, "")
    database.close()
