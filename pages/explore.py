"""Explore: one image, explained for the teacher, a naive and a matched student, side by side."""

from __future__ import annotations

import streamlit as st
from streamlit.delta_generator import DeltaGenerator as Place

from pages._ui import frame, guard, resources, screen, takeaway, talk, widgets, work
from xkd_core.errors import XKDError
from xkd_core.serving.subjects import OUTSIDE, UPLOAD

guard.page("pages/explore.py")

TALK_ROWS = 2  # explainers that fit on a 1280x720 projector without scrolling


def main() -> None:
    with st.sidebar:
        talking = talk.mode()
        dataset = widgets.choose_data()
        upload = widgets.choose_upload() if dataset == UPLOAD else None
        zoo = resources.zoo(OUTSIDE.get(dataset, dataset))
        frame.open_link(zoo)
        choice = widgets.choose_runs(zoo)
        explainers = widgets.choose_explainers()
        policy = widgets.choose_target(zoo, labelled=dataset not in OUTSIDE)
        widgets.choose_plain()
    if not frame.usable(zoo, dataset):
        return
    if dataset == UPLOAD and upload is None:
        st.info("Choose an image in the sidebar. It stays in the memory of this server and is not stored.")
        return
    top, left, turn, grid = _places(talking)
    with turn:
        order = frame.choose_image(zoo, dataset, choice, upload=upload)
    ask = screen.Ask(
        zoo=zoo,
        key=order.key,
        choice=choice,
        explainers=explainers[:TALK_ROWS] if talking else explainers,
        policy=policy,
        upload=upload,
        talk=talking,
    )
    try:
        shown = screen.fetch(ask)
    except XKDError as error:
        st.error(str(error))
        return
    with left:
        frame.photo(shown)
    with top:
        frame.headline(shown, talk=talking)
    with grid:
        screen.draw(shown)
        work.compute_missing(shown)
    takeaway.keep_link(shown)
    if talking:
        with turn:
            talk.leave()
    else:
        frame.after(shown, order)


def _places(talking: bool) -> tuple[Place, Place, Place, Place]:
    """Where headline, photo, turning to other images and grid stand; in talk mode the photo is beside the grid."""
    if talking:
        top = st.container()
        left, right = st.columns([1, 3.6], gap="medium")
        return top, left.container(), left.container(), right
    left, right = st.columns([1, 3.4], gap="medium")
    return right.container(), left, right, st.container()


main()
