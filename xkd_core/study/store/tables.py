"""The tables. Each column's comment is its line in the codebook. No IP address and no user agent has a place here."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    DateTime,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Utc(TypeDecorator[datetime]):
    """A moment in UTC, aware on both sides: SQLite forgets the time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        """For the codebook."""
        return datetime

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """All tables, with constraint names that migrations can rely on."""

    metadata = MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        }
    )


def _to(column: str) -> ForeignKey:
    return ForeignKey(column, ondelete="CASCADE")


class StudyRow(Base):
    """A study: one version of one configuration."""

    __tablename__ = "study"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True, comment="Random id; part of the participants' link")
    name: Mapped[str] = mapped_column(String(64), comment="Name that the study leader gave")
    version: Mapped[int] = mapped_column(Integer, comment="1 for the first study of this name, then counted on")
    config: Mapped[str] = mapped_column(Text, comment="The whole configuration as canonical JSON")
    config_sha256: Mapped[str] = mapped_column(String(64), comment="sha256 of the configuration")
    status: Mapped[str] = mapped_column(String(16), comment="draft, open or closed")
    arrivals: Mapped[int] = mapped_column(Integer, comment="Participants that ever came; their next number")
    created_at: Mapped[datetime] = mapped_column(Utc, comment="UTC")
    opened_at: Mapped[datetime | None] = mapped_column(Utc, comment="UTC; first opened")
    closed_at: Mapped[datetime | None] = mapped_column(Utc, comment="UTC; last closed")


