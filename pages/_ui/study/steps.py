"""The participant's steps, one function each: draw, and on a press write to the store and draw the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import streamlit as st

from pages._ui.study import answering, memory, probe, store, trials, words
from xkd_core.study.config import StudyConfig
from xkd_core.study.store import answers, participants, studies
from xkd_core.study.store.answers import Progress
from xkd_core.study.store.database import Database
from xkd_core.study.store.participants import NoParticipantError
from xkd_core.study.store.studies import Study

LINK = "p"  # of a participant; "s" is the study's, for everyone
_LEFT, _ENROLLED, _KNOWN = "_study_left", "_study_enrolled", "_study_known"
LOOK = """<style>
[data-testid="stHeader"] { display: none; }
[data-testid="stMainBlockContainer"] { max-width: 74rem; margin: 0 auto; padding-top: 2rem; }
.st-key-text { max-width: 44rem; margin: 0 auto; }
.st-key-text :is([role="radiogroup"], [data-testid="stCheckbox"]) label { min-height: 2.75rem; align-items: center; }
[data-testid="stButton"] button[kind="primary"] { min-height: 3rem; padding: 0 1.5rem; }
@media (hover: none) { [data-testid="stButton"] kbd { display: none; } }
@media (max-width: 40rem) { [data-testid="stMainBlockContainer"] { padding: 1rem 0.75rem 2rem; } }
</style>"""
NO_LINK = "To take part, open the link of your invitation: it ends in letters and digits that belong to the study."
REFUSED = """\
Thank you for your interest. The two questions about the task were not answered as the instructions say, so the study
ends here. You did nothing wrong by trying; nothing else is needed from you.
"""
WITHDRAWN = "You have left the study. Everything that you answered is deleted. You can close this page."
LEAVE = "You can stop at any time. Everything that you answered so far is then deleted, and nothing of it is used."
AGAIN = "Please read the instructions once more: this is the last try."


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a participant stands."""

    database: Database
    token: str
    now: Progress
    config: StudyConfig


def find(token: str) -> Place:
    """Read the place of an own link. Errors: NoParticipantError, StoreError."""
    database = store.database()
    now = trials.read(database, token)
    return Place(database=database, token=token, now=now, config=studies.study_by_id(database, now.study_id).config)


def welcome() -> None:
    """Before anyone is enrolled: what the study is. Nobody is counted for having looked at the page."""
    if "s" not in st.query_params:
        st.info(NO_LINK)
        return
    study = studies.study_by_id(store.database(), st.query_params["s"])
    with st.container(key="text"):
        st.markdown(f"## {study.config.title}")
        known = None if _named(study) else _known(study)
        if known is not None:
            st.info("In this browser, someone has begun this study already.")
            if st.button("Go on where I was", type="primary", key="go_on"):
                st.query_params.from_dict({LINK: known})
                st.rerun()
        if study.status != "open":
            st.info("This study does not take new participants now. If you have begun already, open your own link.")
            return
        st.markdown(f"You will compare small pictures. It takes about {study.config.minutes} minutes. You can "
                    "pause at any time: the page goes on where you were, also after a reload.")  # fmt: skip
        words_of = "Begin" if known is None else "I am someone else: begin"
        if st.button(words_of, type="primary" if known is None else "secondary", key="begin"):
            st.query_params.from_dict({LINK: _enrol(study)})
            st.rerun()


def _named(study: Study) -> bool:
    """Does the link carry a platform's id? That one tells who comes back, on any device."""
    return bool(study.config.platform) and study.config.platform[0] in st.query_params


def _known(study: Study) -> str | None:
    """The secret that this browser remembers of the study, if it is still good."""
    memory.ask(study.id, lambda sent: st.session_state.update({_KNOWN: sent}))
    try:
        token = st.session_state.get(_KNOWN)
        return token if answers.progress(store.database(), token).study_id == study.id else None
    except NoParticipantError:
        return None


def _enrol(study: Study) -> str:
    """The own link's secret; for the second click of a double click, which may cut the first one's run short, too."""
    known: dict[str, str] = st.session_state.setdefault(_ENROLLED, {})
    if study.id not in known:
        given = {name: st.query_params[name] for name in study.config.platform if name in st.query_params}
        known[study.id] = participants.enrol(store.database(), study.id, given).token
    return known[study.id]


