"""Studies in the store: made as drafts with their pictures, opened, closed, listed, deleted."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from xkd_core.errors import BadInputError, UnknownNameError, unknown_name
from xkd_core.study.config import ROLES, StudyConfig, config_from_json
from xkd_core.study.plan import KNOWN_ROLES, Item
from xkd_core.study.stimuli import PHOTO, Stimulus, read_stimulus, stimuli_dir
from xkd_core.study.store.database import Database
from xkd_core.study.store.tables import EventRow, ItemRow, ParticipantRow, StimulusRow, StudyRow, now

Status = Literal["draft", "open", "closed"]
Similarities = Mapping[str, Mapping[str, float | None]]


@dataclass(frozen=True, kw_only=True)
class Study:
    """A stored study. id: part of the participants' link. label: name and version, as people say it."""

    id: str
    name: str
    version: int
    status: str
    config: StudyConfig
    config_sha256: str
    created_at: datetime
    opened_at: datetime | None
    closed_at: datetime | None

    @property
    def label(self) -> str:
        """name-vN."""
        return f"{self.name}-v{self.version}"


@dataclass(frozen=True, kw_only=True)
class Recruitment:
    """How far a study is. stages: stage -> participants that stand there; withdrawn: left and deleted."""

    planned: int
    arrived: int
    stages: Mapping[str, int]
    withdrawn: int
    deleted: int


def new_id() -> str:
    """A random id for a study that is going to be stored."""
    return secrets.token_hex(12)


def add_study(
    database: Database,
    study_id: str,
    config: StudyConfig,
    items: Sequence[Item],
    stimuli: Sequence[Stimulus],
    similarities: Mapping[int, Similarities],
) -> Study:
    """Store a draft whose pictures are written already; a known name gets the next version.

    similarities: item number -> metric -> naive, matched; undefined is None.
    """

    def work(session: Session) -> Study:
        last = session.scalar(select(func.max(StudyRow.version)).where(StudyRow.name == config.name)) or 0
        row = StudyRow(
            id=study_id,
            name=config.name,
            version=last + 1,
            config=config.to_json(),
            config_sha256=config.sha256,
            status="draft",
            arrivals=0,
            created_at=now(),
        )
        session.add(row)
        session.flush()
        _add_items(session, study_id, items, stimuli, similarities)
        session.add(EventRow(study_id=study_id, kind="created", at=now()))
        return _study(row)

    return database.write(work)


def list_studies(database: Database) -> tuple[Study, ...]:
    """All studies, the newest first."""
    query = select(StudyRow).order_by(StudyRow.created_at.desc(), StudyRow.id)
    return database.read(lambda session: tuple(_study(row) for row in session.scalars(query)))


def find_study(database: Database, wanted: str) -> Study:
    """A study by id, by label (name-vN), or the newest of a name. Errors: UnknownNameError with the nearest."""
    studies = list_studies(database)
    exact = [study for study in studies if wanted in (study.id, study.label)]
    newest = sorted((study for study in studies if study.name == wanted), key=lambda study: -study.version)
    if not exact and not newest:
        raise unknown_name("study", wanted, [study.label for study in studies])
    return (exact or newest)[0]


def study_by_id(database: Database, study_id: str) -> Study:
    """A study by its id alone, as a link names it. Errors: UnknownNameError that lists nothing."""
    row = database.read(lambda session: session.get(StudyRow, study_id)) if _is_id(study_id) else None
    if row is None:
        raise UnknownNameError("This link does not belong to a study. Ask the person who gave it to you.")
    return _study(row)


def open_study(database: Database, study_id: str) -> Study:
    """Let participants in. Errors: BadInputError when a picture is missing or was changed."""
    check_stimuli(database, study_id)
    return _set_status(database, study_id, "open")


def close_study(database: Database, study_id: str) -> Study:
    """Let nobody new in; who has begun may finish."""
    return _set_status(database, study_id, "closed")


def check_stimuli(database: Database, study_id: str) -> int:
    """Read every picture of a study; returns how many. Errors: XKDError, BadInputError without pictures."""
    query = select(StimulusRow).join(ItemRow).where(ItemRow.study_id == study_id)
    rows = database.read(lambda session: tuple(session.scalars(query)))
    if not rows:
        raise BadInputError("This study has no pictures yet; set it up again.")
    for row in rows:
        read_stimulus(study_id, row.name, row.sha256)
    return len(rows)


