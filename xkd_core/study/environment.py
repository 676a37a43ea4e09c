"""What the environment may set for studies, read anew at each call."""

from __future__ import annotations

import os

from xkd_core import settings
from xkd_core.errors import BadInputError


def database_url() -> str:
    """Where answers go: ``XKD_STUDY_DB`` (a PostgreSQL URL), or SQLite in the home, outside the code."""
    given = os.environ.get("XKD_STUDY_DB", "").strip()
    return given or f"sqlite:///{settings.home() / 'study' / 'study.sqlite3'}"


def admin_password_hash() -> str | None:
    """``XKD_ADMIN_PASSWORD_HASH``, made by `python -m xkd_core study password`; None when it is not set."""
    return os.environ.get("XKD_ADMIN_PASSWORD_HASH", "").strip() or None


def admin_emails() -> frozenset[str]:
    """``XKD_ADMIN_EMAILS``: who may enter after an OIDC login, separated by commas, in small letters."""
    listed = os.environ.get("XKD_ADMIN_EMAILS", "").split(",")
    return frozenset(email.strip().lower() for email in listed if email.strip())


def admin_is_configured() -> bool:
    """Is there any way into the admin page? Only then it stands in the menu."""
    return bool(admin_password_hash() or admin_emails())


def only_study() -> bool:
    """``XKD_MODE=study``: this server shows the study page and nothing else. Errors: BadInputError for another word.

    A word that is not understood is an error, because taken for "no" it would show participants everything.
    """
    given = os.environ.get("XKD_MODE", "").strip().lower()
    if given not in ("", "study"):
        raise BadInputError(f"XKD_MODE must be study, or not be set; got {given[:40]!r}.")
    return given == "study"
