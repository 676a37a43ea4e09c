"""The primary test: is the teacher put with the matched student more often than with the naive one?

Only answers that pair the teacher count, so that likeness of the two students (one architecture) cannot decide. It is
a two-way clustered test against one half; draws of clusters and a crossed mixed model stand beside it.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from xkd_core.study.analysis.clusters import By, Clustered, Interval, bootstrap_interval, clustered_mean, crossed

WAYS: tuple[By, ...] = ("participant", "item", "both")


@dataclass(frozen=True, kw_only=True)
class MixedModel:
    """Logistic model with crossed random intercepts, by variational Bayes (its intervals are a little too short).

    log_odds of TM against TN for a typical person and item, its posterior sd, and the sd over people and over items.
    """

    log_odds: float
    log_odds_sd: float
    person_sd: float
    item_sd: float


@dataclass(frozen=True, kw_only=True)
class Primary:
    """test: share of TM among TM and TN against one half. odds: of that share. bootstrap: by way of drawing."""

    test: Clustered
    odds: float
    bootstrap: dict[By, Interval]
    model: MixedModel | None


def primary(answers: pd.DataFrame, *, seed: int = 0, resamples: int = 2000, model: bool = True) -> Primary:
    """The primary test of counted answers: columns participant, item, answer (TM, TN or NM)."""
    paired = answers[answers["answer"].isin(["TM", "TN"])]
    data = crossed(paired["answer"] == "TM", paired["participant"], paired["item"])
    test = clustered_mean(data, against=0.5)
    draws: dict[By, Interval] = {by: bootstrap_interval(data, by=by, seed=seed, resamples=resamples) for by in WAYS}
    wanted = model and not np.isnan(test.p)
    odds = test.mean / (1 - test.mean) if test.mean < 1 else float("inf")
    return Primary(test=test, odds=odds, bootstrap=draws, model=mixed_model(paired) if wanted else None)


def mixed_model(paired: pd.DataFrame) -> MixedModel | None:
    """Fit log odds of TM with random people and items; None when it does not converge."""
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM  # slow to import

    frame = pd.DataFrame(
        {
            "matched": (paired["answer"] == "TM").astype(float).to_numpy(),
            "person": pd.factorize(paired["participant"])[0],
            "item": pd.factorize(paired["item"])[0],
        }
    )
    built = BinomialBayesMixedGLM.from_formula("matched ~ 1", {"person": "0 + C(person)", "item": "0 + C(item)"}, frame)
    parameters = built.k_fep + built.k_vcp + built.k_vc
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        # Given starts: by default they are random, from the global generator.
        fit = built.fit_vb(mean=np.zeros(parameters), sd=np.full(parameters, 0.5))
    failed = any("converge" in str(one.message) for one in said)
    if failed or not np.isfinite(fit.fe_mean).all():
        return None
    person, item = (float(np.exp(value)) for value in fit.vcp_mean)
    return MixedModel(log_odds=float(fit.fe_mean[0]), log_odds_sd=float(fit.fe_sd[0]), person_sd=person, item_sd=item)
