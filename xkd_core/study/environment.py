"""What the environment may set for studies, read anew at each call."""

from __future__ import annotations

import os

from xkd_core import settings


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
