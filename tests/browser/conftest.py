"""A real server and headless Chromium. Missing Chromium is a failure, not a skip: set XKD_CHROMIUM to its path."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.app_server import AppServer
from tests.made_zoo import Made, make_zoo

ROOT = Path(__file__).parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# Streamlit's own client looks for its server below the page's path first and expects these to be missing.
EXPECTED_404 = ("_stcore/host-config", "_stcore/health")


def chromium() -> str:
    found = os.environ.get("XKD_CHROMIUM") or next((path for name in NAMES if (path := shutil.which(name))), None)
    if not found:
        pytest.fail("No Chromium for the browser tests: install it, or set XKD_CHROMIUM to its path.")
    return found


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Made:
    return make_zoo(tmp_path_factory.mktemp("browser_zoo"))


@pytest.fixture(scope="session")
def server(made, tmp_path_factory) -> Iterator[AppServer]:
    running = AppServer(tmp_path_factory.mktemp("server"), XKD_CHECKPOINTS=str(made.root))
    yield running
    running.stop()


@pytest.fixture
def start_server(made, tmp_path) -> Iterator[Callable[..., AppServer]]:
    started: list[AppServer] = []

    def start(root: Path | None = None) -> AppServer:
        place = tmp_path / f"server{len(started)}"
        started.append(AppServer(place, XKD_CHECKPOINTS=str(root or made.root)))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_tab(browser) -> Iterator[Callable[..., Page]]:
    """A tab in a context of its own; at the end: no console error, no request that left the machine."""
    contexts, problems = [], []

    def watch(page: Page) -> None:
        def console(message) -> None:
            expected = any(word in str(message.location) for word in EXPECTED_404)
            if message.type == "error" and not expected:
                problems.append(f"console: {message.text}")

        def request(sent) -> None:
            local = sent.url.startswith(("http://localhost", "ws://localhost", "data:", "blob:", "about:"))
            if not local:
                problems.append(f"left the machine: {sent.url}")

        page.on("console", console)
        page.on("pageerror", lambda error: problems.append(f"page error: {error}"))
        page.on("request", request)

    def open_one(
        url: str, *, width: int = 1440, height: int = 1000, wait: str = ".xkd-viewer[data-ready]", script: str = ""
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": height})
        context.add_init_script(script)
        contexts.append(context)
        page = context.new_page()
        watch(page)
        page.goto(url)
        page.wait_for_selector(wait, timeout=90_000)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not problems, problems
