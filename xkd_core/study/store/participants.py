"""One participant's way: enrolled once, found again by the secret of the own link, moved on step by step, deleted.

All state is in the database: a reload, a second tab, a restart or another replica goes on at the same place.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from xkd_core.errors import BadInputError, XKDError
from xkd_core.study.config import StudyConfig
from xkd_core.study.plan import Item, Trial, draw_trials, participant_seed
from xkd_core.study.store.database import Database
from xkd_core.study.store.studies import read_config, study_by_id
from xkd_core.study.store.tables import (
    EventRow,
    ItemRow,
    ParticipantRow,
    PlatformRow,
    StudyRow,
    TrialRow,
    now,
)

Stage = Literal["consent", "screen", "instructions", "practice", "check", "trials", "comment", "done", "refused"]
STAGES: tuple[Stage, ...] = ("consent", "screen", "instructions", "practice", "check", "trials", "comment", "done")
CHECK_TRIES = 2
COMMENT_SIGNS = 2000
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")


class NoParticipantError(XKDError):
    """The same answer for a wrong, a deleted and a foreign link."""

    def __init__(self) -> None:
        """One sentence for all of them, so that nothing can be learned by trying."""
        super().__init__("This link is not known (any more). Open the link of your invitation again.")


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """token: the secret of the own link. code: the participant code, for a later wish to be deleted.

    returning: the platform's id was known, so this is the place that the participant had before.
    """

    token: str
    code: str
    returning: bool


def enrol(database: Database, study_id: str, platform: Mapping[str, str] | None = None) -> Enrolment:
    """Take a participant into an open study, with trials drawn and stored; known platform ids get their old place.

    platform: parameters of the link; only those that the study names are kept. Errors: UnknownNameError;
    BadInputError when the study is not open, or a parameter is too long or has odd signs.
    """
    study = study_by_id(database, study_id)
    kept = _platform(study.config, platform or {})
    external = _external(study_id, study.config, kept)
    token = secrets.token_urlsafe(24)

    def work(session: Session) -> Enrolment:
        # The arrivals counter is also the lock: enrolments of one study come one after the other.
        number = session.scalar(
            update(StudyRow)
            .where(StudyRow.id == study_id)
            .values(arrivals=StudyRow.arrivals + 1)
            .returning(StudyRow.arrivals)
        )
        known = _known(session, study_id, external)
        if known is not None:
            session.execute(update(StudyRow).where(StudyRow.id == study_id).values(arrivals=StudyRow.arrivals - 1))
            return Enrolment(token=known.token, code=known.id, returning=True)
        status = session.scalar(select(StudyRow.status).where(StudyRow.id == study_id))
        if number is None or status != "open":
            raise BadInputError("This study does not take new participants now.")
        row = _new(study_id, study.config, number - 1, token, external)
        session.add(row)
        session.flush()
        session.add_all(PlatformRow(participant_id=row.id, name=name, value=value) for name, value in kept.items())
        _store_trials(session, study_id, study.config, row)
        return Enrolment(token=token, code=row.id, returning=False)

    return database.write(work, alone=True)


def consent(database: Database, token: str, consent_sha256: str) -> None:
    """Store the agreement to the text with this hash. Errors: BadInputError when another text is valid now."""

    def work(session: Session) -> None:
        row = find(session, token)
        config = config_of(session, row)
        if consent_sha256 != config.consent_sha256:
            raise BadInputError("The consent text on your screen is not the one of this study. Reload the page.")
        if row.stage == "consent":
            row.consent_at, row.consent_version, row.consent_sha256 = now(), config.consent_version, consent_sha256
            row.stage = "screen"

    database.write(work)


def pass_screen(database: Database, token: str, viewport_px: int) -> bool:
    """Store the width of the window; True when it is wide enough to go on."""
    if not 1 <= viewport_px <= 20_000:
        raise BadInputError(f"A window is 1 to 20000 pixels wide; got {viewport_px}.")

    def work(session: Session) -> bool:
        row = find(session, token)
        wide = viewport_px >= config_of(session, row).min_width_px
        if row.stage == "screen":
            row.viewport_px = viewport_px
            row.stage = "instructions" if wide else "screen"
        return wide

    return database.write(work)


def finish_instructions(database: Database, token: str) -> None:
    """Go on to practice, or to the comprehension check of a study without practice."""

    def work(session: Session) -> None:
        row = find(session, token)
        if row.stage == "instructions":
            row.stage = "practice" if config_of(session, row).practice else "check"

    database.write(work)


def answer_check(database: Database, token: str, *, right: bool) -> Stage:
    """Store one try of the comprehension check: the second wrong one ends the participation. Returns the new stage."""

    def work(session: Session) -> Stage:
        row = find(session, token)
        if row.stage == "check":
            row.check_failures += not right
            row.stage = "trials" if right else "refused" if row.check_failures >= CHECK_TRIES else "check"
        stage: Stage = row.stage  # type: ignore[assignment]  # a column of text
        return stage

    return database.write(work)


def finish(database: Database, token: str, comment: str = "") -> None:
    """Store the optional comment (its first 2,000 signs) and complete the participation."""

    def work(session: Session) -> None:
        row = find(session, token)
        if row.stage == "comment":
            row.comment = comment.replace("\x00", "").strip()[:COMMENT_SIGNS] or None
            row.stage, row.completed_at = "done", now()

    database.write(work)


def withdraw(database: Database, token: str) -> None:
    """Delete a participant and everything they answered, at their own wish. Errors: NoParticipantError."""

    def work(session: Session) -> None:
        _delete(session, find(session, token), "withdrawn")

    database.write(work)


def delete_participant(database: Database, study_id: str, code: str) -> None:
    """Delete a participant by the participant code, on request. Errors: NoParticipantError."""

    def work(session: Session) -> None:
        row = session.scalar(
            select(ParticipantRow).where(ParticipantRow.id == code, ParticipantRow.study_id == study_id)
        )
        if row is None:
            raise BadInputError(f"No participant {code[:40]!r} in this study; codes are listed in the export.")
        _delete(session, row, "deleted")

    database.write(work)


def purge_platform_ids(database: Database, study_id: str) -> int:
    """Delete what the recruiting platform sent; answers stay. Returns how many values went."""

    def work(session: Session) -> int:
        ours = select(ParticipantRow.id).where(ParticipantRow.study_id == study_id)
        count = session.scalar(
            select(func.count()).select_from(PlatformRow).where(PlatformRow.participant_id.in_(ours))
        )
        session.execute(delete(PlatformRow).where(PlatformRow.participant_id.in_(ours)))
        session.execute(update(ParticipantRow).where(ParticipantRow.study_id == study_id).values(external_sha256=None))
        session.add(EventRow(study_id=study_id, kind="purged", at=now()))
        return count or 0

    return database.write(work)


def find(session: Session, token: str, *, lock: bool = True) -> ParticipantRow:
    """The row of a token, for this transaction alone if ``lock``. Errors: NoParticipantError."""
    row = None
    if isinstance(token, str) and _TOKEN.fullmatch(token):
        query = select(ParticipantRow).where(ParticipantRow.token == token)
        row = session.scalar(query.with_for_update() if lock else query)
    if row is None:
        raise NoParticipantError
    return row


def config_of(session: Session, row: ParticipantRow) -> StudyConfig:
    """The configuration of a participant's study."""
    return read_config(session.scalars(select(StudyRow.config).where(StudyRow.id == row.study_id)).one())


