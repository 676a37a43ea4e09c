"""Remove and retrain: how good networks become that were trained without what a map ranks first."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from pages._ui import charts, resources, tables
from pages._ui.figures import BAND, GREY
from pages._ui.metric_figures import PALETTE
from pages._ui.plot import Plot, bars
from pages._ui.words import cited
from xkd_core import catalogue
from xkd_core.errors import XKDError
from xkd_core.serving import retrained as view
from xkd_core.serving.exports import csv
from xkd_core.serving.retrained import Ranking, Retrained
from xkd_core.serving.zoo import Zoo


def draw(dataset: str, zoo: Zoo) -> None:
    """The stored networks as lines over what was removed; without any, the command that trains them."""
    info = catalogue.RETRAINED["roar"]
    st.markdown(f"### {info.title}")
    try:
        found = resources.retrained(dataset)
    except XKDError as error:
        st.error(str(error))
        return
    if found is None:
        run = "RUN" if zoo.teacher is None else zoo.teacher.id
        st.info(f"No network was trained so yet: `python -m xkd_core roar --runs {run} --explainers cam` does it.")
        return
    st.markdown(view.sentence(found))
    spoken = "; ".join(f"{one.words}: {_values(one)}" for one in found.rankings)
    st.plotly_chart(figure(found), key="retrained", config=charts.CONFIG, alt=f"{info.title}, {found.metric}. {spoken}")
    st.caption(
        f"{cited(info.summary)} Lower is better for the ranking. Every mark is one network ({found.network}, one "
        "training), with its 95 % interval over test images; two trainings differ by more than that. Grey: rankings "
        "that look at no network, dotted at random; the band: nothing removed."
    )
    rows = view.table(found)
    with st.expander("All numbers"):
        tables.show(rows, alt=f"{info.title}, all numbers")
        st.download_button("Numbers (CSV)", csv(rows), f"roar_{dataset}.csv", "text/csv", type="tertiary")


def figure(found: Retrained) -> go.Figure:
    """A line for each ranking, grey where it looks at no network."""
    plot, colours = Plot(), iter(PALETTE)
    for value in found.whole.values():
        plot.band(value.low, value.high, colour=BAND)
    for one in found.rankings:
        dash = "dot" if one.explainer == view.RANDOM else "dash" if one.control else "solid"
        line = {"color": GREY if one.control else next(colours, GREY), "dash": dash}
        rates = sorted(one.values)
        plot.add(x=[100 * rate for rate in rates], y=[one.values[rate].mean for rate in rates], mode="lines+markers",
                 name=one.words, line={"width": 2, **line},
                 marker={"size": 9, "symbol": "x" if one.control else "circle"},
                 error_y=bars([one.values[rate] for rate in rates], line["color"]),
                 hovertemplate="%{x:g} % removed<br>%{y:.3f}<extra>" + one.words + "</extra>")  # fmt: skip
    plot.x_axis(title="% of the pixels removed, those that the map ranks first", range=[0, 100])
    plot.y_axis(title=f"{found.metric} of the fresh network ↓")
    return plot.figure(height=420, top=60, showlegend=True)


def _values(one: Ranking) -> str:
    return ", ".join(f"{rate:.0%} {value}" for rate, value in sorted(one.values.items()))
