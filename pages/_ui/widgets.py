"""What a visitor chooses, each choice in the link: data set, runs, explained class, explainers, image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import streamlit as st

from pages._ui import link, resources
from xkd_core import catalogue
from xkd_core.errors import XKDError
from xkd_core.models.cards import Card
from xkd_core.serving import subjects
from xkd_core.serving.curves import SLIDERS, axis_values
from xkd_core.serving.jobs import Job
from xkd_core.serving.metrics_view import family_words
from xkd_core.serving.names import describe, title
from xkd_core.serving.views import DEFAULT_EXPLAINERS
from xkd_core.serving.zoo import CONTROLS, FAMILIES, KINDS, Choice, Zoo, family_name, family_of, parts_of
from xkd_core.types import UInt8

DATA_TITLES = {
    "scenes": "Scenes (drawn, exact masks)",
    "cifar10": "CIFAR-10",
    "tiny-imagenet-50": "Tiny ImageNet, 50 classes",
    "mnist": "MNIST",
    "oxford-iiit-pet": "Oxford-IIIT Pets (trimaps)",
    "voc2012": "Pascal VOC 2012",
    "imagenet-s50": "ImageNet-S50",
    "cub200": "CUB-200 birds",
    "stanford-cars": "Stanford Cars",
    "fgvc-aircraft": "FGVC Aircraft",
    "photos": "Photographs",
    "digits": "Handwritten digits",
    "upload": "Your own image",
}
_STOPPED = "_stopped"
TARGETS = {"teacher": "The teacher's top-1", "own": "Each model's own top-1", "label": "The label"}
KIND_WORDS = (
    "The naive student beside it was made small in the same way. Slimmable students have fewer channels too, and all "
    "their sizes are in one file. Only what there are runs of."
)
SLIDER_WORDS = {
    "lam": ("λ, weight of distillation", "0: labels only. 1: the teacher's answers only. Only values with a run."),
    "ratio": (
        "Ratio, times smaller",
        "Parameters of the teacher over those of the student; with pruned weights "
        "those that are not 0, with 8 bits the bits of its file, 32 for each of the teacher's.",
    ),
    "beta": ("β, weight of matching", "β(1 - cos) is added to the loss of the matched student."),
}


def choose_data(*, networks_only: bool = False) -> str:
    """The data set whose images are looked at; ``networks_only``: only those that networks were trained on."""
    names = subjects.choices(lambda name: bool(resources.zoo(name).cards), networks_only=networks_only)
    before = link.kept("data")
    instead = subjects.OUTSIDE.get(before, before) if networks_only else before
    link.keep("data", instead)  # of photographs, the networks that explain them
    chosen = select("data", "Images", names, "scenes", titles=DATA_TITLES, on_change=lambda: link.forget("image"))
    if chosen == instead:
        link.keep("data", before)  # back on the landing page, the photographs are there again
    return chosen


def select(
    name: str,
    label: str,
    options: Sequence[str],
    default: str,
    *,
    titles: Mapping[str, str] | None = None,
    what: str = "",
    **more: Any,  # as of st.selectbox
) -> str:
    """One of several names, shown by its title, in the link by its name. ``what``: what a wrong link asks for."""
    words = dict(titles or {})
    link.start(name, lambda text: text if text in options else None, default,
               problem=lambda text: unknown(what or label.lower(), text, options))  # fmt: skip
    index = list(options).index(link.first(name, options, default))
    place = more.pop("place", st)
    chosen = str(place.selectbox(label, options, index, lambda one: words.get(one, str(one)), key=name, **more))
    link.write(name, chosen, default)
    return chosen


def unknown(what: str, text: str, known: Sequence[str]) -> str:
    """The sentence for a name in the link that is not offered."""
    return f"The link asks for {what} {text[:80]!r}, which is not offered here; known: {link.near(text, known)}."


def choose_runs(zoo: Zoo) -> Choice:
    """Sliders over λ, ratio and β that offer only what exists; the link follows."""
    family = _choose_family(zoo.families or ("swa",))
    default = zoo.default(family)
    values = {name: _slider(name, axis_values(zoo, name, family), getattr(default, name)) for name in SLIDERS}
    return Choice(**values, family=family, seed=_choose_seed(zoo))


def _choose_family(families: Sequence[str]) -> str:
    """How students were made small, then what they were matched by: only what there is."""
    if len(families) < 2:
        return families[0]
    kinds = list(dict.fromkeys(parts_of(family)[0] for family in families))
    kind = kinds[0]
    if len(kinds) > 1:
        titles = {name: KINDS[name].capitalize() for name in kinds}
        kind = select("kind", "Made small by", kinds, kind, titles=titles, help=KIND_WORDS,
                      what="students made small by")  # fmt: skip
    words = {parts_of(family)[1]: FAMILIES.get(family, family) for family in families if parts_of(family)[0] == kind}
    titles = {name: text if name in CONTROLS else text.split(":")[0].split(",")[0] for name, text in words.items()}
    about = "  \n".join(words.values())
    method = select("match", "Matched by", list(words), next(iter(words)), titles=titles, help=about,
                    what="students matched by")  # fmt: skip
    return family_name(kind, method)


def choose_pair(zoo: Zoo, choice: Choice) -> Choice:
    """Any two runs beside the teacher instead of those of the sliders, also ?pair=1&left=RUN&right=RUN."""
    if not flag("pair", "Compare any two runs", "Instead of a naive and a matched student of the same size."):
        return choice
    others = (card for card in zoo.cards if zoo.teacher is not None and card.id != zoo.teacher.id)
    cards = [card for card in others if card.id not in zoo.away]
    titles = {card.id: f"{title(card)}, {describe(card)}{_family(card)}" for card in cards}
    starts = [pick.card.id for row in ("naive", "matched") if (pick := zoo.pick(row, choice))]  # type: ignore[arg-type]
    if len(starts) < 2:
        return choice
    pair = [
        select(name, label, list(titles), start, titles=titles)
        for name, label, start in zip(("left", "right"), ("First run", "Second run"), starts, strict=True)
    ]
    if zoo.away:
        st.caption(f"Of {len(zoo.away)} more only the results are here. `python -m xkd_core runs` lists them, "
                   "`distill --run RUN` trains one again; Metrics compares their numbers.")  # fmt: skip
    return replace(choice, pair=(pair[0], pair[1]))


def _family(card: Card) -> str:
    """' (SWA, trained on 3,000 images)': what tells a run from others of its title, size and weights."""
    words = "" if card.role == "teacher" else family_words(family_of(card))
    return f" ({words})" if words not in ("", "Naive") else ""


def _slider(name: str, values: Sequence[float], default: float) -> float:
    if len(values) < 2:
        return values[0] if values else default
    label, words = SLIDER_WORDS[name]
    start = min(values, key=lambda value: abs(value - default))

    def read(text: str) -> float | None:
        given = number(text)
        near = [value for value in values if given is not None and math.isclose(value, given, rel_tol=5e-3)]
        return near[0] if near else None

    link.start(name, read, start, problem=lambda text: unknown(label, text, [short(value) for value in values]))
    first = link.first(name, values, min(values, key=lambda value: abs(value - st.session_state[name])))
    value = float(st.select_slider(label, values, first, short, key=name, help=words))
    link.write(name, short(value), short(start))
    return value


def number(text: str) -> float | None:
    """A number of the link; None for anything else."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def short(value: float) -> str:
    """A number as it stands in the link: 0.5, 15.8, 62.2."""
    return f"{value:.3g}"


