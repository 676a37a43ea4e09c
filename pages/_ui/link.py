"""The link: every choice is read from the address, written back, kept on the way to another page, and said if wrong."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import streamlit as st

_PAGE, _FRESH, _KEPT = "_page", "_link_fresh", "_link_kept"
_PENDING, _WRITTEN = "_link_pending", "_link_written"
_PROBLEMS, _SAID_AT, _FIRST = "_link_problems", "_link_said_at", "_link_first"
OF_A_RUN = ("lam", "ratio", "beta", "kind", "match", "seed")  # a run named in the link decides these
N_NEAR = 5
ON_ITS_WAY_S = 2.0  # for so long after a change, the browser may still send the address as it was before


def arrive(page: str) -> None:
    """First on a page: where the visitor came from elsewhere, widgets start from the address or what was chosen."""
    state = st.session_state
    state[_PENDING] = {}
    back = state.get(_PAGE) == page and _went_back()
    if state.get(_PAGE) == page and not back:
        return
    chosen: dict[str, Any] = state.setdefault(_KEPT, {})
    for name in chosen:
        state.pop(name, None)
    for name in ("_link_read", _PROBLEMS, _SAID_AT, _FIRST):
        state.pop(name, None)
    if back:
        chosen.clear()
    if "run" in st.query_params:
        for name in OF_A_RUN:
            chosen.pop(name, None)
            state.pop(name, None)
    state[_PAGE], state[_FRESH] = page, True


def finish() -> None:
    """Last on a page: change the address, once for all choices, so that 'Back' goes back by one view."""
    now = _address()
    wanted = dict(now)
    for name, value in st.session_state.get(_PENDING, {}).items():
        wanted.pop(name, None)
        if value is not None:
            wanted[name] = value
    _, at = st.session_state.get(_WRITTEN, ({}, 0.0))
    if wanted != now:
        st.query_params.from_dict(wanted)
        at = time.monotonic()
    st.session_state[_WRITTEN] = (wanted, at)
    st.session_state[_FRESH] = False


def start(
    name: str, read: Callable[[Any], Any], fallback: Any, *, problem: Callable[[str], str], several: bool = False
) -> None:
    """Before a widget is drawn: give it its value from the address, from another page, or the fallback.

    read: text (``several``: texts) -> value, or None when it cannot be shown; then ``problem`` of that text is said.
    """
    state = st.session_state
    if name in state:
        return
    texts = _address().get(name)
    given = None if texts is None else texts if several else texts[-1]
    wanted = state.get(_KEPT, {}).get(name) if given is None else given
    value = None if wanted is None else read(wanted)
    if value is None and given is not None:
        complain(problem(", ".join(given) if several else given))
    state[name] = fallback if value is None else value


def first(name: str, allowed: Sequence[Any] | range, fallback: Any) -> Any:
    """The value that the widget of ``name`` is drawn with at first; one that it cannot show becomes the fallback.

    Given to the widget in every run. Without it, a browser that missed the first run's drawing (a second run throws
    away what was not sent yet) would show the widget's own default, and send that back as if it had been chosen.
    """
    state = st.session_state
    if state[name] not in allowed:
        state[name] = fallback
    firsts: dict[str, Any] = state.setdefault(_FIRST, {})
    if firsts.setdefault(name, state[name]) not in allowed:
        firsts[name] = state[name]
    return firsts[name]


def first_of_several(name: str, allowed: Sequence[str], fallback: Sequence[str]) -> list[str]:
    """As ``first``, of a widget with several values: those that it cannot show are left out."""
    firsts: dict[str, Any] = st.session_state.setdefault(_FIRST, {})
    for values in (st.session_state, firsts):
        chosen = values.get(name, st.session_state[name])
        values[name] = [one for one in chosen if one in allowed] or list(fallback)
    return list(firsts[name])


def write(name: str, value: str | Sequence[str], default: str | Sequence[str]) -> None:
    """After a widget was drawn: keep its value for other pages, and in the address unless it is the default."""
    st.session_state.setdefault(_KEPT, {})[name] = value
    put(name, None if value == default else value)


def put(name: str, value: str | Sequence[str] | None) -> None:
    """Into the address at the end of the page; None or "" takes it out."""
    texts = [value] if isinstance(value, str) else list(value or [])
    st.session_state.setdefault(_PENDING, {})[name] = texts if any(texts) else None


def forget(name: str) -> None:
    """A choice that means nothing any more, as an image's number does after a change of data. For callbacks."""
    for state in (st.session_state, st.session_state.get(_KEPT, {}), st.session_state.get(_FIRST, {})):
        state.pop(name, None)
    if name in st.query_params:
        del st.query_params[name]
        st.session_state[_WRITTEN] = (_address(), time.monotonic())


def kept(name: str) -> Any:
    """What was chosen last, on whatever page; "" if nothing was."""
    return st.session_state.get(_KEPT, {}).get(name, "")


def keep(name: str, value: Any) -> None:
    """Change what other pages start with."""
    if value:
        st.session_state.setdefault(_KEPT, {})[name] = value


def complain(sentence: str) -> None:
    """Keep a sentence about the link; only what the visitor came with counts, not what the page wrote itself."""
    problems: list[str] = st.session_state.setdefault(_PROBLEMS, [])
    if st.session_state.get(_FRESH) and sentence not in problems:
        problems.append(sentence)


def warn() -> None:
    """One warning for each problem of the link. They stay until the visitor chooses anything."""
    state = st.session_state
    problems, chosen = state.get(_PROBLEMS, []), dict(state.get(_KEPT, {}))
    if state.setdefault(_SAID_AT, chosen) != chosen:
        state[_PROBLEMS] = []
        return
    for problem in problems:
        st.warning(problem)


def near(name: str, known: Iterable[str]) -> str:
    """At most five of the known names, those that look like ``name`` first, for a sentence."""
    names = list(known)
    alike = difflib.get_close_matches(name, names, n=N_NEAR, cutoff=0.5)
    found = list(dict.fromkeys([*alike, *names]))[:N_NEAR]
    rest = " and more" if len(found) < len(names) else ""
    return f"{', '.join(found)}{rest}" if found else "none"


def _address() -> dict[str, list[str]]:
    return {name: st.query_params.get_all(name) for name in st.query_params}


def _went_back() -> bool:
    """Is the address another one than this page wrote last? Then the visitor went back or forth in the browser."""
    if _WRITTEN not in st.session_state:
        return False
    written, at = st.session_state[_WRITTEN]
    return _address() != written and time.monotonic() - at > ON_ITS_WAY_S
