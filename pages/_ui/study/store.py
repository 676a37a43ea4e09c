"""The study's database and its pictures, one of each for the process; only pictures are cached, never answers.

A study server starts fast: nothing that computes maps is imported on the participant's way.
"""

from __future__ import annotations

import base64

import streamlit as st

from xkd_core.rendering import png
from xkd_core.study.config import Rendering
from xkd_core.study.environment import database_url
from xkd_core.study.example import example_panels
from xkd_core.study.store import answers
from xkd_core.study.store.database import Database


def database() -> Database:
    """The one database of this process. Errors: StoreError; then the next call tries again."""
    return _database(database_url())


@st.cache_resource(show_spinner=False)
def _database(url: str) -> Database:
    return Database(url)


def picture(token: str, name: str) -> str:
    """A picture of the participant's next trial as a data link: no address, so nothing to look up."""
    return _picture(database_url(), name, token)


@st.cache_data(max_entries=400, show_spinner=False)
def _picture(url: str, name: str, _token: str) -> str:
    return _link(answers.stimulus(_database(url), _token, name))


@st.cache_data(max_entries=32, show_spinner=False)
def example(rendering_json: str) -> dict[str, str]:
    """The pictures of the instructions, drawn by the study's rule: role -> data link."""
    drawn = example_panels(Rendering.model_validate_json(rendering_json))
    return {role: _link(png(pixels)) for role, pixels in drawn.items()}


def _link(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()
