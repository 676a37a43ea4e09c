"""The screen check in the browser: grey squares to look at, and the width of the window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pages._ui.study import browser

KEY = "screen"
_COMPONENT = browser.component(__file__, KEY)


def show(on_width: Callable[[Any], None]) -> None:
    """Draw the check; ``on_width`` gets the width in pixels as the browser sent it, unchecked."""
    _COMPONENT(key=KEY, data={}, on_width_change=lambda: on_width(browser.sent(KEY, "width")))
