"""The link: every choice is read from the address, written back, kept on the way to another page, and said if wrong."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import streamlit as st

_PAGE, _FRESH, _KEPT = "_page", "_link_fresh", "_link_kept"
_PROBLEMS, _SAID_AT = "_link_problems", "_link_said_at"
OF_A_RUN = ("lam", "ratio", "beta", "match", "seed")  # a run named in the link decides these
N_NEAR = 5


def arrive(page: str) -> None:
    """Before a page runs: on another page than before, its widgets start from the address or from what was chosen."""
    state = st.session_state
    if state.get(_PAGE) == page:
        return
    kept: dict[str, Any] = state.setdefault(_KEPT, {})
    if "run" in st.query_params:
        for name in OF_A_RUN:
            kept.pop(name, None)
            state.pop(name, None)
    for name in kept:
        state.pop(name, None)
    for name in ("_link_read", _PROBLEMS, _SAID_AT):
        state.pop(name, None)
    state[_PAGE], state[_FRESH] = page, True


def start(
    name: str, read: Callable[[Any], Any], fallback: Any, *, problem: Callable[[str], str], several: bool = False
) -> None:
    """Before a widget is drawn: give it its value from the address, from another page, or the fallback.

    read: text (``several``: texts) -> value, or None when it cannot be shown; then ``problem`` of that text is said.
    """
    state = st.session_state
    if name in state:
        return
    given = _given(name, several)
    wanted = state.get(_KEPT, {}).get(name) if given is None else given
    value = None if wanted is None else read(wanted)
    if value is None and given is not None:
        complain(problem(given if several is False else ", ".join(given)))
    state[name] = fallback if value is None else value


def write(name: str, value: str | Sequence[str], default: str | Sequence[str]) -> None:
    """After a widget was drawn: keep its value for other pages, and in the address unless it is the default."""
    several = not isinstance(value, str)
    value = list(value) if several else value
    st.session_state.setdefault(_KEPT, {})[name] = value
    now = _given(name, several)
    if value == (list(default) if several else default):
        if now is not None:
            del st.query_params[name]
    elif now != value:
        st.query_params[name] = value


def forget(name: str) -> None:
    """A choice that means nothing any more, as an image's number does after a change of data."""
    st.session_state.pop(name, None)
    st.session_state.get(_KEPT, {}).pop(name, None)
    if name in st.query_params:
        del st.query_params[name]


def complain(sentence: str) -> None:
    """Keep a sentence about the link; only what the visitor came with counts, not what the page wrote itself."""
    problems: list[str] = st.session_state.setdefault(_PROBLEMS, [])
    if st.session_state.get(_FRESH) and sentence not in problems:
        problems.append(sentence)


def warn() -> None:
    """Last on a page: one warning for each problem. They stay until the visitor chooses anything."""
    state = st.session_state
    state[_FRESH] = False
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


def _given(name: str, several: bool) -> Any:
    if name not in st.query_params:
        return None
    return st.query_params.get_all(name) if several else st.query_params[name]


def kept(name: str) -> Any:
    """What was chosen last, on whatever page; "" if nothing was."""
    return st.session_state.get(_KEPT, {}).get(name, "")


def keep(name: str, value: Any) -> None:
    """Change what other pages start with."""
    if value:
        st.session_state.setdefault(_KEPT, {})[name] = value
