"""Pages as people use them: keyboard, gallery, phone, projector, both themes."""

from __future__ import annotations

import itertools

import pytest

from tests.browser.seen import all_computed, at_rest, boxes_of, drag, open_drawing, query, run_of

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


def test_a_thumbnail_leads_back_to_the_top(server, open_tab):
    page = open_tab(f"{server.url}/?maps=cam")
    at_rest(page)
    button = page.locator(".xkd-gallery button:not([aria-current=true])").nth(2)
    button.scroll_into_view_if_needed()
    scrolled = "document.querySelector('[data-testid=stMain]').scrollTop"
    assert page.evaluate(scrolled) > 0
    index = button.get_attribute("data-index")
    button.click()
    page.wait_for_url(f"**image={index}**", timeout=30_000)
    page.wait_for_function(f"() => {scrolled} === 0", timeout=10_000)


@pytest.mark.parametrize(("width", "height"), [(1280, 720), (390, 844)])
def test_the_first_row_of_maps_is_on_the_first_screen(server, open_tab, width, height):
    page = open_tab(server.url, width=width, height=height)
    at_rest(page)
    boxes = boxes_of(page, '.xkd-panel[data-method="cam"] .xkd-frame', 3)
    title = page.locator("h2").first.bounding_box()
    assert 0 < title["height"] < 70  # two lines at most
    assert all(box["y"] > title["y"] + title["height"] and box["y"] + box["height"] <= height for box in boxes)


@pytest.mark.parametrize("lam", ["0", "1"])
def test_words_of_one_slider_do_not_run_into_the_next(server, open_tab, lam):
    page = open_tab(f"{server.url}/?maps=cam&lam={lam}", width=1280, height=720)
    at_rest(page)
    heads = page.evaluate("""() => [...document.querySelectorAll('.xkd-slider-head')]
      .filter((one) => one.checkVisibility()).map((one) => [...one.children].map((part) => {
        const box = part.getBoundingClientRect()
        return [box.left, box.right, part.scrollWidth - part.clientWidth]
      }))""")
    assert len(heads) == 3
    flat = [box for head in heads for box in head]
    assert all(hidden <= 0 for *_, hidden in flat)  # nothing is cut off
    assert all(left[1] + 4 <= right[0] for left, right in itertools.pairwise(flat))


def test_drawing_controls_come_on_a_click(server, open_tab):
    page = open_tab(f"{server.url}/?maps=cam")
    at_rest(page)
    opacity = page.locator('.xkd-viewer input[data-name="opacity"]')
    assert not opacity.is_visible()
    open_drawing(page)
    assert opacity.is_visible()


def test_compression_and_back_keeps_the_view(server, open_tab):
    page = open_tab(f"{server.url}/?maps=cam&lam=1&ratio=15.8&image=7&g_order=index")
    at_rest(page)
    page.get_by_role("link", name="Compression").click()
    page.wait_for_selector(".xkd-viewer.xkd-film[data-ready]", timeout=60_000)
    at_rest(page)
    assert query(page)["lam"] == "1" and query(page)["image"] == "7"
    assert shown_image(page) == "scenes:test:7"
    page.get_by_role("link", name="Explore").click()
    page.wait_for_selector(".xkd-viewer:not(.xkd-film)[data-ready]", timeout=60_000)
    at_rest(page)
    for name, value in {"lam": "1", "ratio": "15.8", "image": "7", "g_order": "index", "maps": "cam"}.items():
        assert query(page)[name] == value
    assert shown_image(page) == "scenes:test:7"


def test_back_in_the_browser_goes_back_by_one_view(server, open_tab, made):
    page = open_tab(f"{server.url}/?maps=cam&image=7")
    at_rest(page)
    page.wait_for_timeout(2500)  # an address that changes at once may only be late
    drag(page, "lam", 0.5, 1.0)
    page.wait_for_url("**lam=1**", timeout=30_000)
    at_rest(page)
    assert run_of(page, "naive") == made.runs["kd 0.125 1"]
    page.wait_for_timeout(2500)
    page.go_back()
    page.wait_for_selector(f'.xkd-panel[data-role="naive"][data-run="{made.runs["kd 0.125 0.5"]}"]', timeout=30_000)
    at_rest(page)
    assert "lam" not in query(page) and query(page)["image"] == "7"
    page.wait_for_timeout(2500)
    page.go_forward()
    page.wait_for_selector(f'.xkd-panel[data-role="naive"][data-run="{made.runs["kd 0.125 1"]}"]', timeout=30_000)


def test_a_warning_about_the_link_outlives_the_computing_of_maps(server, open_tab):
    page = open_tab(f"{server.url}/?run=nope&image=13")
    all_computed(page)
    assert page.get_by_text("The link names the run 'nope'").is_visible()
    page.get_by_role("button", name="Next").click()
    page.wait_for_selector("text=The link names the run", state="detached", timeout=30_000)


def test_a_phone_shows_everything_without_scrolling_sideways(server, open_tab):
    page = open_tab(f"{server.url}/?maps=cam", width=390, height=844)
    all_computed(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    boxes = boxes_of(page, ".xkd-panel img", 3)
    assert len({round(box["y"]) for box in boxes}) == 1  # models side by side
    assert all(box["width"] > 95 and box["x"] + box["width"] <= 390 for box in boxes)


@pytest.mark.parametrize("page_name", ["", "compression", "metrics", "sanity", "evidence", "glossary"])
def test_no_page_overflows_a_phone(server, open_tab, page_name):
    page = open_tab(f"{server.url}/{page_name}", width=390, height=844, wait="h2")
    at_rest(page)
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") <= 390


@pytest.mark.parametrize(
    "query_string", ["?talk=1", "?talk=1&maps=cam&maps=gradient_shap&view=overlay.all.inferno.50.50.s"]
)
def test_talk_mode_is_large_and_needs_no_scrolling(server, open_tab, query_string):
    page = open_tab(f"{server.url}/{query_string}", width=1280, height=720)
    all_computed(page)
    page.wait_for_timeout(500)  # the maps take what the words leave of the screen
    legend = page.locator(".xkd-legend").bounding_box()
    assert legend["height"] > 20
    assert legend["y"] + legend["height"] <= 720
    assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollHeight") <= 720
    assert page.get_by_text("The shortcut is planted").is_visible()
    assert page.locator(".xkd-frame").first.bounding_box()["height"] > 150
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


@pytest.mark.parametrize(
    ("page", "chart"), [("compression", "quadrant_naive"), ("metrics?metric=cosine", "differences")]
)
def test_a_click_on_a_dot_opens_its_image(server, open_tab, page, chart):
    dot = f".st-key-{chart} .scatterlayer .point"
    tab = open_tab(f"{server.url}/{page}", wait=dot)
    at_rest(tab)
    tab.locator(dot).nth(3).scroll_into_view_if_needed()
    tab.wait_for_timeout(1500)
    box = tab.locator(dot).nth(3).bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x - 4, y)
    tab.mouse.move(x, y, steps=4)
    words = tab.locator(f".st-key-{chart} .hoverlayer").text_content()
    tab.mouse.click(x, y)
    tab.wait_for_selector(".xkd-viewer[data-ready]", timeout=60_000)
    tab.wait_for_url("**run=**", timeout=60_000)
    assert words.startswith(f"image {query(tab)['image']}")
