"""Trials and answers: one committed row per answer before the next trial is shown, each trial answered at most once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

import xkd_core
from xkd_core.errors import BadInputError
from xkd_core.study.meaning import meaning
from xkd_core.study.stimuli import PHOTO, read_stimulus
from xkd_core.study.store.database import Database
from xkd_core.study.store.participants import Stage, find
from xkd_core.study.store.tables import ParticipantRow, ResponseRow, StimulusRow, TrialRow, now

InputMethod = Literal["key", "pointer", "touch", "button"]
INPUT_METHODS: tuple[InputMethod, ...] = ("key", "pointer", "touch", "button")
_HOUR_MS = 3_600_000


@dataclass(frozen=True, kw_only=True)
class TrialView:
    """What a browser may know of a trial: file names of pictures, and nothing that tells what they show.

    index: to be sent back with the answer. practice: is there feedback? panels: left to right; slot 1 is the first.
    reference: picture of a two-alternative trial that the panels are compared with.
    """

    index: int
    practice: bool
    photo: str
    panels: tuple[str, ...]
    reference: str | None


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Where a participant stands. trial: the one to show now, in the stages practice and trials.

    answered, total: of the current stage's trials, for the progress bar. code: the participant code.
    """

    study_id: str
    stage: Stage
    code: str
    check_failures: int
    trial: TrialView | None
    answered: int
    total: int


@dataclass(frozen=True, kw_only=True)
class Given:
    """What came from the browser with a choice; each is checked, and what cannot be true is stored as unknown."""

    rt_ms: float | None = None
    method: str | None = None
    blurs: int | None = None


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """first: False when the trial was answered before; then nothing was changed. choice: the one that is stored.

    correct, right_slot: feedback of practice trials, None in all others.
    """

    first: bool
    choice: int
    correct: bool | None
    right_slot: int | None


def progress(database: Database, token: str) -> Progress:
    """Where a participant stands, on any replica. Errors: NoParticipantError, StoreError."""

    def work(session: Session) -> Progress:
        row = find(session, token, lock=False)
        total, answered = _counts(session, row)
        trial = _next(session, row) if row.stage in ("practice", "trials") else None
        return Progress(
            study_id=row.study_id,
            stage=row.stage,  # type: ignore[arg-type]  # a column of text
            code=row.id,
            check_failures=row.check_failures,
            trial=None if trial is None else _view(session, trial),
            answered=answered,
            total=total,
        )

    return database.read(work)


def mark_shown(database: Database, token: str, index: int) -> None:
    """Note when a trial was first sent to the browser; later calls change nothing."""

    def work(session: Session) -> None:
        row = find(session, token)
        ours = (TrialRow.participant_id == row.id, TrialRow.idx == index, TrialRow.shown_at.is_(None))
        session.execute(update(TrialRow).where(*ours).values(shown_at=now()))

    database.write(work)


def answer(database: Database, token: str, index: int, choice: int, given: Given | None = None) -> Recorded:
    """Store one answer, committed on return. The same call twice stores one, and says so.

    choice: slot 1, 2 or 3: the odd one out (for "most similar pair": the panel that is left over); with a reference,
    the panel nearer to it. Errors: NoParticipantError; BadInputError for a trial that is not next, or a slot that is
    not there; StoreError, and then nothing was stored or the repeated call finds it stored.
    """

    def work(session: Session) -> Recorded:
        row = find(session, token)
        trial = session.scalar(select(TrialRow).where(TrialRow.participant_id == row.id, TrialRow.idx == index))
        stored = None if trial is None else session.get(ResponseRow, trial.id)
        if trial is not None and stored is not None:
            return _recorded(trial, stored, first=False)
        following = _next(session, row) if row.stage in ("practice", "trials") else None
        if trial is None or following is None or trial.id != following.id:
            raise BadInputError("This is not the picture that comes next. Reload the page to go on at the right place.")
        if not 1 <= choice <= len(_slots(trial)):
            raise BadInputError(f"A choice is 1 to {len(_slots(trial))}; got {choice}.")
        response = _response(trial, choice, given or Given())
        first = _insert(session, response)
        _advance(session, row)
        return _recorded(trial, response, first=first)

    return database.write(work)


