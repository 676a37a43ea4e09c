"""How many people does it take? Simulated studies, in which people and items differ, before the start."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from pages._ui.study import figures
from xkd_core.study.config import StudyConfig
from xkd_core.study.simulation import ITEM_SD, PERSON_SD, Design, Power, Truth, power

STUDIES = 200
ENOUGH = 0.8
SHARES = (0.5, 0.75, 1.0, 1.5, 2.0)  # of the planned participants


def block(config: StudyConfig) -> None:
    """The effect to be found, and the power of the planned number of participants and of others."""
    with st.container(border=True):
        st.markdown("**Power**")
        truth = _truth(config)
        if not st.button("Simulate", key="simulate"):
            st.caption(f"{STUDIES} studies for each of {len(SHARES)} numbers of participants: some seconds.")
            return
        with st.spinner("Simulating ..."):
            found = [_power(Design(participants=people, trials=config.trials, items=config.n_items), truth, config.seed)
                     for people in _people(config.participants)]  # fmt: skip
        _say(config, found)


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


@st.cache_data(max_entries=256, show_spinner=False)
def _power(design: Design, truth: Truth, seed: int) -> Power:
    return power(design, truth, studies=STUDIES, seed=seed)


def _say(config: StudyConfig, found: list[Power]) -> None:
    planned = next(one for one in found if one.design.participants == max(2, config.participants))
    share = planned.rejected
    st.markdown(
        f"With {planned.design.participants} people x {config.trials} trials the primary test finds this effect "
        f"in **{share.share:.0%}** of the studies (95 % interval {share.low:.0%} to {share.high:.0%})."
    )
    enough = [one.design.participants for one in found if one.rejected.share >= ENOUGH]
    st.markdown(
        f"The smallest of these numbers with {ENOUGH:.0%} power: **{min(enough)} people**."
        if enough
        else f"None of these numbers of people reaches {ENOUGH:.0%}: more trials, more images or more people."
    )
    table = pd.DataFrame([{"people": one.design.participants, "power": one.rejected.share, "low": one.rejected.low,
                           "high": one.rejected.high} for one in found])  # fmt: skip
    words = ", ".join(f"{row.people}: {row.power:.0%}" for row in table.itertuples())
    st.plotly_chart(figures.power(table, ENOUGH), config=figures.CONFIG, alt=f"Power by number of people. {words}",
                    key="power_chart")  # fmt: skip
