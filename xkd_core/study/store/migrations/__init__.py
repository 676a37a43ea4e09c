"""Alembic's folder: how tables came to be what they are."""
