"""What a visitor sees: the pixels of the heatmaps and the run that each of them shows."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import numpy as np
from playwright.sync_api import Page

_PANELS = """() => [...document.querySelectorAll('.xkd-panel')].map((box) => ({
  role: box.dataset.role, run: box.dataset.run, method: box.dataset.method, alt: box.querySelector('img').alt,
  scale: Number(box.dataset.scale), notice: box.querySelector('.xkd-notice').textContent,
}))"""
_PIXELS = """async (image) => {
  await image.decode()
  const canvas = document.createElement('canvas')
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight
  const context = canvas.getContext('2d')
  context.drawImage(image, 0, 0)
  const data = context.getImageData(0, 0, canvas.width, canvas.height).data
  let text = ''
  for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192))
  return [btoa(text), canvas.height, canvas.width]
}"""


def panels(page: Page) -> list[dict]:
    return page.evaluate(_PANELS)


def run_of(page: Page, role: str) -> str:
    return next(panel["run"] for panel in panels(page) if panel["role"] == role)


def pixels(page: Page, role: str, method: str = "cam") -> np.ndarray:
    """(S, S, 3) uint8 of the <img> that is on the page."""
    return image_pixels(page, f'.xkd-panel[data-role="{role}"][data-method="{method}"] img')


def image_pixels(page: Page, selector: str) -> np.ndarray:
    text, height, width = page.locator(selector).first.evaluate(_PIXELS)
    return np.frombuffer(base64.b64decode(text), dtype=np.uint8).reshape(height, width, 4)[..., :3]


def all_computed(page: Page) -> None:
    """Wait for the maps that the server computes beside the page."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('.xkd-notice')].every((one) => one.textContent !== 'not computed yet')",
        timeout=90_000,
    )
    at_rest(page)


def at_rest(page: Page) -> None:
    """Wait until nothing is drawn or computed any more."""
    page.wait_for_selector('[data-testid="stApp"][data-test-script-state="notRunning"]', timeout=60_000)
    page.wait_for_function(
        "() => [...document.querySelectorAll('.xkd-viewer canvas')].every((one) => one.hidden)", timeout=30_000
    )


def query(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def open_drawing(page: Page) -> None:
    """Show the controls of the drawing."""
    button = page.get_by_role("button", name="Drawing")
    if button.get_attribute("aria-expanded") != "true":
        button.click()


def drag(page: Page, name: str, start: float, end: float) -> None:
    """Drag a slider of the viewer with the mouse from one share of its length to another."""
    box = page.locator(f'.xkd-viewer input[type=range][data-name="{name}"]').bounding_box()
    y, inner = box["y"] + box["height"] / 2, box["width"] - 16
    page.mouse.move(box["x"] + 8 + inner * start, y)
    page.mouse.down()
    page.mouse.move(box["x"] + 8 + inner * end, y, steps=12)
    page.mouse.up()


def boxes_of(page: Page, selector: str, count: int) -> list[dict[str, float]]:
    """Boxes of exactly ``count`` elements that are laid out, all read at the same moment.

    One by one they may be of a page and of the page drawn again just after it.
    """
    found = page.wait_for_function(
        """([selector, count]) => {
          const boxes = [...document.querySelectorAll(selector)].map((one) => one.getBoundingClientRect())
          const ready = boxes.length === count && boxes.every((box) => box.width > 0 && box.height > 0)
          return ready && boxes.map(({x, y, width, height}) => ({x, y, width, height}))
        }""",
        arg=[selector, count],
        timeout=30_000,
    )
    boxes: list[dict[str, float]] = found.json_value()
    return boxes