def _choose_seed(zoo: Zoo) -> int:
    seeds = [str(seed) for seed in sorted({card.seed for card in zoo.students})]
    if len(seeds) < 2:
        return int(seeds[0]) if seeds else 0
    return int(select("seed", "Training seed", seeds, seeds[0], help="Where a seed is missing, the nearest run."))


def choose_target(zoo: Zoo, *, labelled: bool) -> str:
    """Which class is explained: a policy, or one class for all models."""
    classes = zoo.teacher.classes if zoo.teacher is not None else ()
    options = ["teacher", "own", *(["label"] if labelled else []), *classes]
    words = "With each model's own class, maps of different classes stand side by side and are not compared."
    chosen = select("target", "Explained class", options, "teacher", titles=TARGETS, help=words)
    return str(classes.index(chosen)) if chosen in classes else chosen


def choose_explainers() -> tuple[str, ...]:
    """Columns of the grid, in the order they were chosen; at least one."""
    names = list(catalogue.EXPLAINERS)
    titles = {name: entry.title for name, entry in catalogue.EXPLAINERS.items()}
    link.start("maps", lambda texts: _explainers(texts, names), list(DEFAULT_EXPLAINERS), several=True,
               problem=lambda text: unknown("the explainers", text, names))  # fmt: skip
    first = link.first_of_several("maps", names, DEFAULT_EXPLAINERS)
    chosen = st.multiselect("Explainers", names, first, key="maps", format_func=lambda name: titles[name],
                            help="Columns of the grid. The glossary explains each.")  # fmt: skip
    link.write("maps", chosen or list(DEFAULT_EXPLAINERS[:1]), list(DEFAULT_EXPLAINERS))
    return tuple(chosen) or DEFAULT_EXPLAINERS[:1]


