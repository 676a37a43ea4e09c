"""Pages as people use them: keyboard, gallery, phone, projector, both themes."""

from __future__ import annotations

import pytest

from tests.browser.seen import at_rest, query

pytestmark = pytest.mark.browser


def shown_image(page) -> str:
    return page.locator(".xkd-viewer").get_attribute("data-ready").split(" ")[0]


def test_arrow_keys_turn_to_the_next_image_and_back(server, open_tab):
    page = open_tab(f"{server.url}/?image=4&maps=cam")
    at_rest(page)
    assert shown_image(page) == "scenes:test:4"
    page.mouse.click(1200, 40)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('.xkd-viewer:not([data-ready^="scenes:test:4 "])', timeout=30_000)
    at_rest(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector('.xkd-viewer[data-ready^="scenes:test:4 "]', timeout=30_000)


def test_arrow_keys_on_a_slider_do_not_turn_to_another_image(server, open_tab):
    page = open_tab(f"{server.url}/?image=4&maps=cam")
    at_rest(page)
    page.locator('.xkd-viewer input[data-name="lam"]').focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**lam=1**", timeout=30_000)
    at_rest(page)
    assert query(page)["image"] == "4"


def test_a_thumbnail_opens_its_image(server, open_tab):
    page = open_tab(f"{server.url}/?maps=cam")
    at_rest(page)
    button = page.locator(".xkd-gallery button:not([aria-current=true])").nth(2)
    index = button.get_attribute("data-index")
    button.click()
    page.wait_for_url(f"**image={index}**", timeout=30_000)


def test_a_phone_shows_everything_without_scrolling_sideways(server, open_tab):
    page = open_tab(f"{server.url}/?maps=cam", width=390, height=844)
    at_rest(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = [box.bounding_box() for box in page.locator(".xkd-panel img").all()]
    assert len(boxes) == 3
    assert len({round(box["y"]) for box in boxes}) == 1  # models side by side
    assert all(box["width"] > 95 and box["x"] + box["width"] <= 390 for box in boxes)


@pytest.mark.parametrize("page_name", ["", "compression", "glossary"])
def test_no_page_overflows_a_phone(server, open_tab, page_name):
    page = open_tab(f"{server.url}/{page_name}", width=390, height=844, wait="h2")
    at_rest(page)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390


def test_talk_mode_is_large_and_needs_no_scrolling(server, open_tab):
    page = open_tab(f"{server.url}/?talk=1", width=1280, height=720)
    at_rest(page)
    grid = page.locator(".xkd-grid").bounding_box()
    assert grid["y"] + grid["height"] <= 720
    sizes = page.evaluate("""() => {
      const sizes = []
      const walk = document.createTreeWalker(document.querySelector('[data-testid=stMain]'), NodeFilter.SHOW_TEXT)
      while (walk.nextNode()) {
        const parent = walk.currentNode.parentElement
        const box = parent.getBoundingClientRect()
        const seen = parent.checkVisibility() && box.width > 0 && box.height > 1 && walk.currentNode.data.trim()
        if (seen) sizes.push([parseFloat(getComputedStyle(parent).fontSize), walk.currentNode.data.trim()])
      }
      return sizes
    }""")
    assert sizes
    small = [(size, text) for size, text in sizes if size < 24 and text not in ("←", "→")]
    assert not small, small


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_both_themes_colour_the_viewer_with_the_page(server, browser, scheme):
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    page.goto(f"{server.url}/?maps=cam")
    page.wait_for_selector(".xkd-viewer[data-ready]", timeout=90_000)
    colour = page.locator(".xkd-model-name").first.evaluate("(one) => getComputedStyle(one).color")
    brightness = sum(int(part) for part in colour.strip("rgb()").split(",")[:3]) / 3
    assert brightness > 180 if scheme == "dark" else brightness < 80
    context.close()


def test_every_control_of_the_viewer_has_a_name(server, open_tab):
    page = open_tab(f"{server.url}/?maps=cam")
    at_rest(page)
    named = page.evaluate("""() => [...document.querySelectorAll('.xkd-viewer input, .xkd-viewer select')]
      .map((one) => one.labels.length > 0 && one.labels[0].textContent.trim().length > 0)""")
    assert len(named) >= 10
    assert all(named)
