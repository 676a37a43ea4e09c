"""How many people does it take? Simulated studies, in which people and items differ, before the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd
import streamlit as st

from pages._ui.study import figures
from xkd_core.study.config import StudyConfig
from xkd_core.study.simulation import ITEM_SD, PERSON_SD, Design, Power, Truth, power

STUDIES = 200
NULL_STUDIES = 1000
ALPHA = 0.05
ENOUGH = 0.8
SHARES = (0.5, 0.75, 1.0, 1.5, 2.0)  # of the planned participants


def block(config: StudyConfig) -> None:
    """The effect to be found, and the power of the planned number of participants and of others."""
    with st.container(border=True):
        st.markdown("**Power**")
        truth = _truth(config)
        if not st.button("Simulate", key="simulate"):
            st.caption(
                f"{STUDIES} studies for each of several numbers of people and trials, and {NULL_STUDIES:,} without any "
                "effect: some ten seconds."
            )
            return
        with st.spinner("Simulating ..."):
            found = [
                _power(_design(config, people, trials), truth, STUDIES, config.seed)
                for trials in _trials(config)
                for people in _people(config.participants)
            ]
            planned = _design(config, max(2, config.participants), config.trials)
            null = _power(planned, no_effect(config, truth), NULL_STUDIES, config.seed)
        _say(config, found)
        _say_false_alarms(null)


def no_effect(config: StudyConfig, truth: Truth) -> Truth:
    """Blind guessing on average, by people and images that differ as much as in ``truth``."""
    return replace(truth, matched=config.chance, naive=config.chance)


def _truth(config: StudyConfig) -> Truth:
    two = config.question == "two_alternative"
    left, middle, right = st.columns(3)
    with left:
        least, usual = (51, 58) if two else (34, 40)
        matched = st.slider("True share of 'teacher and matched', %", least, 90, usual, key=f"effect{two}") / 100
    with middle:
        person = st.number_input("How much people differ (sd of the log odds)", 0.0, 5.0, PERSON_SD, 0.1)
    with right:
        item = st.number_input("How much images differ (sd of the log odds)", 0.0, 5.0, ITEM_SD, 0.1)
    naive = 1 - matched if two else (1 - matched) / 2
    return Truth(matched=matched, naive=naive, person_sd=person, item_sd=item)


def _people(planned: int) -> list[int]:
    return sorted({max(2, round(planned * share)) for share in SHARES})


def _trials(config: StudyConfig) -> list[int]:
    """Half as many trials, as many as planned, and twice as many if there are items for them."""
    return sorted({max(1, config.trials // 2), config.trials, min(config.n_items, 2 * config.trials)})


def _design(config: StudyConfig, people: int, trials: int) -> Design:
    return Design(participants=people, trials=trials, items=config.n_items)


@st.cache_data(max_entries=256, show_spinner=False)
def _power(design: Design, truth: Truth, studies: int, seed: int) -> Power:
    return power(design, truth, studies=studies, seed=seed, alpha=ALPHA)


def _say(config: StudyConfig, found: Sequence[Power]) -> None:
    people, trials = max(2, config.participants), config.trials
    share = next(one for one in found if (one.design.participants, one.design.trials) == (people, trials)).rejected
    st.markdown(
        f"With {people} people x {trials} trials the primary test finds this effect in **{share.share:.0%}** of the "
        f"studies (95 % interval {share.low:.0%} to {share.high:.0%})."
    )
    table = pd.DataFrame(
        [
            {"people": one.design.participants, "trials": one.design.trials, "power": one.rejected.share,
             "low": one.rejected.low, "high": one.rejected.high}
            for one in found
        ]
    )  # fmt: skip
    st.markdown(_enough(table))
    said = ", ".join(f"{row.people} x {row.trials}: {row.power:.0%}" for row in table.itertuples())
    chart = figures.power(table, ENOUGH)
    st.plotly_chart(chart, config=figures.CONFIG, alt=f"Power by people x trials. {said}", key="power_chart")


def _say_false_alarms(null: Power) -> None:
    share = null.rejected
    st.markdown(
        f"Where there is no effect, it claims one in **{share.share:.1%}** of {null.studies:,} studies (95 % interval "
        f"{share.low:.1%} to {share.high:.1%}; {ALPHA:.0%} is meant)."
    )


def _enough(table: pd.DataFrame) -> str:
    """The smallest numbers of people with enough power, for each number of trials."""
    good = table[table["power"] >= ENOUGH].groupby("trials")["people"].min()
    if good.empty:
        return f"None of these reaches a power of {ENOUGH:.0%}: more trials, more images or more people."
    return f"Power of {ENOUGH:.0%} from: " + "; ".join(
        f"**{n} people x {trials} trials**" for trials, n in good.items()
    )
