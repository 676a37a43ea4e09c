"""The same panels as plain pictures (?plain=1): lossless PNG with alt texts, no script in the page."""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator as Place

from pages._ui.viewer.payload import Scene, cell_words, column_note
from xkd_core import rendering
from xkd_core.serving import figure
from xkd_core.serving.sheets import Cell, Sheet
from xkd_core.types import UInt8


def show(scene: Scene, sheet: Sheet) -> None:
    """Rows and columns as in the viewer; above each row what it says, how well it does, and what is wrong with it."""
    drawing = scene.look.drawing
    pixels, _ = figure.panels(scene.view, sheet.cells, drawing)
    for head, cells in zip(sheet.heads, sheet.rows, strict=True):
        st.markdown(f"**{head[0]}**, {'; '.join(head[1:])}")
        for column, name, cell in zip(st.columns(len(cells)), sheet.columns, cells, strict=True):
            _panel(column, scene, name, cell, pixels)
    low, bar, high = figure.legend(drawing, has_fine=any(figure.fine(name) for name in sheet.explainers))
    words = f"from {low} to {high}"
    st.image(rendering.png(bar), caption=words, output_format="PNG", alt=f"Colour bar {words}")


def _panel(place: Place, scene: Scene, name: str, cell: Cell | None, pixels: Mapping[tuple[str, str], UInt8]) -> None:
    if cell is None or cell.lost:
        place.caption(f"{name}: {'no such run' if cell is None else cell.lost}")
        return
    alt, caption = cell_words(scene, cell.card, scene.view.runs[cell.card.id], cell.explainer)
    heading = f"{name} ({column_note(scene, cell.explainer)})" if scene.film is None else name
    place.image(
        rendering.png(pixels[cell.card.id, cell.explainer]),
        caption=": ".join([heading, ", ".join(part for part in (caption, cell.note) if part)]),
        width="stretch",
        output_format="PNG",
        alt=alt,
    )
