"""Evaluation of XKD Explorer."""
