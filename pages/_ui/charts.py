"""Charts whose dots lead to images: draw, read what was clicked, go there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import streamlit as st

from pages._ui import figures, gallery, resources
from xkd_core import catalogue
from xkd_core.models.cards import Card
from xkd_core.results.compare import Difference
from xkd_core.results.in_loss import was_in_loss
from xkd_core.results.paired import seeds_in_words
from xkd_core.serving import curves, outside_loss, sentences, subjects
from xkd_core.serving.curves import Axis, Bands, Curve
from xkd_core.serving.names import called, describe
from xkd_core.serving.names import title as title_of
from xkd_core.serving.pareto import Candidate
from xkd_core.serving.results import Results
from xkd_core.serving.zoo import Zoo

N_IMAGES = 12
CONFIG = {"displayModeBar": False}


def legend(lines: Sequence[Curve], controls: Sequence[Curve]) -> None:
    """What the marks of the charts mean, once for both."""
    entries = [f'<span><span style="color: {colour}">{sign}</span> {escape(words)}</span>'
               for sign, colour, words in dict.fromkeys(figures.legend(lines, controls))]  # fmt: skip
    st.html(f'<p style="display: flex; flex-wrap: wrap; gap: 0.25rem 1.25rem; margin: 0">{"".join(entries)}</p>')


def drift(lines: Sequence[Curve], controls: Sequence[Curve], bands: Bands, *, axis: Axis, words: str) -> list[str]:
    """Draw drift, localisation and quality; returns the run ids of the dots that were clicked."""
    st.markdown(f"**{words}**")
    figure = figures.drift(lines, controls, bands, axis=axis)
    values = "; ".join(f"{line.name} {_values(line)}" for line in lines)
    event = st.plotly_chart(
        figure, key=f"drift_{axis}", on_select="rerun", selection_mode="points", config=CONFIG,
        alt=f"Drift {words.lower()}. {values}",
    )  # fmt: skip
    return [str(data[0]) for data in clicked(event)]


def _values(line: Curve) -> str:
    return ", ".join(f"{mean[0]:.3g}: {mean[1]:.2f}" for mean in line.means())


def say(lines: Sequence[Curve], results: Results, zoo: Zoo, explainer: str) -> None:
    """The one sentence: the mean drift of both students where both are smallest, and of how many images."""
    naive, matched = ({mean[0]: mean[1] for mean in line.means()} for line in lines)
    if not (naive and matched):
        st.markdown("## How far do the maps drift?")
        return
    pairs = curves.pairs_of(lines[1], lines[0])
    ratio = max(pairs, default=max(matched))
    here = [run_id for line in lines for run_id in line.runs_at(ratio)]
    name = curves.title_of(results, explainer, here)
    own, *others = (zoo.by_id[run_id] for line in (lines[1], lines[0]) for run_id in line.runs_at(ratio)[:1])
    if not others:
        st.markdown(f"## {sentences.drift_alone(name, own, matched[ratio])}")
        st.caption(_of_what(lines, results, zoo, ratio, "and all seeds", ""))
        return
    found = dict(zip(pairs, resources.gaps(zoo.dataset, tuple(pairs.values()), explainer), strict=True))[ratio]
    gap = found if found.estimate.n else None
    means = tuple(line.mean_at(ratio, gap.seeds if gap else ()) for line in (lines[1], lines[0]))
    st.markdown(f"## {sentences.drift_apart(name, (own, others[0]), means, gap)}")
    said = "" if gap is None else _tested(f"{title_of(own)} minus {called(others[0])}", gap, len(pairs))
    seeds = f"and seeds ({seeds_in_words(gap.seeds)})" if gap and gap.seeds else "and all seeds"
    st.caption(_of_what(lines, results, zoo, ratio, seeds, said))
    if was_in_loss(own, explainer):
        _say_outside(lines, zoo, ratio, called(own), explainer)


def _tested(pair: str, gap: Difference, n_places: int) -> str:
    """'Matched student minus naive student, with 95 % interval: -0.1 (-0.2 to 0.0), p < 0.001 after Holm over ...'."""
    places = f" after Holm's correction over {n_places} sizes" if n_places > 1 else ""
    return (f" {pair}, with 95 % interval: {sentences.drift_signed(gap.estimate)}, {sentences.p_words(gap.holm_p)}"
            f"{places}. {sentences.floor_words(gap)}")  # fmt: skip


def _of_what(lines: Sequence[Curve], results: Results, zoo: Zoo, ratio: float, seeds: str, tested: str) -> str:
    """Which images and runs the headline is about, what its test says, and what is left out."""
    n, without = max((line.counts(ratio) for line in lines), key=lambda counts: counts[::-1])
    n_test = len(results.images)
    images = (
        f"all {n:,} images of the test split" if n >= n_test else f"a sample of {n:,} of the {n_test:,} test images"
    )
    cards = [zoo.by_id[run_id] for line in lines for run_id in line.runs_at(ratio)]
    parts = [f"Mean over {images} {seeds}; drift is 1 - cosine to the teacher's map of the same image and class."
             f"{tested}", sentences.unfinished_among(cards), undefined(n, without)]  # fmt: skip
    return " ".join(part.strip() for part in parts if part)


def _say_outside(lines: Sequence[Curve], zoo: Zoo, ratio: float, student: str, explainer: str) -> None:
    """What the maps say that were in no loss; lines: of naive and of matched students."""
    naive, matched = (line.runs_at(ratio) for line in lines)
    answers = resources.outside(zoo.dataset, matched, naive, "cosine")
    st.markdown(outside_loss.words(explainer, f"the {student}", answers))


def quadrant(results: Results, card: Card, *, row: str, explainer: str, bar: float | None) -> None:
    """One dot per image; a click opens the image on the landing page."""
    dots = curves.dots(results, card.id, explainer=explainer)
    st.markdown(f"**{title_of(card)}**, {describe(card)}")
    if dots.empty:
        st.info("No stored results for this run.")
        return
    defined = dots.dropna(subset=["cosine"])
    moved = 0 if bar is None else int(((defined["cosine"] < bar) & defined["same_answer"]).sum())
    same = int(defined["same_answer"].sum())
    name = catalogue.get("explainer", explainer).title
    event = st.plotly_chart(
        figures.quadrant(defined, row=row, bar=bar, title=name), key=f"quadrant_{row}", on_select="rerun",
        selection_mode="points", config=CONFIG,
        alt=f"{title_of(card)}: {same} of {len(defined)} images with the same answer, {moved} of them with a moved map",
    )  # fmt: skip
    parts = [f"{moved:,} of {same:,} same answers ({100 * moved / same:.1f} %) come with a moved map."] * (
        bar is not None and same > 0
    )
    st.caption(" ".join([*parts, undefined(len(dots), len(dots) - len(defined))]))
    for data in clicked(event):
        open_image(card, int(data[0]))


def every_run(found: Sequence[Candidate], results: Results, zoo: Zoo, explainer: str) -> None:
    """All runs by quality, drift and size; a click on one shows the images where its map is farthest."""
    st.markdown("### All runs: quality, drift and size")
    if not found:
        st.info("No stored results yet.")
        return
    for run_id in _front(found, catalogue.get("explainer", explainer).title)[:1]:
        images_of_run(results, zoo, run_id, explainer, key="front_images")


def _front(found: Sequence[Candidate], name: str) -> list[str]:
    """Draw every run and the front among them; returns the run ids of the dots that were clicked."""
    best = sorted((one for one in found if one.on_front), key=lambda one: -one.ratio)
    event = st.plotly_chart(
        figures.pareto(found, title=name), key="pareto", on_select="rerun", selection_mode="points", config=CONFIG,
        alt=f"Drift and quality of {len(found)} runs. On the front: {'; '.join(one.words for one in best)}.",
    )  # fmt: skip
    st.caption(
        f"{len(found)} runs, of which {len(best)} are on the front (ringed): no other run has at least their quality, "
        "at most their drift and at least their compression, and is better in one. Parameters, non-zero weights and "
        "bits are not compared with each other. The larger a dot, the smaller the student. Controls, second teachers "
        "and runs not trained to the end (hollow) are drawn but do not compete; the teacher itself has drift 0 and "
        "compression 1. Some were trained on this map: it stands beside the dot. Click a dot for its images."
    )
    return [str(data[0]) for data in clicked(event)]


def undefined(n: int, without: int) -> str:
    """How many images have no cosine: left out of every mean, so it is said beside it."""
    if not without:
        return f"Every cosine of the {n:,} images is defined."
    return (
        f"Undefined and left out: {without:,} of {n:,} images of a run (the teacher's or the student's map is empty)."
    )


def images_of_run(results: Results, zoo: Zoo, run_id: str, explainer: str, *, key: str = "run_images") -> None:
    """The images where a run's map is farthest from the teacher's; a click opens one."""
    card, rows = zoo.by_id.get(run_id), results.of_run(run_id, explainer)
    if card is None or rows.empty:
        return
    worst = rows["cosine"].dropna().sort_values(kind="stable").head(N_IMAGES)
    st.markdown(f"**{title_of(card)}**, {describe(card)}: largest drift first")
    pick_image({int(index): f"cosine {cosine:.2f}" for index, cosine in worst.items()}, card, key=key)  # type: ignore[call-overload]


def pick_image(words: Mapping[int, str], card: Card, *, key: str) -> None:
    """Thumbnails with a number each; a click opens the image in Explore with this run."""
    indices = tuple(words)
    if subjects.available(card.dataset) is not None:
        listed = "; ".join(f"image {index}: {words[index]}" for index in indices)
        st.caption(f"{listed}. The images themselves are not on this machine.")
        return
    links = resources.thumbnails(card.dataset, indices)
    items = [{"index": index, "src": source, "alt": f"Image {index}", "words": words[index], "current": False}
             for index, source in zip(indices, links, strict=True)]  # fmt: skip

    def picked() -> None:
        st.session_state[f"_{key}"] = st.session_state[key].picked

    gallery.show(items, key=key, on_pick=picked)
    index = st.session_state.pop(f"_{key}", None)
    if isinstance(index, int):
        open_image(card, index)


def open_image(card: Card, index: int) -> None:
    """Go to the landing page with this run and image on screen."""
    found: dict[str, str] = {"data": card.dataset, "image": str(index), "run": card.id}
    for name, value in (("lam", card.lam), ("ratio", card.ratio), ("beta", card.beta)):
        if value:
            found[name] = f"{value:.3g}"
    st.switch_page("pages/explore.py", query_params=found)


def clicked(event: Any) -> list[Any]:
    """Custom data of the clicked dots; traces without any (the lines) do not count.

    What was sent as an array of numbers comes back as {"0": first, ...}.
    """
    selection = getattr(event, "selection", None) or {}
    found = [point["customdata"] for point in selection.get("points", []) if point.get("customdata")]
    return [list(one.values()) if isinstance(one, Mapping) else one for one in found]
