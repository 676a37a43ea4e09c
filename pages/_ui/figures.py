"""Plotly figures: drift with localisation and quality below it, and one dot for each image. Colours mean the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from pages._ui.plot import Plot, bars, spread
from xkd_core.metrics.statistics import Estimate
from xkd_core.serving.curves import Axis, Bands, Curve, Point
from xkd_core.serving.names import CONTROL_WORDS, LESS, times
from xkd_core.serving.pareto import Candidate
from xkd_core.serving.zoo import less_of

GREY = "#888888"
FRONT = "#e69f00"
COLOURS = {"teacher": "#0072b2", "naive": "#d55e00", "matched": "#009e73"}
SYMBOLS = {"naive": "circle", "matched": "diamond"}
CONTROL_SYMBOLS = dict(zip(CONTROL_WORDS.values(), ("triangle-up", "square", "star", "hexagon", "cross"), strict=True))
GROUPS = {
    "naive": ("naive and baseline students", COLOURS["naive"], SYMBOLS["naive"]),
    "matched": ("matched students", COLOURS["matched"], SYMBOLS["matched"]),
    "other": ("other methods", "#cc79a7", "square"),
    "control": ("controls and second teachers", GREY, "x"),
}
SIGNS = {
    "circle": "●", "diamond": "◆", "square": "■", "triangle-up": "▲", "x": "✖", "star": "★", "cross": "✚",
    "hexagon": "⬢",
}  # fmt: skip
OTHERS = "maps of<br>other images"
BAND = "rgba(136, 136, 136, 0.28)"
LABELS = 104  # px at the right for the names of bands, away from grid lines and dots
LEAST = 0.02  # of the axis of quality, from the bottom to the top
ROOM = 0.19  # of the axis, from one word below it to the next
APART = 0.14  # of the axis of drift, from one label of two lines to the next
BESIDE = {"ratio": 1.09, "lam": 0.02}  # controls stand this much to the right of the runs they belong to


def drift(curves: Sequence[Curve], controls: Sequence[Curve], bands: Bands, *, axis: Axis) -> go.Figure:
    """Mean drift of each run (dots: seeds; lines: their mean), localisation where there are masks, and quality."""
    points = [point for line in curves for point in line.points]
    quality = next((point.quality_name for point in points if point.quality_name), "quality")
    masks = any(point.pointing is not None for point in points)
    places = {"drift": 1} | ({"pointing": 2, "quality": 3} if masks else {"quality": 2})
    heights = (0.5, 0.25, 0.25) if masks else (0.62, 0.38)
    plot = Plot(rows=len(places), shared_xaxes=True, row_heights=heights, vertical_spacing=0.05)
    for line in curves:
        _add_lines(plot, line, places)
    for line in (*controls, *curves):
        _add_dots(plot, line, places, axis)
    for row, named in (("drift", {OTHERS: bands.shuffled, "a second<br>teacher": bands.noise}),
                       ("pointing", {"the teacher": bands.pointing})):  # fmt: skip
        if row in places:
            ends = _range([*curves, *controls], row, list(named.values()))
            plot.y_axis(places[row], range=ends)
            _add_bands(plot, named, places[row], apart=APART * (ends[1] - ends[0]))
    plot.y_axis(1, title="drift, 1 - cosine")
    if masks:
        plot.y_axis(places["pointing"], title="peak on object")
    plot.y_axis(places["quality"], title=quality, range=_quality_range([*curves, *controls]))
    plot.x_axis(**_ticks(sorted({point.x for point in points}), axis))
    less = less_of(curves[0].family if curves else "")
    plot.x_axis(len(places), title=f"times {less} than the teacher" if axis == "ratio" else "λ, weight of distillation")
    return plot.figure(height=560 if masks else 440, right=LABELS, showlegend=False)


def legend(curves: Sequence[Curve], controls: Sequence[Curve]) -> list[tuple[str, str, str]]:
    """(symbol, colour, words) for everything that is drawn; both charts have the same."""
    found = [(SIGNS[SYMBOLS[line.row]], COLOURS[line.row], line.name) for line in curves if line.points]
    found += [(SIGNS[_symbol(line)], COLOURS[line.row], line.name) for line in controls]
    if any(point.undertrained for line in (*curves, *controls) for point in line.points):
        found.append(("○ ◇", GREY, "hollow: not trained to the end"))
    return found


def _range(curves: Sequence[Curve], row: str, bands: Sequence[Estimate | None]) -> list[float]:
    """Room for every interval and band; drift begins at 0."""
    means = [value for line in curves for point in line.points if isinstance(value := _value(point, row), Estimate)]
    means += [band for band in bands if band is not None]
    ends = [end for mean in means for end in (mean.low, mean.mean, mean.high) if math.isfinite(end)]
    low, high = min(ends), max(ends)
    low = min(0.0, low) if row == "drift" else low
    room = 0.07 * max(high - low, 0.05)
    return [low - room, high + room]


def _quality_range(curves: Sequence[Curve]) -> list[float]:
    """Room for every run, and never so little that a difference without meaning looks large."""
    values = [point.quality for line in curves for point in line.points if point.quality is not None] or [0.0, 1.0]
    room = max(0.07 * (max(values) - min(values)), (LEAST - max(values) + min(values)) / 2)
    return [min(values) - room, max(values) + room]


def spaced(values: Sequence[float]) -> list[float]:
    """Of ascending ratios the ends, and those between that leave room for their words on a logarithmic axis."""
    kept: list[float] = []
    for value in values:
        apart = ROOM * math.log(values[-1] / values[0])
        near_end = value != values[-1] and math.log(values[-1] / value) < apart
        if not kept or (math.log(value / kept[-1]) >= apart and not near_end):
            kept.append(value)
    return kept


def _ticks(values: Sequence[float], axis: Axis) -> dict[str, Any]:
    """Ticks where runs are, and no room beyond them: λ ends at 0 and 1."""
    if axis == "lam":
        low, high = min(values, default=0), max(values, default=1)
        room = 0.06 * max(high - low, 0.5)
        return {"range": [low - room, high + room], "tickvals": values, "ticktext": [f"{value:g}" for value in values]}
    shown = spaced(values)
    return {"type": "log", "tickvals": shown, "ticktext": [f"{times(value)}x" for value in shown], "tickangle": 0}


def _add_bands(plot: Plot, named: Mapping[str, Estimate | None], panel: int, *, apart: float) -> None:
    """Controls as bands as high as their 95 % interval, named at the right edge."""
    known = sorted(((band, words) for words, band in named.items() if band is not None), key=lambda one: one[0].mean)
    heights = spread([band.mean for band, _ in known], apart)
    for (band, words), height in zip(known, heights, strict=True):
        if math.isfinite(band.low):
            plot.band(band.low, band.high, colour=BAND, panel=panel)
        plot.level(band.mean, panel=panel, layer="below", color=GREY, width=1)
        reach = "95 % intervals of the runs from" if words == OTHERS else "95 % interval"
        plot.label(words, height, panel=panel, hovertext=f"{band.mean:.3f}, {reach} {band.low:.3f} to {band.high:.3f}")


def _add_lines(plot: Plot, line: Curve, places: dict[str, int]) -> None:
    means = line.means()
    for name, place in (("drift", 1), ("pointing", 2), ("quality", 3)):
        if name in places:
            plot.add(panel=places[name], x=[mean[0] for mean in means], y=[mean[place] for mean in means],
                     mode="lines", line={"color": COLOURS[line.row], "width": 2}, hoverinfo="skip",
                     showlegend=False)  # fmt: skip


def _symbol(line: Curve) -> str:
    return CONTROL_SYMBOLS.get(line.control, "x") if line.control else SYMBOLS[line.row]


def _add_dots(plot: Plot, line: Curve, places: dict[str, int], axis: Axis) -> None:
    for row in places:
        known = [point for point in line.points if _value(point, row) is not None]
        values = [_value(point, row) for point in known]
        means = [value for value in values if isinstance(value, Estimate)]
        error = {} if row == "quality" else {"error_y": bars(means, COLOURS[line.row])}
        plot.add(
            panel=places[row], x=[_beside(point.x, axis, line.control) for point in known],
            y=[value.mean if isinstance(value, Estimate) else value for value in values], mode="markers",
            name=line.name, marker=_marker(known, COLOURS[line.row], _symbol(line)), **error,
            customdata=[[point.run_id, _counted(value)] for point, value in zip(known, values, strict=True)],
            text=[f"{point.words}{', not trained to the end' * point.undertrained}" for point in known],
            hovertemplate="%{text}<br>" + row + " %{y:.3f}<br>%{customdata[1]}"
            f"<extra>{line.name}</extra>",
        )  # fmt: skip


def _counted(value: Estimate | float | None) -> str:
    """What a mark is a mean of; the quality stands in the card, for the whole split."""
    if not isinstance(value, Estimate):
        return "the whole test split"
    return f"{value.n:,} images, {value.undefined:,} undefined"


def _value(point: Point, row: str) -> Estimate | float | None:
    return {"drift": point.drift, "pointing": point.pointing, "quality": point.quality}[row]


def _beside(x: float, axis: Axis, control: str) -> float:
    if not control:
        return x
    return x * BESIDE[axis] if axis == "ratio" else x + BESIDE[axis]


def _marker(points: Sequence[Point], colour: str, symbol: str) -> dict[str, object]:
    """Hollow: not trained to the end."""
    hollow = [point.undertrained for point in points]
    return {
        "color": colour, "size": 10, "symbol": [f"{symbol}-open" if one else symbol for one in hollow],
        "line": {"width": [2 if one else 0 for one in hollow]},
    }  # fmt: skip


def quadrant(dots: pd.DataFrame, *, row: str, bar: float | None, title: str) -> go.Figure:
    """Every image of a run: how sure it is of the explained class, and how close its map is to the teacher's."""
    plot = Plot()
    for same, symbol, words in ((True, SYMBOLS[row], "same answer"), (False, "x", "other answer")):
        part = dots[dots["same_answer"] == same]
        plot.add(
            x=part["prob"].to_numpy(), y=part["cosine"].to_numpy(), mode="markers", name=f"{words} ({len(part):,})",
            marker={"color": COLOURS[row] if same else GREY, "symbol": symbol, "size": 6, "opacity": 0.55},
            customdata=part[["index"]].to_numpy(),
            hovertemplate="image %{customdata[0]}<br>probability %{x:.2f}, cosine %{y:.2f}<extra></extra>",
        )  # fmt: skip
    if bar is not None:
        plot.level(bar, color=GREY, width=1.5, dash="dot")
        plot.label("moved<br>below", bar)
    lowest = min(0.0, float(dots["cosine"].min())) if len(dots) else 0.0
    plot.x_axis(title="probability of the explained class", range=[-0.03, 1.03])
    plot.y_axis(title=f"cosine to the teacher's {title}", range=[lowest - 0.03, 1.03])
    return plot.figure(height=430, right=64)


