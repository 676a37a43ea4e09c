"""Charts of the admin page: shares with intervals against chance and paper 003, per pair, metrics, power."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from pages._ui.figures import COLOURS, GREY
from xkd_core import catalogue
from xkd_core.study.analysis.predictors import Predictor
from xkd_core.study.analysis.proportions import Share
from xkd_core.study.analysis.report import Cell

CONFIG = {"displayModeBar": False}
ANSWERS = {"TM": "teacher and matched", "TN": "teacher and naive", "NM": "both students"}
ANSWER_COLOURS = {"TM": COLOURS["matched"], "TN": COLOURS["naive"], "NM": GREY}


def shares(found: Mapping[str, Share], reference: Mapping[str, Share], chance: float) -> go.Figure:
    """One dot with its interval for each answer; beside it, hollow, paper 003's; the line is chance."""
    figure = go.Figure()
    names = [ANSWERS[pair] for pair in found]
    _dots(figure, names, list(found.values()), "this study", [ANSWER_COLOURS[pair] for pair in found], "circle", 0.0)
    if reference:
        given = [reference[pair] for pair in found]
        _dots(figure, names, given, "paper 003 (30 people)", [GREY] * len(names), "diamond-open", 0.18)
    _chance(figure, chance)
    words = [name.replace(" and ", " and<br>").replace("both ", "both<br>") for name in names]
    figure.update_xaxes(tickvals=list(range(len(names))), ticktext=words, tickangle=0, range=[-0.5, len(names) - 0.5])
    figure.update_yaxes(title_text="share of the answers", range=[0, 1], tickformat=".0%")
    return _plain(figure, 360)


def cells(found: Sequence[Cell]) -> go.Figure:
    """The share of teacher-and-matched among answers that pair the teacher, for each pair of students."""
    figure = go.Figure()
    known = [cell for cell in found if cell.test.n]
    names = [cell_name(cell) for cell in known]
    figure.add_scatter(
        x=names, y=[cell.test.mean for cell in known], mode="markers",
        marker={"size": 11, "color": COLOURS["matched"], "symbol": "diamond"},
        error_y={"type": "data", "symmetric": False, "array": [cell.test.high - cell.test.mean for cell in known],
                 "arrayminus": [cell.test.mean - cell.test.low for cell in known]},
    )  # fmt: skip
    _chance(figure, 0.5)
    figure.update_yaxes(title_text="matched, of the teacher's", range=[0, 1], tickformat=".0%")
    return _plain(figure, 320, legend=False)


def cell_name(cell: Cell) -> str:
    """A pair of students by what it stands for: '63x, λ 0.5'."""
    ratio = "" if cell.ratio is None else f"{cell.ratio:.3g}x"
    lam = "" if cell.lam is None else f"λ {cell.lam:g}"
    return ", ".join(part for part in (f"{cell.students + 1}: {ratio}", lam) if part)


def metric_name(name: str) -> str:
    """The glossary's word for a metric; a study of an older program may hold one that this one does not know."""
    return catalogue.get("metric", name).title if name in catalogue.METRICS else name


def metrics(found: Sequence[Predictor]) -> go.Figure:
    """How often each metric and people name the same student, the best on top; the line is chance."""
    figure = go.Figure()
    rows = list(reversed(found))
    figure.add_scatter(
        x=[one.agreement for one in rows], y=[metric_name(one.metric) for one in rows], mode="markers",
        marker={"size": 10, "color": COLOURS["teacher"]},
        error_x={"type": "data", "symmetric": False, "array": [one.interval.high - one.agreement for one in rows],
                 "arrayminus": [one.agreement - one.interval.low for one in rows]},
    )  # fmt: skip
    figure.add_vline(0.5, line={"color": GREY, "dash": "dot"})
    figure.update_xaxes(title_text="agreement with people", range=[0, 1], tickformat=".0%")
    return _plain(figure, 120 + 32 * len(rows), legend=False)


def power(table: pd.DataFrame, enough: float) -> go.Figure:
    """Power by number of people, a line for each number of trials; the dotted line is what is wanted."""
    figure = go.Figure()
    for (trials, rows), colour in zip(table.groupby("trials"), (GREY, *COLOURS.values()), strict=False):
        figure.add_scatter(
            x=rows["people"], y=rows["power"], mode="lines+markers", name=f"{trials} trials",
            marker={"size": 9}, line={"color": colour},
            error_y={"type": "data", "symmetric": False, "array": rows["high"] - rows["power"],
                     "arrayminus": rows["power"] - rows["low"]},
        )  # fmt: skip
    figure.add_hline(enough, line={"color": GREY, "dash": "dot"})
    figure.update_xaxes(title_text="people", tickvals=sorted(set(table["people"])))
    figure.update_yaxes(title_text="power", range=[0, 1.03], tickformat=".0%")
    return _plain(figure, 320)


def _dots(
    figure: go.Figure, names: Sequence[str], given: Sequence[Share], words: str, colours: Sequence[str], symbol: str,
    shift: float,
) -> None:  # fmt: skip
    figure.add_scatter(
        x=[place + shift for place in range(len(names))],
        y=[share.share for share in given],
        mode="markers",
        name=words,
        marker={"size": 12, "color": list(colours), "symbol": symbol},
        text=list(names),
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [share.high - share.share for share in given],
            "arrayminus": [share.share - share.low for share in given],
            "color": GREY,
        },
        hovertemplate="%{text}: %{y:.1%}<extra>" + words + "</extra>",
    )


def _chance(figure: go.Figure, chance: float) -> None:
    figure.add_hline(chance, line={"color": GREY, "dash": "dot"}, annotation_text="chance",
                     annotation_position="top left")  # fmt: skip


def _plain(figure: go.Figure, height: int, *, legend: bool = True) -> go.Figure:
    figure.update_layout(
        height=height, margin={"l": 10, "r": 10, "t": 10, "b": 10}, font={"size": 14}, dragmode=False,
        showlegend=legend, legend={"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
    )  # fmt: skip
    return figure
