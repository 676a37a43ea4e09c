"""Evidence: what the five papers say, what comes out here, and why; the same numbers as `python -m xkd_core claims`."""

from __future__ import annotations

from collections import Counter

import streamlit as st

from pages._ui import evidence, guard, link, widgets
from xkd_core.claims.base import HOW, PAPERS, Verdict
from xkd_core.claims.table import Judged, by_verdict, how_in_words

guard.page("pages/evidence.py")

ALL = "all"
HOW_JUDGED = """
- A claim of a difference **holds** only if its 95 % interval lies on one side of 0 and Wilcoxon's p (of answers right
  or wrong, the exact sign test's), after Holm's correction over the claim, is below .05.
- It is **not shown** where no evidence is clear enough: an interval that contains 0 does not make the opposite true.
- It is **contradicted** where a comparison is the other way round by the evidence that it would need itself, or where
  code shows that it is wrong.
- It is **not testable here** where so few images are left to gain that not even all of them would be significant.
- Claims of no difference have a margin, and are undecided where the interval reaches over it.
- *One seed*: nobody knows what another training would make of the verdict.

Comparisons are paired over the same images. Intervals are bootstraps over images, and over seeds where there are
several (of few seeds Student's, where it is wider). All students of a data set have one teacher. Nothing is trained for
this page.
"""
WORDS = ("holds", *(f"does not hold: {how}" for how in HOW), "not testable here")


def main() -> None:
    st.markdown("## Evidence")
    said = st.container()
    found = evidence.judged()
    _counts(found)
    chosen, paper = _choose(found)
    if paper == ALL and chosen:
        evidence.overview(chosen)
    elif chosen:
        st.markdown(f"### {PAPERS[paper]}")
        for one in chosen:
            evidence.draw(one)
    if chosen:
        evidence.download(chosen)
    else:
        st.info("No claim of this paper has this verdict.")
    with said:
        link.warn()
    link.finish()


def _counts(found: tuple[Judged, ...]) -> None:
    """How many claims have each verdict, and what the verdicts mean."""
    theirs = [one for one in found if not one.claim.ours]
    counts = Counter(one.finding.words for one in theirs)
    for column, words in zip(st.columns(len(WORDS)), WORDS, strict=True):
        column.metric(words.capitalize(), counts[words])
    beside = tuple(one for one in found if one.claim.ours)
    others = ", ".join(f"{count} {verdict}" for verdict, count in by_verdict(beside).items())
    st.caption(
        f"{len(theirs)} claims of the papers, counted above, and {len(beside)} questions of ours beside them "
        f"({others}): controls that the papers lack, and what their numbers or code must be to mean something. "
        "Networks, data and sizes differ from the papers'."
    )
    st.expander("How a verdict is reached").markdown(HOW_JUDGED)


def _with_parts(found: tuple[Judged, ...], verdict: Verdict, count: int) -> str:
    parts = how_in_words(found, verdict)
    return f"{count}: {parts}" if parts else str(count)


def _choose(found: tuple[Judged, ...]) -> tuple[list[Judged], str]:
    """Claims of one verdict and paper, both in the link, and the paper."""
    slugs = {evidence.SLUGS[verdict]: f"{verdict.capitalize()} ({_with_parts(found, verdict, count)})"
             for verdict, count in by_verdict(found).items()}  # fmt: skip
    left, right = st.columns(2)
    verdict = widgets.select(
        "verdict", "Verdict", (ALL, *slugs), ALL, titles={ALL: "All verdicts", **slugs}, place=left
    )
    paper = widgets.select("paper", "Paper", (ALL, *PAPERS), ALL, titles={ALL: "All papers", **PAPERS}, place=right)
    chosen = [
        one for one in found
        if verdict in (ALL, evidence.SLUGS[one.finding.verdict]) and paper in (ALL, one.claim.paper)
    ]  # fmt: skip
    return chosen, paper


main()
