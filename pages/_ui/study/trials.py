"""A trial as the browser may know it: pictures as data, neutral names, and which key stands for what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
    form = words.FORMS[config.question]
    data = _data(view.index, _sources(token, view), form, None if told is None else _feedback(told, form))
    trial.show(data, lambda sent: answering.take(token, view, sent))
    if told is not None:
        st.button("Go on", type="primary", key="read_on", shortcut="Enter", on_click=answering.read_on)


def _bar(now: Progress, told: Feedback | None, *, practice: bool) -> None:
    """Answered trials of all; the last practice trial's feedback stands when the next step has begun already."""
    if told is not None:
        st.markdown("**Practice**")
        return
    words_of = f"Practice {now.answered + 1} of {now.total}" if practice else f"{now.answered + 1} of {now.total}"
    st.progress(now.answered / max(1, now.total), text=words_of)


def example(config: StudyConfig) -> None:
    """For the instructions: a row of pictures with the answer framed."""
    form = words.FORMS[config.question]
    drawn = store.example(config.rendering.model_dump_json())
    sources: dict[str, Any] = {"photo": drawn["photo"]}
    if config.question == "two_alternative":
        sources |= {"reference": drawn["same_a"], "panels": [drawn["different"], drawn["same_b"]]}
        right = 2
    else:
        sources["panels"] = [drawn["same_a"], drawn["same_b"], drawn["different"]]
        right = 3
    told = {"choice": None, "framed": _framed(form, right, len(form.panels)), "words": f"Example. {form.example}"}
    trial.show(_data(-1, sources, form, told), lambda _: None)


def _data(index: int, sources: Mapping[str, Any], form: Form, told: dict[str, object] | None) -> dict[str, object]:
    """What the browser gets. sources: data links of photo, panels and, if there is one, reference."""
    choices = range(1, len(form.panels) + 1)
    stored = list(choices) if form.options is None else [choice for _, choice in form.options]
    return {
        "index": index,
        "session": answering.session(),
        "failed": answering.failures(),
        "ask": form.ask,
        "pictures": _pictures(sources, form),
        "options": [
            {"words": text, "choice": choice, "key": str(key)}
            for key, (text, choice) in enumerate(form.options or (), start=1)
        ],
        "keys": {str(key): choice for key, choice in enumerate(stored, start=1)},
        "feedback": told,
    }


def _sources(token: str, view: TrialView) -> dict[str, Any]:
    found: dict[str, Any] = {"photo": store.picture(token, view.photo)}
    found["panels"] = [store.picture(token, panel) for panel in view.panels]
    return found if view.reference is None else found | {"reference": store.picture(token, view.reference)}


def _pictures(sources: Mapping[str, Any], form: Form) -> list[dict[str, object]]:
    found = [_picture(sources["photo"], "Photo", photo=True)]
    if "reference" in sources:
        found.append(_picture(sources["reference"], "X"))
    for slot, (name, panel) in enumerate(zip(form.panels, sources["panels"], strict=True), start=1):
        found.append(_picture(panel, name, slot=slot, pressed=form.options is None))
    return found


def _picture(source: str, name: str, *, photo: bool = False, slot: int = 0, pressed: bool = False) -> dict[str, object]:
    return {
        "src": source,
        "name": name,
        "alt": "The photo" if photo else f"Picture {name}",
        "photo": photo,
        "slot": slot,
        "choice": slot if pressed else None,
        "key": str(slot) if pressed else "",
    }


def _feedback(told: Feedback, form: Form) -> dict[str, object]:
    recorded = told.recorded
    framed = _framed(form, recorded.right_slot or 0, len(form.panels))
    words_of = "Right. " if recorded.correct else "Not quite. "
    return {"choice": recorded.choice, "framed": framed, "words": words_of + form.right}


def _framed(form: Form, right: int, panels: int) -> Sequence[int]:
    """Frames go around the right answer: the one picture, or the pair that leaves the stored one over."""
    return [slot for slot in range(1, panels + 1) if (slot == right) == (form.options is None)]
