"""The participant's page when something goes wrong: reloads, second windows, forged answers, no database."""

from __future__ import annotations

import sqlite3
import subprocess
import sys

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages.conftest import ROOT
from tests.pages.study.study_pages import press, texts, to_trials, token_of
from tests.study.made_study import make_participant, make_study, walk_to_trials
from xkd_core.study.store import answers, participants
from xkd_core.study.store.answers import progress
from xkd_core.study.store.frames import read_data
from xkd_core.study.store.studies import close_study, recruitment


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


def test_the_bare_address_of_a_study_server_leads_to_the_study(database, fake, monkeypatch):
    monkeypatch.setenv("XKD_MODE", "study")
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
