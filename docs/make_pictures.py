"""The pictures of README, from the app itself: ``python -m docs.make_pictures`` (needs Chromium)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.app_server import AppServer
from tests.browser.conftest import chromium

HERE = Path(__file__).parent
PICTURES = {
    "landing": ("", "light", (1440, 1000)),
    "landing-dark": ("", "dark", (1440, 1000)),
    "compression": ("compression", "light", (1440, 1000)),
    "talk": ("?talk=1", "dark", (1280, 720)),
    "narrow": ("", "light", (390, 844)),
}


def take(browser: Browser, url: str, name: str, out: Path) -> None:
    """Open one page in one theme and size, wait until it is drawn, and save what is seen."""
    path, scheme, (width, height) = PICTURES[name]
    page = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.goto(f"{url}/{path}")
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=120_000)
    page.wait_for_timeout(3000)  # the viewer draws after the script has ended
    page.screenshot(path=str(out / f"{name}.png"))
    page.close()


def main(out: Path) -> None:
    """Start a server on the shipped runs and take every picture."""
    import os

    shipped = Path(os.environ.get("XKD_CHECKPOINTS") or HERE.parent / "checkpoints")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        server = AppServer(Path(home), XKD_CHECKPOINTS=str(shipped))
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            for name in PICTURES:
                take(browser, server.url, name, out)
        finally:
            browser.close()
            server.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
