"""The parts of the Metrics page: what a visitor chooses, the chart with its table, and paired tests."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages._ui import charts, link, metric_figures, resources, tables, widgets
from pages._ui.words import cited
from xkd_core import catalogue
from xkd_core.results.metric_store import ANSWERS
from xkd_core.results.metrics import Metrics
from xkd_core.serving import chart_picture, outside_loss, sentences
from xkd_core.serving import metric_pairs as pairs
from xkd_core.serving import metrics_view as view
from xkd_core.serving.exports import csv
from xkd_core.serving.metrics_view import Ask, Box, Chart
from xkd_core.serving.sentences import p_words
from xkd_core.serving.views import none_of
from xkd_core.serving.zoo import Choice, Zoo, naive_of, rounded

AXES = {"ratio": "Compression", "lam": "λ", "method": "Method"}
FAMILIES = {
    "similarity": "like the teacher's", "localisation": "on the object", "faithfulness": "faithful",
    "complexity": "simple", "randomisation": "depends on the weights", "prediction": "answers",
}  # fmt: skip
IMAGES = {"all": "All that were measured", "right": "Answered rightly"}
RIGHTLY = (
    "The chart is of images that every student on it answers rightly, a test of those that both of its groups do. "
    "'own mean' in the table is of those that each answers rightly by itself, as paper 000 filters: which images are "
    "left then depends on the student."
)
MANY = 6  # places with values, beyond which only the kinds of students are named
FLIPS = 999  # draws of the permutation test of the chosen pair


def command(dataset: str, explainer: str, metric: str) -> str:
    """What makes the rows that are missing."""
    names = "" if explainer == ANSWERS else f" --explainers {explainer}"
    return f"`python -m xkd_core evaluate --data {dataset}:test{names} --metrics {metric}`"


def choose(zoo: Zoo, choice: Choice) -> Ask | None:
    """Metric, map, axis, kinds of students and images; None where nothing at all is stored."""
    stored = resources.measured(zoo.dataset)
    if not stored:
        return None
    titles = {name: f"{view.title_of(name)} {view.arrow(name)} ({FAMILIES[view.info_of(name).family]})"
              for name in stored}  # fmt: skip
    words = "Only metrics with stored results. ↑ higher is better, ↓ lower is better."
    metric = widgets.select("metric", "Metric", list(stored), next(iter(stored)), titles=titles, help=words)
    explainer = _choose_map(stored[metric])
    axis = widgets.select("by", "Along", list(AXES), _longest(zoo, choice.family), titles=AXES,
                          help="What stands along the axis; the rest is as chosen above.")  # fmt: skip
    families = _choose_families(zoo, choice, everything=axis == "method")
    images = widgets.select("of", "Which images", list(IMAGES), "all", titles=IMAGES, help=RIGHTLY)
    _missing(zoo.dataset, view.unmeasured(stored))
    return Ask(metric=metric, explainer=explainer, axis=axis, choice=choice, families=families,  # type: ignore[arg-type]
               rightly=images == "right")  # fmt: skip


def _longest(zoo: Zoo, family: str) -> str:
    """Where to begin: along the compression, unless all students have one size and differ in λ."""
    cards = zoo.known("matched", family) or zoo.known("naive", family)
    sizes, lams = ({rounded(getattr(card, name)) for card in cards} for name in ("ratio", "lam"))
    return "lam" if len(sizes) == 1 < len(lams) else "ratio"


def _missing(dataset: str, names: Sequence[str]) -> None:
    """What the list does not offer, so that nobody takes it for something that does not exist."""
    if not names:
        return
    with st.expander(f"Not measured yet: {len(names)} metrics"):
        st.caption(f"{', '.join(view.title_of(name) for name in names)}. `python -m xkd_core evaluate --data "
                   f"{dataset}:test --metrics {','.join(names)}` measures them.")  # fmt: skip


def _choose_map(names: Sequence[str]) -> str:
    if tuple(names) == (ANSWERS,):
        return ANSWERS  # no map enters
    titles = {name: catalogue.get("explainer", name).title for name in names}
    return widgets.select("map", "Map", list(names), names[0], titles=titles,
                          help="Only explainers with stored results for this metric.")  # fmt: skip


def _choose_families(zoo: Zoo, choice: Choice, *, everything: bool) -> tuple[str, ...]:
    """Kinds of students beside each other, in the link as ?who=naive&who=swa."""
    known = list(view.families_of(zoo))
    start = [name for name in (naive_of(choice.family), choice.family) if name in known]
    start = [name for name in known if everything or name in start]
    name = "who_all" if everything else "who"
    link.start(name, lambda texts: [one for one in known if one in texts] or None, start, several=True,
               problem=lambda text: widgets.unknown("the students", text, known))  # fmt: skip
    first = link.first_of_several(name, known, start)
    chosen = st.multiselect("Students", known, first, key=name, format_func=view.family_words,
                            help="Kinds of students that stand beside each other.")  # fmt: skip
    link.write(name, chosen or start, start)
    return tuple(one for one in known if one in (chosen or start))


def lacking(dataset: str, found: Chart, name: str) -> str:
    """Why no group has a value: its runs cannot have one, or nobody asked for it yet."""
    one = found.ask.explainer
    never = "" if one == ANSWERS else none_of(one, [card for box in found.boxes for card in box.cards])
    return never or (f"Nothing is stored for {name} of the runs chosen here: "
            f"{command(dataset, one, found.ask.metric)} makes it.")  # fmt: skip


def elsewhere(metrics: Metrics, zoo: Zoo, ask: Ask) -> str:
    """Which students have the values that those on the page lack."""
    places = view.places_of(metrics, zoo, ask)
    if sum(len(own) for own in places.values()) > MANY:
        found = [view.family_words(family) for family in places]
    else:
        found = [f"{view.family_words(family)} ({' and '.join(own)})" for family, own in places.items()]
    return f" Stored for: {'; '.join(found)}; choose them in the sidebar." if found else ""


def about(ask: Ask) -> None:
    """Direction, range, chance and source of the metric, from the catalogue."""
    info = view.info_of(ask.metric)
    quirk = dict(info.compat).get(ask.metric.partition("@")[2])
    words = "higher is better ↑" if info.higher_is_better else "lower is better ↓"
    st.caption(
        f"{cited(info.summary)} {words.capitalize()}, from {info.low:g} to {info.high:g}. Chance: {info.chance}. "
        f"{'Never undefined' if info.undefined == 'never' else f'Undefined when {info.undefined}'}. "
        f"Source: {cited(info.source).removesuffix('.')}." + (f"  \nHere with a quirk: {quirk}." if quirk else "")
    )


def outside(found: Chart, dataset: str) -> None:
    """Under a headline about a map that was in the loss: what the maps say that were not."""
    pair = None if found.whole else pairs.headline_pair(found)
    if pair is None or not pair[0].in_loss:
        return
    box, other = pair
    answers = resources.outside(dataset, box.run_ids, other.run_ids, found.ask.metric, rightly=found.ask.rightly)
    st.markdown(outside_loss.words(found.ask.explainer, view.family_words(box.family), answers))


def draw(found: Chart, metrics: Metrics) -> None:
    """The chart; a click on a mean shows the images behind it."""
    event = st.plotly_chart(
        metric_figures.boxes(found), key="boxes", on_select="rerun", selection_mode="points", config=charts.CONFIG,
        alt=f"{view.title_of(found.ask.metric)}. {_spoken(found)}",
    )  # fmt: skip
    st.caption(_legend(found))
    if found.whole:
        return
    label = next((str(data[0]) for data in charts.clicked(event)), None)
    box = next((one for one in found.boxes if one.label == label), None)
    if box is not None:
        _images(found, box, metrics)


def _legend(found: Chart) -> str:
    """What the marks of the chart are."""
    if found.whole:
        rest = " All images count, right or wrong." if found.ask.rightly else ""
        return (f"One number for all {found.n:,} images of the split, so none has a value of its own.{rest} Diamonds: "
                "a training each, with its 95 % interval over images. Grey: both teachers.")  # fmt: skip
    shares = all(box.five is None for box in found.boxes)
    boxes = "" if shares else "Boxes: quartiles over images and seeds, whiskers to 1.5 times their distance. "
    instead = sorted({catalogue.get("explainer", name).title for name in found.instead.values()})
    name = catalogue.get("explainer", found.ask.explainer).title if instead else ""
    stand_in = f" Hollow: networks without {name}; {', '.join(instead)} stands in." if instead else ""
    lost = sentences.unfinished_among([card for box in found.boxes if box.line.shared.n for card in box.cards])
    unfinished = f" {lost}" if lost else ""
    return (
        f"{found.n:,} images, {'all answered rightly and ' if found.ask.rightly else ''}the same for every mark of "
        f"students. {boxes}Diamonds: mean with its 95 % interval over "
        f"images and, with several seeds, over seeds.{stand_in}{unfinished} Grey: controls (dotted) and noise floors "
        "(dashed), on those of these images that they were measured on (see the table). Click a diamond for its images."
    )


def _spoken(found: Chart) -> str:
    boxes = "; ".join(f"{box.label}: {box.line.shared}" for box in found.boxes)
    return "; ".join([boxes, *(f"{band.words}: {band.estimate}" for band in found.bands)])


def _images(found: Chart, box: Box, metrics: Metrics) -> None:
    """The images on which a group does worst; a click opens one."""
    worst = view.ranked(metrics, box, found.ask).head(charts.N_IMAGES)
    st.markdown(f"**{box.label}**: the worst images first")
    charts.pick_image({int(index): f"{value:.3f}" for index, value in worst.items()}, box.cards[0], key="box_images")  # type: ignore[call-overload]


def table(found: Chart) -> None:
    """All numbers of the chart, sortable, with what is undefined and why."""
    rows = view.table(found)
    tables.show(rows, alt=f"Numbers of {len(found.boxes)} groups of runs and their controls")
    lost = sum(sum(box.line.undefined.values()) for box in found.boxes)
    if found.groups:
        st.caption(_columns(found, lost))
    name = f"{found.ask.metric}-{found.ask.explainer}-by-{found.ask.axis}{'-right' if found.ask.rightly else ''}"
    with st.container(horizontal=True):
        _button("Numbers (CSV)", lambda: csv(rows), f"{name}.csv", "text/csv")
        if found.groups:
            parts = metric_figures.picture(found)
            _button("Figure (PNG)", lambda: chart_picture.to_png(parts), f"{name}.png", "image/png")
            _button("Figure (SVG)", lambda: chart_picture.to_svg(parts), f"{name}.svg", "image/svg+xml")


def _columns(found: Chart, lost: int) -> str:
    """What the columns of the table are."""
    if found.whole:
        return (f"low and high: 95 % interval, images drawn with replacement. Undefined: classes without a value, "
                f"{lost:,} in all.")  # fmt: skip
    judged = "" if found.ask.explainer == ANSWERS else (
        " Judged by a map `in the loss`: the students were trained on it, so only the other maps tell whether it "
        "helped."
    )  # fmt: skip
    have, has = ("answer rightly", "answers rightly") if found.ask.rightly else ("have", "has")
    left = f"Undefined and left out: {lost:,} values, each group's with its reason." if lost else "None is undefined."
    return (
        f"mean and median: on the {found.n:,} images that all groups {have}; own mean: on all that a group {has} by "
        f"itself. {left}{judged}"
    )


def _button(label: str, make: object, name: str, kind: str) -> None:
    st.download_button(label, make, name, kind, on_click="ignore", type="tertiary")  # type: ignore[arg-type]


def compare(found: Chart, dataset: str, metrics: Metrics) -> None:
    """Paired tests on the same images: every kind against naive, and any two that the visitor chooses."""
    labels = list(found.groups)
    if found.whole:
        st.info(f"{view.title_of(found.ask.metric)} is one number for all images, so there are no pairs of images to "
                "test. Intervals that do not overlap tell two trainings apart; others say nothing.")  # fmt: skip
        return
    if len(labels) < 2:
        st.info("A paired test needs two groups of runs with values; choose more students in the sidebar.")
        return
    questions = pairs.pairs(found)
    said = pairs.headline_pair(found)
    begin = [one.label for one in said] if said else [labels[-1], labels[0]]
    left, right = st.columns(2)
    first = widgets.select("first", "First", labels, begin[0], place=left)
    second = widgets.select("second", "Second", labels, begin[1], place=right)
    if first == second:
        st.info("Choose two different groups to compare them.")
        return
    chosen = pairs.question(found, first, second)
    every = questions if chosen in questions else (*questions, chosen)
    answers = resources.answers(dataset, found.ask, every)
    (alone,) = resources.answers(dataset, found.ask, (chosen,), FLIPS)
    st.markdown(f"{pairs.verdict(answers[every.index(chosen)])} Permutation test of this pair alone, {FLIPS} draws: "
                f"{p_words(alone.test.permutation_p)}.")  # fmt: skip
    _one_by_one(found, resources.differences_by_image(dataset, found.ask, chosen), first, second)
    with st.expander(f"All {len(every)} comparisons that are corrected together"):
        drawn = st.toggle(f"Permutation tests too, {FLIPS} draws each", key="all_flips")
        rows = pairs.test_table(resources.answers(dataset, found.ask, every, FLIPS) if drawn else answers)
        tables.show(rows, alt=f"Paired tests of {len(every)} comparisons")
        st.caption(
            "Wilcoxon's signed ranks of each image's mean over seeds, or, where all differences have one size as of "
            "metrics of 0 and 1, the exact sign test (McNemar); Holm's correction is over the rows of this table. "
            "seeds: differences are taken within the seeds that both have, if there are two. d_z: mean over standard "
            "deviation; rank biserial: from -1 to 1; another seed: the largest mean difference between two seeds of a "
            "group, empty where each has one seed: no noise floor is known there."
        )
        _button("Tests (CSV)", lambda: csv(rows), f"{found.ask.metric}-tests.csv", "text/csv")


def _one_by_one(found: Chart, values: pd.Series, first: str, second: str) -> None:
    if values.dropna().empty:
        return
    box = next(one for one in found.boxes if one.label == first)
    metric, known = found.ask.metric, values.dropna()
    left, right = st.columns([2, 1])
    with left:
        event = st.plotly_chart(
            metric_figures.differences(values, first=first, second=second, metric=metric), key="differences",
            on_select="rerun", selection_mode="points", config=charts.CONFIG,
            alt=f"{first} minus {second} on {len(known)} images: {int((known > 0).sum())} above 0, "
            f"{int((known < 0).sum())} below",
        )  # fmt: skip
    right.plotly_chart(metric_figures.histogram(values, metric=metric), key="spread", config=charts.CONFIG,
                       alt=f"Spread of {len(known)} differences, median {known.median():.3f}")  # fmt: skip
    higher, lower = int((known > 0).sum()), int((known < 0).sum())
    st.caption(f"First is higher on {higher:,} images, lower on {lower:,}, equal on {len(known) - higher - lower:,}; "
               f"{len(values) - len(known):,} undefined. Click a dot to open the image.")  # fmt: skip
    for data in charts.clicked(event):
        charts.open_image(box.cards[0], int(data[0]))
