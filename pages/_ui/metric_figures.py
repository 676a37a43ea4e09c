"""Plotly figures of the Metrics page: boxes with means and controls, and the differences image by image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages._ui.figures import BAND, COLOURS, GREY, plain
from xkd_core.serving.chart_picture import Layout, Part, compose
from xkd_core.serving.metrics_view import Band, Box, Chart, arrow, family_words, title_of
from xkd_core.serving.zoo import times

PALETTE = ("#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f", "#9467bd", "#17becf", "#bcbd22")
LABELS = 150  # px at the right for the names of controls
SPREAD = 0.055  # smallest distance of two labels, as a share of the axis
GROUP = 0.8  # width of all boxes at one place; the rest is the gap


def boxes(found: Chart) -> go.Figure:
    """A box for each group over images and seeds, its mean with the 95 % interval (click it), controls as bands."""
    figure, places = go.Figure(), _places(found)
    for family in found.ask.families:
        own = [box for box in found.boxes if box.family == family and box.line.shared.n]
        if own:
            _add_family(figure, own, [places[box.label] for box in own], _colour(found, family))
    low, high = _ends(found)
    _add_bands(figure, found.bands, low, high)
    ticks = _ticks(found)
    figure.update_xaxes(tickvals=list(ticks), ticktext=list(ticks.values()), title_text=_axis(found),
                        range=[-0.6, len(ticks) - 0.4])  # fmt: skip
    figure.update_yaxes(title_text=f"{title_of(found.ask.metric)} {arrow(found.ask.metric)}", range=[low, high])
    return plain(figure, height=480, right=LABELS)


def layout(found: Chart) -> Layout:
    """Where everything stands, for the picture to take away."""
    colours = {family: _colour(found, family) for family in found.ask.families}
    return Layout(places=_places(found), ticks=_ticks(found), colours=colours, ends=_ends(found), axis=_axis(found))


def picture(found: Chart) -> tuple[Part, ...]:
    """The same chart as parts of a picture."""
    own = layout(found)
    means = sorted(band.estimate.mean for band in found.bands if band.estimate.n)
    return compose(found, own, spread(means, SPREAD * (own.ends[1] - own.ends[0])))


def differences(values: pd.Series, *, first: str, second: str, metric: str) -> go.Figure:
    """One dot for each image, from the one where ``first`` is lowest to the one where it is highest; click it."""
    ordered = values.dropna().sort_values(kind="stable")
    figure = go.Figure(
        go.Scatter(
            x=np.arange(1, len(ordered) + 1), y=ordered.to_numpy(), mode="markers",
            marker={"size": 6, "opacity": 0.6, "color": [COLOURS["matched"] if value > 0 else COLOURS["naive"]
                                                         if value < 0 else GREY for value in ordered]},
            customdata=[[int(index)] for index in ordered.index],
            hovertemplate="image %{customdata[0]}<br>difference %{y:.3f}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_hline(0, line={"color": GREY, "width": 1})
    figure.add_hline(float(ordered.mean()), line={"color": GREY, "width": 1.5, "dash": "dot"})
    figure.update_xaxes(title_text="images, sorted by the difference")
    figure.update_yaxes(title_text=f"{title_of(metric)}: first - second")
    return plain(figure, height=360, right=16)


def histogram(values: pd.Series, *, metric: str) -> go.Figure:
    """How the differences are spread."""
    known = values.dropna().to_numpy()
    counts, edges = np.histogram(known, bins=31)
    figure = go.Figure(
        go.Bar(x=(edges[:-1] + edges[1:]) / 2, y=counts, width=np.diff(edges), marker={"color": "#56b4e9"},
               hovertemplate="%{y} images near %{x:.3f}<extra></extra>")
    )  # fmt: skip
    figure.add_vline(0, line={"color": GREY, "width": 1})
    figure.update_xaxes(title_text=f"difference in {title_of(metric)}")
    figure.update_yaxes(title_text="images")
    return plain(figure, height=360, right=16)


def _colour(found: Chart, family: str) -> str:
    """Naive students and the chosen kind of matching as on every page, the others from one palette."""
    fixed = {"naive": COLOURS["naive"], found.ask.choice.family: COLOURS["matched"]}
    rest = [name for name in found.ask.families if name not in fixed]
    return fixed[family] if family in fixed else PALETTE[rest.index(family) % len(PALETTE)]


def _places(found: Chart) -> dict[str, float]:
    """Where each box stands: places at 0, 1, 2, ..., families side by side around them."""
    if found.ask.axis == "method":
        return {box.label: float(number) for number, box in enumerate(found.boxes)}
    xs = sorted({box.x for box in found.boxes})
    families = [family for family in found.ask.families if any(box.family == family for box in found.boxes)]
    step = GROUP / max(1, len(families))
    return {box.label: xs.index(box.x) + step * (families.index(box.family) - (len(families) - 1) / 2)
            for box in found.boxes}  # fmt: skip


def _ticks(found: Chart) -> dict[int, str]:
    if found.ask.axis == "method":
        return {number: _broken(family_words(box.family)) for number, box in enumerate(found.boxes)}
    xs = sorted({box.x for box in found.boxes})
    return {number: f"{x:g}" if found.ask.axis == "lam" else f"{times(x)}x" for number, x in enumerate(xs)}


def _broken(words: str) -> str:
    return words.replace(", ", ",<br>").replace(" (", "<br>(")


def _axis(found: Chart) -> str:
    choice = found.ask.choice
    return {
        "lam": f"λ, weight of distillation (at {times(choice.ratio)}x smaller)",
        "ratio": f"times smaller than the teacher (at λ {choice.lam:g})",
        "method": f"at λ {choice.lam:g}, {times(choice.ratio)}x smaller",
    }[found.ask.axis]


def _add_family(figure: go.Figure, own: Sequence[Box], places: Sequence[float], colour: str) -> None:
    words = family_words(own[0].family)
    with_box = [(box.five, x) for box, x in zip(own, places, strict=True) if box.five is not None]
    if with_box:
        figure.add_trace(
            go.Box(
                x=[x for _, x in with_box], q1=[five.q1 for five, _ in with_box],
                median=[five.median for five, _ in with_box], q3=[five.q3 for five, _ in with_box],
                lowerfence=[five.low for five, _ in with_box], upperfence=[five.high for five, _ in with_box],
                width=0.18, line={"color": colour, "width": 1.5}, name=words, showlegend=False, hoverinfo="skip",
            )
        )  # fmt: skip
    means = [box.line.shared for box in own]
    figure.add_trace(
        go.Scatter(
            x=list(places), y=[mean.mean for mean in means], mode="markers", name=words,
            marker={"color": colour, "size": 11, "symbol": "diamond", "line": {"width": 1.5, "color": "white"}},
            error_y={"array": [mean.high - mean.mean for mean in means], "symmetric": False, "color": colour,
                     "arrayminus": [mean.mean - mean.low for mean in means], "thickness": 2, "width": 8},
            customdata=[[box.label, box.line.shared.n, box.line.seeds] for box in own],
            hovertemplate="%{customdata[0]}<br>mean %{y:.3f}<br>%{customdata[1]} images, "
            "%{customdata[2]} seeds<extra></extra>",
        )
    )  # fmt: skip


def _add_bands(figure: go.Figure, bands: Sequence[Band], low: float, high: float) -> None:
    """Each control over its 95 % interval, named at the right edge; names keep their distance."""
    ordered = sorted((band for band in bands if band.estimate.n), key=lambda band: band.estimate.mean)
    labels = spread([band.estimate.mean for band in ordered], SPREAD * (high - low))
    for band, y in zip(ordered, labels, strict=True):
        value = band.estimate
        if np.isfinite([value.low, value.high]).all():
            figure.add_hrect(value.low, value.high, fillcolor=BAND, line_width=0, layer="below")
        figure.add_hline(value.mean, line={"color": GREY, "width": 1, "dash": "dash" if band.floor else "dot"},
                         layer="below")  # fmt: skip
        figure.add_annotation(
            text=f"{band.words} {value.mean:.2f}", x=1, xref="x domain", xanchor="left", xshift=8, y=y,
            yanchor="middle", showarrow=False, align="left", font={"size": 12},
        )  # fmt: skip


def spread(values: Sequence[float], apart: float) -> list[float]:
    """Ascending values moved up just so far that each is ``apart`` from the one before."""
    found: list[float] = []
    for value in values:
        found.append(max(value, found[-1] + apart) if found else value)
    return found


def _ends(found: Chart) -> tuple[float, float]:
    values = [end for box in found.boxes if box.five is not None and box.line.shared.n
              for end in (box.five.low, box.five.high)]  # fmt: skip
    estimates = [*(box.line.shared for box in found.boxes), *(band.estimate for band in found.bands)]
    values += [end for one in estimates for end in (one.low, one.mean, one.high) if np.isfinite(end)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = 0.06 * max(high - low, 1e-3)
    return low - room, high + room
