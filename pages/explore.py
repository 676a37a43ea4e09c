"""Explore: one image, explained for the teacher, a naive and a matched student, side by side."""

from __future__ import annotations

import streamlit as st

from pages._ui import frame, guard, resources, screen, takeaway, talk, widgets
from xkd_core.errors import XKDError
from xkd_core.serving.subjects import OUTSIDE, UPLOAD

guard.page("pages/explore.py")


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
    if not frame.usable(zoo, dataset):
        return
    if dataset == UPLOAD and upload is None:
        st.info("Choose an image in the sidebar. It stays in the memory of this server and is not stored.")
        return
    left, right = st.columns([1, 4], gap="large")
    words = right.container()
    with right:
        order = frame.choose_image(zoo, dataset, choice, upload=upload)
    shown_explainers = explainers[:2] if talking else explainers
    ask = screen.Ask(
        zoo=zoo, key=order.key, choice=choice, explainers=shown_explainers, policy=policy, upload=upload, talk=talking
    )
    try:
        shown = screen.fetch(ask)
    except XKDError as error:
        st.error(str(error))
        return
    with left:
        frame.photo(shown)
    with words:
        frame.headline(shown, talk=talking)
    screen.draw(shown)
    screen.compute_missing(shown)
    takeaway.keep_link(shown)
    if talking:
        talk.leave()
    else:
        frame.after(shown, order)


main()
