"""The first tables: studies, items, pictures, participants, trials, answers."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables of the first version."""
    _studies()
    _participants()
    _answers()


def _id(name: str, target: str, *, primary: bool = False) -> sa.Column[Any]:
    table = target.split(".")[0]
    kind: sa.types.TypeEngine[Any] = sa.Integer() if table in ("item", "trial") else sa.String(32)
    return sa.Column(name, kind, sa.ForeignKey(target, ondelete="CASCADE"), primary_key=primary, nullable=False)


def _studies() -> None:
    op.create_table(
        "study",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("config_sha256", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("arrivals", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("name", "version", name="uq_study_name_version"),
    )
    op.create_table(
        "item",
        sa.Column("id", sa.Integer(), primary_key=True),
        _id("study_id", "study.id"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("image", sa.Integer(), nullable=False),
        sa.Column("stratum", sa.String(200), nullable=False),
        sa.Column("pair", sa.Integer()),
        sa.UniqueConstraint("study_id", "number", name="uq_item_study_id_number"),
    )
    op.create_table(
        "stimulus",
        sa.Column("name", sa.String(36), primary_key=True),
        _id("item_id", "item.id"),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.UniqueConstraint("item_id", "role", name="uq_stimulus_item_id_role"),
    )


def _participants() -> None:
    op.create_table(
        "participant",
        sa.Column("id", sa.String(32), primary_key=True),
        _id("study_id", "study.id"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("external_sha256", sa.String(64)),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("consent_version", sa.String(40)),
        sa.Column("consent_sha256", sa.String(64)),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("consent_at", sa.DateTime(timezone=True)),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("comment", sa.Text()),
        sa.UniqueConstraint("token", name="uq_participant_token"),
        sa.UniqueConstraint("study_id", "number", name="uq_participant_study_id_number"),
        sa.UniqueConstraint("study_id", "external_sha256", name="uq_participant_study_id_external_sha256"),
    )
    op.create_table(
        "platform",
        _id("participant_id", "participant.id", primary=True),
        sa.Column("name", sa.String(41), primary_key=True),
        sa.Column("value", sa.String(128), nullable=False),
    )


def _answers() -> None:
    op.create_table(
        "trial",
        sa.Column("id", sa.Integer(), primary_key=True),
        _id("participant_id", "participant.id"),
        sa.Column("idx", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        _id("item_id", "item.id"),
        sa.Column("slot1", sa.String(16), nullable=False),
        sa.Column("slot2", sa.String(16), nullable=False),
        sa.Column("slot3", sa.String(16)),
        sa.Column("reference", sa.String(16)),
        sa.Column("repeat_of", sa.Integer()),
        sa.Column("shown_at", sa.DateTime(timezone=True)),
        sa.UniqueConstraint("participant_id", "idx", name="uq_trial_participant_id_idx"),
    )
    op.create_index("ix_trial_item_id", "trial", ["item_id"])
    op.create_table(
        "response",
        _id("trial_id", "trial.id", primary=True),
        sa.Column("choice", sa.Integer(), nullable=False),
        sa.Column("odd", sa.String(16)),
        sa.Column("rt_client_ms", sa.Integer()),
        sa.Column("version", sa.String(32), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Integer(), primary_key=True),
        _id("study_id", "study.id"),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_event_study_id", "event", ["study_id"])
