"""The admin's door: closed by default, throttled, constant time, the same for all replicas."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from xkd_core.errors import BadInputError
from xkd_core.study import access
from xkd_core.study.access import ClosedError, doors, enter_by_email, enter_by_password, hash_password, is_password
from xkd_core.study.store.database import Database
from xkd_core.study.store.tables import AttemptRow

WORD = "correct horse battery"
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def stored() -> str:
    return hash_password(WORD)


@pytest.fixture
def configured(monkeypatch, stored):
    monkeypatch.setenv("XKD_ADMIN_PASSWORD_HASH", stored)


def tries(database: Database) -> int:
    return database.read(lambda session: session.scalar(select(func.count()).select_from(AttemptRow)))


def test_without_configuration_nobody_enters(sqlite):
    assert doors().closed and "XKD_ADMIN_PASSWORD_HASH" in doors().note
    with pytest.raises(ClosedError, match="is closed"):
        enter_by_password(sqlite, "")
    with pytest.raises(ClosedError, match="may not open"):
        enter_by_email("", verified=True)
    with pytest.raises(ClosedError):
        enter_by_email(None, verified=True)


@pytest.mark.parametrize("bad", ["secret", "scrypt:1:1:1:aa:bb", "scrypt:2:8:1:" + "A" * 24 + ":" + "A" * 44, "plain:"])
def test_a_hash_that_cannot_be_read_opens_nothing(sqlite, monkeypatch, bad):
    monkeypatch.setenv("XKD_ADMIN_PASSWORD_HASH", bad)
    assert doors().closed and "cannot be read" in doors().note
    for word in ("", bad, "secret"):
        with pytest.raises(ClosedError):
            enter_by_password(sqlite, word)


def test_the_right_password_enters_and_leaves_no_mark(database, configured):
    assert not doors().closed
    enter_by_password(database, WORD)
    assert tries(database) == 0


def test_five_wrong_tries_close_the_door_for_everyone_and_it_opens_again(database, configured):
    for _ in range(access.TRIES):
        with pytest.raises(ClosedError, match="not the password"):
            enter_by_password(database, "wrong password", at=NOON)
    with pytest.raises(ClosedError, match="Try again in 10 minutes"):
        enter_by_password(database, WORD, at=NOON + timedelta(minutes=5))
    enter_by_password(database, WORD, at=NOON + timedelta(minutes=15))


def test_many_tries_at_once_are_no_more_than_many_in_a_row(database, configured, monkeypatch):
    checked = []
    monkeypatch.setattr(access, "is_password", lambda *given: checked.append(given) and False)

    def attempt(_):
        with pytest.raises(ClosedError):
            enter_by_password(database, "wrong password")

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(attempt, range(24)))
    assert len(checked) == access.TRIES == tries(database)


def test_a_hash_is_salted_and_tells_only_the_right_word(stored):
    assert hash_password(WORD) != stored
    assert is_password(WORD, stored)
    for wrong in ("", WORD + " ", WORD.upper(), "x" * 100_000):
        assert not is_password(wrong, stored)
    assert WORD not in stored
    with pytest.raises(BadInputError, match="12 to 1024 signs; got 5"):
        hash_password("short")


def test_the_hash_is_scrypt_of_the_test_vector_of_rfc_7914():
    # Section 12, third vector: the first 32 of its 64 bytes.
    digest = bytes.fromhex("7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2")
    words = (base64.b64encode(part).decode() for part in (b"SodiumChloride", digest))
    stored = ":".join(["scrypt", "16384", "8", "1", *words])
    assert is_password("pleaseletmein", stored)
    assert not is_password("pleaseletmeIn", stored)


def test_only_verified_listed_addresses_enter(monkeypatch):
    monkeypatch.setenv("XKD_ADMIN_EMAILS", "Ada@Example.org, bob@example.org")
    assert doors().oidc and not doors().closed
    enter_by_email("ada@example.ORG", verified=True)
    for email, verified in (("ada@example.org", False), ("eve@example.org", True), ("", True), (None, True)):
        with pytest.raises(ClosedError, match="may not open"):
            enter_by_email(email, verified=verified)


def test_an_idle_session_ends():
    assert access.is_fresh(NOON, at=NOON + timedelta(minutes=30))
    assert not access.is_fresh(NOON, at=NOON + timedelta(minutes=31))
    assert not access.is_fresh(NOON, at=NOON - timedelta(minutes=1))
