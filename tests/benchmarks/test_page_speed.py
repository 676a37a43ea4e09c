"""How long a change on a page takes, from stored rows: goal 300 ms of the server's time on an idle machine.

Printed, not asserted: run with `pytest -s tests/benchmarks/test_page_speed.py`. "new": a choice that nobody made
before; "again": one that is in the caches. Seconds of the processor stand beside, since they change less when the
machine has other work. The last test counts what a visitor waits in headless Chromium.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import streamlit as st
from playwright.sync_api import Page, sync_playwright
from streamlit.testing.v1 import AppTest

from tests.app_server import AppServer
from tests.browser.conftest import chromium

ROOT = Path(__file__).parents[2]
SLIDERS = ("lam", "ratio", "beta")
CHANGES = {
    "metrics": ("metric", "map", "by", "first", "second", "ratio"),
    "sanity": ("ratio", "lam", "match"),
    "evidence": ("verdict", "paper"),
    "compression": ("ratio", "lam", "map"),
}
"""Page -> keys of the widgets that are changed, each to a few of its options."""
MOST = 4  # options of each
Times = dict[str, list[tuple[float, float]]]


def test_changes_on_the_server(monkeypatch, tmp_path):
    monkeypatch.setenv("XKD_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    for page in CHANGES:
        st.cache_resource.clear()
        st.cache_data.clear()
        print(f"\n{page}")
        app = opened(page)
        for name, times in measured(app, page).items():
            said(name, times)


def opened(page: str) -> AppTest:
    """The page, drawn until what is computed beside it is there."""
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=300)
    started = time.perf_counter()
    app.run()
    app.switch_page(f"pages/{page}.py").run()
    print(f"  first: {time.perf_counter() - started:.1f} s")
    for _ in range(4):
        time.sleep(1)
        app.run()
    assert not app.exception
    return app


def measured(app: AppTest, page: str) -> Times:
    """(seconds, processor seconds) of every change, for choices that are new and for the same ones again."""
    found: Times = {"new": [], "again": [], "nothing changed": []}
    for key in CHANGES[page]:
        first = place_of(app, key)
        others = [place for place in range(len(widget(app, key).options)) if place != first][:MOST]
        for word in ("new", "again"):
            found[word] += [timed(lambda place=place, key=key: choose(app, key, place)) for place in others]  # type: ignore[misc]
        choose(app, key, first)
    found["nothing changed"] = [timed(app.run) for _ in range(5)]
    return found


def widget(app: AppTest, key: str):
    return app.select_slider(key=key) if key in SLIDERS else app.selectbox(key=key)


def place_of(app: AppTest, key: str) -> int:
    """Which of its options a widget has now."""
    found = widget(app, key)
    if key not in SLIDERS:
        return int(found.index)
    return int(np.argmin([abs(float(words) - found.value) for words in found.options]))


def choose(app: AppTest, key: str, place: int) -> None:
    found = widget(app, key)
    chosen = found.set_value(float(found.options[place])) if key in SLIDERS else found.select_index(place)
    chosen.run()


def timed(work: object) -> tuple[float, float]:
    started, busy = time.perf_counter(), time.process_time()
    work()  # type: ignore[operator]
    return time.perf_counter() - started, time.process_time() - busy


def said(name: str, times: list[tuple[float, float]]) -> None:
    wall, busy = (np.percentile([one[place] for one in times], [50, 95]) * 1000 for place in (0, 1))
    print(f"  {name}: {len(times)} changes, p50 {wall[0]:.0f} ms, p95 {wall[1]:.0f} ms; of the processor p50 "
          f"{busy[0]:.0f} ms, p95 {busy[1]:.0f} ms")  # fmt: skip


WATCH = """() => { window.xkdDone = 0; const app = document.querySelector('[data-testid="stApp"]')
  new MutationObserver(() => { if (app.dataset.testScriptState === 'notRunning') window.xkdDone = performance.now() })
    .observe(app, {attributes: true, attributeFilter: ['data-test-script-state']}) }"""
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'
LABELS = {"metrics": ("Metric", "Along"), "sanity": ("Matched by",), "evidence": ("Verdict", "Paper"),
          "compression": ("Map", "Matched by")}  # fmt: skip


@pytest.fixture
def server(tmp_path) -> Iterator[AppServer]:
    running = AppServer(tmp_path / "home")
    yield running
    running.stop()


def test_what_a_visitor_waits(server):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, labels in LABELS.items():
            page = browser.new_page(viewport={"width": 1440, "height": 1000})
            page.goto(f"{server.url}/{name}")
            page.wait_for_selector("h2", timeout=300_000)
            settle(page)
            times = [wait for label in labels for wait in waits(page, label)]
            p50, p95 = np.percentile(times, [50, 95])
            print(f"\n{name} in Chromium: {len(times)} changes, p50 {p50:.0f} ms, p95 {p95:.0f} ms")
            page.close()
        browser.close()


def settle(page: Page) -> None:
    page.wait_for_timeout(3000)
    page.wait_for_selector(IDLE, timeout=300_000)


def waits(page: Page, label: str) -> Iterator[float]:
    """ms from choosing another option to the page at rest, once for each of a few options and once back."""
    page.evaluate(WATCH)
    for key in ("ArrowDown", "ArrowDown", "ArrowUp"):
        box = page.get_by_role("combobox", name=label).first
        box.scroll_into_view_if_needed()
        box.click()
        box.press(key)
        started = page.evaluate("() => { window.xkdDone = 0; return performance.now() }")
        box.press("Enter")
        page.wait_for_function("() => window.xkdDone > 0", timeout=120_000)
        settle(page)
        yield page.evaluate("() => window.xkdDone") - started
