"""The study leader's page: its door, a new study, recruitment, results, exports and deletions."""

from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from pages._ui import resources
from pages._ui.study import recruit
from tests.pages.conftest import ROOT
from tests.pages.study.study_pages import texts
from tests.study.made_study import answer_all, make_participant, make_study
from xkd_core.serving.jobs import Jobs
from xkd_core.study import access
from xkd_core.study.analysis.report import analyse
from xkd_core.study.export import export_zip
from xkd_core.study.store import participants, studies
from xkd_core.study.store.frames import read_data, read_platform

Opener = Callable[..., AppTest]
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("XKD_MODE", "XKD_ADMIN_EMAILS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XKD_ADMIN_PASSWORD_HASH", access.hash_password(PASSWORD))


@pytest.fixture
def visit(database, monkeypatch, tmp_path, request) -> Opener:
    """The page as someone comes to it who is not logged in; with runs only for tests that ask for ``made``."""
    made = request.getfixturevalue("made") if "made" in request.fixturenames else None
    monkeypatch.setenv("XKD_CHECKPOINTS", str(tmp_path / "none" if made is None else made.root))

    def run(**query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
        for name, value in query.items():
            app.query_params[name] = value
        app.switch_page("pages/study_admin.py").run()
        assert not app.exception
        return app

    return run


@pytest.fixture
def enter(visit) -> Opener:
    def run(view: str = "", **query: str) -> AppTest:
        app = visit(**query)
        log_in(app)
        if view:
            app.segmented_control(key="view").set_value(view).run()
            assert not app.exception
        return app

    return run


def log_in(app: AppTest, password: str = PASSWORD) -> None:
    app.text_input[0].set_value(password)
    app.button[0].click().run()
    assert not app.exception


def press(app: AppTest, key: str) -> None:
    app.button(key=key).click().run()
    assert not app.exception


def is_closed(app: AppTest) -> bool:
    return not app.selectbox and not app.metric and not app.get("download_button")


def answered(database, *, people: int = 4, **changes):
    # With two catch trials three cannot be wrong, so everybody counts.
    study = make_study(database, exclusions={"failed_catches": 3}, **changes)
    for number in range(people):
        token = make_participant(database, study, PROLIFIC_PID=f"p{number}")
        answer_all(database, token, lambda trial, number=number: 1 + (trial.index + number) % len(trial.panels))
        participants.finish(database, token)
    return study


def test_without_configuration_the_page_is_closed_and_says_how_to_open_it(visit, database, monkeypatch):
    make_study(database)
    monkeypatch.delenv("XKD_ADMIN_PASSWORD_HASH")
    app = visit()
    assert "is closed" in texts(app) and "XKD_ADMIN_PASSWORD_HASH" in texts(app)
    assert is_closed(app) and not app.text_input and not app.button


def test_a_hash_that_cannot_be_read_opens_nothing(visit, monkeypatch):
    monkeypatch.setenv("XKD_ADMIN_PASSWORD_HASH", "secret")
    app = visit()
    assert "cannot be read" in texts(app)
    assert is_closed(app) and not app.text_input


def test_the_right_password_opens_and_log_out_closes(enter, database):
    study = make_study(database)
    app = enter()
    assert study.label in app.selectbox(key="study").options[0]
    press(app, "log_out")
    assert is_closed(app) and app.text_input


def test_wrong_passwords_show_nothing_and_are_throttled(visit, database):
    make_study(database)
    app = visit()
    for _ in range(access.TRIES):
        log_in(app, "wrong password!")
        assert "This is not the password" in texts(app) and is_closed(app)
    log_in(app, PASSWORD)
    assert "Too many wrong passwords" in texts(app) and is_closed(app)
    other = visit()
    log_in(other, PASSWORD)
    assert is_closed(other)


@pytest.mark.parametrize(
    "query", [{"study": "new"}, {"admin": "1", "_admin_used": "1"}, {"p": "x" * 5000}, {"s": "' OR 1=1"}]
)
def test_parameters_of_the_address_do_not_open_the_door(visit, database, query):
    study = make_study(database)
    app = visit(**query)
    assert is_closed(app) and study.label not in texts(app)


def test_an_idle_session_is_closed_before_anything_is_done(enter, database):
    study = make_study(database, opened=False)
    app = enter()
    app.session_state["_admin_used"] = app.session_state["_admin_used"] - access.IDLE * 2
    app.button(key="open").click().run()
    assert is_closed(app)
    assert studies.find_study(database, study.id).status == "draft"


def test_an_oidc_login_needs_a_listed_and_verified_address(visit, database, monkeypatch):
    make_study(database)
    monkeypatch.delenv("XKD_ADMIN_PASSWORD_HASH")
    monkeypatch.setenv("XKD_ADMIN_EMAILS", "leader@example.org")
    app = visit()
    assert is_closed(app) and app.button(key="door_login")
    for email, verified, opens in (("other@example.org", True, False), ("leader@example.org", False, False),
                                   ("leader@example.org", True, True)):  # fmt: skip
        app = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
        app.user = {"is_logged_in": True, "email": email, "email_verified": verified}
        app.switch_page("pages/study_admin.py").run()
        press(app, "door_oidc")
        assert is_closed(app) is not opens


def test_a_locked_store_keeps_the_door_closed(visit, database):
    import sqlite3

    app = visit()
    other = sqlite3.connect(database.url.database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    log_in(app)
    assert "busy with another program" in texts(app) and is_closed(app)
    other.execute("ROLLBACK")


def fill(app: AppTest, preset: str, **numbers: int) -> None:
    for name, value in numbers.items():
        app.number_input(key=f"new_{preset}_{name}").set_value(value)
    app.text_input(key=f"new_{preset}_name").set_value("first")
    app.text_input(key=f"new_{preset}_contact").set_value("study@example.org")
    app.multiselect(
        key=f"new_{preset}_strataTrue" if has_habitats(app, preset) else f"new_{preset}_strataFalse"
    ).set_value([])
    app.run()
    assert not app.exception


def has_habitats(app: AppTest, preset: str) -> bool:
    return any(one.key == f"new_{preset}_strataTrue" for one in app.multiselect)


def test_a_study_is_set_up_from_a_preset_with_name_and_contact_alone(enter, database, made):
    app = enter()
    assert "Give the study a name and a contact" in texts(app)
    small = {"n_images": 4, "trials": 3, "catches": 1, "repeats": 1, "practice": 1, "participants": 5, "size": 128}
    fill(app, "recommended", **small)
    assert "**4 items**" in texts(app) and "**6 trials**" in texts(app)
    app.selectbox(key="new_recommended_explainer").set_value("cam").run()
    press(app, "create")
    wait_for_job(app)
    [study] = studies.list_studies(database)
    assert (study.label, study.status) == ("first-v1", "draft")
    assert study.config.teacher == made.runs["teacher"]
    assert study.config.n_shown == 6 and study.config.explainer == "cam"
    assert "study@example.org" in study.config.consent_md
    assert app.selectbox(key="study").value == study.id
    press(app, "open")
    assert studies.find_study(database, study.id).status == "open"
    assert f"/study?s={study.id}" in app.code[0].value
    press(app, "close")
    assert studies.find_study(database, study.id).status == "closed"


def test_a_second_study_can_be_set_up_beside_the_first(enter, database, made):
    study = make_study(database)
    app = enter()
    assert app.selectbox(key="study").value == study.id
    press(app, "new")
    assert app.selectbox(key="study").value == "new" and "### New study" in texts(app)
    app.selectbox(key="study").set_value(study.id).run()
    assert app.metric
    app.selectbox(key="study").set_value("new").run()
    assert "### New study" in texts(app) and not app.metric


@pytest.fixture
def held():
    """Hold the one worker of a line of jobs until the test is over; call it to let go before."""
    gates = []

    def hold(line: Jobs) -> Callable[[], None]:
        gates.append(threading.Event())
        line.submit(("held", len(gates)), lambda progress, cancel, gate=gates[-1]: gate.wait(120))
        return gates[-1].set

    yield hold
    for gate in gates:
        gate.set()


def small_study(app: AppTest) -> None:
    fill(app, "recommended", n_images=4, trials=3, catches=1, repeats=1, practice=1, size=128)
    app.selectbox(key="new_recommended_explainer").set_value("cam").run()


def test_a_study_is_drawn_while_visitors_wait_for_maps(enter, database, made, held):
    app = enter()
    held(resources.desk().jobs)
    small_study(app)
    press(app, "create")
    wait_for_job(app)
    assert len(studies.list_studies(database)) == 1


def test_the_drawing_is_stopped_and_leaves_nothing(enter, database, made, held):
    app = enter()
    let_go = held(resources.desk().errands)
    small_study(app)
    press(app, "create")
    press(app, "stop")
    let_go()
    job = app.session_state["_study_job"]
    job.future.result(timeout=60)
    app.run()
    assert "Stopped" in texts(app) and not studies.list_studies(database)
    press(app, "create")  # and it can be begun again
    wait_for_job(app)
    assert len(studies.list_studies(database)) == 1


def wait_for_job(app: AppTest) -> None:
    import time

    for _ in range(240):
        if "_study_job" not in app.session_state or app.session_state["_study_job"].finished:
            break
        time.sleep(0.25)
    app.run()
    assert not app.exception and not app.error, texts(app)


def test_presets_bring_their_own_defaults(enter, made):
    app = enter()
    app.radio(key="new_preset").set_value("paper-003").run()
    assert "18" not in app.number_input(key="new_paper-003_trials").label
    assert app.number_input(key="new_paper-003_trials").value == 30
    assert app.number_input(key="new_paper-003_catches").value == 0
    assert app.number_input(key="new_paper-003_failed_catches").value is None
    assert app.selectbox(key="new_paper-003_only").value == "all_right"
    app.radio(key="new_preset").set_value("recommended").run()
    assert app.number_input(key="new_recommended_trials").value == 40


def test_what_cannot_be_is_said_in_the_fields_own_words(enter, database, made):
    app = enter()
    fill(app, "recommended", n_images=4)
    assert "choose more images or fewer trials" in texts(app)
    assert not [button for button in app.button if button.key == "create"]
    fill(app, "recommended", trials=4, repeats=1)
    app.text_input(key="new_recommended_code").set_value("CODE-1")
    app.text_input(key="new_recommended_redirect").set_value("https://example.org/x").run()
    assert "not both" in texts(app)
    app.text_input(key="new_recommended_code").set_value("")
    app.text_input(key="new_recommended_redirect").set_value("javascript:alert(1)").run()
    assert "https://" in texts(app) and app.error
    assert not studies.list_studies(database)


def test_images_that_are_missing_are_said_by_the_job(enter, database, made):
    app = enter()
    fill(app, "recommended", n_images=40, trials=3, repeats=1)
    press(app, "create")
    import time

    while not app.session_state["_study_job"].finished:
        time.sleep(0.1)
    app.run()
    assert "fit it" in texts(app)
    assert not studies.list_studies(database)


def test_power_is_simulated_before_the_study_starts(enter, made):
    app = enter()
    fill(app, "recommended")
    press(app, "simulate")
    from xkd_core.study.simulation import Design, Truth, power

    design = Design(participants=60, trials=40, items=160)
    expected = power(design, Truth(matched=0.4, naive=0.3), studies=200, seed=0).rejected.share
    assert f"**{expected:.0%}** of the studies" in texts(app)
    assert "With 60 people x 40 trials" in texts(app) and "Power of 80% from: " in texts(app)
    null = power(design, Truth(matched=1 / 3, naive=1 / 3), studies=1000, seed=0).rejected
    assert f"**{null.share:.1%}** of 1,000 studies" in texts(app) and 0.03 < null.share < 0.07
    chart = next(one for one in app.get("plotly_chart") if one.key == "power_chart")
    assert f"60 x 40: {expected:.0%}" in chart.proto.alt and "120 x 80" in chart.proto.alt


def test_the_link_carries_the_platforms_parameters(database):
    study = make_study(database)
    assert recruit.link("https://x.org", study) == (
        f"https://x.org/study?s={study.id}&PROLIFIC_PID={{{{%PROLIFIC_PID%}}}}&STUDY_ID={{{{%STUDY_ID%}}}}"
    )


def test_recruitment_counts_who_came_and_who_finished(enter, database):
    study = answered(database, people=2)
    token = make_participant(database, study)
    participants.withdraw(database, make_participant(database, study))
    app = enter()
    counts = {metric.label: metric.value for metric in app.metric}
    assert counts == {"Planned": "5", "Came": "4", "Under way": "1", "Finished": "2", "Withdrawn": "1", "Deleted": "0"}
    assert "12 answers to main trials; of each item 1 to 1" in texts(app)
    assert "XKD_MODE=study" in texts(app)
    assert token


def test_the_pictures_of_every_item_can_be_looked_at_with_their_roles(enter, database):
    study = make_study(database)
    app = enter("Pictures")
    alts = [picture.alt for image in app.image for picture in image.proto.imgs]
    assert alts == ["Photo", "Teacher", "Naive student", "Matched student"]
    assert study.config.pairs[0].matched in texts(app)
    [numbers] = [frame.value for frame in app.dataframe]
    assert {"metric", "naive", "matched"} <= set(numbers.columns)
    app.number_input(key=f"item_{study.id}").set_value(study.config.n_items).run()
    assert "for practice" in texts(app) and not app.dataframe


def test_results_are_those_of_the_analysis(enter, database):
    study = answered(database)
    report = analyse(read_data(database, study))
    app = enter("Results")
    said = texts(app)
    share = report.shares["TM"]
    assert f"in {share.share:.0%} [{share.low:.0%}, {share.high:.0%}] of {share.n} answers" in said
    assert "Paper 003, of 30 people: 18 teacher and matched" in said
    test = report.primary.test
    assert f"**{test.mean:.1%}** of {test.n} answers" in said
    assert "3 or more wrong catch trials" in said
    chart = next(one for one in app.get("plotly_chart") if one.key == "shares")
    assert "Paper 003: teacher and matched 60%" in chart.proto.alt
    tables = [frame.value for frame in app.dataframe]
    assert any("rank correlation over items" in frame.columns for frame in tables)
    assert any("p (Holm)" in frame.columns for frame in tables)
    checks = next(frame for frame in tables if "check" in frame.columns)
    assert f"{report.alpha.alpha:.2f}, 95 % interval" in checks["found"].iloc[0]


def test_results_follow_new_answers_and_deletions(enter, database):
    study = answered(database, people=2)
    app = enter("Results")
    assert "By 2 people" in texts(app)
    answer_all(database, make_participant(database, study))
    app.run()
    assert "By 3 people" in texts(app)


def test_results_of_nobody_are_an_empty_page_not_an_error(enter, database):
    make_study(database)
    assert "No answers to main trials yet" in texts(enter("Results"))


def test_two_alternatives_have_no_line_of_paper_003(enter, database):
    answered(database, question="two_alternative")
    app = enter("Results")
    assert "Paper 003" not in texts(app)
    assert "both students" not in next(one for one in app.get("plotly_chart") if one.key == "shares").proto.alt


def test_the_export_is_the_one_of_the_core(enter, database):
    study = answered(database, people=2)
    app = enter("Export and deletion")
    labels = [button.proto.label for button in app.get("download_button")]
    assert "Everything (zip)" in labels and "Codebook (CSV)" in labels and "All tables (JSON)" in labels
    names = zipfile.ZipFile(io.BytesIO(export_zip(database, study))).namelist()
    assert f"{study.label}/codebook.csv" in names


def test_one_participant_is_deleted_on_request(enter, database):
    study = answered(database, people=2)
    code = read_data(database, study).participants.iloc[0]["participant"]
    app = enter("Export and deletion")
    app.text_input[0].set_value("0000")
    app.button[[button.label for button in app.button].index("Delete this participant")].click().run()
    assert "No participant '0000'" in texts(app)
    assert len(read_data(database, study).participants) == 2
    app.segmented_control(key="view").set_value("Export and deletion").run()
    app.text_input[0].set_value(code)
    app.button[[button.label for button in app.button].index("Delete this participant")].click().run()
    assert "is deleted" in texts(app)
    assert code not in set(read_data(database, study).participants["participant"])


def test_the_platforms_ids_are_purged(enter, database):
    study = answered(database, people=2)
    assert len(read_platform(database, study)) == 2
    app = enter("Export and deletion")
    press(app, "purge")
    assert "2 ids deleted" in texts(app)
    assert read_platform(database, study).empty and len(read_data(database, study).participants) == 2


def test_a_study_is_deleted_only_by_its_name(enter, database):
    study = answered(database, people=1)
    app = enter("Export and deletion")
    app.text_input[1].set_value("something")
    app.button[[button.label for button in app.button].index("Delete the study")].click().run()
    assert "Nothing was deleted" in texts(app) and studies.list_studies(database)
    app.text_input[1].set_value(study.label)
    app.button[[button.label for button in app.button].index("Delete the study")].click().run()
    assert f"{study.label} is deleted" in texts(app)
    assert not studies.list_studies(database)


def test_the_menu_has_the_page_only_where_it_can_be_opened(visit, database, monkeypatch):
    from pages._ui import guard
    from xkd_core.study.environment import admin_is_configured

    assert admin_is_configured() and guard.shows("pages/study_admin.py")
    monkeypatch.delenv("XKD_ADMIN_PASSWORD_HASH")
    assert not admin_is_configured()
