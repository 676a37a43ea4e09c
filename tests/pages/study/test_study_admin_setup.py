"""A new study: its form, its power, and the job that draws its pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from pages._ui import resources
from tests.pages.study.study_pages import press, texts
from tests.study.made_study import make_study
from xkd_core.serving.jobs import Jobs
from xkd_core.study.store import studies


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
