"""One view as a page of its own: HTML with everything inside, to keep or send; it needs no server and no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import pandas as pd

import xkd_core
from xkd_core import catalogue, rendering
from xkd_core.models.cards import Card
from xkd_core.serving import exports, figure
from xkd_core.serving.figure import Drawing
from xkd_core.serving.names import describe, title
from xkd_core.serving.sentences import answer_words, number, policy_words, verdict
from xkd_core.serving.sheets import Cell, Sheet
from xkd_core.serving.views import ImageView
from xkd_core.types import UInt8

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.5rem; line-height: 1.25; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; } th, td { padding: 0.3rem 0.7rem 0.3rem 0; text-align: left; vertical-align: top; }
.wide { overflow-x: auto; } .wide td { font-variant-numeric: tabular-nums; white-space: nowrap; }
img { width: 11rem; image-rendering: pixelated; display: block; } small { color: #555; display: block; }
pre { background: #f4f4f4; padding: 1rem; overflow-x: auto; }
"""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the page says beside the maps: its headline and notes, and the address that shows the view again."""

    headline: str = ""
    detail: str = ""
    notes: tuple[str, ...] = ()
    link: str = ""


def report(
    view: ImageView, sheet: Sheet, drawing: Drawing, said: Said, *, tables: Mapping[str, pd.DataFrame] | None = None
) -> bytes:
    """The view as one HTML file in UTF-8: photo, maps with their words, all numbers, the runs, and how to repeat it.

    tables: further tables by title. Everything that was typed or read is escaped.
    """
    about = f"{view.subject.key.spec}, explained class {view.target_name} ({policy_words(view.policy)})"
    parts = [
        f"<h1>{_text(said.headline) or escape(about)}</h1>",
        f"<p>{_text(said.detail)}</p>" if said.detail else "",
        f"<p>{_picture(view.subject.photo, f'Photo: {view.subject.caption}')}<small>{escape(about)}</small></p>",
        "<h2>Maps</h2>",
        _maps(view, sheet, drawing),
        *(f"<p><small>{_text(note)}</small></p>" for note in said.notes),
        "<h2>Numbers</h2>",
        _table(exports.table(view, sheet)),
        *(f"<h2>{escape(name)}</h2>{_table(table)}" for name, table in (tables or {}).items()),
        "<h2>Runs</h2>",
        _table(_runs(sheet.cards)),
        "<h2>Again</h2>",
        f'<p><a href="{escape(said.link)}">{escape(said.link)}</a></p>' if said.link else "",
        f"<pre>{escape(exports.snippet(view, sheet))}</pre>",
        f"<p><small>XKD Explorer {escape(xkd_core.__version__)}. Empty numbers are undefined.</small></p>",
    ]
    head = f'<meta charset="utf-8"><title>{escape(about)}</title><style>{STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>\n'.encode()


def _maps(view: ImageView, sheet: Sheet, drawing: Drawing) -> str:
    pixels, scales = figure.panels(view, sheet.cells, drawing)
    heads = "".join(f"<th>{escape(name)}</th>" for name in ("", *sheet.columns))
    rows = [
        f"<tr><th>{'<br>'.join(escape(line) for line in head)}</th>"
        + "".join(f"<td>{_panel(view, cell, pixels, scales)}</td>" for cell in cells)
        + "</tr>"
        for head, cells in zip(sheet.heads, sheet.rows, strict=True)
    ]
    low, bar, high = figure.legend(drawing, has_fine=any(figure.fine(name) for name in sheet.explainers))
    legend = (
        f"<p>{_picture(bar, f'Colour bar from {low} to {high}')}<small>from {escape(low)} to {escape(high)}</small></p>"
    )
    return f'<div class="wide"><table><tr>{heads}</tr>{"".join(rows)}</table></div>{legend}'


def _panel(
    view: ImageView, cell: Cell | None, pixels: Mapping[figure.Key, UInt8], scales: Mapping[figure.Key, float]
) -> str:
    if cell is None or cell.lost:
        return f"<small>{'no such run' if cell is None else escape(cell.lost)}</small>"
    key, run = (cell.card.id, cell.explainer), view.runs[cell.card.id]
    if key not in scales:
        return "<small>not computed</small>"
    scores = run.scores.get(cell.explainer)
    cosine = "reference" if cell.row == "teacher" else f"cosine {number(None if scores is None else scores.cosine)}"
    words = [cosine, f"full colour at {scales[key]:.3g}", answer_words(run), verdict(view, run), cell.note]
    alt = f"{catalogue.get('explainer', cell.explainer).title} of the {title(cell.card).lower()}, {cosine}"
    said = "".join(f"<small>{escape(word)}</small>" for word in words if word)
    return _picture(pixels[key], alt) + said


def _runs(cards: Sequence[Card]) -> pd.DataFrame:
    return pd.DataFrame([
        {"run": card.id, "model": title(card), "settings": describe(card), "architecture": card.arch,
         "parameters": card.params, "trained by": card.method, "seed": card.seed, "sha256": card.sha256,
         **{f"{name} ({metric.split})": metric.value for name, metric in card.metrics.items()
            if name in ("mAP", "accuracy", "agreement")}}
        for card in cards
    ])  # fmt: skip


def _table(frame: pd.DataFrame) -> str:
    html: str = frame.to_html(index=False, border=0, na_rep="", float_format=lambda value: f"{value:.4g}", escape=True)
    return f'<div class="wide">{html}</div>'


def _picture(pixels: UInt8, alt: str) -> str:
    data = base64.b64encode(rendering.png(pixels)).decode()
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{data}">'


def _text(words: str) -> str:
    """The little Markdown that the sentences have: *a class* in italics."""
    parts = escape(words).split("*")
    return "".join(f"<i>{part}</i>" if place % 2 else part for place, part in enumerate(parts))