def pareto(found: Sequence[Candidate], *, title: str) -> go.Figure:
    """Every run: drift against quality, larger dots for more compression, rings around those that nothing beats."""
    plot = Plot()
    for group, (words, colour, symbol) in GROUPS.items():
        part = [one for one in found if one.group == group]
        if part:
            # The legend has the symbol of the first one: a run trained to the end, where there is one.
            _add_candidates(plot, sorted(part, key=lambda one: not one.finished), words, colour, symbol)
    best = [one for one in found if one.on_front]
    plot.add(
        x=[one.drift.mean for one in best], y=[one.quality for one in best], mode="markers", name="on the front",
        marker={"symbol": "circle-open", "size": [_size(one) + 9 for one in best], "line": {"width": 2},
                "color": FRONT}, hoverinfo="skip",
    )  # fmt: skip
    plot.x_axis(title=f"drift of {title}, 1 - cosine to the teacher's", rangemode="tozero")
    plot.y_axis(title=next((one.quality_name for one in found), "quality"))
    return plot.figure(height=460)


def _add_candidates(plot: Plot, part: Sequence[Candidate], words: str, colour: str, symbol: str) -> None:
    plot.add(
        x=[one.drift.mean for one in part], y=[one.quality for one in part], mode="markers", name=words,
        marker={"color": colour, "size": [_size(one) for one in part], "opacity": 0.75, "line": {"width": 1.5},
                "symbol": [symbol if one.finished else f"{symbol}-open" for one in part]},
        customdata=[[one.run_id, one.drift.n, f"{times(one.ratio)}x {LESS[one.counted]}"] for one in part],
        text=[f"{one.words}{', this map in its loss' * one.in_loss}{', not trained to the end' * (not one.finished)}"
              for one in part],
        hovertemplate="%{text}<br>drift %{x:.3f} (%{customdata[1]} images), quality %{y:.3f}<br>"
        "%{customdata[2]}<extra></extra>",
    )  # fmt: skip


def _size(one: Candidate) -> float:
    """Marker diameter in px: 7 for the teacher's size, 3 more for each doubling of the compression."""
    return 7 + 3 * math.log2(max(one.ratio, 1.0))
