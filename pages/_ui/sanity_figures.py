"""Plotly figures of the Sanity page. Colours mean the same as on every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from pages._ui.figures import COLOURS, GREY
from xkd_core.catalogue import EXPLAINERS
from xkd_core.metrics.statistics import Estimate
from xkd_core.serving.live_sanity import Cascade, Layers
from xkd_core.serving.sanity_view import WAYS, Floor, Mark, middle
from xkd_core.serving.zoo import title

SYMBOLS = {"teacher": "square", "naive": "circle", "matched": "diamond"}
FLOORS = {"other": ("maps of other images", "x"), "second": ("a second teacher", "square-open"),
          "samples": ("the same, other samples", "star")}  # fmt: skip


def left(marks: Sequence[Mark], rows: Mapping[str, str]) -> go.Figure:
    """How much of each map is left with random weights: a dot per run and explainer. rows: run id -> row."""
    plot = make_subplots(rows=1, cols=len(WAYS), shared_yaxes=True, subplot_titles=list(WAYS.values()))
    for place, way in enumerate(WAYS, 1):
        for run_id, row in rows.items():
            own = [mark for mark in marks if mark.way == way and mark.card.id == run_id]
            if own:
                plot.add_trace(
                    go.Scatter(
                        x=[EXPLAINERS[mark.explainer].title for mark in own], y=[mark.left.mean for mark in own],
                        mode="markers", name=title(own[0].card), legendgroup=row, showlegend=place == 1,
                        marker={"color": COLOURS[row], "symbol": SYMBOLS[row], "size": 11},
                        error_y=_bars([mark.left for mark in own], COLOURS[row]),
                        customdata=[[mark.card.id, mark.explainer, way] for mark in own],
                        hovertemplate="%{x}<br>%{y:.3f} is left<extra>" + title(own[0].card) + "</extra>",
                    ),
                    row=1, col=place,
                )  # fmt: skip
        plot.add_hline(0, line={"color": GREY, "width": 1}, row=1, col=place)
        plot.add_hline(1, line={"color": GREY, "width": 1, "dash": "dot"}, row=1, col=place)
    plot.update_yaxes(title_text="similarity to the trained map", range=_range([mark.left for mark in marks]), col=1)
    return _plain(plot, height=420)


def floors(found: Sequence[Floor]) -> go.Figure:
    """Cosines to the teacher's map by explainer: chance, noise floor, and the students between them."""
    plot = go.Figure()
    names = [EXPLAINERS[one.explainer].title for one in found]
    for key, (words, symbol) in FLOORS.items():
        _add(plot, names, [getattr(one, key) for one in found], words, GREY, symbol)
    for row, words in (("naive", "Naive student"), ("matched", "Matched student")):
        _add(plot, names, [one.rows.get(row) for one in found], words, COLOURS[row], SYMBOLS[row])
    plot.update_yaxes(title_text="cosine to the teacher's map")
    return _plain(plot, height=420)


def cascade(found: Sequence[Cascade], rows: Mapping[str, str], words: Mapping[str, str]) -> go.Figure:
    """Similarity to the trained network's map after each step, a line per model; dotted: a map of another image."""
    plot = go.Figure()
    for one in found:
        colour = COLOURS[rows[one.run_id]]
        plot.add_trace(
            go.Scatter(x=["trained", *one.steps], y=[1.0, *one.similarity], mode="lines+markers",
                       name=words[one.run_id], line={"color": colour, "width": 2},
                       marker={"symbol": SYMBOLS[rows[one.run_id]], "size": 8},
                       hovertemplate="%{x}<br>%{y:.3f}<extra>" + words[one.run_id] + "</extra>")
        )  # fmt: skip
        if np.isfinite(one.unrelated):
            plot.add_hline(one.unrelated, line={"color": colour, "width": 1, "dash": "dot"})
    plot.add_hline(0, line={"color": GREY, "width": 1})
    plot.update_yaxes(title_text="Spearman to the trained map", range=[-1.05, 1.05])
    return _plain(plot, height=420)


def layers(found: Sequence[Layers], rows: Mapping[str, str], words: Mapping[str, str]) -> go.Figure:
    """Cosine to the teacher's Grad-CAM behind every ReLU, a line per student."""
    plot = go.Figure()
    for one in found:
        plot.add_trace(
            go.Scatter(x=list(one.names), y=one.cosines, mode="lines+markers", name=words[one.run_id],
                       line={"color": COLOURS[rows[one.run_id]], "width": 2},
                       marker={"symbol": SYMBOLS[rows[one.run_id]], "size": 8},
                       hovertemplate="%{x}<br>cosine %{y:.3f}<extra>" + words[one.run_id] + "</extra>")
        )  # fmt: skip
    plot.update_xaxes(title_text="layer the map is taken from, the image at the left")
    plot.update_yaxes(title_text="cosine to the teacher's map", range=[-0.05, 1.05])
    return _plain(plot, height=380)


def limit_words(unrelated: float) -> str:
    """The number below which a map follows the weights."""
    return f"{middle(unrelated):.2f}"


def _add(
    plot: go.Figure, names: Sequence[str], values: Sequence[Estimate | None], words: str, colour: str, symbol: str
) -> None:
    known = [(name, value) for name, value in zip(names, values, strict=True) if value is not None]
    if known:
        estimates = [value for _, value in known]
        plot.add_trace(
            go.Scatter(x=[name for name, _ in known], y=[value.mean for value in estimates], mode="markers", name=words,
                       marker={"color": colour, "symbol": symbol, "size": 11,
                               "line": {"width": 2, "color": colour}},
                       error_y=_bars(estimates, colour),
                       hovertemplate="%{x}<br>%{y:.3f}<extra>" + words + "</extra>")
        )  # fmt: skip


def _bars(values: Sequence[Estimate], colour: str) -> dict[str, object]:
    return {"array": [value.high - value.mean for value in values], "symmetric": False, "color": colour,
            "arrayminus": [value.mean - value.low for value in values], "thickness": 1.5, "width": 8}  # fmt: skip


def _range(values: Sequence[Estimate]) -> list[float]:
    lows = [value.low for value in values if np.isfinite(value.low)]
    return [min([-0.08, *(low - 0.05 for low in lows)]), 1.08]


def _plain(plot: go.Figure, *, height: int) -> go.Figure:
    plot.update_layout(
        height=height, margin={"l": 10, "r": 16, "t": 60, "b": 10}, font={"size": 14}, clickmode="event+select",
        dragmode=False, legend={"orientation": "h", "y": 1.1, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return plot
