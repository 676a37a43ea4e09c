"""Hand-made cards and rows in which the truth of a claim is known: each group of runs has a mean that is chosen here.

Which cards a group means is said here a second time, by hand; nothing is taken from the selection under test.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linprog

from xkd_core.claims.measuring import Check, Term
from xkd_core.claims.stored import Runs, Stored
from xkd_core.models.cards import Card, CardTransform
from xkd_core.results.metrics import Metrics
from xkd_core.serving.results import Results
from xkd_core.serving.zoo import Zoo

N_IMAGES, SEEDS = 24, (0, 1)
CLEARLY = 0.06
Cell = tuple[str, str, str]
"""Label of a group, explainer, metric."""

METHODS = {
    "naive": ("kd", "naive"), "swa": ("swa", "matched"), "ewa": ("ewa", "matched"), "sswa": ("sswa", "matched"),
    "at": ("at", "matched"), "nst": ("nst", "matched"), "ab": ("ab", "matched"), "xd": ("xd", "matched"),
    "surrogate": ("surrogate", "matched"), "untrained": ("xd", "control"), "sized naive": ("kd", "control"),
    "few": ("swa", "control"), "few naive": ("kd", "control"),
}  # fmt: skip
LABELS = {"sized naive": "sized", "few": "few", "few naive": "few"}
COMPRESSED = {"filters": "structured", "weights": "unstructured"}


def card_of(runs: Runs, dataset: str, seed: int, **changed: object) -> Card:
    """The card of one run of a group."""
    kind, dash, method = runs.family.partition("-")
    how = COMPRESSED[kind] if dash else "width"
    name, role = METHODS[method if dash else runs.family]
    recipe = {"split": "transfer", **runs.fields} | ({"label": LABELS[runs.family]} if runs.family in LABELS else {})
    beta = runs.beta if runs.beta is not None else 2.0 if role == "matched" else 0.0
    values = {"id": f"{dataset}-{_slug(runs.label)}-s{seed}", "method": name, "role": role, "compression": how,
              "width": runs.width or 0.28125, "lam": 0.5 if runs.lam is None else runs.lam, "beta": beta,
              "teacher_id": f"{dataset}-teacher", "recipe": recipe}  # fmt: skip
    return _card(dataset, seed=seed, **{**values, **changed})


def teacher_of(dataset: str) -> Card:
    """The one teacher."""
    return _card(dataset, id=f"{dataset}-teacher", method="ce", role="teacher", seed=0, recipe={})


def stored_with(dataset: str, groups: Iterable[Runs], means: Mapping[Cell, float], *, extra: Iterable[Card] = (),
                seeds: Mapping[str, Sequence[int]] | None = None):  # fmt: skip
    """Cards and rows in which each group has these means, a little spread over images and seeds, all answers right.

    seeds: of the groups, by label, that have others than ``SEEDS``.
    """
    of = {**{runs.label: SEEDS for runs in groups}, **(seeds or {})}
    by_label = {runs.label: runs for runs in groups}
    ids = {label: ([f"{dataset}-teacher"] if runs.family == "teacher"
                   else [card_of(runs, dataset, seed).id for seed in of[label]])
           for label, runs in by_label.items()}  # fmt: skip
    cards = [card_of(runs, dataset, seed) for label, runs in by_label.items() if runs.family != "teacher"
             for seed in of[label]]  # fmt: skip
    rows = [
        _rows(run_id, explainer, metric, mean)
        for (label, explainer, metric), mean in means.items()
        if explainer != "answers"
        for run_id in ids[label]
    ]
    answers = {run_id: [1.0] * N_IMAGES for run_ids in ids.values() for run_id in run_ids}
    for (label, explainer, _), mean in means.items():
        if explainer == "answers":
            answers |= {run_id: list(spread(run_id, mean)) for run_id in ids[label]}
    answers.setdefault(f"{dataset}-teacher", [1.0] * N_IMAGES)
    return _stored(dataset, [teacher_of(dataset), *cards, *extra], rows, answers)


def spread(run_id: str, mean: float) -> np.ndarray:
    """Values of the images around a mean, another small pattern for each run, with exactly that mean."""
    noise = np.random.default_rng(sum(map(ord, run_id))).uniform(-0.01, 0.01, N_IMAGES)
    return mean + noise - noise.mean()


def means_for(checks: Iterable[Check], *, true: bool) -> dict[Cell, float]:
    """Means for which every check is as the claim says, or (``true`` off) every one is clearly not."""
    checks = tuple(checks)
    cells = sorted({cell(term) for check in checks for term in check.terms})
    upper, bound = [], []
    for check in checks:
        row = np.zeros(len(cells))
        for term in check.terms:
            row[cells.index(cell(term))] += term.weight
        for sign, limit in _limits(check, true):  # sign * contrast <= limit
            upper.append(sign * row)
            bound.append(limit)
    found = linprog(np.ones(len(cells)), A_ub=np.array(upper), b_ub=np.array(bound), bounds=[(0.25, 1)] * len(cells))
    assert found.success, found.message
    means = dict(zip(cells, found.x.tolist(), strict=True))
    near = {
        ("teacher", term.explainer, term.metric): 0.0 for check in checks for term in check.terms if term.to_teacher
    }
    another = {
        (term.runs.label, term.explainer, f"{term.metric}_shuffled"): 0.0
        for check in checks for term in check.terms if term.beyond
    }  # fmt: skip
    return means | near | another  # |x - 0| is x, and so is (x - 0) / (1 - 0)


def cell(term: Term) -> Cell:
    """What a term reads."""
    return (term.runs.label, term.explainer, term.metric)


def groups_of(checks: Iterable[Check]) -> list[Runs]:
    """Every group that a claim names, and the teacher."""
    found = {term.runs.label: term.runs for check in checks for term in check.terms}
    return list((found | {"teacher": Runs(family="teacher", label="teacher")}).values())


def _limits(check: Check, true: bool) -> list[tuple[float, float]]:
    sign = 1.0 if check.rule == "below" else -1.0
    if check.rule in ("above", "below"):
        return [(sign if true else -sign, -CLEARLY)]
    if check.rule == "not below":
        return [(-1.0, 0.0)] if true else [(1.0, -check.margin - CLEARLY)]
    return [(1.0, 0.0), (-1.0, 0.0)] if true else [(1.0, -check.margin - CLEARLY)]


def _rows(run_id: str, explainer: str, metric: str, mean: float) -> pd.DataFrame:
    values = spread(run_id, mean)
    return pd.DataFrame({"run_id": run_id, "explainer": explainer, "index": range(N_IMAGES), "target": 0,
                         metric: values})  # fmt: skip


def _stored(dataset: str, cards: list[Card], rows: list[pd.DataFrame], answers: Mapping[str, list[float]]) -> Stored:
    metrics = pd.DataFrame()
    if rows:
        joined = pd.concat(rows)
        names = [name for name in joined if name not in ("run_id", "explainer", "index", "target")]
        metrics = joined.groupby(["run_id", "explainer", "index", "target"])[names].first().reset_index()
        metrics["undefined"] = json.dumps({})
    said = pd.concat([
        pd.DataFrame({"run_id": run_id, "index": range(N_IMAGES), "right": values})
        for run_id, values in answers.items()
    ])  # fmt: skip
    return Stored(
        dataset=dataset,
        zoo=Zoo(dataset=dataset, cards=tuple(cards)),
        results=Results(dataset=dataset, answers=said),
        metrics=Metrics(dataset=dataset, rows=metrics),
    )


def _card(dataset: str, **values: object) -> Card:
    common = {"dataset": dataset, "arch": "vgg_gap_64", "params": 10, "multi_label": False, "classes": ("a", "b"),
              "transform": CardTransform(size=8, mean=(0.0,), std=(1.0,)), "recipe_hash": "0" * 12,
              "sha256": "0" * 64}  # fmt: skip
    return Card(**{**common, **values})  # type: ignore[arg-type]


def _slug(label: str) -> str:
    return "".join(each if each.isalnum() else "." for each in label.lower().replace("λ", "l")).strip(".")
