"""A trial in the browser: pictures, one answer, its time. The script, style and frame are the files beside this one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pages._ui.study import browser

KEY = "pictures"
_COMPONENT = browser.component(__file__, KEY)


def show(data: Mapping[str, object], on_answer: Callable[[Any], None]) -> None:
    """Draw a trial; ``on_answer`` gets what the browser sent, unchecked, before the page is drawn again."""
    _COMPONENT(key=KEY, data=dict(data), on_answer_change=lambda: on_answer(browser.sent(KEY, "answer")))
