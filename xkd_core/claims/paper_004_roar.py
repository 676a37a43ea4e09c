"""Paper 004, Appendix E: networks trained anew without what a map ranks first (ROAR, Hooker et al. 2019).

A network has one F1 over all test images and no rows of images: a difference has the interval that follows from those
of its parts (Zou & Donner 2008, MOVER), as if they were independent, which the same images make too wide if anything.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from xkd_core.catalogue import EXPLAINERS
from xkd_core.claims.base import Claim, Finding
from xkd_core.claims.columns import Check, Rule, Term
from xkd_core.claims.contrasts import decided
from xkd_core.claims.measuring import Floor, Measured
from xkd_core.claims.stored import TEACHER, Runs, Stored, read_stored
from xkd_core.metrics.statistics import Estimate
from xkd_core.results.metric_store import read_roar

RATES = (0.1, 0.5, 0.9)
KEPT = 0.75
"""The share of what the teacher's maps take away, beyond random pixels, that a student's must take to be on par."""
RANDOM, CENTRE = "random_map", "centre_gaussian"
RECIPE = "--width 0.25 --epochs 16 --limit 6000"
"""Of the fresh networks whose rows ship."""
KD, SWA = (Runs(family=family, label=f"{title} /4", width=0.25) for family, title in (("naive", "KD"), ("swa", "SWA")))


@dataclass(frozen=True, kw_only=True)
class OfRetrained:
    """The judge of checks of which each term is the F1 left after the removal ("f1@0.5": half of the pixels)."""

    dataset: str
    checks: tuple[Check, ...]

    def __call__(self, root: Path | None) -> Finding:
        """Judge from the rows below ``root``."""
        return judged(read_stored(self.dataset, root), read_roar(self.dataset, root=root), self.checks)


def judged(stored: Stored, rows: pd.DataFrame, checks: Sequence[Check]) -> Finding:
    """As `contrasts.judged`, of retrained networks. Without the networks of every check nothing is decided."""
    own = _of_one_recipe(rows)
    parts = {check.label: [_rows_of(stored, own, term) for term in check.terms] for check in checks}
    missing = sorted({_ranking(term) for check in checks
                      for term, found in zip(check.terms, parts[check.label], strict=True) if found.empty})  # fmt: skip
    if missing:
        reason = f"Not measured yet: no network was trained without what is ranked first by {' and by '.join(missing)}."
        return Finding(verdict="not testable here", reason=reason, command=command(stored, checks))
    return decided(stored, checks, [_measured(check, parts[check.label]) for check in checks])


def command(stored: Stored, checks: Sequence[Check]) -> str:
    """What fills the rows: of each group's first seed, and before it the sweep where such a run is not trained."""
    terms = [term for check in checks for term in check.terms]
    groups = {term.runs.label: stored.ids(term.runs) for term in terms if not EXPLAINERS[term.explainer].model_free}
    if not all(groups.values()):
        return f"python -m xkd_core sweep run checkpoints/{stored.dataset}/sweep.yaml"
    runs = ",".join(next(iter(ids.values())) for ids in groups.values())
    names = ",".join(dict.fromkeys(term.explainer for term in terms))
    shares = ",".join(f"{rate:g}" for rate in RATES)
    return f"python -m xkd_core roar --runs {runs} --explainers {names} --rates {shares} {RECIPE}"


def _ranking(term: Term) -> str:
    title = EXPLAINERS[term.explainer].title
    return title if EXPLAINERS[term.explainer].model_free else f"{title} of {term.runs.label}"


def _of_one_recipe(rows: pd.DataFrame) -> pd.DataFrame:
    """F1 of the recipe of which there are the most networks: others cannot stand beside them."""
    if rows.empty:
        return rows
    f1 = rows[rows["metric"] == "f1"]
    recipes = f1["recipe"].map(lambda text: json.dumps({**json.loads(text), "seed": None}, sort_keys=True))
    return f1[recipes == recipes.mode().iloc[0]] if len(f1) else f1


def _rows_of(stored: Stored, rows: pd.DataFrame, term: Term) -> pd.DataFrame:
    """Networks of one term, by the seeds of the fresh network; of several runs the first seed's."""
    if rows.empty:
        return rows
    rate = float(term.metric.partition("@")[2])
    fits = rows[(rows["explainer"] == term.explainer) & np.isclose(rows["rate"].astype(float), rate)]
    ids = [one for one in stored.ids(term.runs).values() if (fits["run_id"] == one).any()]
    chosen = fits[fits["run_id"].isin(ids[:1])]
    return chosen.drop_duplicates("seed").set_index("seed").sort_index()


