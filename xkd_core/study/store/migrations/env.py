"""Alembic's entry: it is only ever called by `xkd_core.study.store.migrate`, with an open transaction."""

from __future__ import annotations

from alembic import context

from xkd_core.study.store.tables import Base

context.configure(
    connection=context.config.attributes["connection"], target_metadata=Base.metadata, render_as_batch=True
)
context.run_migrations()
