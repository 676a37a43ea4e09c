"""The study's pages under AppTest, with the browser's part played by buttons: AppTest runs no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import streamlit as st
from streamlit.testing.v1 import AppTest

from pages._ui.study import memory, probe, trial
from tests.study.made_study import make_participant

Opener = Callable[..., AppTest]


class FakeBrowser:
    """Stands for the components: keeps what they were given, and sends back what a test tells it to."""

    def __init__(self, monkeypatch: Any) -> None:
        self.data: Mapping[str, Any] = {}
        self.kept: Mapping[str, Any] = {}
        self.sends: Any = None
        self.late = False
        monkeypatch.setattr(trial, "_COMPONENT", self.trial)
        monkeypatch.setattr(probe, "_COMPONENT", self.probe)
        monkeypatch.setattr(memory, "_COMPONENT", self.memory)

    def trial(self, *, key: str, data: Mapping[str, Any], on_answer_change: Callable[[], None]) -> None:
        self.data = data
        st.button("fake trial", key="fake_trial", on_click=self._fire, args=(key, "answer", on_answer_change))

    def probe(self, *, key: str, data: Mapping[str, Any], on_width_change: Callable[[], None]) -> None:
        st.button("fake screen", key="fake_screen", on_click=self._fire, args=(key, "width", on_width_change))

    def memory(self, *, key: str, data: Mapping[str, Any], on_known_change: Callable[[], None]) -> None:
        self.kept = data
        st.button("fake memory", key="fake_memory", on_click=self._fire, args=(key, "known", on_known_change))

    def sends_late(self, app: Any, key: str) -> None:
        """A message of a component that is not on the page any more comes without its state."""
        self.late = True
        app.button(key=key).click().run()
        self.late = False

    def remembers(self, app: Any, token: Any) -> None:
        """The browser says what it kept."""
        self.sends = token
        app.button(key="fake_memory").click().run()

    def _fire(self, key: str, event: str, callback: Callable[[], None]) -> None:
        if self.late:
            st.session_state.pop(key, None)
        else:
            st.session_state[key] = SimpleNamespace(**{event: self.sends})
        callback()

    def screen(self, app: Any, width: Any = 1200) -> None:
        self.sends = width
        app.button(key="fake_screen").click().run()

    def answer(self, app: Any, choice: Any = 1, **more: Any) -> None:
        """Answer the trial that is on the screen."""
        self.sends = {"index": self.data["index"], "choice": choice, "rt_ms": 1500, "method": "key", "blurs": 0} | more
        app.button(key="fake_trial").click().run()


def texts(app: Any) -> str:
    """Every word on the page."""
    parts = [*app.markdown, *app.caption, *app.info, *app.success, *app.warning, *app.error, *app.text, *app.code]
    return "\n".join(str(part.value) for part in parts)


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
