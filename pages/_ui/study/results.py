"""The analysis of a study as it stands now, section by section; the same numbers as in the export."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from pages._ui.study import door, figures, store
from xkd_core.study.analysis.clusters import Clustered
from xkd_core.study.analysis.predictors import Predictor
from xkd_core.study.analysis.proportions import Share
from xkd_core.study.analysis.report import Report, analyse
from xkd_core.study.store.frames import StudyData, read_data
from xkd_core.study.store.studies import Study

NOTE = (
    "Likeness to the teacher's map is not faithfulness: people say which pictures look alike, not which are right. "
    "Looking at results before the planned number of people is reached, and stopping when they please, makes false "
    "alarms more likely."
)
MAJORITIES = {"TM": "teacher and matched", "TN": "teacher and naive", "NM": "both students", "tie": "a tie"}
MATCHED = "matched of the teacher's"
WAYS = {"participant": "participants drawn anew", "item": "items drawn anew", "both": "both drawn anew"}


@door.live(30)
def page(study: Study) -> None:
    """All of it, or why there is nothing yet; new answers come in by themselves."""
    data = read_data(store.database(), study)
    report = _report(study.id, _stamp(data), data)
    if not report.answers:
        st.info("No answers to main trials yet.")
        _exclusions(report)
        return
    _headline(report)
    _primary(report)
    _exclusions(report)
    _quality(report)
    _pairs(report)
    _metrics(report)
    st.caption(NOTE)


def _stamp(data: StudyData) -> tuple[int, int, str]:
    """Changes with every answer, deletion and arrival."""
    answered = data.trials["answered_at"].dropna()
    return len(data.participants), len(answered), str(answered.max() if len(answered) else "")


@st.cache_data(max_entries=8, show_spinner="Analysing ...")
def _report(study_id: str, stamp: tuple[int, int, str], _data: StudyData) -> Report:
    return analyse(_data)


def _headline(report: Report) -> None:
    best = report.shares["TM"]
    st.markdown(f"### Teacher and matched student were put together in {_share(best)} of {best.n:,} answers")
    st.markdown(f"By {report.participants} people; blind guessing gives {report.chance:.0%} for each answer.")
    values = "; ".join(f"{figures.ANSWERS[pair]} {_share(share)}" for pair, share in report.shares.items())
    paper = "; ".join(f"{figures.ANSWERS[pair]} {share.share:.0%}" for pair, share in report.reference.items())
    st.plotly_chart(figures.shares(report.shares, report.reference, report.chance), config=figures.CONFIG, key="shares",
                    alt=f"Shares of the answers. {values}. {f'Paper 003: {paper}.' if paper else ''}")  # fmt: skip
    st.caption(
        "Wilson's 95 % intervals. They take answers for independent, which they are not; the test below does not."
    )
    _people(report)


def _people(report: Report) -> None:
    """As paper 003 counted: people by the answer that they gave most often."""
    said = ", ".join(f"{report.majorities[name]} {words}" for name, words in MAJORITIES.items())
    paper = ", ".join(f"{report.reference_people[name]} {MAJORITIES[name]}" for name in report.reference_people)
    st.markdown(f"People by their most frequent answer: {said}.")
    if report.reference:
        st.caption(f"Paper 003, of 30 people: {paper}.")


def _primary(report: Report) -> None:
    test = report.primary.test
    st.markdown("### Primary test")
    st.markdown(
        "Of the answers that pair the teacher with a student: how many pair it with the matched one, against one "
        "half, with people and items as crossed clusters."
    )
    if math.isnan(test.p):
        st.info(f"No test yet: {test.reason}.")
        return
    st.markdown(f"**{test.mean:.1%}** of {test.n:,} answers, 95 % interval {test.low:.1%} to {test.high:.1%}; "
                f"t({test.df}) = {(test.mean - test.against) / test.se:.2f}, **p {_p(test.p)}**; odds "
                f"{report.primary.odds:.2f}; {test.participants} people, {test.items} items.")  # fmt: skip
    rows = [{"interval": f"bootstrap, {WAYS[by]}", "low": one.low, "high": one.high}
            for by, one in report.primary.bootstrap.items()]  # fmt: skip
    _table([{"interval": "two-way clustered", "low": test.low, "high": test.high}, *rows], "Intervals of the share",
           shares=("low", "high"))  # fmt: skip
    model = report.primary.model
    if model is not None:
        st.caption(
            f"Mixed logistic model with crossed people and items: log odds {model.log_odds:.2f} (sd "
            f"{model.log_odds_sd:.2f}); sd over people {model.person_sd:.2f}, over items {model.item_sd:.2f}."
        )


def _exclusions(report: Report) -> None:
    st.markdown("### Who does not count")
    rules = "; ".join(report.rules) or "none"
    st.markdown(f"Rules, fixed before the first answer: {rules}. Excluded: **{len(report.excluded)}**.")
    if report.excluded:
        _table([{"participant": one.participant, "why": "; ".join(one.reasons)} for one in report.excluded],
               "Excluded participants")  # fmt: skip


def _quality(report: Report) -> None:
    st.markdown("### Are the answers sound?")
    alpha, place = report.alpha, report.position
    shown = ", ".join(str(count) for count in place.counts)
    agreement = (f"undefined ({alpha.reason})" if math.isnan(alpha.alpha) else
                 f"{alpha.alpha:.2f}, 95 % interval {alpha.low:.2f} to {alpha.high:.2f}")  # fmt: skip
    rows = [
        ("Agreement between people (Krippendorff's alpha; 1 all agree, 0 chance)", agreement),
        ("The same answer to a repeated trial", _share(report.repeats)),
        ("Right answers to catch trials, excluded people too", _share(report.catches)),
        ("Places chosen, from the left", f"{shown}; equal use: p {_p(place.p)}"),
    ]
    _table([{"check": name, "found": value} for name, value in rows], "Checks of the answers")


def _pairs(report: Report) -> None:
    st.markdown("### By ratio and λ")
    rows = []
    for cell in report.cells:
        row = {"pair": figures.cell_name(cell), "ratio": cell.ratio, "λ": cell.lam, "answers": cell.shares["TM"].n}
        row |= {figures.ANSWERS[pair]: share.share for pair, share in cell.shares.items()}
        rows.append(row | {MATCHED: cell.test.mean, "low": cell.test.low, "high": cell.test.high,
                           "p (Holm)": _p(cell.p_holm).removeprefix("= ").removeprefix("is ")})  # fmt: skip
    if len(report.cells) > 1:
        said = "; ".join(f"{figures.cell_name(cell)}: {_interval(cell.test)}" for cell in report.cells)
        st.plotly_chart(figures.cells(report.cells), config=figures.CONFIG, key="cells",
                        alt=f"Share of matched by pair of students. {said}")  # fmt: skip
    _table(rows, "Answers by pair of students", shares=(*figures.ANSWERS.values(), MATCHED, "low", "high"))


def _metrics(report: Report) -> None:
    st.markdown("### Which metric says what people say?")
    if not report.predictors:
        st.info("No metric is defined on the items that were answered.")
        return
    best = report.predictors[0]
    st.markdown(f"**{figures.metric_name(best.metric)}** names the student that people name in {best.agreement:.0%} "
                f"of {best.n:,} answers, 95 % interval {best.interval.low:.0%} to {best.interval.high:.0%}; 50 % is "
                "chance.")  # fmt: skip
    said = "; ".join(f"{figures.metric_name(one.metric)} {one.agreement:.0%}" for one in report.predictors)
    st.plotly_chart(figures.metrics(report.predictors), config=figures.CONFIG, key="metrics",
                    alt=f"Agreement of each metric with people. {said}")  # fmt: skip
    _table([_metric_row(one) for one in report.predictors], "Metrics beside people",
           shares=("agreement", "low", "high", "behind the best", "behind, low", "behind, high"))  # fmt: skip


def _metric_row(one: Predictor) -> dict[str, object]:
    behind = one.behind_interval
    return {
        "metric": figures.metric_name(one.metric),
        "agreement": one.agreement,
        "low": one.interval.low,
        "high": one.interval.high,
        "behind the best": one.behind,
        "behind, low": None if behind is None else behind.low,
        "behind, high": None if behind is None else behind.high,
        "rank correlation over items": one.rank_correlation,
        "undefined": one.undefined,
    }


def _table(rows: list[dict[str, object]], words: str, *, shares: Sequence[str] = ()) -> None:
    """shares: columns that are written in per cent."""
    percent = {name: st.column_config.NumberColumn(format="percent") for name in shares}
    st.dataframe(pd.DataFrame(rows), hide_index=True, width="stretch", alt=words, column_config=percent)


def _share(share: Share) -> str:
    if not share.n:
        return "no answers"
    return f"{share.share:.0%} [{share.low:.0%}, {share.high:.0%}]"


def _interval(test: Clustered) -> str:
    return "no answers" if not test.n else f"{test.mean:.0%} [{test.low:.0%}, {test.high:.0%}]"


def _p(p: float) -> str:
    return "is undefined" if math.isnan(p) else "< 0.001" if p < 0.001 else f"= {p:.3f}"
