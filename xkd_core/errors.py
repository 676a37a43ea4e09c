"""Errors that reach a person: each says what came, what is accepted and what to do.

XKDError
 |- UnknownNameError      a name that is not in a catalogue, a store or a data set
 |- BadInputError         an image, parameter or link that cannot be used
 |- RunError              a run that is missing, truncated, tampered with or of another shape
 |- DataUnavailableError  a data set that is not on this machine
 |- TrainingError         a training that cannot go on (NaN loss, full disk)
 `- WorkerError           a process that computed for another one and was killed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

MANY = 20


class XKDError(Exception):
    """Base of every error whose message is meant for the user."""


class UnknownNameError(XKDError, KeyError):
    """A name that nothing is registered under."""

    def __str__(self) -> str:
        # KeyError would print the repr of the message, quotes and all.
        return str(self.args[0]) if self.args else ""


class BadInputError(XKDError, ValueError):
    """Input of the user that cannot be used as it is."""


class RunError(XKDError):
    """A run whose files cannot be trusted or read."""


class DataUnavailableError(XKDError):
    """A data set that is not on this machine (yet)."""


class TrainingError(XKDError):
    """A training that cannot go on."""


class WorkerError(XKDError):
    """A process that computed for another one and was killed."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Make the error for ``name``: the nearest known name first, then all of them, or of many the nearest few."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    shown = names if len(names) <= MANY else difflib.get_close_matches(name, names, n=5, cutoff=0.0)
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    listed = ", ".join(shown) + more if names else "none"
    return UnknownNameError(f"No {kind} called {name!r}.{hint} Known: {listed}.")
