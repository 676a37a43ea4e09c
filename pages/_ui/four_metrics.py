"""Paper 000's Fig. 2 on the Metrics page: four panels of boxes by λ, a colour for each CAM method."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go
import streamlit as st

from pages._ui import charts, resources, tables
from pages._ui.metric_figures import PALETTE
from pages._ui.plot import Plot
from xkd_core.catalogue import EXPLAINERS
from xkd_core.serving.four_metrics import METHODS, Panel, table
from xkd_core.serving.metrics_view import arrow, family_words, title_of
from xkd_core.serving.zoo import Choice

WORDS = """Boxes: quartiles over images and seeds, whiskers to 1.5 times their distance; dots: means; the pointing game
is a share, so it has no box. All boxes of a panel are of the same images. Paper 000 draws a box over five trainings
each; here most λ have one, so a box says how images differ. On networks with global average pooling CAM, Grad-CAM,
HiResCAM and XGrad-CAM are one map but for a factor."""


def draw(dataset: str, choice: Choice, *, rightly: bool) -> None:
    """A panel for each of the four metrics of which two λ are stored, in a fold; nothing where there is none."""
    found = resources.four_metrics(dataset, choice, rightly=rightly)
    if not found:
        return
    names = ", ".join(title_of(panel.metric).lower() for panel in found)
    students = f"{family_words(found[0].family)} students, {found[0].ratio:.3g}x smaller"
    with st.expander(f"By λ and CAM method, in the form of paper 000's Fig. 2: {names} of {students}"):
        counts = ", ".join(f"{title_of(panel.metric)} {panel.images:,}" for panel in found)
        alt = f"Boxes of {len(found)} metrics by λ, for {len(METHODS)} CAM methods; images: {counts}"
        st.plotly_chart(figure(found), key="four", config=charts.CONFIG, alt=alt)
        which = ", those that every network answers rightly" if rightly else ""
        st.caption(f"{' '.join(WORDS.split())} Images: {counts}{which}.")
        tables.show(table(found), alt="The numbers of the four panels")


def figure(found: Sequence[Panel]) -> go.Figure:
    """A panel for each metric, two in a row; at each place a box for each method, beside each other."""
    titles = tuple(f"{title_of(panel.metric)} {arrow(panel.metric)}" for panel in found)
    rows = (len(found) + 1) // 2
    plot = Plot(rows=rows, cols=2, subplot_titles=titles, vertical_spacing=0.16, horizontal_spacing=0.08)
    for number, panel in enumerate(found, 1):
        for method, colour in zip(METHODS, PALETTE, strict=False):
            _add(plot, panel, method, colour, number)
        places = list(dict.fromkeys(cell.place for cell in panel.cells))
        plot.x_axis(number, tickvals=list(range(len(places))), ticktext=places, range=[-0.6, len(places) - 0.4])
    above = 32 / (330 * rows - 90)  # px, of the height of the panels: the title of a panel stands below the legend
    return plot.figure(height=330 * rows, top=70, legend_y=1 + above, boxmode="group")


def _add(plot: Plot, panel: Panel, method: str, colour: str, number: int) -> None:
    places = list(dict.fromkeys(cell.place for cell in panel.cells))
    own = [cell for cell in panel.cells if cell.method == method]
    aside = (METHODS.index(method) - (len(METHODS) - 1) / 2) * 0.16
    x = [places.index(cell.place) + aside for cell in own]
    boxes = [(cell.five, at) for cell, at in zip(own, x, strict=True) if cell.five is not None]
    if boxes:
        plot.add(
            panel=number, kind="box", x=[at for _, at in boxes], q1=[five.q1 for five, _ in boxes],
            median=[five.median for five, _ in boxes], q3=[five.q3 for five, _ in boxes],
            lowerfence=[five.low for five, _ in boxes], upperfence=[five.high for five, _ in boxes],
            width=0.12, line={"color": colour, "width": 1.2}, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    plot.add(
        panel=number, x=x, y=[cell.mean for cell in own], mode="markers", name=EXPLAINERS[method].title,
        legendgroup=method, showlegend=number == 1, marker={"color": colour, "size": 7},
        customdata=[[cell.place, cell.seeds] for cell in own],
        hovertemplate="%{customdata[0]}: mean %{y:.3f}, seeds: %{customdata[1]}<extra></extra>",
    )  # fmt: skip
