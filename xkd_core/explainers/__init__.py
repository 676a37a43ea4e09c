"""Explainers of XKD Explorer."""
