"""The door of the admin page: closed unless a password hash or a list of OIDC logins is configured.

Passwords are checked with scrypt (RFC 7914) of the standard library, in constant time. Wrong tries are counted in the
database, for all replicas together, by time alone: no address is kept. Pages call this; nothing here draws.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, func, select, text
from sqlalchemy.orm import Session

from xkd_core.errors import BadInputError, XKDError
from xkd_core.study.environment import admin_emails, admin_password_hash
from xkd_core.study.store.database import Database
from xkd_core.study.store.tables import AttemptRow, now

MIN_SIGNS, MAX_SIGNS = 12, 1024
TRIES, WINDOW = 5, timedelta(minutes=15)
IDLE = timedelta(minutes=30)
_N, _R, _P = 2**14, 8, 5  # OWASP's least for scrypt: 16 MiB and about 0.2 s
_FORM = re.compile(r"scrypt:(\d{1,8}):(\d{1,3}):(\d{1,3}):([A-Za-z0-9+/=]{16,128}):([A-Za-z0-9+/=]{32,128})")
_LOCK = 7_203_002


class ClosedError(XKDError):
    """The admin page is closed: nothing is configured, a wrong try, or too many of them."""


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Which ways in are configured. note: what to do where there is none, or what is wrong with it."""

    password: bool
    oidc: bool
    note: str = ""

    @property
    def closed(self) -> bool:
        """True when nobody can enter."""
        return not (self.password or self.oidc)


def doors() -> Doors:
    """What the environment opens; a hash that cannot be read opens nothing."""
    stored, emails = admin_password_hash(), admin_emails()
    readable = stored is not None and _parsed(stored) is not None
    note = ""
    if stored is not None and not readable:
        note = "XKD_ADMIN_PASSWORD_HASH cannot be read. Make it again with `python -m xkd_core study password`."
    elif stored is None and not emails:
        note = (
            "The admin page is closed. Set XKD_ADMIN_PASSWORD_HASH (made by `python -m xkd_core study password`), or "
            "XKD_ADMIN_EMAILS with an OIDC login."
        )
    return Doors(password=readable, oidc=bool(emails), note=note)


def hash_password(password: str) -> str:
    """The value for XKD_ADMIN_PASSWORD_HASH. Errors: BadInputError for fewer than 12 signs."""
    if not MIN_SIGNS <= len(password) <= MAX_SIGNS:
        raise BadInputError(f"A password has {MIN_SIGNS} to {MAX_SIGNS} signs; got {len(password)}.")
    salt = secrets.token_bytes(16)
    words = (base64.b64encode(part).decode() for part in (salt, _scrypt(password, salt, _N, _R, _P)))
    return ":".join(["scrypt", str(_N), str(_R), str(_P), *words])


def is_password(password: str, stored: str) -> bool:
    """Compare in constant time; False for a hash that cannot be read."""
    parsed = _parsed(stored)
    if parsed is None or len(password) > MAX_SIGNS:
        return False
    (n, r, p), salt, expected = parsed
    return hmac.compare_digest(_scrypt(password, salt, n, r, p), expected)


def enter_by_password(database: Database, password: str, *, at: datetime | None = None) -> None:
    """Return only for the right password. Errors: ClosedError; StoreError, and then the door stays closed.

    A try is counted before it is checked, so that many at once are not more than many in a row.
    """
    stored = admin_password_hash()
    if stored is None or not doors().password:
        raise ClosedError(doors().note or "The admin page has no password login.")
    attempt = _count_try(database, at or now())
    if not is_password(password, stored):
        raise ClosedError("This is not the password.")
    database.write(lambda session: session.execute(delete(AttemptRow).where(AttemptRow.id == attempt)))


def enter_by_email(email: str | None, *, verified: bool) -> None:
    """Return only for a verified address of the OIDC login that is on the list. Errors: ClosedError."""
    known = admin_emails()
    given = (email or "").strip().lower().encode()
    # Every entry is compared, so that the time says nothing.
    found = sum(hmac.compare_digest(given, one.encode()) for one in known)
    if not (verified and found):
        raise ClosedError("This login may not open the admin page.")


def is_fresh(last_used: datetime, *, at: datetime | None = None) -> bool:
    """False when an admin session was idle for more than half an hour, or comes from the future."""
    return timedelta(0) <= (at or now()) - last_used <= IDLE


def _count_try(database: Database, at: datetime) -> int:
    def work(session: Session) -> int | float:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        session.execute(delete(AttemptRow).where(AttemptRow.at <= at - WINDOW))
        count, oldest = session.execute(select(func.count(), func.min(AttemptRow.at))).one()
        if count >= TRIES:
            return float((oldest + WINDOW - at).total_seconds())
        row = AttemptRow(at=at)
        session.add(row)
        session.flush()
        return row.id

    found = database.write(work)
    if isinstance(found, float):
        raise ClosedError(f"Too many wrong passwords. Try again in {max(1, round(found / 60))} minutes.")
    return found


def _parsed(stored: str) -> tuple[tuple[int, int, int], bytes, bytes] | None:
    match = _FORM.fullmatch(stored)
    if match is None:
        return None
    n, r, p = (int(match[place]) for place in (1, 2, 3))
    try:
        salt, digest = (base64.b64decode(match[place], validate=True) for place in (4, 5))
    except binascii.Error:
        return None
    sane = 2**14 <= n <= 2**18 and n & (n - 1) == 0 and 8 <= r <= 16 and 1 <= p <= 16 and len(digest) >= 32
    return ((n, r, p), salt, digest) if sane else None


def _scrypt(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=256 * n * r + 2**20, dklen=32)