def item_pictures(database: Database, study_id: str, number: int) -> Mapping[str, bytes]:
    """For the study leader: role -> PNG of an item, in the order of the roles. Errors: BadInputError, XKDError."""
    query = (
        select(StimulusRow.role, StimulusRow.name, StimulusRow.sha256)
        .join(ItemRow)
        .where(ItemRow.study_id == study_id, ItemRow.number == number)
    )
    rows = {
        str(role): (name, sha256) for role, name, sha256 in database.read(lambda session: session.execute(query).all())
    }
    if not rows:
        raise BadInputError(f"This study has no item {number}.")
    ordered = (role for role in (PHOTO, *ROLES, *KNOWN_ROLES) if role in rows)
    return {role: read_stimulus(study_id, *rows[role]) for role in ordered}


def delete_study(database: Database, study_id: str) -> None:
    """Delete a study with every answer, participant and picture."""

    def work(session: Session) -> None:
        session.execute(delete(StudyRow).where(StudyRow.id == study_id))

    database.write(work)
    shutil.rmtree(stimuli_dir(study_id), ignore_errors=True)


def recruitment(database: Database, study: Study) -> Recruitment:
    """Who came, where they stand, who left."""

    def work(session: Session) -> Recruitment:
        stages = session.execute(
            select(ParticipantRow.stage, func.count()).where(ParticipantRow.study_id == study.id).group_by("stage")
        )
        events = session.execute(
            select(EventRow.kind, func.count()).where(EventRow.study_id == study.id).group_by(EventRow.kind)
        )
        happened = {str(kind): int(count) for kind, count in events}
        return Recruitment(
            planned=study.config.participants,
            arrived=session.scalar(select(StudyRow.arrivals).where(StudyRow.id == study.id)) or 0,
            stages={str(stage): int(count) for stage, count in stages},
            withdrawn=happened.get("withdrawn", 0),
            deleted=happened.get("deleted", 0),
        )

    return database.read(work)


def _add_items(
    session: Session,
    study_id: str,
    items: Sequence[Item],
    stimuli: Sequence[Stimulus],
    similarities: Mapping[int, Similarities],
) -> None:
    rows = {
        item.number: ItemRow(
            study_id=study_id,
            number=item.number,
            kind=item.kind,
            image=item.image,
            stratum=item.stratum,
            pair=item.pair,
            similarities=dict(similarities.get(item.number, {})),
        )
        for item in items
    }
    session.add_all(rows.values())
    session.flush()
    session.add_all(
        StimulusRow(name=one.name, item_id=rows[one.item].id, role=one.role, sha256=one.sha256) for one in stimuli
    )


def _set_status(database: Database, study_id: str, status: Status) -> Study:
    def work(session: Session) -> StudyRow | None:
        moment: dict[str, Any] = {"closed_at": now()} if status == "closed" else {}
        if status == "open":
            moment = {"opened_at": func.coalesce(StudyRow.opened_at, now())}
        session.execute(update(StudyRow).where(StudyRow.id == study_id).values(status=status, **moment))
        row = session.get(StudyRow, study_id, populate_existing=True)
        if row is not None:
            session.add(EventRow(study_id=study_id, kind="opened" if status == "open" else status, at=now()))
        return row

    row = database.write(work)
    if row is None:
        raise UnknownNameError("There is no such study.")
    return _study(row)


def _study(row: StudyRow) -> Study:
    return Study(
        id=row.id,
        name=row.name,
        version=row.version,
        status=row.status,
        config=read_config(row.config),
        config_sha256=row.config_sha256,
        created_at=row.created_at,
        opened_at=row.opened_at,
        closed_at=row.closed_at,
    )


@lru_cache(maxsize=64)
def read_config(text: str) -> StudyConfig:
    """A stored configuration, read once."""
    return config_from_json(text)


def _is_id(text: str) -> bool:
    return len(text) == 24 and all(sign in "0123456789abcdef" for sign in text)
