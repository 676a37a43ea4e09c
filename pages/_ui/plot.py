"""A Plotly figure from plain dictionaries, put together at once: adding parts one by one takes ten times as long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import lru_cache
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from xkd_core.metrics.statistics import Estimate

LABEL = {"xanchor": "left", "xshift": 8, "yanchor": "middle", "showarrow": False, "align": "left",
         "font": {"size": 12}}  # fmt: skip


class Plot:
    """Traces, lines and words for one or more panels, numbered from 1 along the rows."""

    def __init__(self, *, rows: int = 1, cols: int = 1, **more: Any) -> None:
        """Args: more, as of plotly's ``make_subplots``; sequences as tuples."""
        self._layout: dict[str, Any] = deepcopy(_panels(rows, cols, tuple(sorted(more.items()))))
        self._traces: list[dict[str, Any]] = []
        self._shapes: list[dict[str, Any]] = []

    def add(self, *, panel: int = 1, kind: str = "scatter", **trace: Any) -> None:
        """A trace, with the options of its kind."""
        self._traces.append({"type": kind, **trace, "xaxis": f"x{_number(panel)}", "yaxis": f"y{_number(panel)}"})

    def level(self, y: float, *, panel: int = 1, layer: str = "above", **line: Any) -> None:
        """A horizontal line across the panel."""
        self._shape(panel, kind="line", x=(0, 1), y=(y, y), across="x", line=line, layer=layer)

    def stand(self, x: float, *, panel: int = 1, **line: Any) -> None:
        """A vertical line from the bottom to the top."""
        self._shape(panel, kind="line", x=(x, x), y=(0, 1), across="y", line=line, layer="above")

    def band(self, low: float, high: float, *, colour: str, panel: int = 1) -> None:
        """A filled strip across the panel, behind everything."""
        self._shape(panel, kind="rect", x=(0, 1), y=(low, high), across="x", line={"width": 0}, layer="below",
                    fillcolor=colour)  # fmt: skip

    def label(self, text: str, y: float, *, panel: int = 1, **more: Any) -> None:
        """Words at the right edge of the panel."""
        number = _number(panel)
        place = {"x": 1, "xref": f"x{number} domain", "y": y, "yref": f"y{number}"}
        self._layout["annotations"].append({"text": text, **place, **LABEL, **more})

    def x_axis(self, *panels: int, title: str | None = None, **axis: Any) -> None:
        """Options of the horizontal axis of some panels, all by default."""
        self._axes("xaxis", panels, title, axis)

    def y_axis(self, *panels: int, title: str | None = None, **axis: Any) -> None:
        """Options of the vertical axis of some panels, all by default."""
        self._axes("yaxis", panels, title, axis)

    def figure(
        self, *, height: int, right: int = 16, top: int = 10, legend_y: float = 1.02, **layout: Any
    ) -> go.Figure:
        """The figure, with the margins, letters and clicks that all charts have."""
        common = {
            "height": height, "margin": {"l": 10, "r": right, "t": top, "b": 10}, "font": {"size": 14},
            "clickmode": "event+select", "dragmode": False,
            "legend": {"orientation": "h", "y": legend_y, "yanchor": "bottom", "x": 0},
        }  # fmt: skip
        return go.Figure({"data": self._traces, "layout": {**self._layout, "shapes": self._shapes, **common, **layout}})

    def _shape(
        self, panel: int, *, kind: str, x: Sequence[float], y: Sequence[float], across: str, **more: Any
    ) -> None:
        ends = {"x0": x[0], "x1": x[1], "y0": y[0], "y1": y[1]}
        refs = {f"{axis}ref": f"{axis}{_number(panel)}{' domain' if axis == across else ''}" for axis in "xy"}
        self._shapes.append({"type": kind, **ends, **refs, **more})

    def _axes(self, name: str, panels: Sequence[int], title: str | None, options: Mapping[str, Any]) -> None:
        named = [f"{name}{_number(panel)}" for panel in panels] or [one for one in self._layout if one.startswith(name)]
        for one in named:
            self._layout[one] |= {**options, **({"title": {"text": title}} if title is not None else {})}


def bars(values: Sequence[Estimate], colour: str) -> dict[str, Any]:
    """Error bars from the interval of each estimate, with caps wider than the marks, so that a narrow one is seen."""
    return {"array": [value.high - value.mean for value in values], "symmetric": False, "color": colour,
            "arrayminus": [value.mean - value.low for value in values], "thickness": 1.5, "width": 8}  # fmt: skip


def spread(values: Sequence[float], apart: float) -> list[float]:
    """Ascending values moved up just so far that each is ``apart`` from the one before."""
    found: list[float] = []
    for value in values:
        found.append(max(value, found[-1] + apart) if found else value)
    return found


def _number(panel: int) -> str:
    return "" if panel == 1 else str(panel)


@lru_cache(maxsize=16)
def _panels(rows: int, cols: int, more: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """Where the axes of the panels are, and the panels' titles. Do not change it."""
    layout = make_subplots(rows=rows, cols=cols, **dict(more)).to_plotly_json()["layout"]
    return {"annotations": list(layout.pop("annotations", ()))} | {
        name: axis for name, axis in layout.items() if name.startswith(("xaxis", "yaxis"))
    }
