"""Compression: how far the maps drift as students shrink and as λ changes, with the quality beside it."""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from pages._ui import charts, frame, guard, planned, resources, screen, shell, takeaway, widgets, work
from xkd_core import catalogue
from xkd_core.errors import XKDError
from xkd_core.serving import curves, pareto
from xkd_core.serving.curves import Axis, Curve
from xkd_core.serving.names import how_much, times
from xkd_core.serving.results import Results
from xkd_core.serving.zoo import Choice, Zoo

guard.page("pages/compression.py")

AXES: tuple[Axis, ...] = ("ratio", "lam")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the sidebar says. zoo: of stored results; live: of those whose weights are here."""

    dataset: str
    zoo: Zoo
    live: Zoo
    choice: Choice
    results: Results
    explainer: str

    @property
    def size(self) -> str:
        """How small the students are, in the words of what is counted."""
        pick = self.zoo.pick("matched", self.choice) or self.zoo.pick("naive", self.choice)
        return f"{times(self.choice.ratio)}x smaller" if pick is None else how_much(pick.card)


def main(asked: Asked) -> None:
    if frame.has_runs(asked.zoo):
        _page(asked)


def _ask() -> Asked:
    dataset, zoo, choice = shell.choose_networks()
    results = resources.results(dataset)
    names = curves.explainers_with_rows(results) or ("cam",)
    titles = {name: catalogue.get("explainer", name).title for name in names}
    explainer = widgets.select(
        "map", "Map", names, names[0], titles=titles, help="Only explainers with stored results."
    )
    widgets.choose_plain()
    return Asked(dataset=dataset, zoo=zoo.stored, live=zoo, choice=choice, results=results, explainer=explainer)


def _page(asked: Asked) -> None:
    lines = {axis: [_curve(asked, row, axis) for row in ("naive", "matched")] for axis in AXES}
    controls = {axis: curves.controls(asked.results, asked.zoo, asked.choice, axis=axis, explainer=asked.explainer)
                for axis in AXES}  # fmt: skip
    charts.say(lines["ratio"], asked.results, asked.zoo, asked.explainer)
    if asked.results.problem:
        st.error(asked.results.problem)
    every = pareto.candidates(asked.results, asked.zoo, explainer=asked.explainer)
    shown = _film(asked)
    if shown is not None:
        takeaway.keep_link(shown)
        takeaway.bar(shown, more={
            f"Drift by {words}": curves.table([*lines[axis], *controls[axis]], axis)
            for axis, words in (("ratio", "compression"), ("lam", "λ"))
        } | {"All runs": pareto.table(every)})  # fmt: skip
    _curves(asked, lines, controls)
    _quadrant(asked)
    charts.every_run(every, asked.results, asked.zoo, asked.explainer)
    planned.draw(asked.dataset)


def _curve(asked: Asked, row: str, axis: Axis) -> Curve:
    return curves.curve(asked.results, asked.zoo, asked.choice, row=row, axis=axis, explainer=asked.explainer)  # type: ignore[arg-type]


def _film(asked: Asked) -> screen.Shown | None:
    """The maps by compression; None without the images: curves are of stored numbers."""
    if not frame.has_images(asked.dataset):
        return None
    if not frame.can_show(asked.live, asked.choice):
        return None
    choice, one = asked.live.shown(asked.choice), asked.explainer
    order = frame.choose_image(asked.live, asked.dataset, choice, upload=None)
    try:
        shown = screen.fetch(screen.Ask(zoo=asked.live, key=order.key, choice=choice, explainers=(one,), film=one),
                             name="film")  # fmt: skip
    except XKDError as error:
        st.error(str(error))
        return None
    frame.damaged(shown)
    screen.draw(shown, name="film")
    work.compute_missing(shown, name="film")
    return shown


def _curves(asked: Asked, lines: dict[Axis, list[Curve]], controls: dict[Axis, tuple[Curve, ...]]) -> None:
    st.markdown("### Drift, localisation and quality")
    if not any(line.points for pair in lines.values() for line in pair):
        st.info(curves.why_none(asked.zoo, asked.choice, asked.explainer))
        return
    charts.legend([line for axis in AXES for line in lines[axis]], [line for axis in AXES for line in controls[axis]])
    picked: list[str] = []
    drawn = {axis: [point.run_id for line in lines[axis] for point in line.points] for axis in AXES}
    title = {axis: curves.title_of(asked.results, asked.explainer, drawn[axis]) for axis in AXES}
    words = {"ratio": f"{title['ratio']} against compression, at λ {asked.choice.lam:g}",
             "lam": f"{title['lam']} against λ, at {asked.size}"}  # fmt: skip
    for column, axis in zip(st.columns(2, gap="large"), AXES, strict=True):
        with column:
            bands = curves.bands(asked.results, asked.zoo, lines[axis], explainer=asked.explainer)
            picked += charts.drift(lines[axis], controls[axis], bands, axis=axis, words=words[axis])
    st.caption(
        "Each mark is a run, with its 95 % interval over images; grey bands are means with their intervals (maps of "
        "other images: from the lowest to the highest run's). Runs that were trained differently on purpose stand a "
        "little to the right. Click a mark for its images."
    )
    if picked:
        charts.images_of_run(asked.results, asked.zoo, picked[0], asked.explainer)


def _quadrant(asked: Asked) -> None:
    st.markdown("### Same answer, same reason?")
    bar = screen.bars(asked.zoo, (asked.explainer,)).get(asked.explainer)
    for column, row in zip(st.columns(2, gap="large"), ("naive", "matched"), strict=True):
        pick = asked.zoo.pick(row, asked.choice)
        with column:
            if pick is not None:
                charts.quadrant(asked.results, pick.card, row=row, explainer=asked.explainer,
                                bar=None if bar is None else bar.value)  # fmt: skip
    line = ("Below the dotted line, half way between the mean cosine of a second teacher's maps and that of maps of "
            "other images, a map has moved. ")  # fmt: skip
    st.caption(f"Each dot is a test image. {line if bar else ''}Click a dot to open the image.")


shell.run(_ask, main)
