"""Plotly figures: drift with quality beside it, and one dot for each image. Colours mean the same everywhere."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from xkd_core.serving.curves import Axis, Bands, Curve
from xkd_core.serving.zoo import times

COLOURS = {"teacher": "#0072b2", "naive": "#d55e00", "matched": "#009e73"}
NAMES = {"naive": "Naive student", "matched": "Matched student"}
SYMBOLS = {"naive": "circle", "matched": "diamond"}
AXES: dict[Axis, str] = {"ratio": "times smaller than the teacher", "lam": "λ, weight of distillation"}
GREY = "#888888"


def drift(curves: Sequence[Curve], bands: Bands, *, axis: Axis) -> go.Figure:
    """Mean drift of each run (dots: seeds; lines: their mean) above, quality below, controls as dotted lines."""
    quality = next((point.quality_name for line in curves for point in line.points if point.quality_name), "quality")
    figure = make_subplots(rows=2, cols=1, shared_xaxes=True, row_heights=[0.62, 0.38], vertical_spacing=0.06)
    for line in curves:
        _add_curve(figure, line, quality)
    for value, words, place in (
        (bands.shuffled, "maps of other images", "top left"),
        (bands.noise, "a second teacher", "bottom left"),
    ):
        if value is not None:
            figure.add_hline(
                value, row=1, col=1, line={"dash": "dot", "color": GREY, "width": 1.5}, annotation_text=words,
                annotation_position=place, annotation_font_size=12,
            )  # fmt: skip
    figure.update_yaxes(title_text="drift, 1 - cosine", rangemode="tozero", row=1, col=1)
    figure.update_yaxes(title_text=quality, row=2, col=1)
    figure.update_xaxes(title_text=AXES[axis], row=2, col=1)
    if axis == "ratio":
        ratios = sorted({point.x for line in curves for point in line.points})
        figure.update_xaxes(type="log", tickvals=ratios, ticktext=[f"{times(ratio)}x" for ratio in ratios])
    return _plain(figure, height=460)


def _add_curve(figure: go.Figure, line: Curve, quality: str) -> None:
    colour, name = COLOURS[line.row], NAMES[line.row]
    means, points = line.means(), line.points
    steady = {"color": colour, "width": 2}
    for row, place in ((1, 1), (2, 2)):
        figure.add_trace(
            go.Scatter(x=[mean[0] for mean in means], y=[mean[place] for mean in means], mode="lines", line=steady,
                       hoverinfo="skip", showlegend=False),
            row=row, col=1,
        )  # fmt: skip
    marker = {"color": colour, "size": 11, "symbol": SYMBOLS[line.row], "line": {"width": 1, "color": "white"}}
    figure.add_trace(
        go.Scatter(
            x=[point.x for point in points], y=[point.value for point in points], mode="markers", name=name,
            marker=marker, error_y={"array": [point.half for point in points], "thickness": 1, "width": 3},
            customdata=[[point.run_id, point.n] for point in points], text=[point.words for point in points],
            hovertemplate="%{text}<br>drift %{y:.3f} (n = %{customdata[1]})<extra></extra>",
        ),
        row=1, col=1,
    )  # fmt: skip
    known = [point for point in points if point.quality is not None]
    figure.add_trace(
        go.Scatter(
            x=[point.x for point in known], y=[point.quality for point in known], mode="markers", marker=marker,
            showlegend=False, customdata=[[point.run_id, point.n] for point in known],
            text=[point.words for point in known], hovertemplate="%{text}<br>" + quality + " %{y:.3f}<extra></extra>",
        ),
        row=2, col=1,
    )  # fmt: skip


def quadrant(dots: pd.DataFrame, *, row: str, bar: float | None) -> go.Figure:
    """Every image of a run: how sure it is of the explained class, and how close its map is to the teacher's."""
    figure = go.Figure()
    for same, symbol, words in ((True, SYMBOLS[row], "same answer"), (False, "x", "other answer")):
        part = dots[dots["same_answer"] == same]
        figure.add_trace(
            go.Scatter(
                x=part["prob"], y=part["cosine"], mode="markers", name=f"{words} ({len(part):,})",
                marker={"color": COLOURS[row] if same else GREY, "symbol": symbol, "size": 6, "opacity": 0.55},
                customdata=part[["index"]].to_numpy(),
                hovertemplate="image %{customdata[0]}<br>probability %{x:.2f}, cosine %{y:.2f}<extra></extra>",
            )
        )  # fmt: skip
    if bar is not None:
        figure.add_hline(bar, line={"dash": "dot", "color": GREY, "width": 1.5}, annotation_text="moved",
                         annotation_position="bottom left", annotation_font_size=12)  # fmt: skip
    figure.update_xaxes(title_text="probability of the explained class", range=[-0.03, 1.03])
    figure.update_yaxes(title_text="cosine to the teacher's CAM", range=[-0.03, 1.03])
    return _plain(figure, height=430)


def _plain(figure: go.Figure, *, height: int) -> go.Figure:
    figure.update_layout(
        height=height, margin={"l": 10, "r": 10, "t": 10, "b": 10}, font={"size": 14}, clickmode="event+select",
        dragmode=False, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return figure
