"""Distillation of XKD Explorer."""
