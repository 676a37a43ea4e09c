"""The fields of a new study, each a widget whose default is the chosen preset's. Each function returns fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from pages._ui import resources
from pages._ui.widgets import DATA_TITLES
from xkd_core import catalogue
from xkd_core.rendering import MODES, SCALES
from xkd_core.serving import subjects
from xkd_core.serving.names import describe, title
from xkd_core.serving.zoo import Choice, Zoo, family_of
from xkd_core.study.config import StudyConfig

QUESTIONS = {
    "most_similar_pair": "Which two of three are most alike?",
    "odd_one_out": "Which of three is least like the other two?",
    "two_alternative": "Which of two is more like the teacher's?",
}
ONLY = {"any": "any image", "teacher_right": "only those that the teacher answers right",
        "all_right": "only those that all models answer right"}  # fmt: skip
TARGETS = {"teacher": "the teacher's top-1", "own": "each model's own top-1", "label": "the label"}
SCALES_SAID = {
    "panel": "each by its own maximum (places are compared)",
    "method": "one scale for all (strengths are compared too)",
    "teacher": "the teacher's maximum",
    "all": "the maximum of all",
}
PROLIFIC = "PROLIFIC_PID, STUDY_ID, SESSION_ID"
Fields = dict[str, Any]


class Form:
    """Widgets of one preset: another preset has others, so that its defaults show."""

    def __init__(self, preset: str, base: StudyConfig) -> None:
        """base: a configuration of the preset, for the defaults."""
        self.preset, self.base = preset, base

    def key(self, name: str) -> str:
        """The key of a widget."""
        return f"new_{self.preset}_{name}"

    def whole(self, name: str, label: str, value: int, low: int, high: int, **more: Any) -> int:
        """A whole number."""
        return int(st.number_input(label, low, high, value, 1, key=self.key(name), **more))

    def share(self, name: str, label: str, value: float | None, **more: Any) -> float | None:
        """A share in per cent, empty: the rule is off."""
        given = st.number_input(label, 0, 100, None if value is None else round(100 * value), 1, key=self.key(name),
                                placeholder="off", **more)  # fmt: skip
        return None if given is None else given / 100

    def one(self, name: str, label: str, options: Mapping[str, str], value: str, **more: Any) -> str:
        """One of several."""
        names = list(options)
        return str(st.selectbox(label, names, names.index(value), format_func=lambda one: options[one],
                                key=self.key(name), **more))  # fmt: skip

    def text(self, name: str, label: str, value: str = "", **more: Any) -> str:
        """A line of text."""
        return str(st.text_input(label, value, key=self.key(name), **more)).strip()


def about(form: Form) -> Fields:
    """Name, title, contact, and what is given at the end."""
    left, right = st.columns(2)
    with left:
        name = form.text("name", "Name", help="Small letters, digits and dashes. A known name gets the next version.")
        contact = form.text("contact", "Contact for participants", help="For example an email address.")
        heading = form.text("title", "Title that participants see", form.base.title)
    with right:
        code = form.text("code", "Completion code", help="Shown at the end; leave it empty if you do not need one.")
        url = form.text("redirect", "or address to go back to", placeholder="https://...")
        names = form.text(
            "platform",
            "Parameters of the link to keep",
            placeholder=PROLIFIC,
            help="From a recruiting platform, separated by commas. The first tells who comes back.",
        )
    platform = [part.strip() for part in names.split(",") if part.strip()]
    return {"name": name, "contact": contact, "title": heading, "completion_code": code or None,
            "redirect_url": url or None, "platform": platform}  # fmt: skip


def models(form_key: str) -> tuple[Fields, Zoo] | None:
    """Data set, teacher and pairs of students; None where there is nothing to study."""
    names = subjects.choices(lambda name: bool(resources.zoo(name).students), networks_only=True)
    dataset = st.selectbox("Images", names, key=f"new_{form_key}_data", format_func=lambda name: DATA_TITLES[name])
    zoo = resources.zoo(dataset)
    if zoo.teacher is None or not zoo.families:
        st.warning(f"There is no teacher with students of {dataset} yet; `python -m xkd_core runs` lists the runs.")
        return None
    cards = {card.id: card for card in zoo.students}
    naive = [run for run, card in cards.items() if card.method in ("kd", "ce")]
    matched = [run for run in cards if run not in naive] or list(cards)
    count = int(st.number_input("Pairs of students", 1, 20, 1, 1, key=f"new_{form_key}_{dataset}_pairs"))
    pairs = []
    for place in range(count):
        starts = _start(zoo, place)
        columns = st.columns(2)
        with columns[0]:
            one = _run(f"new_{form_key}_{dataset}_naive{place}", "Naive student", naive, starts[0], zoo)
        with columns[1]:
            two = _run(f"new_{form_key}_{dataset}_matched{place}", "Matched student", matched, starts[1], zoo)
        pairs.append({"naive": one, "matched": two, "ratio": cards[two].ratio, "lam": cards[two].lam})
    st.caption(f"Teacher: `{zoo.teacher.id}`. The ratio and λ of a pair are the matched student's.")
    return {"dataset": dataset, "teacher": zoo.teacher.id, "pairs": pairs}, zoo


def _start(zoo: Zoo, place: int) -> tuple[str, str]:
    """The default pair for the n-th row: from the strongest compression down."""
    usual = zoo.default()
    ratios = zoo.axis("ratio", usual.family)[::-1] or (usual.ratio,)
    choice = Choice(lam=usual.lam, ratio=ratios[place % len(ratios)], beta=usual.beta, family=usual.family)
    picks = [zoo.pick(row, choice) for row in ("naive", "matched")]  # type: ignore[arg-type]
    return tuple("" if pick is None else pick.card.id for pick in picks)  # type: ignore[return-value]


def _run(key: str, label: str, runs: Sequence[str], start: str, zoo: Zoo) -> str:
    def said(run: str) -> str:
        card = zoo.by_id[run]
        return f"{title(card)}, {describe(card)} ({family_of(card)})"

    place = runs.index(start) if start in runs else 0
    return str(st.selectbox(label, runs, place, format_func=said, key=key))


def images(form: Form, *, habitats: bool) -> Fields:
    """How the images are drawn, and what explains them."""
    base, columns = form.base, st.columns(3)
    with columns[0]:
        n = form.whole("n_images", "How many images", base.selection.n_images, 1, 2000)
        seed = form.whole("image_seed", "Seed of the draw", base.selection.seed, 0, 2**31 - 1)
    with columns[1]:
        only = form.one("only", "Which", ONLY, base.selection.only)
        known = ["class", "correctness", *(["habitat"] if habitats else [])]
        strata = st.multiselect("Drawn evenly by", known, [one for one in base.selection.strata if one in known],
                                key=form.key(f"strata{habitats}"))  # fmt: skip
    with columns[2]:
        titles = {name: entry.title for name, entry in catalogue.EXPLAINERS.items()}
        explainer = form.one("explainer", "Map", titles, base.explainer)
        target = form.one("target", "Explained class", TARGETS, base.target)
    selection = {"n_images": n, "only": only, "strata": strata, "seed": seed}
    return {"selection": selection, "explainer": explainer, "target": target}


def trials(form: Form) -> Fields:
    """The question and how much of it."""
    base = form.base
    question = form.one("question", "Question", QUESTIONS, base.question)
    columns = st.columns(5)
    found: Fields = {"question": question}
    asked = {
        "participants": ("Participants", 1, 100_000),
        "trials": ("Trials of each", 1, 500),
        "practice": ("Practice", 0, 20),
        "catches": ("Catch trials", 0, 50),
        "repeats": ("Repeats", 0, 50),
    }
    for column, (name, (label, low, high)) in zip(columns, asked.items(), strict=True):
        with column:
            found[name] = form.whole(name, label, getattr(base, name), low, high)
    return found


def drawing(form: Form) -> Fields:
    """How every map is drawn; all of a study by one rule."""
    base, columns = form.base.rendering, st.columns(3)
    with columns[0]:
        mode = form.one("mode", "Drawn as", {one: one for one in MODES}, base.mode)
        size = form.whole("size", "Size, px", base.size_px, 128, 1024)
    with columns[1]:
        colours = form.one("colours", "Colours", {one: one for one in ("inferno", "viridis", "cividis")}, base.colours)
        opacity = form.whole("opacity", "Opacity, %", base.opacity, 0, 100)
    with columns[2]:
        scale = form.one("scale", "Scale", {one: SCALES_SAID[one] for one in SCALES}, base.scale)
        smooth = st.toggle("Smooth", base.smooth, key=form.key("smooth"))
        signed = st.toggle("Signed", base.signed, key=form.key("signed"))
    return {"rendering": {"mode": mode, "size_px": size, "colours": colours, "opacity": opacity, "scale": scale,
                          "smooth": smooth, "signed": signed}}  # fmt: skip


def exclusions(form: Form) -> Fields:
    """Who will not count: fixed now, before the first answer."""
    base, columns = form.base.exclusions, st.columns(3)
    with columns[0]:
        catches = st.number_input("Wrong catch trials, or more", 1, 50, base.failed_catches, 1, placeholder="off",
                                  key=form.key("failed_catches"))  # fmt: skip
        unfinished = st.toggle("Whoever did not finish", base.unfinished, key=form.key("unfinished"))
    with columns[1]:
        fast = form.share("fast_share", "More fast answers than, %", base.fast_share)
        fast_ms = form.whole("fast_ms", "Fast: under, ms", base.fast_ms, 0, 60_000)
    with columns[2]:
        slot = form.share("slot_share", "One place chosen in more than, %", base.slot_share)
        least = form.whole("slot_min", "of at least so many trials", base.slot_min_trials, 1, 500)
    return {"exclusions": {"failed_catches": None if catches is None else int(catches), "unfinished": unfinished,
                           "fast_share": fast, "fast_ms": fast_ms, "slot_share": slot, "slot_min_trials": least},
            "min_width_px": form.whole("min_width", "Smallest window, px", form.base.min_width_px, 200, 4000),
            "seed": form.whole("seed", "Seed of order and places", form.base.seed, 0, 2**31 - 1)}  # fmt: skip


def consent(form: Form, contact: str) -> Fields:
    """The texts. The preset's consent names the contact and the minutes by itself until it is replaced."""
    found: Fields = {"debrief_md": st.text_area("Words at the end", form.base.debrief_md, key=form.key("debrief"))}
    if st.toggle("Own consent text", key=form.key("own_consent")):
        start = form.base.consent_md.replace(form.base.contact, contact or form.base.contact)
        found["consent_md"] = st.text_area("Consent text (Markdown)", start, height=320, key=form.key("consent_md"))
    found["consent_version"] = form.text("consent_version", "Version of the consent text", form.base.consent_version)
    return found
