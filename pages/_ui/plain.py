"""The same grid as plain pictures (?plain=1): lossless PNG with alt texts, no script in the page."""

from __future__ import annotations

import streamlit as st

from pages._ui.viewer.payload import Scene, cell_words, column_note
from xkd_core import catalogue, rendering
from xkd_core.models.cards import Card
from xkd_core.serving import figure
from xkd_core.serving.sentences import confidence
from xkd_core.serving.zoo import Row, describe, title


def show(scene: Scene, cards: dict[Row, Card]) -> None:
    """Rows are models, columns are explainers, as in the viewer."""
    drawing = scene.look.drawing
    pixels, _ = figure.panels(scene.view, cards, scene.explainers, drawing)
    for row, card in cards.items():
        run = scene.view.runs[card.id]
        st.markdown(f"**{title(card)}**, {describe(card)}: says {run.answer.says}, {confidence(run.answer.prob)}")
        for column, name in zip(st.columns(len(scene.explainers)), scene.explainers, strict=True):
            alt, caption = cell_words(scene, card, run, name)
            heading = f"{catalogue.get('explainer', name).title} ({column_note(scene, name)})"
            column.image(
                rendering.png(pixels[row, name]),
                caption=f"{heading}: {caption}",
                width="stretch",
                output_format="PNG",
                alt=alt,
            )
    low, bar, high = figure.legend(drawing)
    st.image(
        rendering.png(bar), caption=f"from {low} to {high}", output_format="PNG", alt=f"Colour bar from {low} to {high}"
    )
