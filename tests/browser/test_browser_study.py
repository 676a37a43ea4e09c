"""The study in a real browser: the whole way, keys, double clicks, reloads, a phone, and that nothing is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from pages._ui.study import words
from tests.app_server import StudyServer
from tests.browser.seen import at_rest
from tests.study.blind import only_pixels, pictures, told, words_of
from tests.study.made_study import GIVEN, make_participant, make_study
from xkd_core.study.store.answers import progress
from xkd_core.study.store.database import Database
from xkd_core.study.store.frames import read_data

pytestmark = pytest.mark.browser
READY = ".study-trial[data-ready]"


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Iterator[object]:
    place = tmp_path_factory.mktemp("study") / "home"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XKD_HOME", str(place))
        for name in ("XKD_STUDY_DB", "XKD_MODE"):
            patch.delenv(name, raising=False)
        yield place


@pytest.fixture(scope="module")
def server(home) -> Iterator[StudyServer]:
    running = StudyServer(home)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def database(home) -> Iterator[Database]:
    opened = Database()
    yield opened
    opened.close()


@pytest.fixture
def at_trials(server, database, open_tab) -> Callable[..., tuple[Page, str]]:
    """A tab at the first counted trial of a new study, and the secret of its link."""

    def open_one(*, width: int = 1280, height: int = 900, **changes: object) -> tuple[Page, str]:
        token = make_participant(database, make_study(database, **changes))
        return open_tab(f"{server.url}/study?p={token}", width=width, height=height, wait=READY), token

    return open_one


def ready(page: Page, index: int) -> None:
    page.wait_for_selector(f'.study-trial[data-ready="{index}"]', timeout=60_000)


def at(database: Database, token: str) -> int:
    return progress(database, token).trial.index


def stored(database: Database, token: str, index: int) -> dict:
    from xkd_core.study.store.studies import list_studies

    code = progress(database, token).code
    for study in list_studies(database):
        trials = read_data(database, study).trials
        own = trials[(trials["participant"] == code) & (trials["idx"] == index)]
        if len(own):
            return own.iloc[0].to_dict()
    raise AssertionError("no such trial")


def until_answered(page: Page, database: Database, token: str, index: int) -> None:
    for _ in range(240):
        now = progress(database, token)
        if now.trial is None or now.trial.index > index:
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"trial {index} was not answered")


def option(page: Page, place: int):
    return page.locator(".study-options button").nth(place)


def test_the_whole_way_with_a_reload_and_a_second_tab_and_nothing_told(server, database, open_tab):
    study = make_study(database, name="whole")
    received: list[bytes] = []
    addresses: list[str] = []
    headers: list[str] = []

    def listen(page: Page) -> None:
        def socket(one) -> None:
            addresses.append(one.url)
            one.on("framereceived", lambda data: received.append(data if isinstance(data, bytes) else data.encode()))

        def response(one) -> None:
            addresses.append(one.url)
            headers.append(str(one.headers))

        page.on("websocket", socket)
        page.on("response", response)

    page = open_tab(f"{server.url}/study?s={study.id}&PROLIFIC_PID=abc", wait='[data-testid="stApp"]')
    listen(page)
    page.reload()
    page.get_by_role("button", name="Begin").click()
    page.get_by_text("I am at least 18").click()
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="My screen is fine").click()
    expect(page.get_by_text("What to do")).to_be_visible(timeout=60_000)
    assert "p=" in page.url and "PROLIFIC" not in page.url
    token = page.url.split("p=")[1]
    page.wait_for_selector(".study-right")
    at_rest(page)
    page.get_by_role("button", name="Go on").click()
    shown = [page.content()]
    for index in range(study.config.practice):
        ready(page, index)
        shown.append(page.content())
        page.keyboard.press("1")
        expect(page.locator(".study-said")).to_contain_text("framed", timeout=60_000)
        assert page.locator(".study-right").count() == 2
        shown.append(page.content())
        page.get_by_role("button", name="Go on").click()
    page.get_by_text(words.LOOK_CHOICES[words.LOOK_RIGHT]).click()
    page.get_by_text(words.FORMS["most_similar_pair"].check[words.CHOOSE_RIGHT], exact=True).click()
    page.get_by_role("button", name="Go on").click()
    first, last = study.config.practice, study.config.n_shown
    for index in range(first, last):
        ready(page, index)  # the answer before this one has arrived
        if index == first + 2:
            page.reload()
        if index == first + 4:
            page.context.new_page().goto(page.url)
            page = page.context.pages[-1]
            listen(page)
        ready(page, index)
        shown.append(page.content())
        assert f"{index - first + 1} of {last - first}" in page.content()
        option(page, index % 3).click()
    page.get_by_label("Is there anything").fill("Fine.")
    page.get_by_role("button", name="Finish").click()
    expect(page.get_by_text("C0DE-42")).to_be_visible(timeout=60_000)
    shown.append(page.content())
    trials = read_data(database, study).trials
    assert trials["choice"].notna().all()
    counted = trials[trials["kind"] != "practice"]
    assert counted["choice"].tolist() == [3 - index % 3 for index in range(first, last)]
    assert set(counted["input_method"]) == {"pointer"} and (counted["rt_client_ms"] > 0).all()
    assert (trials.loc[trials["kind"] == "practice", "input_method"] == "key").all()
    assert progress(database, token).stage == "done"
    nothing_told(study, received, [*shown, *headers, *(url for url in addresses if "/static/" not in url)])


def nothing_told(study, frames: list[bytes], texts: list[str]) -> None:
    forbidden = words_of(study.config)
    assert set(GIVEN["pairs"][0].values()) & set(forbidden) and "occlusion" in forbidden
    seen = [png for frame in frames for png in pictures(frame)]
    assert len(seen) >= 4 * study.config.n_shown
    assert all(only_pixels(png) for png in seen)
    told_by = {word for part in (*frames, *texts) for word in told(part, forbidden)}
    assert told_by == set()


def test_the_search_for_words_finds_them_in_frames(database):
    study = make_study(database, name="search")
    assert told(b'{"role": "matched"}', words_of(study.config)) == ["matched"]
    assert told("alt='Grad-CAM of scenes'", words_of(study.config)) == ["grad-cam"]
    assert told("scam, xkd, latest", words_of(study.config)) == []


def test_keys_answer_and_what_the_key_says_is_stored(at_trials, database):
    page, token = at_trials(name="keys")
    for key, choice in (("2", 2), ("1", 3), ("3", 1)):
        index = at(database, token)
        ready(page, index)
        page.keyboard.press(key)
        until_answered(page, database, token, index)
        row = stored(database, token, index)
        assert (row["choice"], row["input_method"]) == (choice, "key")


def test_other_keys_and_keys_in_an_open_window_do_nothing(at_trials, database):
    page, token = at_trials(name="other-keys")
    index = at(database, token)
    for key in ("4", "0", "a", "Control+1", "Alt+2"):
        page.keyboard.press(key)
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_text("You can stop at any time")).to_be_visible()
    page.keyboard.press("1")
    page.wait_for_timeout(1500)
    assert at(database, token) == index


def test_a_double_click_counts_once(at_trials, database):
    page, token = at_trials(name="double")
    index = at(database, token)
    option(page, 0).dblclick()
    until_answered(page, database, token, index)
    ready(page, index + 1)
    page.wait_for_timeout(1500)
    assert at(database, token) == index + 1
    option(page, 1).evaluate("(button) => { button.click(); button.click(); button.click() }")
    until_answered(page, database, token, index + 1)
    page.wait_for_timeout(1500)
    assert at(database, token) == index + 2


def test_the_time_runs_from_the_pictures_being_drawn(at_trials, database):
    page, token = at_trials(name="time")
    index = at(database, token)
    page.wait_for_timeout(700)
    page.keyboard.press("1")
    until_answered(page, database, token, index)
    row = stored(database, token, index)
    # At least what was waited, and less than the server's time, in which the pictures had yet to travel.
    assert 700 <= row["rt_client_ms"] < row["rt_server_ms"]


def test_leaving_the_tab_is_counted(at_trials, database):
    page, token = at_trials(name="blurs")
    index = at(database, token)
    page.evaluate("() => Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    for _ in range(2):
        page.evaluate("() => document.dispatchEvent(new Event('visibilitychange'))")
    page.keyboard.press("1")
    until_answered(page, database, token, index)
    assert stored(database, token, index)["blur_count"] == 2


def test_an_old_window_cannot_answer_again(at_trials, database, open_tab):
    page, token = at_trials(name="old-window")
    index = at(database, token)
    other = page.context.new_page()
    other.goto(page.url)
    ready(other, index)
    option(other, 0).click()
    ready(other, index + 1)
    option(page, 2).click()
    ready(page, index + 1)
    assert stored(database, token, index)["choice"] == 3
    assert at(database, token) == index + 1


@pytest.mark.parametrize("question", ["most_similar_pair", "odd_one_out", "two_alternative"])
def test_a_phone_shows_everything_with_large_targets(at_trials, database, question):
    page, token = at_trials(width=390, height=844, name=f"phone-{question.replace('_', '-')}", question=question)
    index = at(database, token)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    buttons = page.locator(".study-trial button")
    boxes = [buttons.nth(place).bounding_box() for place in range(buttons.count())]
    assert all(box["width"] >= 48 and box["height"] >= 48 for box in boxes)
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= 390 for box in boxes)
    assert max(box["y"] + box["height"] for box in boxes) <= 844
    images = page.locator(".study-trial img")
    widths = {round(images.nth(place).bounding_box()["width"]) for place in range(images.count())}
    assert max(widths) - min(widths) <= 8 and min(widths) >= 120
    buttons.nth(0).click()
    until_answered(page, database, token, index)


def test_pictures_have_the_same_size_and_neutral_names(at_trials):
    page, _ = at_trials(name="names")
    alts = page.locator(".study-trial img").evaluate_all("(all) => all.map((one) => one.alt)")
    assert alts == ["The photo", "Picture A", "Picture B", "Picture C"]
    boxes = page.locator(".study-trial img").evaluate_all(
        "(all) => all.map((one) => one.getBoundingClientRect()).map((box) => [box.width, box.height, box.top])"
    )
    assert all(box == pytest.approx(boxes[0], abs=0.5) for box in boxes)


def test_an_answer_given_while_the_server_is_away_is_sent_again(home, database, browser):
    own = StudyServer(home)
    token = make_participant(database, make_study(database, name="away"))
    context = browser.new_context()  # not `open_tab`: the lost connection stands on the console
    page = context.new_page()
    page.goto(f"{own.url}/study?p={token}")
    index = at(database, token)
    ready(page, index)
    own.kill()
    option(page, 0).click()
    page.wait_for_timeout(1000)
    own.start()
    until_answered(page, database, token, index)
    ready(page, index + 1)
    assert stored(database, token, index)["choice"] == 3
    context.close()
    own.stop()


def test_withdrawing_asks_and_deletes(at_trials, database):
    page, token = at_trials(name="withdraw")
    page.get_by_role("button", name="Withdraw").click()
    page.get_by_role("button", name="Delete my answers and leave").click()
    expect(page.get_by_text("is deleted")).to_be_visible(timeout=60_000)
    assert "p=" not in page.url
    from xkd_core.study.store.participants import NoParticipantError

    with pytest.raises(NoParticipantError):
        progress(database, token)


def test_a_fresh_study_server_shows_no_other_page(home, browser):
    own = StudyServer(home)
    context = browser.new_context()  # not `open_tab`: Streamlit says on the console that there is no such page
    page = context.new_page()
    for path in ("/explore", "/study", "/compression?lam=1", "/study_admin", "/"):
        page.goto(f"{own.url}{path}")
        expect(page.get_by_text("open the link of your invitation").first).to_be_visible(timeout=60_000)
        assert not page.get_by_role("link", name="Explore").count()
        assert not page.locator(".xkd-viewer, input").count()
    context.close()
    own.stop()


def luminance(colour: str) -> float:
    """WCAG's relative luminance of "rgb(r, g, b)"."""
    values = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_main_button_can_be_read(server, database, open_tab, scheme):
    page = open_tab("about:blank", wait="body")
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{server.url}/study?s={make_study(database).id}")
    button = page.get_by_role("button", name="Begin", exact=True)
    button.wait_for(timeout=60_000)
    at_rest(page)
    words_of = button.locator("p").evaluate("one => getComputedStyle(one).color")
    ground = button.evaluate("one => getComputedStyle(one).backgroundColor")
    low, high = sorted(luminance(colour) for colour in (words_of, ground))
    assert (high + 0.05) / (low + 0.05) >= 4.5, (words_of, ground)
