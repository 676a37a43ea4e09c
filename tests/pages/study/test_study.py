"""The participant's page, step by step, and everything that can go wrong on it."""

from __future__ import annotations

import base64
import json

import pytest

from pages._ui.study import words
from tests.pages.study.study_pages import begin, press, texts, to_trials, token_of
from tests.study.blind import only_pixels, pictures, told, words_of
from tests.study.made_study import make_participant, make_study
from xkd_core.study.store import participants
from xkd_core.study.store.answers import progress
from xkd_core.study.store.frames import read_data
from xkd_core.study.store.studies import recruitment


def pixels(link: str) -> bytes:
    return base64.b64decode(link.removeprefix("data:image/png;base64,"))


def test_the_whole_way_from_the_link_to_the_code(open_page, fake, database):
    study = make_study(database)
    app = open_page(s=study.id)
    assert study.config.title in texts(app) and "about 5 minutes" in texts(app)
    press(app, "begin")
    token = token_of(app)
    assert "s" not in app.query_params
    assert "Taking part is voluntary" in texts(app)
    assert app.button(key="consent").disabled
    app.checkbox(key="agreed").check().run()
    press(app, "consent")
    fake.screen(app)
    assert "most alike" in texts(app)
    press(app, "read")
    for number in range(study.config.practice):
        assert app.get("progress")[0].proto.text == f"Practice {number + 1} of 2"
        fake.answer(app, 1)
        assert fake.data["feedback"]["words"].startswith(("Right. ", "Not quite. "))
        press(app, "read_on")
    app.radio(key="look0").set_value(words.LOOK_RIGHT).run()
    app.radio(key="choose0").set_value(words.CHOOSE_RIGHT).run()
    press(app, "check0")
    shown = study.config.n_shown - study.config.practice
    for number in range(shown):
        assert app.get("progress")[0].proto.text == f"{number + 1} of {shown}"
        assert app.get("progress")[0].proto.value == 100 * number // shown
        fake.answer(app, 1 + number % 3)
        assert not app.error
        assert progress(database, token).answered == number + 1
    app.text_area(key="comment").set_value("It was fine.").run()
    press(app, "finish")
    said = texts(app)
    assert "C0DE-42" in said and progress(database, token).code in said and "study@example.org" in said
    data = read_data(database, study)
    assert data.participants.iloc[0]["comment"] == "It was fine."
    assert data.participants.iloc[0]["viewport_px"] == 1200
    assert data.trials["choice"].notna().all()
    assert set(data.trials["rt_client_ms"]) == {1500} and set(data.trials["input_method"]) == {"key"}
    assert data.trials["rt_server_ms"].notna().all()


def test_looking_at_the_welcome_page_enrols_nobody(open_page, database):
    study = make_study(database)
    open_page(s=study.id)
    assert recruitment(database, study).arrived == 0


def test_a_platforms_participant_comes_back_to_the_same_place(open_page, fake, database):
    study = make_study(database)
    first = begin(open_page, study, PROLIFIC_PID="p1", STUDY_ID="s1", OTHER="x")
    again = begin(open_page, study, PROLIFIC_PID="p1", STUDY_ID="s1")
    assert token_of(first) == token_of(again)
    assert recruitment(database, study).arrived == 1


def test_a_browser_that_took_part_goes_on_or_begins_for_someone_else(open_page, fake, database):
    study = make_study(database)
    token = make_participant(database, study)
    open_page(p=token)
    assert fake.kept == {"study": study.id, "own": token, "forget": False}
    app = open_page(s=study.id)
    fake.remembers(app, token)
    press(app, "go_on")
    assert token_of(app) == token
    other = open_page(s=study.id)
    fake.remembers(other, token)
    press(other, "begin")
    assert token_of(other) != token
    assert recruitment(database, study).arrived == 2


@pytest.mark.parametrize("sent", [None, 7, "x" * 32, ["a"], {"p": 1}, "y" * 9000])
def test_a_forged_memory_is_ignored(open_page, fake, database, sent):
    study = make_study(database)
    app = open_page(s=study.id)
    fake.remembers(app, sent)
    assert not app.exception and not app.error
    assert [button.label for button in app.button if "fake" not in button.label] == ["Begin"]


def test_the_memory_of_another_study_does_not_count(open_page, fake, database):
    token = make_participant(database, make_study(database))
    app = open_page(s=make_study(database, name="other").id)
    fake.remembers(app, token)
    assert "go_on" not in [button.key for button in app.button]


def test_a_redirect_stands_instead_of_a_code(open_page, database):
    url = "https://app.prolific.com/submissions/complete?cc=X"
    study = make_study(database, completion_code=None, redirect_url=url)
    token = make_participant(database, study)
    from tests.study.made_study import answer_all

    answer_all(database, token)
    participants.finish(database, token)
    app = open_page(p=token)
    assert app.get("link_button")[0].proto.url == url


def test_consent_needs_the_tick(open_page, database):
    study = make_study(database)
    app = begin(open_page, study)
    assert not app.checkbox(key="agreed").value and app.button(key="consent").disabled
    app.run()
    assert progress(database, token_of(app)).stage == "consent"


