"""Something that a page measures on demand: its cost first, then progress with a button to stop, then the result."""

from __future__ import annotations

from typing import Any

import streamlit as st

from pages._ui import resources, widgets, work
from xkd_core.errors import XKDError
from xkd_core.serving.live import Key, Work

AUTOMATIC_FORWARDS = 700  # as in the desk: what costs no more starts by itself


def result(key: Key, forwards: int, make: Work, *, name: str, doing: str) -> Any | None:
    """The result kept under ``key``; None while it is not there, with what to do about it on the page.

    name: of the session's job; doing: what the button says, in the imperative.
    """
    live = resources.live()
    found = live.kept.get(key)
    if found is not None:
        return found
    job = st.session_state.get(f"{name}_job")
    costly = f"{doing}, {cost(key, forwards)}:"
    if job is not None and job.key == key and not job.finished:
        widgets.follow(job, lambda: int(live.kept.get(key) is None), doing=costly, name=name)
        return None
    failed = job is not None and job.key == key and bool(job.error)
    if failed:
        st.error(job.error)
    words = "Try again" if failed else f"{doing}: {cost(key, forwards)}"
    if (forwards <= AUTOMATIC_FORWARDS and not failed) or st.button(words, key=f"{name}_start"):
        _start(key, forwards, make, name)
        job = st.session_state.get(f"{name}_job")
        if job is not None:
            widgets.follow(job, lambda: int(live.kept.get(key) is None), doing=costly, name=name)
    return None


def cost(key: Key, forwards: int) -> str:
    """Forward passes, and how long they would take at the pace of the last time."""
    seconds = resources.live().seconds(key, forwards)
    words = f"{forwards:,} forward passes"
    return words if seconds is None else f"{words}, {work.duration(seconds)}"


def _start(key: Key, forwards: int, make: Work, name: str) -> None:
    live, before = resources.live(), st.session_state.get(f"{name}_job")
    try:
        started = live.start(key, forwards, make)
    except XKDError as error:
        st.info(str(error))
        return
    if before is not None:
        widgets.leave(before)
    widgets.join(started)
    st.session_state[f"{name}_job"] = started
