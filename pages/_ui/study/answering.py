"""What the browser sent, checked and stored: the only place where the study page writes answers and widths."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages._ui.study import store
from xkd_core.errors import XKDError
from xkd_core.study.store import answers, participants
from xkd_core.study.store.answers import Given, Recorded, TrialView
from xkd_core.study.store.trouble import StoreError

_SESSION, _FAILED, _PROBLEM, _FEEDBACK = "_study_session", "_study_failed", "_study_problem", "_study_feedback"
_SHOWN = "_study_shown"
MAX_INDEX = 10_000
BEHIND = "This trial was answered already, perhaps in another window. You go on at the right place."

TOO_NARROW = (
    "Your window is {} pixels wide, which is too narrow for the pictures. Make it wider, turn your phone, or use "
    "another device; then try again."
)


@dataclass(frozen=True, kw_only=True)
class Feedback:
    """A practice trial that was just answered."""

    view: TrialView
    recorded: Recorded


def session() -> str:
    """A random word for this connection to the server: another one tells the browser that it was made anew."""
    return str(st.session_state.setdefault(_SESSION, secrets.token_hex(4)))


def failures() -> int:
    """How many answers of this connection could not be stored."""
    return int(st.session_state.get(_FAILED, 0))


def problem() -> str:
    """What went wrong with the last thing that the browser sent, once."""
    return str(st.session_state.pop(_PROBLEM, ""))


def feedback() -> Feedback | None:
    """The practice trial whose feedback stands on the screen."""
    found: Feedback | None = st.session_state.get(_FEEDBACK)
    return found


def read_on() -> None:
    """Callback: the feedback was read."""
    st.session_state.pop(_FEEDBACK, None)


def mark_shown(token: str, index: int) -> None:
    """Note when a trial was first sent to the browser; once for each, in this connection.

    A trial is shown even when this cannot be stored now: its time on the server is then unknown, no answer is lost.
    """
    if st.session_state.get(_SHOWN) != (token, index):
        st.session_state[_SHOWN] = (token, index)
        with suppress(StoreError):
            answers.mark_shown(store.database(), token, index)


def take(token: str, view: TrialView, sent: Any) -> None:
    """Callback of a trial: store the answer that came, or keep the sentence of what went wrong."""
    given = _checked(sent)
    if given is None:
        return
    index, choice, about = given
    try:
        recorded = answers.answer(store.database(), token, index, choice, about)
    except StoreError as error:
        _fail(str(error))
    except XKDError:
        _fail(BEHIND)
    else:
        if recorded.correct is not None and view.index == index:
            st.session_state[_FEEDBACK] = Feedback(view=view, recorded=recorded)


def take_width(token: str, sent: Any) -> None:
    """Callback of the screen check."""
    if not isinstance(sent, int | float) or not 1 <= sent <= 20_000:
        return
    try:
        if not participants.pass_screen(store.database(), token, round(sent)):
            _fail(TOO_NARROW.format(round(sent)))
    except XKDError as error:
        _fail(str(error))


def _fail(words: str) -> None:
    st.session_state[_PROBLEM] = words
    st.session_state[_FAILED] = failures() + 1


def _checked(sent: Any) -> tuple[int, int, Given] | None:
    """A browser may send anything."""
    if not isinstance(sent, Mapping):
        return None
    index, choice, method = sent.get("index"), sent.get("choice"), sent.get("method")
    whole = all(isinstance(value, int) and not isinstance(value, bool) for value in (index, choice))
    if not whole or not 0 <= index < MAX_INDEX or not 1 <= choice <= 3:  # type: ignore[operator]
        return None
    about = Given(rt_ms=sent.get("rt_ms"), method=method if isinstance(method, str) else None, blurs=sent.get("blurs"))
    return index, choice, about  # type: ignore[return-value]
