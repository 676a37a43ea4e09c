"""The own link, remembered by the participant's browser: the invitation, opened again, leads to the same place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pages._ui.study import browser

KEY = "memory"
_COMPONENT = browser.component(__file__, KEY)


def keep(study_id: str, token: str) -> None:
    """Remember the secret of the own link."""
    _show({"study": study_id, "own": token, "forget": False}, lambda _: None)


def forget(study_id: str) -> None:
    """After a withdrawal nothing is left, also in the browser."""
    _show({"study": study_id, "own": None, "forget": True}, lambda _: None)


def ask(study_id: str, on_known: Callable[[Any], None]) -> None:
    """``on_known`` gets what the browser remembers, unchecked, if it remembers anything."""
    _show({"study": study_id, "own": None, "forget": False}, on_known)


def _show(data: dict[str, object], on_known: Callable[[Any], None]) -> None:
    _COMPONENT(key=KEY, data=data, on_known_change=lambda: on_known(browser.sent(KEY, "known")))
