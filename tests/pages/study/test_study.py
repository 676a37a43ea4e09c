"""The participant's page, step by step, and everything that can go wrong on it."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from pages._ui.study import store, words
from tests.pages.conftest import ROOT
from tests.pages.study_pages import FakeBrowser, texts
from tests.study.blind import only_pixels, pictures, told, words_of
from tests.study.made_study import make_participant, make_study, walk_to_trials
from xkd_core.study.store import answers, participants
from xkd_core.study.store.answers import progress
from xkd_core.study.store.database import Database
from xkd_core.study.store.frames import read_data
from xkd_core.study.store.studies import close_study, recruitment

Opener = Callable[..., AppTest]


@pytest.fixture
def fake(monkeypatch) -> FakeBrowser:
    return FakeBrowser(monkeypatch)


@pytest.fixture
def database(monkeypatch, tmp_path):
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XKD_MODE", "study")
    monkeypatch.delenv("XKD_STUDY_DB", raising=False)
    monkeypatch.chdir(ROOT)
    st.cache_resource.clear()
    st.cache_data.clear()
    opened = Database(busy_ms=300)
    monkeypatch.setattr(store, "_database", lambda url: opened)
    yield opened
    opened.close()


@pytest.fixture
def open_page(database, fake) -> Opener:
    def run(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        app.switch_page("pages/study.py").run()
        assert not app.exception
        return app

    return run


def pixels(link: str) -> bytes:
    return base64.b64decode(link.removeprefix("data:image/png;base64,"))


def press(app: AppTest, key: str) -> None:
    app.button(key=key).click().run()
    assert not app.exception


def token_of(app: AppTest) -> str:
    value = app.query_params["p"]
    return value if isinstance(value, str) else value[0]


def begin(open_page: Opener, study, **query: str) -> AppTest:
    app = open_page(s=study.id, **query)
    press(app, "begin")
    return app


def to_trials(open_page: Opener, database, study) -> AppTest:
    return open_page(p=make_participant(database, study))


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


def test_a_reload_goes_on_at_the_right_trial(open_page, fake, database):
    study = make_study(database)
    app = to_trials(open_page, database, study)
    fake.answer(app, 2)
    token = token_of(app)
    index = fake.data["index"]
    open_page(p=token)
    assert fake.data["index"] == index == progress(database, token).trial.index


def test_a_double_click_and_a_second_window_count_once(open_page, fake, database):
    study = make_study(database)
    app = to_trials(open_page, database, study)
    token, index = token_of(app), fake.data["index"]
    other = open_page(p=token)
    fake.answer(app, 1)
    fake.answer(other, 2, index=index)
    fake.answer(other, 3, index=index)
    trials = read_data(database, study).trials
    assert trials.loc[trials["idx"] == index, "choice"].tolist() == [1]
    assert progress(database, token).answered == 1
    assert fake.data["index"] == progress(database, token).trial.index


@pytest.mark.parametrize(
    "sent",
    [None, 7, "x", [], {}, {"index": "0", "choice": 1}, {"index": True, "choice": 1}, {"index": 2, "choice": 9},
     {"index": 10**30, "choice": 1}, {"index": -1, "choice": 1}, {"index": 2, "choice": 1.0}],
)  # fmt: skip
def test_a_forged_answer_changes_nothing(open_page, fake, database, sent):
    study = make_study(database)
    app = to_trials(open_page, database, study)
    before = progress(database, token_of(app))
    fake.sends = sent
    app.button(key="fake_trial").click().run()
    assert not app.exception
    assert progress(database, token_of(app)) == before


def test_an_answer_for_a_later_trial_is_refused(open_page, fake, database):
    study = make_study(database)
    app = to_trials(open_page, database, study)
    before = progress(database, token_of(app))
    fake.answer(app, 1, index=before.trial.index + 1)
    assert progress(database, token_of(app)) == before
    assert "right place" in texts(app)


def test_strange_times_are_stored_as_unknown(open_page, fake, database):
    study = make_study(database)
    app = to_trials(open_page, database, study)
    index = fake.data["index"]
    fake.answer(app, 1, rt_ms="fast", method=["key"], blurs="many")
    trials = read_data(database, study).trials
    row = trials[trials["idx"] == index].iloc[0]
    assert row["choice"] == 1
    assert row[["rt_client_ms", "input_method", "blur_count"]].isna().all()


def test_withdrawing_deletes_everything(open_page, fake, database):
    study = make_study(database)
    app = to_trials(open_page, database, study)
    fake.answer(app, 1)
    token = token_of(app)
    press(app, "withdraw")
    assert "is deleted" in texts(app)
    assert "p" not in app.query_params
    assert fake.kept == {"study": study.id, "own": None, "forget": True}
    assert read_data(database, study).participants.empty
    assert recruitment(database, study).withdrawn == 1
    assert "not known" in texts(open_page(p=token))


GUESSES = [
    {},
    {"s": "0" * 24},
    {"s": "' OR 1=1 --"},
    {"s": "a" * 5000},
    {"p": "x" * 32},
    {"p": "../../etc"},
    {"p": "y" * 9000},
    {"p": ""},
]


@pytest.mark.parametrize("query", GUESSES)
def test_a_guessed_link_shows_nothing(open_page, database, query):
    study = make_study(database)
    app = open_page(**query)
    said = texts(app)
    assert "invitation" in said or "does not belong to a study" in said
    assert study.config.title not in said and not app.button
    assert recruitment(database, study).arrived == 0


def test_odd_platform_parameters_are_refused(open_page, database):
    study = make_study(database)
    for value in ("<script>", "x" * 200, "a b"):
        app = open_page(s=study.id, PROLIFIC_PID=value)
        app.button(key="begin").click().run()
        assert "PROLIFIC_PID must be" in texts(app) and not app.exception
    assert recruitment(database, study).arrived == 0


def test_a_closed_study_takes_nobody_new_and_lets_others_finish(open_page, fake, database):
    study = make_study(database)
    token = make_participant(database, study)
    close_study(database, study.id)
    app = open_page(s=study.id)
    assert "does not take new participants" in texts(app)
    assert "begin" not in [button.key for button in app.button]
    fake.answer(open_page(p=token), 1)
    assert progress(database, token).answered == 1


def test_a_study_that_is_not_open_yet_takes_nobody(open_page, database):
    study = make_study(database, opened=False)
    assert "does not take new participants" in texts(open_page(s=study.id))


def test_a_locked_database_is_said_and_the_answer_may_be_given_again(open_page, fake, database):
    study = make_study(database)
    app = to_trials(open_page, database, study)
    token, index, failed = token_of(app), fake.data["index"], fake.data["failed"]
    other = sqlite3.connect(database.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    fake.answer(app, 1)
    assert "busy with another program" in texts(app)
    assert fake.data["index"] == index and fake.data["failed"] == failed + 1
    other.execute("ROLLBACK")
    fake.answer(app, 2)
    assert "busy" not in texts(app)
    trials = read_data(database, study).trials
    assert trials.loc[trials["idx"] == index, "choice"].tolist() == [2]
    assert progress(database, token).answered == 1


def test_a_database_that_is_away_is_said_and_comes_back(open_page, fake, database, monkeypatch):
    from xkd_core.study.store.trouble import StoreError

    study = make_study(database)
    token = make_participant(database, study)
    working = answers.progress

    def away(*_args):
        raise StoreError("The study's database server does not answer.")

    monkeypatch.setattr(answers, "progress", away)
    app = open_page(p=token)
    assert "tries again by itself" in texts(app) and "does not answer" in texts(app)
    monkeypatch.setattr(answers, "progress", working)
    app.run()
    assert fake.data["index"] == progress(database, token).trial.index
    assert "tries again" not in texts(app)


def test_a_lost_picture_is_said(open_page, database, tmp_path):
    study = make_study(database)
    token = make_participant(database, study)
    for path in (tmp_path / "home/study/stimuli").rglob("*.png"):
        path.unlink()
    assert "not on this machine" in texts(open_page(p=token))


def test_every_page_but_the_study_refuses_in_study_mode(open_page, database):
    for page in ("explore", "compression", "metrics", "sanity", "evidence", "glossary", "study_admin"):
        app = AppTest.from_file(str(ROOT / f"pages/{page}.py"), default_timeout=60).run()
        assert [error.value for error in app.error] == [
            "There is nothing here. If you want to take part in a study, open the link of your invitation."
        ]
        assert len(app.main.children) == 1  # the sentence, and nothing else


def test_a_mistyped_mode_shows_nothing_at_all(open_page, database, monkeypatch):
    monkeypatch.setenv("XKD_MODE", "studdy")
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert "'studdy'" in texts(app) and len(app.main.children) == 1


def test_the_bare_address_of_a_study_server_leads_to_the_study(database, fake):
    app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    assert not app.exception
    assert "open the link of your invitation" in texts(app)


def test_a_walk_by_the_store_and_by_the_page_agree(open_page, database):
    study = make_study(database, practice=0)
    token = participants.enrol(database, study.id).token
    walk_to_trials(database, study, token)
    assert progress(database, token).stage == "trials"
    assert open_page(p=token).get("progress")


def test_the_participants_page_imports_nothing_that_computes_maps():
    script = (
        "import sys; import pages._ui.study.steps, pages._ui.guard;"
        "heavy = {'torch', 'skimage', 'scipy', 'statsmodels', 'sklearn', 'xkd_core.serving'} & set(sys.modules);"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
