"""Insertion and deletion of the image on screen: all models on one plot, with a scrubber over the masked images."""

from __future__ import annotations

import plotly.graph_objects as go
import streamlit as st

from pages._ui import charts, link, live_job, resources, widgets
from pages._ui.figures import COLOURS, GREY
from pages._ui.plot import Plot
from pages._ui.screen import Shown
from xkd_core import catalogue, rendering
from xkd_core.models.cards import Card
from xkd_core.serving import live_curves
from xkd_core.serving.exports import csv
from xkd_core.serving.live_curves import Curves, Order
from xkd_core.serving.names import title
from xkd_core.serving.views import impossible
from xkd_core.types import UInt8

PICTURE_PX = 150
ORDERS = {"own": "Each model's own map", "teacher": "The teacher's map for all"}


def show(shown: Shown, explainer: str) -> None:
    """The curves, or what is still missing for them."""
    cards = list(shown.cards.values())
    lost = [title(card) for card in cards if explainer not in shown.view.runs[card.id].maps]
    never = next((why for card in cards if (why := impossible(explainer, card))), "")
    if never:
        st.info(f"There are no curves for this map: {never}.")
        return
    if not cards or lost:
        st.info(f"The curves come when the map of every model is there; missing: {', '.join(lost) or 'every model'}.")
        return
    order: Order = widgets.select("order", "Pixels in the order of", list(ORDERS), "own", titles=ORDERS,
        help="With the teacher's map for all, every model sees the same masked images.")  # type: ignore[assignment]  # fmt: skip
    view, shelf = shown.view, resources.desk().shelf
    found = live_job.result(
        live_curves.key(view, cards, explainer, order), live_curves.forwards(cards),
        lambda tick: live_curves.curves(view, cards, explainer, order=order, shelf=shelf, tick=tick),
        name="curves", doing="Measure",
    )  # fmt: skip
    if found is not None:
        _scrub(shown, explainer, order, found)


@st.fragment
def _scrub(shown: Shown, explainer: str, order: Order, found: Curves) -> None:
    """Plot and masked images; moving the scrubber draws nothing else of the page."""
    half = found.steps // 4
    last = f"there are the steps 0 to {found.steps}"
    link.start("step", lambda text: int(text) if text.isdecimal() and int(text) <= found.steps else None, half,
               problem=lambda text: f"The link asks for step {text[:20]!r}; {last}.")  # fmt: skip
    first = link.first("step", range(found.steps + 1), half)
    step = int(st.slider("Step", 0, found.steps, first, key="step", help="How many pixels have gone, or have come."))
    link.write("step", str(step), str(half))
    name = catalogue.get("explainer", explainer).title
    st.plotly_chart(figure(shown, found, step), key="live_curves", config=charts.CONFIG,
                    alt=f"Insertion and deletion by {name}. {_areas(shown, found)}")  # fmt: skip
    st.caption(
        f"Probability of **{shown.view.target_name}** while pixels come to a blurred image (insertion, higher is "
        "better ↑) or go to the mean colour (deletion, lower is better ↓), the strongest first. Areas: "
        f"{_areas(shown, found)}. Dotted: a random map on the same network."
    )
    _pictures(shown, explainer, order, found, step)
    names = {card.id: title(card) for card in shown.cards.values()}
    st.download_button("Curves (CSV)", lambda: csv(live_curves.table(found, names)),
                       f"curves-{shown.view.subject.key.spec.replace(':', '-')}.csv", "text/csv", on_click="ignore",
                       type="tertiary", key="curves_csv")  # fmt: skip
    link.finish()


def figure(shown: Shown, found: Curves, step: int) -> go.Figure:
    """Both curves beside each other, a line for each model, the scrubber as a vertical line."""
    plot = Plot(cols=2, shared_yaxes=True, subplot_titles=("Insertion ↑", "Deletion ↓"))
    rows = {card.id: row for row, card in shown.cards.items()}
    for place, way in enumerate(live_curves.WAYS, 1):
        for line in found.lines:
            row = rows[line.run_id]
            words, colour = title(shown.cards[row]), COLOURS[row]
            for values, dash, label in ((getattr(line, way), "solid", words),
                                        (getattr(line, f"random_{way}"), "dot", f"{words}, random map")):  # fmt: skip
                plot.add(panel=place, x=100 * found.shares, y=values, mode="lines", name=label, legendgroup=row,
                         showlegend=place == 1 and dash == "solid",
                         line={"color": colour, "dash": dash, "width": 2.5 if dash == "solid" else 1.2},
                         hovertemplate="%{y:.3f} at %{x:.0f} %<extra>" + label + "</extra>")  # fmt: skip
        plot.stand(100 * float(found.shares[step]), panel=place, color=GREY, width=1.5)
    plot.x_axis(title="% of the pixels")
    plot.y_axis(1, title=f"probability of {shown.view.target_name}", range=[-0.03, 1.03])
    return plot.figure(height=380, top=60, legend_y=1.12)


def _areas(shown: Shown, found: Curves) -> str:
    parts = []
    for card, line in zip(shown.cards.values(), found.lines, strict=True):
        values = [line.areas(way) for way in live_curves.WAYS]
        said = [f"{way} {_number(own)} (random {_number(other)})"
                for way, (own, other) in zip(live_curves.WAYS, values, strict=True)]  # fmt: skip
        parts.append(f"{title(card).lower()} {', '.join(said)}")
    return "; ".join(parts)


def _number(value: float) -> str:
    return "undefined, its map is constant" if value != value else f"{value:.2f}"


def _pictures(shown: Shown, explainer: str, order: Order, found: Curves, step: int) -> None:
    """What the models are shown at the scrubber's place; one pair for all where the masks are shared."""
    cards = list(shown.cards.values())
    shared = cards[:1] if order == "teacher" else cards
    for column, card in zip(st.columns(max(3, len(shared))), shared, strict=False):
        images = _masked(shown, card, explainer, order, step)
        words = "Every model" if order == "teacher" else title(card)
        percent = round(100 * float(found.shares[step]))
        with column:
            st.markdown(f"**{words}**")
            with st.container(horizontal=True):  # columns would stand below each other on a phone
                for way, image in zip(live_curves.WAYS, images, strict=True):
                    st.image(image, caption=f"{way}, {percent} %", output_format="PNG", width=PICTURE_PX,
                             alt=f"{words}: {way}, {percent} % of the pixels")  # fmt: skip


def _masked(shown: Shown, card: Card, explainer: str, order: Order, step: int) -> list[bytes]:
    """PNGs of what a model is shown, one for each way."""
    view, cards = shown.view, list(shown.cards.values())

    def draw() -> list[UInt8]:
        pixels = live_curves.masked(view, cards, card, explainer, order=order, step=step)
        return [rendering.enlarge(pixels[way], PICTURE_PX) for way in live_curves.WAYS]

    return resources.pictures((*live_curves.key(view, cards, explainer, order), card.sha256, step), draw)
