"""Plotly figures of the Metrics page: boxes with means and controls, and the differences image by image."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pages._ui.figures import BAND, COLOURS, GREY
from pages._ui.plot import Plot, spread
from xkd_core.catalogue import EXPLAINERS
from xkd_core.serving.chart_picture import Layout, Part, compose
from xkd_core.serving.metrics_view import Band, Box, Chart, arrow, family_words, title_of
from xkd_core.serving.names import times
from xkd_core.serving.zoo import less_of

PALETTE = ("#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#3f51b5", "#9467bd", "#17becf", "#bcbd22")
SIGNS = [[0, COLOURS["naive"]], [0.4, COLOURS["naive"]], [0.4, GREY], [0.6, GREY], [0.6, COLOURS["matched"]],
         [1, COLOURS["matched"]]]  # fmt: skip
"""Colours of a difference below 0, of none, and above 0."""
LABELS = 112  # px at the right for the names of controls, of so many letters a line
LETTERS = 16
SPREAD = 0.08  # smallest distance of two labels, as a share of the axis
GROUP = 0.8  # width of all boxes at one place; the rest is the gap
SEED = 0.05  # between the marks of seeds that have no box in common


def boxes(found: Chart) -> go.Figure:
    """A box for each group over images and seeds, its mean with the 95 % interval (click it), controls as bands."""
    plot, places = Plot(), _places(found)
    for family in found.ask.families:
        own = [box for box in found.boxes if box.family == family and box.line.shared.n]
        if own:
            _add_family(plot, own, [places[box.label] for box in own], _colour(found, family))
    low, high = _ends(found)
    _add_bands(plot, found.bands, low, high)
    ticks = _ticks(found)
    plot.x_axis(tickvals=list(ticks), ticktext=list(ticks.values()), title=_axis(found),
                range=[-0.6, len(ticks) - 0.4])  # fmt: skip
    plot.y_axis(title=f"{title_of(found.ask.metric)} {arrow(found.ask.metric)}", range=[low, high])
    named = found.ask.axis == "method"  # the ticks name the kinds: a legend would say it twice, and fill a phone
    return plot.figure(height=480, right=LABELS, **({"showlegend": False} if named else {}))


def layout(found: Chart) -> Layout:
    """Where everything stands, for the picture to take away."""
    colours = {family: _colour(found, family) for family in _families(found)}
    return Layout(places=_places(found), ticks=_ticks(found), colours=colours, ends=_ends(found), axis=_axis(found))


def picture(found: Chart) -> tuple[Part, ...]:
    """The same chart as parts of a picture."""
    own = layout(found)
    means = sorted(band.estimate.mean for band in found.bands if band.estimate.n)
    return compose(found, own, spread(means, SPREAD * (own.ends[1] - own.ends[0])))


def differences(values: pd.Series, *, first: str, second: str, metric: str) -> go.Figure:
    """One dot for each image, from the one where ``first`` is lowest to the one where it is highest; click it."""
    ordered, plot = values.dropna().sort_values(kind="stable"), Plot()
    plot.add(
        x=np.arange(1, len(ordered) + 1), y=ordered.to_numpy(), mode="markers",
        marker={"size": 6, "opacity": 0.6, "color": np.sign(ordered.to_numpy()), "cmin": -1, "cmax": 1,
                "colorscale": SIGNS},
        customdata=ordered.index.to_numpy()[:, None],
        hovertemplate="image %{customdata[0]}<br>difference %{y:.3f}<extra></extra>",
    )  # fmt: skip
    plot.level(0, color=GREY, width=1)
    plot.level(float(ordered.mean()), color=GREY, width=1.5, dash="dot")
    plot.x_axis(title="images, sorted by the difference")
    plot.y_axis(title=f"{title_of(metric)}: first - second")
    return plot.figure(height=360)


def histogram(values: pd.Series, *, metric: str) -> go.Figure:
    """How the differences are spread."""
    known = values.dropna().to_numpy()
    (counts, edges), plot = np.histogram(known, bins=31), Plot()
    plot.add(kind="bar", x=(edges[:-1] + edges[1:]) / 2, y=counts, width=np.diff(edges), marker={"color": "#56b4e9"},
             hovertemplate="%{y} images near %{x:.3f}<extra></extra>")  # fmt: skip
    plot.stand(0, color=GREY, width=1)
    plot.x_axis(title=f"difference in {title_of(metric)}")
    plot.y_axis(title="images")
    return plot.figure(height=360)


def _colour(found: Chart, family: str) -> str:
    """Naive students and the chosen kind of matching as on every page, the others from one palette."""
    fixed = {"naive": COLOURS["naive"], found.ask.choice.family: COLOURS["matched"]}
    rest = [name for name in _families(found) if name not in fixed]
    return fixed[family] if family in fixed else PALETTE[rest.index(family) % len(PALETTE)]


def _places(found: Chart) -> dict[str, float]:
    """Where each box stands: places at 0, 1, 2, ..., families side by side around them, and seeds in each of them."""
    xs, families = sorted({box.x for box in found.boxes}), _families(found)
    step = GROUP / max(1, len(families))
    places = {}
    for box in found.boxes:
        if box.family not in families:
            continue
        seeds = [one.label for one in found.boxes if (one.family, one.x) == (box.family, box.x)]
        middle = float(families.index(box.family))
        if found.ask.axis != "method":
            middle = xs.index(box.x) + step * (middle - (len(families) - 1) / 2)
        places[box.label] = middle + SEED * (seeds.index(box.label) - (len(seeds) - 1) / 2)
    return places


def _families(found: Chart) -> list[str]:
    """Those with values; all of them where none has any."""
    having = {box.family for box in found.boxes if box.label in found.groups} or {box.family for box in found.boxes}
    return [family for family in found.ask.families if family in having]


def _ticks(found: Chart) -> dict[int, str]:
    if found.ask.axis == "method":
        return {number: _broken(family_words(family)) for number, family in enumerate(_families(found))}
    xs = sorted({box.x for box in found.boxes})
    return {number: f"{x:g}" if found.ask.axis == "lam" else f"{times(x)}x" for number, x in enumerate(xs)}


def _broken(words: str) -> str:
    return "<br>".join(line for part in words.replace(" (", "\n(").split("\n") for line in wrap(part, LETTERS))


def _axis(found: Chart) -> str:
    choice = found.ask.choice
    less = less_of(choice.family)
    return {
        "lam": f"λ, weight of distillation (at {times(choice.ratio)}x {less})",
        "ratio": f"times {less} than the teacher (at λ {choice.lam:g})",
        "method": f"at λ {choice.lam:g}, {times(choice.ratio)}x {less}",
    }[found.ask.axis]


def _add_family(plot: Plot, own: Sequence[Box], places: Sequence[float], colour: str) -> None:
    words = family_words(own[0].family)
    with_box = [(box.five, x) for box, x in zip(own, places, strict=True) if box.five is not None]
    if with_box:
        plot.add(
            kind="box", x=[x for _, x in with_box], q1=[five.q1 for five, _ in with_box],
            median=[five.median for five, _ in with_box], q3=[five.q3 for five, _ in with_box],
            lowerfence=[five.low for five, _ in with_box], upperfence=[five.high for five, _ in with_box],
            width=0.18, line={"color": colour, "width": 1.5}, name=words, showlegend=False, hoverinfo="skip",
        )  # fmt: skip
    means = [box.line.shared for box in own]
    plot.add(
        x=list(places), y=[mean.mean for mean in means], mode="markers", name=words,
        marker={"color": colour, "size": 11, "line": {"width": 1.5, "color": "white"},
                "symbol": ["diamond-open" if box.instead else "diamond" for box in own]},
        error_y={"array": [mean.high - mean.mean for mean in means], "symmetric": False, "color": colour,
                 "arrayminus": [mean.mean - mean.low for mean in means], "thickness": 2, "width": 8},
        customdata=[[box.label, box.line.shared.n, box.line.seeds, _instead(box)] for box in own],
        hovertemplate="%{customdata[0]}%{customdata[3]}<br>mean %{y:.3f}<br>%{customdata[1]} images, "
        "seeds: %{customdata[2]}<extra></extra>",
    )  # fmt: skip


def _instead(box: Box) -> str:
    return f"<br>{EXPLAINERS[box.instead].title} stands in" if box.instead else ""


def _add_bands(plot: Plot, bands: Sequence[Band], low: float, high: float) -> None:
    """Each control over its 95 % interval, named at the right edge; names keep their distance."""
    ordered = sorted((band for band in bands if band.estimate.n), key=lambda band: band.estimate.mean)
    labels = spread([band.estimate.mean for band in ordered], SPREAD * (high - low))
    for band, y in zip(ordered, labels, strict=True):
        value = band.estimate
        if np.isfinite([value.low, value.high]).all():
            plot.band(value.low, value.high, colour=BAND)
        plot.level(value.mean, layer="below", color=GREY, width=1, dash="dash" if band.floor else "dot")
        plot.label("<br>".join(wrap(f"{band.words} {value.mean:.2f}", LETTERS)), y)


def _ends(found: Chart) -> tuple[float, float]:
    values = [end for box in found.boxes if box.five is not None and box.line.shared.n
              for end in (box.five.low, box.five.high)]  # fmt: skip
    estimates = [*(box.line.shared for box in found.boxes), *(band.estimate for band in found.bands)]
    values += [end for one in estimates for end in (one.low, one.mean, one.high) if np.isfinite(end)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    room = max(0.06 * max(high - low, 1e-3), 0.01 * max(abs(low), abs(high)))  # equal values are not a difference
    return low - room, high + room
