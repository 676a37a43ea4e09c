"""One image and its runs on screen, for every page that shows heatmaps: fetch and draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages._ui import plain, resources, viewer
from pages._ui.viewer import look as looks
from pages._ui.viewer.payload import Scene
from xkd_core.models.cards import Card
from xkd_core.serving import sheets
from xkd_core.serving.curves import axis_values
from xkd_core.serving.desk import ViewRequest
from xkd_core.serving.results import Bar
from xkd_core.serving.subjects import ImageKey
from xkd_core.serving.views import ImageView, light
from xkd_core.serving.zoo import ROWS, Choice, Row, Zoo
from xkd_core.types import UInt8


@dataclass(frozen=True, kw_only=True)
class Ask:
    """What to put on screen. film: an explainer whose column is a filmstrip over the compressions."""

    zoo: Zoo
    key: ImageKey
    choice: Choice
    explainers: tuple[str, ...]
    policy: str = "teacher"
    upload: UInt8 | None = None
    talk: bool = False
    film: str | None = None


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What the page needs to know of what is on screen."""

    scene: Scene
    cards: Mapping[Row, Card]  # those with maps
    picked: Mapping[Row, Card]  # with those whose files are damaged

    @property
    def sheet(self) -> sheets.Sheet:
        """The panels on screen, where they stand."""
        scene = self.scene
        if scene.film is None:
            return sheets.grid(scene.view, self.picked, scene.explainers)
        ratios = axis_values(scene.zoo, "ratio", scene.choice.family) or (scene.choice.ratio,)
        return sheets.film(scene.view, scene.zoo, scene.choice, ratios, scene.film)

    @property
    def view(self) -> ImageView:
        """The image with its maps."""
        return self.scene.view


def fetch(ask: Ask, *, name: str = "viewer") -> Shown:
    """Explain the image with all runs in reach, with every heavier map that is known. Errors: XKDError."""
    desk, zoo = resources.desk(), ask.zoo
    cams = tuple(dict.fromkeys(["cam", *[one for one in ask.explainers if light(one)]]))
    request = ViewRequest(key=ask.key, stamp=f"{zoo.dataset} {zoo.stamp}", explainers=cams, policy=ask.policy,
                          runs=zoo.within_reach(ask.choice))  # fmt: skip
    view = desk.view(request, zoo, upload=ask.upload)
    rows = resources.results(ask.key.dataset)
    view = desk.with_maps(view, zoo, [one for one in ask.explainers if not light(one)], rows)
    scene = Scene(
        view=view,
        zoo=zoo,
        choice=ask.choice,
        look=_look(name),
        explainers=ask.explainers,
        results=rows,
        bars=bars(zoo, ask.explainers),
        turn=int(st.session_state.get(f"{name}_turn", 0)),
        talk=ask.talk,
        film=ask.film,
    )
    picked = {row: pick.card for row in ROWS if (pick := zoo.pick(row, ask.choice))}
    cards = {row: card for row, card in picked.items() if card.id in view.runs}
    return Shown(scene=scene, cards=cards, picked=picked)


def bars(zoo: Zoo, explainers: tuple[str, ...]) -> dict[str, Bar]:
    """What a cosine is read against, for each explainer with which a second teacher was evaluated."""
    second = None if zoo.second_teacher is None else zoo.second_teacher.id
    found = {name: resources.results(zoo.dataset).bar(second, name) for name in ("cam", *explainers)}
    return {name: bar for name, bar in found.items() if bar is not None}


def draw(shown: Shown, *, name: str = "viewer") -> None:
    """The viewer, or with ?plain=1 the same as plain pictures."""
    if st.session_state.get("plain"):
        plain.show(shown.scene, shown.sheet)
        return
    viewer.show(shown.scene, key=name, on_choice=lambda: _adopt_choice(name), on_look=lambda: _adopt_look(name))


def _look(name: str) -> looks.Look:
    key = f"{name}_look"
    if key not in st.session_state:
        st.session_state[key] = looks.read(st.query_params.get("view", ""))
    look: looks.Look = st.session_state[key]
    return look


def _adopt_look(name: str) -> None:
    """Callback: the viewer's own controls changed; keep them for the link and the downloads."""
    sent: Any = st.session_state[name].look
    if isinstance(sent, Mapping):
        st.session_state[f"{name}_look"] = looks.checked(sent)


def _adopt_choice(name: str) -> None:
    """Callback: λ, ratio or β was released in the viewer; Streamlit's sliders and the link follow."""
    sent: Any = st.session_state[name].choice
    if not isinstance(sent, Mapping):
        return
    for axis in ("lam", "ratio", "beta"):
        if axis in st.session_state and isinstance(sent.get(axis), int | float):
            st.session_state[axis] = float(sent[axis])
    st.session_state[f"{name}_turn"] = int(sent.get("turn", 0))
