"""What a visitor chooses, each choice in the link: data set, image, runs, explained class, explainers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from pages._ui import resources
from xkd_core import catalogue
from xkd_core.errors import XKDError
from xkd_core.serving import subjects
from xkd_core.serving.jobs import Job
from xkd_core.serving.views import DEFAULT_EXPLAINERS
from xkd_core.serving.zoo import FAMILIES, Choice, Zoo
from xkd_core.types import UInt8

BIND = "query-params"
DATA_TITLES = {
    "scenes": "Scenes (drawn, exact masks)",
    "cifar10": "CIFAR-10",
    "photos": "Photographs",
    "digits": "Handwritten digits",
    "upload": "Your own image",
}
TARGETS = {"teacher": "Teacher's top answer", "own": "Each model's own top answer", "label": "The label"}


def keep(key: str, allowed: Sequence[Any], fallback: Any) -> None:
    """Before a widget is drawn: a value it cannot show any more becomes the fallback instead of an error."""
    if key in st.session_state and st.session_state[key] not in allowed:
        st.session_state[key] = fallback


def choose_data(*, networks_only: bool = False) -> str:
    """The data set whose images are looked at; ``networks_only``: only those that networks were trained on."""
    names = ("scenes", "cifar10") if networks_only else subjects.CHOICES
    keep("data", names, "scenes")
    return st.selectbox(
        "Images", names, format_func=lambda name: name, key="data", bind=BIND, on_change=_forget_image,
        help="; ".join(f"{name}: {title}" for name, title in DATA_TITLES.items()),
    )  # fmt: skip


def _forget_image() -> None:
    st.session_state.pop("image", None)


def choose_runs(zoo: Zoo) -> Choice:
    """Sliders over λ, ratio and β that offer only what exists; the link follows."""
    families = zoo.families or ("swa",)
    keep("match", families, families[0])
    family = families[0]
    if len(families) > 1:
        family = st.selectbox(
            "Matched by", families, format_func=str, key="match", bind=BIND,
            help="  \n".join(f"**{name}**: {FAMILIES[name]}" for name in families),
        )  # fmt: skip
    default = zoo.default(family)
    lam = _slider("lam", "λ, weight of distillation", zoo.axis("lam", family), default.lam,
                  "0: labels only. 1: the teacher's answers only. Only values of which a run exists.")  # fmt: skip
    ratio = _slider("ratio", "Ratio, times smaller", zoo.axis("ratio", family), default.ratio,
                    "Parameters of the teacher over parameters of the student.")  # fmt: skip
    beta = _slider("beta", "β, weight of matching", zoo.axis("beta", family), default.beta,
                   "β(1 - cos) is added to the loss of the matched student.")  # fmt: skip
    return Choice(lam=lam, ratio=ratio, beta=beta, family=family, seed=_choose_seed(zoo))


def _slider(key: str, label: str, values: Sequence[float], default: float, words: str) -> float:
    if len(values) < 2:
        return values[0] if values else default
    if key in st.session_state:
        keep(key, values, min(values, key=lambda value: abs(value - st.session_state[key])))
    start = default if default in values else values[0]
    return st.select_slider(label, values, value=start, format_func=short, key=key, bind=BIND, help=words)


def short(value: float) -> str:
    """A number as it stands in the link: 0.5, 15.8, 62.2."""
    return f"{value:.3g}"


def _choose_seed(zoo: Zoo) -> int:
    seeds = sorted({card.seed for card in zoo.students})
    if len(seeds) < 2:
        return seeds[0] if seeds else 0
    keep("seed", seeds, seeds[0])
    return st.selectbox("Training seed", seeds, key="seed", bind=BIND, help="Where a seed is missing, the nearest run.")


def choose_target(zoo: Zoo, *, labelled: bool) -> str:
    """Which class is explained: a policy, or one class for all models."""
    classes = zoo.teacher.classes if zoo.teacher is not None else ()
    options = ["teacher", "own", *(["label"] if labelled else []), *classes]
    keep("target", options, "teacher")
    chosen = st.selectbox("Explained class", options, format_func=str, key="target", bind=BIND,
                          help="  \n".join(f"**{name}**: {words}" for name, words in TARGETS.items()))  # fmt: skip
    return str(classes.index(chosen)) if chosen in classes else chosen


def choose_explainers() -> tuple[str, ...]:
    """Columns of the grid, in the order they were chosen; at least one."""
    names = list(catalogue.EXPLAINERS)
    chosen = st.multiselect("Explainers", names, default=list(DEFAULT_EXPLAINERS), key="maps", bind=BIND,
                            format_func=str, help="Columns of the grid. The glossary explains each.")  # fmt: skip
    return tuple(chosen) or DEFAULT_EXPLAINERS[:1]


def flag(name: str, label: str, words: str) -> bool:
    """A toggle that stands in the link as ?name=1 (a bound toggle would only understand 'true')."""
    if name not in st.session_state:
        st.session_state[name] = st.query_params.get(name, "") in ("1", "true")
    on = st.toggle(label, key=name, help=words, persist_state="session")
    if on and st.query_params.get(name) != "1":
        st.query_params[name] = "1"
    if not on and name in st.query_params:
        del st.query_params[name]
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


def set_image(index: int) -> None:
    """Callback of everything that turns to another image."""
    st.session_state["image"] = index


def offer_download(dataset: str, reason: str) -> None:
    """Say why a data set is not here and fetch it on a click, as a job with progress."""
    st.warning(reason)
    jobs = resources.desk().jobs

    def work(progress: Callable[[float, str], None], _: Any) -> bool:
        subjects.download(dataset, progress=lambda done, total: progress(done / max(1, total), f"{done >> 20} MB"))
        return True

    if st.button(f"Download {DATA_TITLES[dataset]}", key="download_data"):
        st.session_state["download"] = jobs.submit(("download", dataset), work)
    job = st.session_state.get("download")
    if job is not None and job.key == ("download", dataset):
        follow(job)


def follow(job: Job) -> None:
    """Progress of a job while it runs, with a button to stop it; the sentence of its error when it failed."""
    if job.error:
        st.error(job.error)
    elif not job.finished:
        _poll(job, job.note)


@st.fragment(run_every=0.5)
def _poll(job: Job, note: str) -> None:
    # Another note means that one explainer is done: the page can show its maps already.
    if job.finished or (note and job.note != note):
        st.rerun()
    st.progress(min(1.0, job.done), text=f"Computing {job.note}" if job.note else "Waiting for a free worker")
    if st.button("Stop", key="stop_job"):
        job.cancel.set()
