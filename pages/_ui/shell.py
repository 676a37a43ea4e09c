"""What every page with a sidebar does around its own work: choices, complaints about the link, the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from pages._ui import frame, link, resources, widgets
from xkd_core.serving.zoo import Choice, Zoo

Asked = TypeVar("Asked")


def run(ask: Callable[[], Asked], draw: Callable[[Asked], None]) -> None:
    """Ask in the sidebar, draw the page; what is wrong with the link stands on top, the address is written last."""
    said = st.container()
    with st.sidebar:
        asked = ask()
    draw(asked)
    with said:
        link.warn()
    link.finish()


def choose_networks() -> tuple[str, Zoo, Choice]:
    """The data set, its runs, and those that the sliders say, which may be runs of which only results are here."""
    dataset = widgets.choose_data(networks_only=True)
    zoo = resources.zoo(dataset)
    frame.open_link(zoo)
    return dataset, zoo, widgets.choose_runs(zoo.stored)
