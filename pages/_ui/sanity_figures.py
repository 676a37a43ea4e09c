"""Plotly figures of the Sanity page. Colours mean the same as on every page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from pages._ui.figures import COLOURS, GREY
from pages._ui.plot import Plot, bars
from xkd_core.catalogue import EXPLAINERS
from xkd_core.metrics.statistics import Estimate
from xkd_core.serving.live_sanity import Cascade, Layers
from xkd_core.serving.names import title
from xkd_core.serving.sanity_view import Floor, Mark, middle

SYMBOLS = {"teacher": "square", "naive": "circle", "matched": "diamond"}
FLOORS = {"other": ("maps of other images", "x"), "second": ("a second teacher", "square-open"),
          "samples": ("the same, other samples", "star")}  # fmt: skip


def left(marks: Sequence[Mark], rows: Mapping[str, str]) -> go.Figure:
    """How much of each map is left with random weights: a line per explainer, a mark per run. rows: run id -> row."""
    plot = Plot()
    for run_id, row in rows.items():
        own = [mark for mark in marks if mark.card.id == run_id]
        if own:
            plot.add(
                y=[EXPLAINERS[mark.explainer].title for mark in own], x=[mark.left.mean for mark in own],
                mode="markers", name=title(own[0].card),
                marker={"color": COLOURS[row], "symbol": SYMBOLS[row], "size": 10},
                error_x=bars([mark.left for mark in own], COLOURS[row]),
                customdata=[[mark.card.id, mark.explainer, mark.way, mark.left.n] for mark in own],
                hovertemplate="%{y}<br>%{x:.3f} is left, %{customdata[3]} images<extra>" + title(own[0].card)
                + "</extra>",
            )  # fmt: skip
    plot.stand(0, color=GREY, width=1)
    plot.stand(1, color=GREY, width=1, dash="dot")
    plot.x_axis(title="similarity to the trained map", range=_range([mark.left for mark in marks]))
    names = [EXPLAINERS[name].title for name in EXPLAINERS if name in {mark.explainer for mark in marks}]
    return _by_line(plot, names)


def floors(found: Sequence[Floor]) -> go.Figure:
    """Cosines to the teacher's map by explainer: chance, noise floor, and the students between them."""
    plot = Plot()
    names = [EXPLAINERS[one.explainer].title for one in found]
    for key, (words, symbol) in FLOORS.items():
        _add(plot, names, [getattr(one, key) for one in found], words, GREY, symbol)
    for row, words in (("naive", "Naive student"), ("matched", "Matched student")):
        _add(plot, names, [one.rows.get(row) for one in found], words, COLOURS[row], SYMBOLS[row])
    plot.x_axis(title="cosine to the teacher's map")
    return _by_line(plot, names)


def cascade(found: Sequence[Cascade], rows: Mapping[str, str], words: Mapping[str, str]) -> go.Figure:
    """Similarity to the trained network's map after each step, a line per model; dotted: a map of another image."""
    plot = Plot()
    for one in found:
        colour = COLOURS[rows[one.run_id]]
        plot.add(x=["trained", *one.steps], y=[1.0, *one.similarity], mode="lines+markers", name=words[one.run_id],
                 line={"color": colour, "width": 2}, marker={"symbol": SYMBOLS[rows[one.run_id]], "size": 8},
                 hovertemplate="%{x}<br>%{y:.3f}<extra>" + words[one.run_id] + "</extra>")  # fmt: skip
        if np.isfinite(one.unrelated):
            plot.level(one.unrelated, color=colour, width=1, dash="dot")
    plot.level(0, color=GREY, width=1)
    plot.y_axis(title="Spearman to the trained map", range=[-1.05, 1.05])
    return _figure(plot, height=420)


def layers(found: Sequence[Layers], rows: Mapping[str, str], words: Mapping[str, str]) -> go.Figure:
    """Cosine to the teacher's Grad-CAM behind every ReLU, a line per student."""
    plot = Plot()
    for one in found:
        plot.add(x=list(one.names), y=one.cosines, mode="lines+markers", name=words[one.run_id],
                 line={"color": COLOURS[rows[one.run_id]], "width": 2},
                 marker={"symbol": SYMBOLS[rows[one.run_id]], "size": 8},
                 hovertemplate="%{x}<br>cosine %{y:.3f}<extra>" + words[one.run_id] + "</extra>")  # fmt: skip
    plot.x_axis(title="layer the map is taken from, the image at the left")
    plot.y_axis(title="cosine to the teacher's map", range=[-0.05, 1.05])
    return _figure(plot, height=380)


def limit_words(unrelated: float) -> str:
    """The number below which a map follows the weights."""
    return f"{middle(unrelated):.2f}"


def _add(
    plot: Plot, names: Sequence[str], values: Sequence[Estimate | None], words: str, colour: str, symbol: str
) -> None:
    known = [(name, value) for name, value in zip(names, values, strict=True) if value is not None]
    if known:
        estimates = [value for _, value in known]
        plot.add(y=[name for name, _ in known], x=[value.mean for value in estimates], mode="markers", name=words,
                 marker={"color": colour, "symbol": symbol, "size": 11, "line": {"width": 2, "color": colour}},
                 error_x=bars(estimates, colour), customdata=[[value.n] for value in estimates],
                 hovertemplate="%{y}<br>%{x:.3f}, %{customdata[0]} images<extra>" + words + "</extra>")  # fmt: skip


def _range(values: Sequence[Estimate]) -> list[float]:
    lows = [value.low for value in values if np.isfinite(value.low)]
    return [min([-0.08, *(low - 0.05 for low in lows)]), 1.08]


def _by_line(plot: Plot, names: Sequence[str]) -> go.Figure:
    """Explainers below each other, the first at the top: their names are too long for a horizontal axis."""
    plot.y_axis(categoryorder="array", categoryarray=list(names)[::-1], range=[-0.6, len(names) - 0.4], automargin=True)
    return plot.figure(height=max(320, 150 + 26 * len(names)), top=40, showlegend=True)


def _figure(plot: Plot, *, height: int) -> go.Figure:
    return plot.figure(height=height, top=60, legend_y=1.1)
