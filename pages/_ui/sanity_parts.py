"""The parts of the Sanity page: stored checks of every explainer, and live ones for the image on screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import streamlit as st

from pages._ui import charts, live_job, metric_parts, resources, sanity_figures, tables, widgets
from pages._ui.screen import Shown
from xkd_core import rendering
from xkd_core.catalogue import EXPLAINERS
from xkd_core.errors import XKDError
from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card
from xkd_core.results.in_loss import was_in_loss
from xkd_core.results.metrics import Metrics
from xkd_core.serving import live_sanity
from xkd_core.serving import sanity_view as view
from xkd_core.serving.exports import csv
from xkd_core.serving.live import Key
from xkd_core.serving.live_sanity import Cascade, Layers
from xkd_core.serving.names import describe, title
from xkd_core.serving.sanity_view import Safety
from xkd_core.serving.zoo import Row, Zoo
from xkd_core.types import Float, UInt8

if TYPE_CHECKING:
    from xkd_core.evaluation.randomise import Way

LIVE_WAYS = {"cascading": "All layers, from the top", "independent": "One layer at a time"}
PICTURE_PX = 112
STYLE = rendering.Style(mode="overlay", signed=True, opacity=65)
NO_NETWORK = ("control", "learned")


def choose() -> tuple[str, Way]:
    """Explainer and way of the live checks."""
    names = [name for name, entry in EXPLAINERS.items() if entry.family not in NO_NETWORK]
    titles = {name: EXPLAINERS[name].title for name in names}
    explainer = widgets.select("map", "Map", names, "cam", titles=titles, help="Of the live checks.")
    words = "All layers one after the other, from the logits down, or each layer by itself."
    way = widgets.select("way", "Random weights", list(LIVE_WAYS), "cascading", titles=LIVE_WAYS, help=words)
    return explainer, cast("Way", way)


def safety(found: Sequence[Safety], zoo: Zoo) -> None:
    """Which explainers are safe to compare here, with the numbers."""
    if found:
        _checks(found, zoo)
    if not found or not all(one.complete for one in found):
        teachers = ",".join(card.id for card in (zoo.teacher, zoo.second_teacher) if card is not None)
        st.info(
            f"{'Some checks are' if found else f'The checks of {zoo.dataset} are'} not stored yet: `python -m xkd_core "
            f"evaluate --data {zoo.dataset}:test --runs {teachers} --explainers all --metrics similarity,randomisation "
            "--images 100` makes them. The live checks below need no stored rows."
        )


def _checks(found: Sequence[Safety], zoo: Zoo) -> None:
    rows = view.safety_table(found)
    st.markdown(view.rest(found))
    digits = {name: st.column_config.NumberColumn(format="%.2f") for name in rows.select_dtypes("floating").columns}
    wide = {"why": st.column_config.TextColumn(width="large"), "explainer": st.column_config.TextColumn(width="medium")}
    shown = rows.assign(**{name: rows[name].round(2) + 0.0 for name in digits})  # no zero with a sign
    tables.show(shown, column_config={**digits, **wide}, alt=f"Checks of {len(found)} explainers")
    st.caption(
        "Judged on the teacher. Safe: random weights leave less of the map than the limit (half way between a map of "
        "another image and the map itself), and a second, equally good teacher's maps are nearer to the teacher's than "
        "maps of other images are. `with care`: the same explainer with other samples is no nearer than the second "
        "teacher. `left` is a rank correlation with its 95 % interval over images; the last three columns of numbers "
        "are cosines. Empty: not measured."
    )
    st.download_button("Checks (CSV)", lambda: csv(rows), f"{zoo.dataset}-checks.csv", "text/csv", on_click="ignore",
                       type="tertiary")  # fmt: skip


def stored(metrics: Metrics, rows: Mapping[Row, Card], found: Sequence[Safety]) -> None:
    """Weight randomisation from stored rows; a click on a mark shows the images on which most of the map is left."""
    marks = resources.marks(metrics.dataset, tuple(card.id for card in rows.values()))
    if not marks:
        st.info("Weight randomisation of the chosen runs is not stored: "
                f"{metric_parts.command(metrics.dataset, 'all', 'randomisation')} makes it.")  # fmt: skip
        return
    by_id = {card.id: row for row, card in rows.items()}
    picked = []
    for column, (way, words) in zip(st.columns(len(view.WAYS), gap="large"), view.WAYS.items(), strict=True):
        own = [mark for mark in marks if mark.way == way]
        with column:
            st.markdown(f"**{words.capitalize()}**")
            picked += _left(own, by_id, way)
    n = max(mark.left.n for mark in marks)
    st.caption(
        f"Mean Spearman similarity of the map to that of the trained network, over all steps and up to {n:,} images, "
        f"with the 95 % interval. {_good_and_bad(found)} Click a mark for its images."
    )
    for run_id, explainer, way, *_ in picked[:1]:
        _images(metrics, next(card for card in rows.values() if card.id == run_id), explainer, way)


def _left(marks: Sequence[view.Mark], by_id: Mapping[str, Row], way: str) -> list[Any]:
    """The chart of one way of randomising; what was clicked in it."""
    if not marks:
        st.info("Not stored.")
        return []
    spoken = "; ".join(f"{title(mark.card)}, {EXPLAINERS[mark.explainer].title}: {mark.left}" for mark in marks)
    event = st.plotly_chart(
        sanity_figures.left(marks, by_id), key=f"left_{way}", on_select="rerun", config=charts.CONFIG,
        selection_mode="points", alt=f"What random weights leave of the maps, {view.WAYS[way]}. {spoken}",
    )  # fmt: skip
    return charts.clicked(event)


def _good_and_bad(found: Sequence[Safety]) -> str:
    """What a good and a bad result look like, from the numbers."""
    known = sorted((one for one in found if one.left is not None), key=lambda one: one.left.mean)  # type: ignore[union-attr]
    if not known:
        return "Good: near 0, or the level of a map of another image. Bad: near 1."
    best, worst = known[0], known[-1]
    words = f"Good is near 0: of the teacher's {EXPLAINERS[best.explainer].title} {view.two(best.left.mean)} is left. "  # type: ignore[union-attr]
    if worst is best or worst.left is None or worst.limit is None:
        return f"{words}Bad is near 1: a map that no weight enters, such as an edge detector's, keeps 1."
    side = "a bad result" if worst.left.high >= worst.limit else "still a good one"
    most = f"{EXPLAINERS[worst.explainer].title}, {worst.left.mean:.2f}"
    return f"{words}Most is left of {most}: {side} (limit {worst.limit:.2f})."


def _images(metrics: Metrics, card: Card, explainer: str, way: str) -> None:
    values = metrics.values([card.id], explainer, way)[card.id].dropna().sort_values(ascending=False, kind="stable")
    st.markdown(f"**{title(card)}**, {describe(card)}, {EXPLAINERS[explainer].title}: most of the map left first")
    worst = {int(index): f"{value:.2f}" for index, value in values.head(charts.N_IMAGES).items()}
    charts.pick_image(worst, card, key="left_images")


def noise(metrics: Metrics, zoo: Zoo, rows: Mapping[Row, Card]) -> None:
    """The noise floor of every explainer with stored similarities, the chosen students beside it."""
    students = tuple((str(row), card.id) for row, card in rows.items() if row != "teacher")
    found = [one for one in resources.floors(zoo.dataset, students) if one.second is not None or one.rows]
    if not found:
        st.info("No similarity of maps is stored: "
                f"{metric_parts.command(zoo.dataset, 'cam', 'similarity')} makes it.")  # fmt: skip
        return
    spoken = "; ".join(f"{EXPLAINERS[one.explainer].title}: {_spoken(one)}" for one in found)
    st.plotly_chart(sanity_figures.floors(found), key="floors", config=charts.CONFIG, alt=f"Noise floor. {spoken}")
    if zoo.second_teacher is None:
        st.info(f"There is no second teacher for {zoo.dataset}, so the noise floor is not known: "
                f"`python -m xkd_core distill --dataset {zoo.dataset} --method ce --seed 1` trains one.")  # fmt: skip
    st.caption(f"{_noise_words(found)}{_in_the_loss(rows, found)}")


def _spoken(one: view.Floor) -> str:
    named = {"other images": one.other, "second teacher": one.second, "other samples": one.samples, **one.rows}
    return ", ".join(f"{words} {value}" for words, value in named.items() if value is not None)


def _in_the_loss(rows: Mapping[Row, Card], found: Sequence[view.Floor]) -> str:
    """Which of the maps the matched student was trained on."""
    card = rows.get("matched")
    names = [EXPLAINERS[one.explainer].title for one in found if card and was_in_loss(card, one.explainer)]
    return f" In the loss of the matched student: {', '.join(names)}." if names else ""


def _values(one: view.Floor) -> list[Estimate]:
    return [value for value in (one.other, one.second, one.samples, *one.rows.values()) if value is not None]


def _noise_words(found: Sequence[view.Floor]) -> str:
    known = [one for one in found if one.room is not None]
    lost = [EXPLAINERS[one.explainer].title for one in known if not one.room]
    words = (
        f"Means over up to {max(one.n for floor in found for one in _values(floor)):,} images with their 95 % "
        "intervals. Right of the second teacher (open squares) a student cannot be told from another training of the "
        "same network; at the crosses its map is as near as that of another image."
    )
    if lost:
        return f"{words} No room between the two, so nothing to compare, for {', '.join(lost)}."
    whom = f"all {len(known)} explainers" if len(known) > 1 else "this explainer"
    return f"{words} For {whom} there is room between the two." if known else words


def cascade(shown: Shown, explainer: str, way: Way) -> None:
    """Weight randomisation of the image on screen: the curve and the maps."""
    cards, view_, shelf = list(shown.cards.values()), shown.view, resources.desk().shelf
    try:
        cost = live_sanity.forwards(cards, explainer, shelf)
    except XKDError as error:
        st.error(str(error))
        return
    found = live_job.result(
        live_sanity.cascade_key(view_, cards, explainer, way), cost,
        lambda tick: live_sanity.cascades(view_, cards, explainer, way=way, shelf=shelf, tick=tick),
        name="cascade", doing="Randomise",
    )  # fmt: skip
    if found is not None:
        _show_cascade(shown, found, explainer, way)


def _show_cascade(shown: Shown, found: Sequence[Cascade], explainer: str, way: Way) -> None:
    rows = {card.id: row for row, card in shown.cards.items()}
    words = {card.id: title(card) for card in shown.cards.values()}
    spoken = "; ".join(f"{words[one.run_id]}: mean {one.kept:.2f}, another image {one.unrelated:.2f}" for one in found)
    st.plotly_chart(sanity_figures.cascade(found, rows, words), key="cascade", config=charts.CONFIG,
                    alt=f"{EXPLAINERS[explainer].title}, {LIVE_WAYS[way]}. {spoken}")  # fmt: skip
    st.markdown("  \n".join(_judged(words[one.run_id], one) for one in found))
    st.caption(
        "Dotted: the same network's map of another image. Maps are raw and signed. The stored metric is the mean over "
        "the steps."
    )
    for one in found:
        key = (*live_sanity.cascade_key(shown.view, list(shown.cards.values()), explainer, way), one.run_id)
        _pictures(shown, key, words[one.run_id], ["trained", *one.steps], one.maps)
    st.caption(
        "Every map at its own scale: only their shapes are compared. Orange speaks for the class, purple against."
    )
    rows_ = live_sanity.table(found)
    st.download_button("Steps (CSV)", lambda: csv(rows_), f"randomisation-{way}-{explainer}.csv", "text/csv",
                       on_click="ignore", type="tertiary")  # fmt: skip


def _judged(word: str, one: Cascade) -> str:
    """Good or bad, with the numbers."""
    if one.kept != one.kept:
        lost = sum(value != value for value in one.similarity)
        return f"**{word}**: undefined at {lost} of {len(one.steps)} steps, where its map is constant."
    limit = view.middle(one.unrelated if one.unrelated == one.unrelated else view.UNRELATED)
    good = one.kept < limit
    return (
        f"**{word}**: {one.kept:.2f} of the map's order is left on average, "
        + ("less" if good else "no less")
        + f" than {limit:.2f}, half way between a map of another image ({one.unrelated:.2f}) and the map itself: "
        + ("good, the map follows the weights." if good else "bad, much of the map does not come from the weights.")
    )


def _pictures(shown: Shown, key: Key, word: str, names: Sequence[str], maps: Sequence[Float]) -> None:
    """One heatmap for each name. key: says all that decides the maps."""

    def draw() -> list[UInt8]:
        photo = rendering.enlarge(shown.view.subject.input, PICTURE_PX)
        return [rendering.panel(photo, grid, rendering.divisor([grid], signed=True), STYLE) for grid in maps]

    st.markdown(f"**{word}**")
    with st.container(horizontal=True):
        for name, image in zip(names, resources.pictures((*key, "pictures"), draw), strict=True):
            st.image(image, caption=name, width=PICTURE_PX, output_format="PNG", alt=f"{word}: map, {name}")


def layers(shown: Shown) -> None:
    """Does the comparison depend on the layer that the map is taken from?"""
    cards, view_, shelf = list(shown.cards.values()), shown.view, resources.desk().shelf
    found = live_job.result(
        live_sanity.layers_key(view_, cards), 2 * len(cards),
        lambda tick: live_sanity.by_layer(view_, cards, shelf=shelf, tick=tick), name="layers", doing="Look",
    )  # fmt: skip
    if found is None:
        return
    rows = {card.id: row for row, card in shown.cards.items()}
    words = {card.id: title(card) for card in shown.cards.values()}
    students = [one for one in found if rows[one.run_id] != "teacher"]
    if not students or not found[0].names:
        st.info("There is nothing to compare: no student, or no network with a ReLU, is on screen.")
        return
    for one in students:
        if not len(one.cosines):
            st.info(f"The {words[one.run_id].lower()} has {len(one.names)} activation layers and the teacher "
                    f"{len(found[0].names)}: no layer of one stands for a layer of the other, so only its maps are "
                    "shown.")  # fmt: skip
    alike = [one for one in students if len(one.cosines)]
    if alike:
        _lines(alike, rows, words)
    for one in found:
        key = (*live_sanity.layers_key(view_, cards), one.run_id)
        _pictures(shown, key, words[one.run_id], list(one.names), one.maps)


def _lines(students: Sequence[Layers], rows: Mapping[str, str], words: Mapping[str, str]) -> None:
    """How near each student's map is to the teacher's, layer by layer, in lines and in words."""
    spoken = "; ".join(f"{words[one.run_id]}: {_span(one)}" for one in students)
    st.plotly_chart(sanity_figures.layers(students, rows, words), key="layers", config=charts.CONFIG,
                    alt=f"Cosine to the teacher's Grad-CAM by layer. {spoken}")  # fmt: skip
    st.markdown(f"{spoken}. {_ordered(students, rows)}")
    if any(value != value for one in students for value in one.cosines):
        st.caption("A gap in a line: one of the two maps has no positive evidence there, so the cosine is undefined.")


def _span(one: Layers) -> str:
    known = [(value, name) for value, name in zip(one.cosines, one.names, strict=True) if value == value]
    if not known:
        return "undefined at every layer"
    low, high = min(known), max(known)
    return f"from {low[0]:.2f} at `{low[1]}` to {high[0]:.2f} at `{high[1]}`"


def _ordered(students: Sequence[Layers], rows: Mapping[str, str]) -> str:
    """At how many layers the matched student is the nearer one."""
    by_row = {rows[one.run_id]: one.cosines for one in students}
    if not {"naive", "matched"} <= set(by_row):
        return ""
    both = [(a, b) for a, b in zip(by_row["naive"], by_row["matched"], strict=True) if a == a and b == b]
    nearer = sum(b > a for a, b in both)
    return f"The matched student is nearer to the teacher at {nearer} of {len(both)} layers where both are defined."
