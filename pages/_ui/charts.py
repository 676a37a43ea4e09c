"""Charts whose dots lead to images: draw, read what was clicked, go there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from pages._ui import figures, gallery, resources
from xkd_core.models.cards import Card
from xkd_core.serving import curves
from xkd_core.serving.curves import Axis, Bands, Curve
from xkd_core.serving.results import Results
from xkd_core.serving.zoo import Zoo, describe, title

N_IMAGES = 12
CONFIG = {"displayModeBar": False}


def drift(lines: Sequence[Curve], bands: Bands, *, axis: Axis, words: str) -> list[str]:
    """Draw drift and quality; returns the run ids of the dots that were clicked."""
    st.markdown(f"**{words}**")
    figure = figures.drift(lines, bands, axis=axis)
    values = "; ".join(f"{figures.NAMES[line.row]} " + ", ".join(f"{x:.3g}: {y:.2f}" for x, y, _ in line.means())
                       for line in lines)  # fmt: skip
    event = st.plotly_chart(
        figure, key=f"drift_{axis}", on_select="rerun", selection_mode="points", config=CONFIG,
        alt=f"Drift {words.lower()}. {values}",
    )  # fmt: skip
    return [str(data[0]) for data in _clicked(event)]


def quadrant(results: Results, card: Card, *, row: str, explainer: str, bar: float | None) -> None:
    """One dot per image; a click opens the image on the landing page."""
    dots = curves.dots(results, card.id, explainer=explainer)
    st.markdown(f"**{title(card)}**, {describe(card)}")
    if dots.empty:
        st.info("No stored results for this run.")
        return
    moved = 0 if bar is None else int(((dots["cosine"] < bar) & dots["same_answer"]).sum())
    same = int(dots["same_answer"].sum())
    event = st.plotly_chart(
        figures.quadrant(dots, row=row, bar=bar), key=f"quadrant_{row}", on_select="rerun",
        selection_mode="points", config=CONFIG,
        alt=f"{title(card)}: {same} of {len(dots)} images with the same answer, {moved} of them with a moved map",
    )  # fmt: skip
    if bar is not None and same:
        st.caption(f"{moved:,} of {same:,} same answers ({100 * moved / same:.1f} %) come with a moved map.")
    for data in _clicked(event):
        open_image(card, int(data[0]))


def images_of_run(results: Results, zoo: Zoo, run_id: str, explainer: str) -> None:
    """The images where a run's map is farthest from the teacher's; a click opens one."""
    card, rows = zoo.by_id.get(run_id), results.of_run(run_id, explainer)
    if card is None or rows.empty:
        return
    worst = rows["cosine"].dropna().sort_values(kind="stable").head(N_IMAGES)
    st.markdown(f"**{title(card)}**, {describe(card)}: largest drift first")
    indices = tuple(int(index) for index in worst.index)
    links = resources.thumbnails(results.dataset, indices)
    items = [
        {"index": index, "src": link, "alt": f"Image {index}", "words": f"cosine {cosine:.2f}", "current": False}
        for index, link, cosine in zip(indices, links, worst, strict=True)
    ]

    def picked() -> None:
        st.session_state["_open"] = st.session_state["run_images"].picked

    gallery.show(items, key="run_images", on_pick=picked)
    index = st.session_state.pop("_open", None)
    if isinstance(index, int):
        open_image(card, index)


def open_image(card: Card, index: int) -> None:
    """Go to the landing page with this run and image on screen."""
    found: dict[str, str] = {"data": card.dataset, "image": str(index), "run": card.id}
    for name in ("image", "_link_read"):
        st.session_state.pop(name, None)
    for name, value in (("lam", card.lam), ("ratio", card.ratio), ("beta", card.beta)):
        st.session_state.pop(name, None)
        if value:
            found[name] = f"{value:.3g}"
    st.switch_page("pages/explore.py", query_params=found)


def _clicked(event: Any) -> list[Any]:
    """Custom data of the clicked dots; traces without any (the lines) do not count."""
    selection = getattr(event, "selection", None) or {}
    return [point["customdata"] for point in selection.get("points", []) if point.get("customdata")]