def stimulus(database: Database, token: str, name: str) -> bytes:
    """The PNG of a picture of the participant's own study. Errors: NoParticipantError, XKDError."""

    def work(session: Session) -> tuple[str, str | None]:
        row = find(session, token, lock=False)
        query = (
            select(StimulusRow.sha256)
            .join(TrialRow, TrialRow.item_id == StimulusRow.item_id)
            .where(StimulusRow.name == name, TrialRow.participant_id == row.id)
        )
        return row.study_id, session.scalar(query.limit(1))

    study_id, sha256 = database.read(work)
    if sha256 is None:
        raise BadInputError("This picture does not belong to your study.")
    return read_stimulus(study_id, name, sha256)


def _next(session: Session, row: ParticipantRow) -> TrialRow | None:
    """The first trial of the participant's stage that has no answer."""
    practice = TrialRow.kind == "practice"
    return session.scalar(
        select(TrialRow)
        .outerjoin(ResponseRow, ResponseRow.trial_id == TrialRow.id)
        .where(
            TrialRow.participant_id == row.id,
            practice if row.stage == "practice" else ~practice,
            ResponseRow.trial_id.is_(None),
        )
        .order_by(TrialRow.idx)
        .limit(1)
    )


def _counts(session: Session, row: ParticipantRow) -> tuple[int, int]:
    practice = TrialRow.kind == "practice"
    early = row.stage in ("consent", "screen", "instructions", "practice")
    query = (
        select(func.count(), func.count(ResponseRow.trial_id))
        .select_from(TrialRow)
        .outerjoin(ResponseRow, ResponseRow.trial_id == TrialRow.id)
        .where(TrialRow.participant_id == row.id, practice if early else ~practice)
    )
    total, answered = session.execute(query).one()
    return int(total), int(answered)


def _view(session: Session, trial: TrialRow) -> TrialView:
    query = select(StimulusRow.role, StimulusRow.name).where(StimulusRow.item_id == trial.item_id)
    names = {str(role): str(name) for role, name in session.execute(query)}
    return TrialView(
        index=trial.idx,
        practice=trial.kind == "practice",
        photo=names[PHOTO],
        panels=tuple(names[role] for role in _slots(trial)),
        reference=None if trial.reference is None else names[trial.reference],
    )


def _slots(trial: TrialRow) -> tuple[str, ...]:
    return tuple(slot for slot in (trial.slot1, trial.slot2, trial.slot3) if slot is not None)


def _response(trial: TrialRow, choice: int, given: Given) -> ResponseRow:
    found = meaning(_slots(trial), trial.reference, choice)
    moment = now()
    return ResponseRow(
        trial_id=trial.id,
        choice=choice,
        odd=found.odd,
        pair=found.pair,
        correct=found.correct,
        rt_client_ms=_milliseconds(given.rt_ms),
        rt_server_ms=_since(trial.shown_at, moment),
        input_method=given.method if given.method in INPUT_METHODS else None,
        blur_count=given.blurs if isinstance(given.blurs, int) and 0 <= given.blurs < 10_000 else None,
        version=xkd_core.__version__,
        answered_at=moment,
    )


def _insert(session: Session, response: ResponseRow) -> bool:
    """True when the row is new; the database decides, so two tabs at once give one row."""
    columns = ResponseRow.__table__.columns.keys()
    values: dict[str, Any] = {name: getattr(response, name) for name in columns}
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    done = session.execute(
        insert(ResponseRow).values(**values).on_conflict_do_nothing().returning(ResponseRow.trial_id)
    )
    return done.scalar() is not None


def _advance(session: Session, row: ParticipantRow) -> None:
    if _next(session, row) is None:
        row.stage = "check" if row.stage == "practice" else "comment"


def _recorded(trial: TrialRow, response: ResponseRow, *, first: bool) -> Recorded:
    practice = trial.kind == "practice"
    return Recorded(
        first=first,
        choice=response.choice,
        correct=response.correct if practice else None,
        right_slot=_right_slot(_slots(trial), trial.reference) if practice else None,
    )


def _right_slot(slots: Sequence[str], reference: str | None) -> int:
    return slots.index("different" if reference is None else "same_b") + 1


def _milliseconds(value: float | None) -> int | None:
    # NaN fails the comparison too.
    return round(value) if isinstance(value, int | float) and 0 <= value <= _HOUR_MS else None


def _since(shown: datetime | None, moment: datetime) -> int | None:
    return None if shown is None else min(_HOUR_MS * 24, max(0, round((moment - shown).total_seconds() * 1000)))