def _platform(config: StudyConfig, given: Mapping[str, str]) -> dict[str, str]:
    kept = {name: str(given[name]) for name in config.platform if given.get(name)}
    for name, value in kept.items():
        if not re.fullmatch(r"[A-Za-z0-9._~@:+-]{1,128}", value):
            raise BadInputError(f"The link's {name} must be 1 to 128 letters, digits or ._~@:+-.")
    return kept


def _external(study_id: str, config: StudyConfig, kept: Mapping[str, str]) -> str | None:
    value = kept.get(config.platform[0]) if config.platform else None
    return None if value is None else _hash(f"{study_id}:{value}")


def _known(session: Session, study_id: str, external: str | None) -> ParticipantRow | None:
    if external is None:
        return None
    return session.scalar(
        select(ParticipantRow).where(ParticipantRow.study_id == study_id, ParticipantRow.external_sha256 == external)
    )


def _new(study_id: str, config: StudyConfig, number: int, token: str, external: str | None) -> ParticipantRow:
    return ParticipantRow(
        id=secrets.token_hex(8),
        study_id=study_id,
        number=number,
        token=token,
        external_sha256=external,
        seed=participant_seed(config, number),
        stage="consent",
        check_failures=0,
        started_at=now(),
    )


def _store_trials(session: Session, study_id: str, config: StudyConfig, row: ParticipantRow) -> None:
    items = session.scalars(select(ItemRow).where(ItemRow.study_id == study_id).order_by(ItemRow.number)).all()
    seen = session.execute(
        select(ItemRow.number, func.count())
        .join(TrialRow, TrialRow.item_id == ItemRow.id)
        .where(ItemRow.study_id == study_id, TrialRow.kind == "main")
        .group_by(ItemRow.number)
    )
    counts = {int(number): int(count) for number, count in seen}
    ids = {item.number: item.id for item in items}
    drawn = draw_trials(config, [_item(item) for item in items], seen=counts, seed=row.seed)
    session.add_all(_trial(row.id, ids[trial.item], trial) for trial in drawn)


def _item(row: ItemRow) -> Item:
    return Item(number=row.number, kind=row.kind, image=row.image, stratum=row.stratum, pair=row.pair)  # type: ignore[arg-type]


def _trial(participant: str, item_id: int, trial: Trial) -> TrialRow:
    slots = (*trial.slots, None)
    return TrialRow(
        participant_id=participant,
        idx=trial.index,
        kind=trial.kind,
        item_id=item_id,
        slot1=slots[0],
        slot2=slots[1],
        slot3=slots[2],
        reference=trial.reference,
        repeat_of=trial.repeat_of,
    )


def _delete(session: Session, row: ParticipantRow, kind: str) -> None:
    session.add(EventRow(study_id=row.study_id, kind=kind, at=now()))
    session.execute(delete(ParticipantRow).where(ParticipantRow.id == row.id))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