def _measured(check: Check, parts: Sequence[pd.DataFrame]) -> Measured:
    """Of the first seed that all have; how far two fresh networks of one ranking lie apart is the floor."""
    shared = sorted(set.intersection(*(set(part.index) for part in parts)))
    first = [part.loc[shared[0]] if shared else part.iloc[0] for part in parts]
    estimate = combined([term.weight for term in check.terms], [_estimate(row) for row in first])
    apart = [abs(term.weight) * float(part["value"].max() - part["value"].min())
             for term, part in zip(check.terms, parts, strict=True) if len(part) > 1]  # fmt: skip
    floor = Floor(value=max(apart, default=None), partial=len(apart) < len(parts))
    return Measured(estimate=estimate, p=p_of(estimate), seeds=1, floor=floor)


def combined(weights: Sequence[float], parts: Sequence[Estimate]) -> Estimate:
    """A weighted sum with the interval that follows from those of its parts (Zou & Donner 2008)."""
    mean = sum(weight * one.mean for weight, one in zip(weights, parts, strict=True))
    ends = [sorted((weight * one.low, weight * one.high)) for weight, one in zip(weights, parts, strict=True)]
    centres = [weight * one.mean for weight, one in zip(weights, parts, strict=True)]
    down, up = (math.sqrt(sum((centre - end[at]) ** 2 for centre, end in zip(centres, ends, strict=True)))
                for at in (0, 1))  # fmt: skip
    return Estimate(mean=mean, low=mean - down, high=mean + up, n=min(one.n for one in parts),
                    undefined=max(one.undefined for one in parts))  # fmt: skip


def p_of(found: Estimate) -> float:
    """Two-sided p of a normal mean whose 95 % interval this is, on the side of 0: rows of images there are none."""
    half = found.mean - found.low if found.mean > 0 else found.high - found.mean
    if half <= 0:
        return 0.0 if found.mean else 1.0
    return float(2 * norm.sf(abs(found.mean) * norm.isf(0.025) / half))


def _estimate(row: pd.Series[Any]) -> Estimate:
    value, low, high = (float(row[name]) for name in ("value", "low", "high"))
    return Estimate(mean=value, low=low, high=high, n=int(row["n"]), undefined=int(row["undefined"]))


def _beside(first: Runs, second: str, label: str, rule: Rule = "below") -> list[Check]:
    """F1 without what CAM ranks first, minus F1 without what a ranking of no network puts first."""
    return [
        Check(label=f"{rate:.0%} removed: {label}", rule=rule, terms=(
            Term(weight=1.0, runs=first, explainer="cam", metric=f"f1@{rate:g}"),
            Term(weight=-1.0, runs=TEACHER, explainer=second, metric=f"f1@{rate:g}"),
        ))
        for rate in RATES
    ]  # fmt: skip


def _on_par() -> list[Check]:
    """What SWA's maps take away beyond random pixels, less a share of what the teacher's take away."""
    return [
        Check(label=f"{rate:.0%} removed: (random - SWA) - {KEPT:g} (random - teacher)", terms=tuple(
            Term(weight=weight, runs=runs, explainer=name, metric=f"f1@{rate:g}")
            for weight, runs, name in ((1.0 - KEPT, TEACHER, RANDOM), (-1.0, SWA, "cam"), (KEPT, TEACHER, "cam"))
        ))
        for rate in RATES
    ]  # fmt: skip


def _claim(name: str, checks: Sequence[Check], **more: Any) -> Claim:
    judge = OfRetrained(dataset="scenes", checks=tuple(checks))
    common: dict[str, Any] = {"place": "Appendix E, Fig. 7", "printed": "curves without numbers"}
    return Claim(id=f"004-roar-{name}", paper="004", kind="runs", judge=judge, page="pages/compression.py",
                 query={"data": "scenes", "match": "swa"}, **{**common, **more})  # fmt: skip


CLAIMS: tuple[Claim, ...] = (
    _claim(
        "random", _beside(TEACHER, RANDOM, "CAM - random"),
        says="Pixels that the full network's map ranks first matter more than random ones.",
        test="F1 of a fresh network trained and tested without 10, 50 and 90 % of the pixels of scenes, the teacher's "
        "CAM minus the random ranking: below 0 at each share. One fresh network each.",
    ),
    _claim(
        "centre", _beside(TEACHER, CENTRE, "CAM - centre"), ours=True,
        place="Appendix E, Fig. 7 (no such control there)",
        says="Pixels that the map ranks first matter more than those in the middle of every image.",
        test="The same F1, the teacher's CAM minus one centre Gaussian for all images: below 0 at each share.",
    ),
    _claim(
        "students", [*_beside(KD, RANDOM, "KD's CAM - random"), *_beside(SWA, RANDOM, "SWA's CAM - random")],
        says="Students' maps as well rank pixels that matter more than random ones.",
        test="The same F1 by the CAM of KD's and SWA's student of /4, minus the random ranking: below 0 at each share.",
    ),
    _claim(
        "par", _on_par(),
        says="Maps of the student that was matched are almost on par with the full network's.",
        test=f"The same F1: what SWA's CAM (/4) takes away beyond random pixels less {KEPT:g} of what the teacher's "
        "takes: above 0 at each share.",
    ),
)  # fmt: skip