def _explainers(texts: Sequence[str], names: Sequence[str]) -> list[str] | None:
    """The known ones of ?maps=cam&maps=occlusion or ?maps=cam,occlusion; what is unknown beside them is said."""
    given = [part for text in texts for part in text.split(",")]
    known = [name for name in dict.fromkeys(given) if name in names]
    if known and len(known) < len(set(given)):
        strange = ", ".join(name for name in given if name not in names)
        link.complain(unknown("the explainers", strange, names))
    return known or None


def flag(name: str, label: str, words: str) -> bool:
    """A toggle that stands in the link as ?name=1."""
    read = {"1": True, "true": True, "0": False, "false": False}.get
    link.start(name, read, False, problem=lambda text: unknown(f"the switch {label!r} to be", text, ["1", "0"]))
    on = bool(st.toggle(label, link.first(name, (False, True), False), key=name, help=words))
    link.write(name, "1" if on else "", "")
    return on


def choose_plain() -> None:
    """Plain pictures instead of the viewer, also ?plain=1 in the link."""
    flag("plain", "Plain pictures", "The same heatmaps as still images with alt texts.")


def choose_upload() -> UInt8 | None:
    """Pixels of the visitor's own image; None until a readable one came."""
    from xkd_core.images.uploads import decode

    file = st.file_uploader("Your image", type=["png", "jpg", "jpeg", "webp"], max_upload_size=10)
    if file is None:
        return None
    try:
        return decode(file.getvalue())
    except XKDError as error:
        st.error(str(error))
        return None


def choose_image(n: int, start: int) -> int:
    """The number of the image, 0 to ``n`` - 1; ``start``: the one that the page opens with."""

    def read(text: str) -> int | None:
        return int(text) if text.isdecimal() and len(text) < 10 and int(text) < n else None

    words = f"there are the images 0 to {n - 1:,}"
    link.start("image", read, start, problem=lambda text: f"The link asks for image {text[:80]!r}; {words}.")
    first = link.first("image", range(n), start)
    index = int(st.number_input("Image", 0, n - 1, first, key="image", width=130, label_visibility="collapsed"))
    link.write("image", str(index), str(start))
    return index


def set_image(index: int) -> None:
    """Callback of everything that turns to another image."""
    st.session_state["image"] = index


def offer_download(dataset: str, reason: str) -> None:
    """Say why a data set is not here and fetch it on a click, as a job with progress."""
    st.warning(reason)
    if dataset not in subjects.DOWNLOADABLE:
        return
    jobs = resources.desk().errands

    def work(progress: Callable[[float, str], None], _: Any) -> bool:
        subjects.download(dataset, progress=lambda done, total: progress(done / max(1, total), f"{done >> 20} MB"))
        return True

    if st.button(f"Download {DATA_TITLES[dataset]}", key="download_data"):
        st.session_state["download"] = jobs.submit(("download", dataset), work)
    job = st.session_state.get("download")
    if job is not None and job.key == ("download", dataset):
        follow(job, lambda: 1, doing="Fetching")


def follow(job: Job, left: Callable[[], int], *, doing: str = "Computing", name: str = "job") -> None:
    """Progress of a job while it runs, with a button to stop it; the sentence of its error when it failed.

    left: how many parts are still to come; whenever one is done, the page is drawn again with it. name: another one
    for each job that a page may follow at the same time.
    """
    if job.error:
        st.error(job.error)
    elif not job.finished:
        _poll(job, left, left(), doing, name)


@st.fragment(run_every=0.5)
def _poll(job: Job, left: Callable[[], int], before: int, doing: str, name: str) -> None:
    if job.finished or left() != before:
        st.rerun()
    note = catalogue.EXPLAINERS[job.note].title if job.note in catalogue.EXPLAINERS else job.note
    st.progress(min(1.0, job.done), text=f"{doing} {note}" if note else "Waiting for a free worker")
    if stopped(job):
        st.caption("You stopped; others still wait for it." if job.waiting > 0 else "Stopping ...")
    elif st.button("Stop", key=f"stop_{name}"):
        leave(job)
        st.session_state.setdefault(_STOPPED, {})[job.key] = job


def stopped(job: Job) -> bool:
    """Whether this visitor stopped it; it may go on for others, who asked for the same."""
    return st.session_state.get(_STOPPED, {}).get(job.key) is job


def leave(job: Job) -> None:
    """The visitor went on or stopped it: without anyone else who waits, it ends. Counts once."""
    if not stopped(job):
        job.leave()


def join(job: Job) -> None:
    """The visitor asked for it, again perhaps."""
    st.session_state.get(_STOPPED, {}).pop(job.key, None)
