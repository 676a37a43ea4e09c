"""Explore: one image, explained for the teacher, a naive and a matched student, side by side."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st
from streamlit.delta_generator import DeltaGenerator as Place

from pages._ui import frame, guard, resources, screen, shell, takeaway, talk, widgets, work
from xkd_core.errors import XKDError
from xkd_core.serving.subjects import OUTSIDE, UPLOAD
from xkd_core.serving.zoo import Choice, Zoo
from xkd_core.types import UInt8

guard.page("pages/explore.py")

TALK_ROWS = 2  # explainers that fit on a 1280x720 projector without scrolling
# The photo stands beside the headline; on a phone beside the buttons, so that the first map is on the first screen.
LAYOUT = """<style>
.st-key-head { display: grid; grid-template: "photo top" auto "photo turn" auto / 10.5rem minmax(0, 1fr);
  gap: 0.5rem 1.5rem; align-items: start; }
.st-key-head > :has(> .st-key-photo) { grid-area: photo; }
.st-key-head > :has(> .st-key-top) { grid-area: top; }
.st-key-head > :has(> .st-key-turning) { grid-area: turn; align-self: end; }
.st-key-top { gap: 1.1rem; }
@media (max-width: 40rem) {
  .st-key-head { grid-template: "top top" auto "photo turn" auto / 4.5rem minmax(0, 1fr); gap: 0.4rem 0.75rem; }
  .st-key-head > :has(> .st-key-turning) { align-self: center; }
  .st-key-top p { font-size: 0.8125rem; line-height: 1.35; }
  .st-key-turn { gap: 0.35rem; flex-wrap: nowrap; }
  .st-key-turn .st-key-image { width: 4.5rem !important; min-width: 0; }
  .st-key-turn .st-key-image button, .st-key-turn kbd { display: none; }
  .st-key-turn button { padding: 0.25rem 0.6rem; }
}
</style>"""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the sidebar says."""

    talking: bool
    dataset: str
    upload: UInt8 | None
    zoo: Zoo
    choice: Choice
    explainers: tuple[str, ...]
    policy: str


def _ask() -> Asked:
    talking = talk.mode()
    dataset = widgets.choose_data()
    upload = widgets.choose_upload() if dataset == UPLOAD else None
    zoo = resources.zoo(OUTSIDE.get(dataset, dataset))
    frame.open_link(zoo)
    choice = widgets.choose_pair(zoo, widgets.choose_runs(zoo))
    explainers = widgets.choose_explainers()
    policy = widgets.choose_target(zoo, labelled=dataset not in OUTSIDE)
    widgets.choose_plain()
    return Asked(talking=talking, dataset=dataset, upload=upload, zoo=zoo, choice=choice,
                 explainers=explainers[:TALK_ROWS] if talking else explainers, policy=policy)  # fmt: skip


def _page(asked: Asked) -> None:
    usable = frame.has_images(asked.dataset) and frame.has_runs(asked.zoo)
    waiting = usable and asked.dataset == UPLOAD and asked.upload is None
    if waiting:
        st.info("Choose an image in the sidebar. It stays in the memory of this server and is not stored.")
    if not usable or waiting:
        if asked.talking:
            talk.leave()  # in talk mode there is no sidebar to go on with
        return
    top, photo, turn, grid = _places(asked.talking)
    with turn:
        order = frame.choose_image(asked.zoo, asked.dataset, asked.choice, upload=asked.upload)
        if asked.talking:
            talk.leave()
    ask = screen.Ask(zoo=asked.zoo, key=order.key, choice=asked.choice, explainers=asked.explainers,
                     policy=asked.policy, upload=asked.upload, talk=asked.talking)  # fmt: skip
    try:
        shown = screen.fetch(ask)
    except XKDError as error:
        st.error(str(error))
        return
    with photo:
        frame.photo(shown)
    with top:
        often = frame.headline(shown, talk=asked.talking)
    with grid:
        screen.draw(shown)
        work.compute_missing(shown)
    takeaway.keep_link(shown)
    if not asked.talking:
        frame.notes(shown, often)
        frame.after(shown, order)


def _places(talking: bool) -> tuple[Place, Place, Place, Place]:
    """Where headline, photo, turning to other images and grid stand; in talk mode the photo is beside the grid."""
    if talking:
        top = st.container()
        left, right = st.columns([1, 3.6], gap="medium")
        return top, left.container(), left.container(), right
    st.html(LAYOUT)
    head = st.container(key="head")
    return head.container(key="top"), head.container(key="photo"), head.container(key="turning"), st.container()


shell.run(_ask, _page)
