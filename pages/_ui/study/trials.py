"""A trial as the browser may know it: pictures as data, neutral names, and which key stands for what."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from pages._ui.study import answering, store, trial, words
from pages._ui.study.answering import Feedback
from pages._ui.study.words import Form
from xkd_core.study.config import StudyConfig
from xkd_core.study.store import answers
from xkd_core.study.store.answers import Progress, TrialView
from xkd_core.study.store.database import Database

_LAST = "_study_progress"


def read(database: Database, token: str) -> Progress:
    """Where the participant stands; feedback that belongs to another link is dropped."""
    if st.session_state.get(_LAST) != token:
        answering.read_on()
        st.session_state[_LAST] = token
    return answers.progress(database, token)


def show(token: str, now: Progress, config: StudyConfig) -> None:
    """The progress bar and the trial; in practice, after an answer, its feedback."""
    told = answering.feedback()
    view = now.trial if told is None else told.view
    if view is None:
        return
    _bar(now, told, practice=view.practice)
    if told is None:
        answering.mark_shown(token, view.index)
    trial.show(_data(token, view, config, told), lambda sent: answering.take(token, view, sent))
    if told is not None:
        st.button("Go on", type="primary", key="read_on", shortcut="Enter", on_click=answering.read_on)


def _bar(now: Progress, told: Feedback | None, *, practice: bool) -> None:
    """Answered trials of all; the last practice trial's feedback stands when the next step has begun already."""
    if told is not None:
        st.markdown("**Practice**")
        return
    words_of = f"Practice {now.answered + 1} of {now.total}" if practice else f"{now.answered + 1} of {now.total}"
    st.progress(now.answered / max(1, now.total), text=words_of)


def _data(token: str, view: TrialView, config: StudyConfig, told: Feedback | None) -> dict[str, object]:
    form = words.FORMS[config.question]
    choices = range(1, len(view.panels) + 1)
    stored = list(choices) if form.options is None else [choice for _, choice in form.options]
    return {
        "index": view.index,
        "session": answering.session(),
        "failed": answering.failures(),
        "ask": form.ask,
        "pictures": _pictures(token, view, form),
        "options": [{"words": text, "choice": choice, "key": str(key)}
                    for key, (text, choice) in enumerate(form.options or (), start=1)],
        "keys": {str(key): choice for key, choice in enumerate(stored, start=1)},
        "feedback": None if told is None else _feedback(told, form, view),
    }  # fmt: skip


def _pictures(token: str, view: TrialView, form: Form) -> list[dict[str, object]]:
    found = [_picture(token, view.photo, "Photo", photo=True)]
    if view.reference is not None:
        found.append(_picture(token, view.reference, "X"))
    for slot, (name, panel) in enumerate(zip(form.panels, view.panels, strict=True), start=1):
        found.append(_picture(token, panel, name, slot=slot, pressed=form.options is None))
    return found


def _picture(
    token: str, file: str, name: str, *, photo: bool = False, slot: int = 0, pressed: bool = False
) -> dict[str, object]:
    return {
        "src": store.picture(token, file),
        "name": name,
        "alt": "The photo" if photo else f"Picture {name}",
        "photo": photo,
        "slot": slot,
        "choice": slot if pressed else None,
        "key": str(slot) if pressed else "",
    }


def _feedback(told: Feedback, form: Form, view: TrialView) -> dict[str, object]:
    recorded = told.recorded
    right = recorded.right_slot or 0
    words_of = "Right. " if recorded.correct else "Not quite. "
    return {"choice": recorded.choice, "framed": _framed(form, right, len(view.panels)), "words": words_of + form.right}


def _framed(form: Form, right: int, panels: int) -> Sequence[int]:
    """Frames go around the right answer: the one picture, or the pair that leaves the stored one over."""
    return [slot for slot in range(1, panels + 1) if (slot == right) == (form.options is None)]
