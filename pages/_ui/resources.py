"""The only caches of the app. Keys are small frozen values; a changed run or table has another fingerprint."""

from __future__ import annotations

import base64

import streamlit as st

from xkd_core import rendering
from xkd_core.serving import subjects
from xkd_core.serving.desk import Desk
from xkd_core.serving.results import Results, read_results
from xkd_core.serving.stories import Story, tell
from xkd_core.serving.zoo import Choice, Zoo, fingerprint, read_zoo


@st.cache_resource(show_spinner=False)
def desk() -> Desk:
    """Networks, maps and jobs, shared by all sessions."""
    return Desk()


def zoo(dataset: str) -> Zoo:
    """All runs of a data set as they are on the disk now."""
    return _zoo(dataset, fingerprint())


def results(dataset: str) -> Results:
    """The stored rows of a data set as they are on the disk now."""
    return _results(dataset, fingerprint())


def story(dataset: str, choice: Choice) -> Story | None:
    """The story of the runs that ``choice`` names."""
    return _story(dataset, choice, fingerprint())


@st.cache_resource(max_entries=8, show_spinner="Reading the runs ...")
def _zoo(dataset: str, stamp: str) -> Zoo:
    return read_zoo(dataset)


@st.cache_resource(max_entries=4, show_spinner=False)
def _results(dataset: str, stamp: str) -> Results:
    return read_results(dataset)


@st.cache_resource(max_entries=64, show_spinner=False)
def _story(dataset: str, choice: Choice, stamp: str) -> Story | None:
    return tell(_results(dataset, stamp), _zoo(dataset, stamp), choice)


@st.cache_data(max_entries=512, show_spinner=False)
def thumbnails(dataset: str, indices: tuple[int, ...]) -> list[str]:
    """PNG data links of small pictures, for the gallery."""
    return [as_link(rendering.png(picture)) for picture in subjects.thumbnails(dataset, indices)]


def as_link(png: bytes) -> str:
    """PNG bytes as a link that a browser shows without another request."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
