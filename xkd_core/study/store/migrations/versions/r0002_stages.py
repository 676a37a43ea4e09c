"""Stages that survive a reload, the pair that an answer means, how it was given, throttled attempts.

Older rows get their stage from what is known of them, and the pair and the correctness from slot and role.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from xkd_core.study.meaning import meaning

revision = "0002"
down_revision = "0001"

_STAGE = """
UPDATE participant SET stage = CASE
    WHEN completed_at IS NOT NULL THEN 'done'
    WHEN EXISTS (SELECT 1 FROM trial JOIN response ON response.trial_id = trial.id
                 WHERE trial.participant_id = participant.id AND trial.kind <> 'practice') THEN 'trials'
    WHEN consent_at IS NOT NULL THEN 'screen'
    ELSE 'consent' END
"""
_ANSWERS = """
SELECT trial_id, choice, slot1, slot2, slot3, reference FROM response JOIN trial ON response.trial_id = trial.id
"""


def upgrade() -> None:
    """Add the columns and the table, and fill in what older rows mean."""
    with op.batch_alter_table("item") as item:
        item.add_column(sa.Column("similarities", sa.JSON(), nullable=False, server_default="{}"))
    with op.batch_alter_table("participant") as participant:
        participant.add_column(sa.Column("stage", sa.String(16), nullable=False, server_default="consent"))
        participant.add_column(sa.Column("check_failures", sa.Integer(), nullable=False, server_default="0"))
        participant.add_column(sa.Column("viewport_px", sa.Integer()))
    with op.batch_alter_table("response") as response:
        response.add_column(sa.Column("pair", sa.String(2)))
        response.add_column(sa.Column("correct", sa.Boolean()))
        response.add_column(sa.Column("rt_server_ms", sa.Integer()))
        response.add_column(sa.Column("input_method", sa.String(16)))
        response.add_column(sa.Column("blur_count", sa.Integer()))
    op.create_table(
        "attempt",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_attempt_at", "attempt", ["at"])
    op.execute(_STAGE)
    _fill_in_meanings()


def _fill_in_meanings() -> None:
    connection = op.get_bind()
    change = sa.text("UPDATE response SET odd = :odd, pair = :pair, correct = :correct WHERE trial_id = :trial")
    for trial, choice, *slots, reference in connection.execute(sa.text(_ANSWERS)).all():
        found = meaning([slot for slot in slots if slot], reference, choice)
        values = {"odd": found.odd, "pair": found.pair, "correct": found.correct, "trial": trial}
        connection.execute(change, values)
