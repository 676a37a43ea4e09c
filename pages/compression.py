"""Compression: how far the maps drift as students shrink and as λ changes, with the quality beside it."""

from __future__ import annotations

import streamlit as st

from pages._ui import charts, frame, guard, resources, screen, widgets, work
from xkd_core import catalogue
from xkd_core.errors import XKDError
from xkd_core.serving import curves
from xkd_core.serving.results import Results
from xkd_core.serving.zoo import Choice, Zoo

guard.page("pages/compression.py")


def main() -> None:
    with st.sidebar:
        dataset = widgets.choose_data(networks_only=True)
        zoo = resources.zoo(dataset)
        frame.open_link(zoo)
        choice = widgets.choose_runs(zoo)
        results = resources.results(dataset)
        explainer = _choose_explainer(results)
    if not frame.usable(zoo, dataset):
        return
    lines = {axis: [curves.curve(results, zoo, choice, row=row, axis=axis, explainer=explainer)
                    for row in ("naive", "matched")] for axis in ("ratio", "lam")}  # fmt: skip
    _say(lines["ratio"], explainer)
    if results.problem:
        st.error(results.problem)
    _film(zoo, dataset, choice, explainer)
    _curves(zoo, choice, results, explainer, lines)
    _quadrant(zoo, choice, results, explainer)


def _choose_explainer(results: Results) -> str:
    names = curves.explainers_with_rows(results) or ("cam",)
    widgets.keep("map", names, names[0])
    return st.selectbox("Map", names, format_func=str, key="map", bind="query-params",
                        help="Only explainers with stored results.")  # fmt: skip


def _say(lines: list[curves.Curve], explainer: str) -> None:
    """The one sentence: the mean drift of both students at the strongest compression."""
    means = [line.means() for line in lines]
    title = catalogue.get("explainer", explainer).title
    if not all(means):
        st.markdown("## How far do the maps drift?")
        return
    (ratio, naive, _), (_, matched, _) = means[0][-1], means[1][-1]
    words = "less" if matched < naive else "more"
    st.markdown(
        f"## At {ratio:.0f}x smaller, the matched student's maps drift {words}: {matched:.2f} against {naive:.2f}"
    )
    st.caption(f"{title} on the test split; drift is 1 - cosine to the teacher's map of the same image and class.")


def _film(zoo: Zoo, dataset: str, choice: Choice, explainer: str) -> None:
    order = frame.choose_image(zoo, dataset, choice, upload=None)
    ask = screen.Ask(zoo=zoo, key=order.key, choice=choice, explainers=(explainer,), film=explainer)
    try:
        shown = screen.fetch(ask, name="film")
    except XKDError as error:
        st.error(str(error))
        return
    screen.draw(shown, name="film")
    work.compute_missing(shown, name="film")


def _curves(zoo: Zoo, choice: Choice, results: Results, explainer: str, lines: dict[str, list[curves.Curve]]) -> None:
    st.markdown("### Drift and quality")
    if not any(line.points for pair in lines.values() for line in pair):
        st.info("No stored results for these runs yet: "
                f"`python -m xkd_core evaluate --dataset {zoo.dataset}` makes them.")  # fmt: skip
        return
    left, right = st.columns(2, gap="large")
    picked: list[str] = []
    for column, axis, words in (
        (left, "ratio", f"Against compression, at λ {choice.lam:g}"),
        (right, "lam", f"Against λ, at {choice.ratio:.3g}x smaller"),
    ):
        with column:
            bands = curves.bands(results, zoo, lines[axis], explainer=explainer)
            picked += charts.drift(lines[axis], bands, axis=axis, words=words)
    st.caption("Each dot is a run, bars are 95 % intervals over images. Click a dot for its images.")
    if picked:
        charts.images_of_run(results, zoo, picked[0], explainer)


def _quadrant(zoo: Zoo, choice: Choice, results: Results, explainer: str) -> None:
    st.markdown("### Same answer, same reason?")
    bar = screen.bars(zoo, (explainer,)).get(explainer)
    for column, row in zip(st.columns(2, gap="large"), ("naive", "matched"), strict=True):
        pick = zoo.pick(row, choice)
        with column:
            if pick is not None:
                charts.quadrant(
                    results, pick.card, row=row, explainer=explainer, bar=None if bar is None else bar.value
                )
    st.caption(
        "Each dot is a test image. Below the dotted line a map is nearer to that of another image than to a second "
        "teacher's. Click a dot to open the image."
    )


main()
