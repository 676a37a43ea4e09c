"""What tests of the study leader's page share."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest

from tests.study.made_study import answer_all, make_participant, make_study
from xkd_core.study.store import participants

PASSWORD = "correct horse battery"


def log_in(app: AppTest, password: str = PASSWORD) -> None:
    app.text_input[0].set_value(password)
    app.button[0].click().run()
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
