"""A new study: fields of a preset, what they come to, how much power they give, and the job that draws the pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable

import streamlit as st

from pages._ui import resources, widgets
from pages._ui.study import fields, power, store
from xkd_core.errors import XKDError
from xkd_core.serving.jobs import Job
from xkd_core.study.build import create_study
from xkd_core.study.config import StudyConfig
from xkd_core.study.presets import PRESETS, preset

_JOB, CREATED = "_study_job", "_study_created"
MINIMAL = {"name": "draft", "contact": "the study leader"}


def page() -> None:
    """Everything of a new study on one page; only name and contact have no default."""
    st.markdown("### New study")
    names = list(PRESETS)
    chosen = st.radio("Start from", names, names.index("recommended"), key="new_preset", horizontal=True,
                      format_func=lambda name: PRESETS[name].title)  # fmt: skip
    st.caption(PRESETS[chosen].note)
    given = _given(chosen)
    if given is None:
        return
    if not given["name"] or not given["contact"]:
        st.info("Give the study a name and a contact for participants; everything else has a default.")
        _follow()
        return
    try:
        config = preset(chosen, given)
    except XKDError as error:
        st.error(str(error))
        return
    _summary(config)
    power.block(config)
    _create(config)


def _given(chosen: str) -> fields.Fields | None:
    place = st.container()
    with st.container(border=True):
        st.markdown("**Models and images**")
        found = fields.models(chosen)
        if found is None:
            return None
        given, zoo = found
        form = fields.Form(chosen, preset(chosen, MINIMAL | given))
        given |= fields.images(form, habitats="in_habitat" in resources.results(zoo.dataset).images)
    with place.container(border=True):
        st.markdown("**About the study**")
        given |= fields.about(form)
    with st.container(border=True):
        st.markdown("**Question and trials**")
        given |= fields.trials(form)
    with st.expander("Consent and words at the end"):
        given |= fields.consent(form, given["contact"])
    with st.expander("Drawing"):
        given |= fields.drawing(form)
    with st.expander("Who will not count, smallest window, seed"):
        given |= fields.exclusions(form)
    return given


def _summary(config: StudyConfig) -> None:
    pairs = f"{len(config.pairs)} pair{'s' if len(config.pairs) > 1 else ''} of students"
    st.markdown(
        f"**{config.n_items} items** ({config.selection.n_images} images x {pairs}); each of **{config.participants} "
        f"people** sees **{config.n_shown} trials**, about {config.minutes} minutes; about "
        f"{config.participants * config.trials / config.n_items:.0f} answers for each item. "
        f"Configuration sha256 `{config.sha256[:12]}`."
    )
    with st.expander("Consent text as participants see it"):
        st.markdown(config.consent_md)


def _create(config: StudyConfig) -> None:
    job = _job()
    if (job is None or job.finished) and st.button("Create the study", type="primary", key="create"):
        job = st.session_state[_JOB] = resources.desk().errands.submit(("study", config.sha256), _work(config))
    if job is None:
        st.caption("Draws all pictures once, which takes some minutes, and stores the study as a draft.")
    _follow()


def _job() -> Job | None:
    found: Job | None = st.session_state.get(_JOB)
    return found


def _follow() -> None:
    """Progress of the drawing; when it is done, the new study is shown."""
    job = _job()
    if job is None:
        return
    widgets.follow(job, lambda: 0 if job.finished else 1, doing="Drawing")
    if not job.finished and st.button("Stop the drawing", key="stop"):
        widgets.leave(job)
    if job.result is not None:
        st.session_state[CREATED] = st.session_state.pop(_JOB).result
        st.rerun()


def _work(config: StudyConfig) -> Callable[[Callable[[float, str], None], threading.Event], str]:
    database = store.database()

    def work(progress: Callable[[float, str], None], cancel: threading.Event) -> str:
        from xkd_core.serving.study_stimuli import candidates, maps_of

        def drawn(done: int, of: int) -> None:
            if cancel.is_set():
                raise Stopped
            progress(done / of, f"{done} of {of} items")

        made = create_study(
            database, config, candidates=candidates(config), maps_of=maps_of(config), progress=drawn
        )  # fmt: skip
        return made.id

    return work


class Stopped(XKDError):
    """The study leader stopped the drawing."""

    def __init__(self) -> None:
        """Say that nothing is left of it."""
        super().__init__("Stopped. Nothing was stored.")