def has_left() -> bool:
    """Say that everything is deleted, to someone who has just withdrawn."""
    study_id = st.session_state.get(_LEFT)
    if study_id:
        st.success(WITHDRAWN)
        memory.forget(study_id)
    return bool(study_id)


def _consent(place: Place) -> None:
    st.markdown("## Before you begin")
    st.markdown(place.config.consent_md)
    st.caption(f"Version {place.config.consent_version} of this text.")
    agreed = st.checkbox("I am at least 18 years old, I have read this, and I want to take part.", key="agreed")
    if st.button("Go on", type="primary", disabled=not agreed, key="consent") and agreed:
        participants.consent(place.database, place.token, place.config.consent_sha256)
        st.rerun()


def _screen(place: Place) -> None:
    st.markdown("## Your screen")
    token = place.token
    probe.show(lambda sent: answering.take_width(token, sent))


def _instructions(place: Place) -> None:
    st.markdown("## What to do")
    st.markdown(words.instructions(place.config))
    trials.example(place.config)
    n = place.config.practice
    if n:
        st.markdown(f"You begin with {n} pictures for practice, on which you are told whether you were right.")
    if st.button("Go on", type="primary", key="read"):
        participants.finish_instructions(place.database, place.token)
        st.rerun()


def _check(place: Place) -> None:
    form = words.FORMS[place.config.question]
    if place.now.check_failures:
        st.warning(AGAIN)
        st.markdown(words.instructions(place.config))
    st.markdown("## Two questions about the task")
    tries = place.now.check_failures  # the second try begins with nothing chosen
    look = st.radio(words.LOOK_AT, range(3), None, key=f"look{tries}", format_func=lambda n: words.LOOK_CHOICES[n])
    choose = st.radio(words.CHOOSE, range(3), None, key=f"choose{tries}", format_func=lambda n: form.check[n])
    ready = look is not None and choose is not None
    if st.button("Go on", type="primary", disabled=not ready, key=f"check{tries}") and ready:
        right = look == words.LOOK_RIGHT and choose == words.CHOOSE_RIGHT
        participants.answer_check(place.database, place.token, right=right)
        st.rerun()


def _trials(place: Place) -> None:
    trials.show(place.token, place.now, place.config)


def _comment(place: Place) -> None:
    st.markdown("## Almost done")
    comment = st.text_area("Is there anything that you want to tell us? (optional)", key="comment",
                           max_chars=participants.COMMENT_SIGNS)  # fmt: skip
    if st.button("Finish", type="primary", key="finish"):
        participants.finish(place.database, place.token, comment or "")
        st.rerun()


def _done(place: Place) -> None:
    st.markdown("## Thank you")
    st.success("Everything is stored.")
    if place.config.redirect_url:
        st.link_button("Finish and go back", place.config.redirect_url, type="primary")
    if place.config.completion_code:
        st.markdown("Your completion code:")
        st.code(place.config.completion_code, language=None)
    st.markdown(place.config.debrief_md)
    st.markdown("If you want your answers to be deleted later, write to us and give this participant code:")
    st.code(place.now.code, language=None)
    st.text(f"Contact: {place.config.contact}")


def _refused(place: Place) -> None:
    st.markdown("## Thank you")
    st.markdown(REFUSED)
    st.text(f"Contact: {place.config.contact}")


STEPS: Mapping[str, Callable[[Place], None]] = {
    "consent": _consent,
    "screen": _screen,
    "instructions": _instructions,
    "check": _check,
    "comment": _comment,
    "done": _done,
    "refused": _refused,
}


def show(place: Place) -> None:
    """The step at which the participant stands, and below it the way out."""
    if said := answering.problem():
        st.error(said)
    if place.now.trial is not None or answering.feedback() is not None:
        # In no container: when that changed after the last trial, the browser would put the old trial into it first.
        _trials(place)
        _leave(place)
    else:
        with st.container(key="text"):
            STEPS[place.now.stage](place)
            _leave(place)
    memory.keep(place.now.study_id, place.token)


def _leave(place: Place) -> None:
    if place.now.stage == "consent":
        return  # nothing was answered yet
    with st.popover("Withdraw", type="tertiary"):
        st.markdown(LEAVE)
        if st.button("Delete my answers and leave", key="withdraw"):
            participants.withdraw(place.database, place.token)
            st.session_state[_LEFT] = place.now.study_id
            st.query_params.clear()
            st.rerun()