class ItemRow(Base):
    """What a trial can be about: an image with a pair of students, or a practice or catch picture."""

    __tablename__ = "item"
    __table_args__ = (UniqueConstraint("study_id", "number"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, comment="Row number")
    study_id: Mapped[str] = mapped_column(_to("study.id"), comment="Study")
    number: Mapped[int] = mapped_column(Integer, comment="Item of the study, from 0")
    kind: Mapped[str] = mapped_column(String(16), comment="main, practice or catch")
    image: Mapped[int] = mapped_column(Integer, comment="Index of the image in the data set's split")
    stratum: Mapped[str] = mapped_column(String(200), comment="Stratum that the image was drawn from")
    pair: Mapped[int | None] = mapped_column(Integer, comment="Place in the configuration's pairs; empty if not main")
    similarities: Mapped[dict[str, Any]] = mapped_column(
        JSON, comment="metric -> {naive, matched}: how alike to the teacher's map, larger is more alike"
    )


class StimulusRow(Base):
    """A picture of an item."""

    __tablename__ = "stimulus"
    __table_args__ = (UniqueConstraint("item_id", "role"),)

    name: Mapped[str] = mapped_column(String(36), primary_key=True, comment="Random file name")
    item_id: Mapped[int] = mapped_column(_to("item.id"), comment="Row of the item")
    role: Mapped[str] = mapped_column(String(16), comment="photo, teacher, naive, matched, same_a, same_b, different")
    sha256: Mapped[str] = mapped_column(String(64), comment="sha256 of the file")


class ParticipantRow(Base):
    """One participant, by a random id."""

    __tablename__ = "participant"
    __table_args__ = (UniqueConstraint("study_id", "number"), UniqueConstraint("study_id", "external_sha256"))

    id: Mapped[str] = mapped_column(String(32), primary_key=True, comment="Random participant code")
    study_id: Mapped[str] = mapped_column(_to("study.id"), comment="Study")
    number: Mapped[int] = mapped_column(Integer, comment="Order of arrival, from 0; never given twice")
    token: Mapped[str] = mapped_column(String(32), unique=True, comment="Secret of the own link; never exported")
    external_sha256: Mapped[str | None] = mapped_column(
        String(64), comment="sha256 of study and platform id: tells a returning participant"
    )
    seed: Mapped[int] = mapped_column(BigInteger, comment="Seed that items, order and slots were drawn from")
    stage: Mapped[str] = mapped_column(
        String(16), comment="consent, screen, instructions, practice, check, trials, comment, done or refused"
    )
    check_failures: Mapped[int] = mapped_column(Integer, comment="Wrong answers to the comprehension check")
    viewport_px: Mapped[int | None] = mapped_column(Integer, comment="Width of the window at the screen check")
    consent_version: Mapped[str | None] = mapped_column(String(40), comment="Version of the consent text agreed to")
    consent_sha256: Mapped[str | None] = mapped_column(String(64), comment="sha256 of that text")
    started_at: Mapped[datetime] = mapped_column(Utc, comment="UTC")
    consent_at: Mapped[datetime | None] = mapped_column(Utc, comment="UTC")
    completed_at: Mapped[datetime | None] = mapped_column(Utc, comment="UTC")
    comment: Mapped[str | None] = mapped_column(Text, comment="Optional words of the participant")


class PlatformRow(Base):
    """What the recruiting platform sent in the link; apart, so that it can be purged by itself."""

    __tablename__ = "platform"

    participant_id: Mapped[str] = mapped_column(_to("participant.id"), primary_key=True, comment="Participant")
    name: Mapped[str] = mapped_column(String(41), primary_key=True, comment="Parameter, e.g. PROLIFIC_PID")
    value: Mapped[str] = mapped_column(String(128), comment="Its value")


class TrialRow(Base):
    """A trial that was drawn for a participant, before anything was answered."""

    __tablename__ = "trial"
    __table_args__ = (UniqueConstraint("participant_id", "idx"),)

    id: Mapped[int] = mapped_column(Integer, primary_key=True, comment="Row number")
    participant_id: Mapped[str] = mapped_column(_to("participant.id"), comment="Participant")
    idx: Mapped[int] = mapped_column(Integer, comment="Place in the participant's order, from 0")
    kind: Mapped[str] = mapped_column(String(16), comment="main, practice, catch or repeat")
    item_id: Mapped[int] = mapped_column(_to("item.id"), index=True, comment="Row of the item")
    slot1: Mapped[str] = mapped_column(String(16), comment="What the left panel showed")
    slot2: Mapped[str] = mapped_column(String(16), comment="What the next panel showed")
    slot3: Mapped[str | None] = mapped_column(String(16), comment="What the right panel showed; empty with a reference")
    reference: Mapped[str | None] = mapped_column(String(16), comment="Role of the reference (two-alternative only)")
    repeat_of: Mapped[int | None] = mapped_column(Integer, comment="idx of the trial that this one repeats")
    shown_at: Mapped[datetime | None] = mapped_column(Utc, comment="UTC; first sent to the browser")


class ResponseRow(Base):
    """The answer to a trial. The key is the trial itself, so a trial cannot be answered twice."""

    __tablename__ = "response"

    trial_id: Mapped[int] = mapped_column(_to("trial.id"), primary_key=True, comment="Row of the trial")
    choice: Mapped[int] = mapped_column(
        Integer, comment="Slot 1, 2 or 3: the odd one out; with a reference, the panel nearer to it"
    )
    odd: Mapped[str | None] = mapped_column(String(16), comment="Role of the odd one out")
    pair: Mapped[str | None] = mapped_column(
        String(2), comment="Judged alike: TM teacher and matched, TN teacher and naive, NM both students"
    )
    correct: Mapped[bool | None] = mapped_column(Boolean, comment="Right? In practice and catch trials only")
    rt_client_ms: Mapped[int | None] = mapped_column(Integer, comment="From pictures drawn to choice, in the browser")
    rt_server_ms: Mapped[int | None] = mapped_column(Integer, comment="From sent to stored, with network and server")
    input_method: Mapped[str | None] = mapped_column(String(16), comment="key, pointer, touch or button")
    blur_count: Mapped[int | None] = mapped_column(Integer, comment="How often the tab was left during the trial")
    version: Mapped[str] = mapped_column(String(32), comment="Version of the program that took the answer")
    answered_at: Mapped[datetime] = mapped_column(Utc, comment="UTC")


class EventRow(Base):
    """What happened to a study, without a person: created, opened, closed, withdrawn, deleted, purged."""

    __tablename__ = "event"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, comment="Row number")
    study_id: Mapped[str] = mapped_column(_to("study.id"), index=True, comment="Study")
    kind: Mapped[str] = mapped_column(String(16), comment="created, opened, closed, withdrawn, deleted or purged")
    at: Mapped[datetime] = mapped_column(Utc, comment="UTC")


class AttemptRow(Base):
    """A try to enter the admin page that did not (yet) succeed. When, and nothing about who."""

    __tablename__ = "attempt"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, comment="Row number")
    at: Mapped[datetime] = mapped_column(Utc, index=True, comment="UTC")


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)
