"""Glossary: every word, explainer and metric, from the same catalogue that the code runs on."""

from __future__ import annotations

import streamlit as st

import xkd_core
from pages._ui import guard
from pages._ui.words import COLOURS, PAPERS, SIGN_NOTES, WORDS, cited
from xkd_core import catalogue
from xkd_core.catalogue import Entry, MetricInfo

guard.page("pages/glossary.py")

FAMILIES = {
    "cam": "Class activation map", "gradient": "Gradients of the pixels", "perturbation": "Hides parts",
    "propagation": "Passes the score back layer by layer", "learned": "Drawn by a trained network",
    "control": "Control: looks at no network, so every model gets the same map",
}  # fmt: skip


def main() -> None:
    st.markdown("## Glossary")
    words, explainers, metrics, colours, cite = st.tabs(["Words", "Explainers", "Metrics", "Colours", "How to cite"])
    with words:
        for word, meaning in WORDS.items():
            st.markdown(f"**{word}.** {meaning}")
    with explainers:
        _grid([(_explainer, (name, entry)) for name, entry in catalogue.EXPLAINERS.items()])
    with metrics:
        known = {**catalogue.METRICS, **catalogue.RETRAINED}
        for family in dict.fromkeys(info.family for info in known.values()):
            st.markdown(f"### {family.capitalize()}")
            _grid([(_metric, one) for one in known.items() if one[1].family == family])
    with colours:
        for text in COLOURS:
            st.markdown(text)
    with cite:
        _cite()


def _grid(cells: list) -> None:
    """Two columns of bordered boxes, filled row by row so that the reading order is the catalogue's."""
    for start in range(0, len(cells), 2):
        for column, (draw, values) in zip(st.columns(2), cells[start : start + 2], strict=False):
            with column.container(border=True, height="stretch"):
                draw(*values)


def _explainer(name: str, entry: Entry) -> None:
    st.markdown(f"**{entry.title}** `{name}`")
    st.markdown(entry.summary)
    st.latex(entry.formula)
    same = ", ".join(catalogue.EXPLAINERS[other].title for other in entry.equal_on_gap)
    passes = catalogue.cost(name, {}, 64)
    facts = [FAMILIES.get(entry.family, entry.family.capitalize())]
    facts += [f"{passes:,} forward pass{'es' if passes != 1 else ''} for a 64 px image"]
    facts += ["does not depend on the class"] if not (entry.class_specific or entry.model_free) else []
    facts += ["not for 8-bit networks, which have no gradient"] if entry.differentiates else []
    facts += [SIGN_NOTES[name]] if name in SIGN_NOTES else []
    facts += [f"the same map as {same} on the networks here, by algebra"] if same else []
    st.caption(f"{'; '.join(facts)}.  \nSource: {cited(entry.source)}. Code: `{catalogue.source_line(entry.attr)}`")


def _metric(name: str, info: MetricInfo) -> None:
    arrow = "higher is better ↑" if info.higher_is_better else "lower is better ↓"
    st.markdown(f"**{info.title}** `{name}`, {arrow}")
    st.markdown(cited(info.summary))
    st.latex(info.formula)
    undefined = "Never undefined" if info.undefined == "never" else f"Undefined when {info.undefined}"
    quirks = "".join(f"  \n`{name}@{quirk}`: {cited(words)}." for quirk, words in info.compat)
    st.caption(
        f"Range {info.low:g} to {info.high:g}. Chance: {info.chance}.  \n{undefined}.{quirks}  \n"
        f"Source: {cited(info.source)}. Code: `{catalogue.source_line(info.attr)}`"
    )


def _cite() -> None:
    st.markdown(
        "Cite the program with its version, the explainers and metrics you use by their sources (above), and the "
        "runs by their ids: an id ends in the hash of everything that decided the training."
    )
    st.markdown(
        "The papers whose methods and metrics are here:  \n" + "  \n".join(f"- {words}" for words in PAPERS.values())
    )
    st.code(f"XKD Explorer, version {xkd_core.__version__}. MIT licence.", language=None)


main()
