"""Metrics of XKD Explorer."""