def test_a_narrow_window_is_told_so_and_may_try_again(open_page, fake, database):
    study = make_study(database, min_width_px=800)
    app = begin(open_page, study)
    participants.consent(database, token_of(app), study.config.consent_sha256)
    app.run()
    fake.screen(app, 700)
    assert "700 pixels wide" in texts(app)
    fake.screen(app, 900)
    assert progress(database, token_of(app)).stage == "instructions"


@pytest.mark.parametrize("width", [None, "wide", -5, 10**9, float("nan"), {"a": 1}])
def test_a_forged_width_changes_nothing(open_page, fake, database, width):
    study = make_study(database)
    app = begin(open_page, study)
    participants.consent(database, token_of(app), study.config.consent_sha256)
    app.run()
    fake.screen(app, width)
    assert not app.exception
    assert progress(database, token_of(app)).stage == "screen"


def test_a_late_message_of_the_last_trial_is_no_error(open_page, fake, database):
    study = make_study(database)
    app = to_trials(open_page, database, study)
    before = progress(database, token_of(app))
    fake.sends_late(app, "fake_trial")
    assert not app.exception and not app.error
    assert progress(database, token_of(app)) == before


def test_two_wrong_checks_end_the_participation(open_page, database):
    study = make_study(database, practice=0)
    token = participants.enrol(database, study.id).token
    participants.consent(database, token, study.config.consent_sha256)
    participants.pass_screen(database, token, 1000)
    participants.finish_instructions(database, token)
    app = open_page(p=token)
    for tried in range(2):
        app.radio(key=f"look{tried}").set_value(0).run()
        app.radio(key=f"choose{tried}").set_value(words.CHOOSE_RIGHT).run()
        press(app, f"check{tried}")
    assert "the study\nends here" in texts(app)
    assert progress(database, token).stage == "refused"


def test_the_order_of_the_three_pairs_is_that_of_their_keys(open_page, fake, database):
    study = make_study(database)
    to_trials(open_page, database, study)
    assert [(one["words"], one["choice"]) for one in fake.data["options"]] == [
        ("A and B", 3),
        ("A and C", 2),
        ("B and C", 1),
    ]
    assert fake.data["keys"] == {"1": 3, "2": 2, "3": 1}
    assert [one["alt"] for one in fake.data["pictures"]] == ["The photo", "Picture A", "Picture B", "Picture C"]


def test_a_browser_gets_nothing_but_pictures_and_neutral_names(open_page, fake, database):
    study = make_study(database)
    app = to_trials(open_page, database, study)
    forbidden = words_of(study.config)
    for _ in range(study.config.n_shown - study.config.practice):
        assert set(fake.data) == {"index", "session", "failed", "ask", "pictures", "options", "keys", "feedback"}
        assert all(
            set(one) == {"src", "name", "alt", "photo", "slot", "choice", "key"} for one in fake.data["pictures"]
        )
        text = json.dumps(fake.data)
        assert told(text, forbidden) == [] and len(pictures(text)) == 4
        assert all(only_pixels(png) for png in pictures(text))
        fake.answer(app, 1)


def test_the_other_questions_are_answered_by_the_pictures(open_page, fake, database):
    to_trials(open_page, database, make_study(database, question="odd_one_out"))
    assert fake.data["options"] == [] and fake.data["keys"] == {"1": 1, "2": 2, "3": 3}
    assert [one["choice"] for one in fake.data["pictures"]] == [None, 1, 2, 3]
    study = make_study(database, question="two_alternative", name="other")
    app = to_trials(open_page, database, study)
    assert fake.data["keys"] == {"1": 1, "2": 2}
    assert [one["name"] for one in fake.data["pictures"]] == ["Photo", "X", "1", "2"]
    before = progress(database, token_of(app))
    fake.answer(app, 3)
    assert progress(database, token_of(app)) == before


@pytest.mark.parametrize("question", ["most_similar_pair", "odd_one_out", "two_alternative"])
def test_feedback_frames_the_right_pictures(open_page, fake, database, question):
    study = make_study(database, question=question)
    token = participants.enrol(database, study.id).token
    participants.consent(database, token, study.config.consent_sha256)
    participants.pass_screen(database, token, 1000)
    participants.finish_instructions(database, token)
    app = open_page(p=token)
    sources = {one["slot"]: one["src"] for one in fake.data["pictures"]}
    reference = next((one["src"] for one in fake.data["pictures"] if one["name"] == "X"), None)
    fake.answer(app, 1)
    framed = fake.data["feedback"]["framed"]
    slots = [slot for slot in sources if slot]
    assert len(framed) == (2 if question == "most_similar_pair" else 1)
    alike = (
        [reference, sources[framed[0]]]
        if reference
        else [sources[slot] for slot in slots if (slot in framed) == (len(framed) == 2)]
    )
    assert len({pixels(src) for src in alike}) == 1  # drawn alike, under other names
