"""The sweeps that ship train every run that a claim asks for: no claim waits for what nobody will make."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.claims.made_rows import _card
from xkd_core.claims.contrasts import OfRuns
from xkd_core.claims.paper_004_roar import OfRetrained
from xkd_core.claims.stored import Stored
from xkd_core.claims.table import CLAIMS
from xkd_core.evaluation.heavy import HEAVY
from xkd_core.evaluation.rows import LOCALISATIONS, SIMILARITIES
from xkd_core.results.metrics import Metrics
from xkd_core.serving.results import Results
from xkd_core.serving.zoo import Zoo
from xkd_core.sweep.plan import read_sweep

ROOT = Path(__file__).parents[2]
OF_RUNS = {claim_id: claim.judge for claim_id, claim in CLAIMS.items() if isinstance(claim.judge, OfRuns | OfRetrained)}


def as_card(recipe):
    """What a finished run's card says of its recipe, as far as claims read it."""
    teacher = recipe.method == "ce"
    return _card(
        recipe.dataset, id=recipe.run_id, method=recipe.method, role=recipe.role, seed=recipe.seed,
        width=recipe.width, compression=recipe.compress or ("slimmable" if recipe.slimmable else "width"),
        teacher_id=recipe.teacher_id, lam=None if teacher else recipe.lam,
        beta=None if teacher else recipe.beta if recipe.transfers else 0.0, recipe=asdict(recipe),
    )  # fmt: skip


@pytest.fixture(scope="module")
def planned():
    found = {}
    for dataset in {judge.dataset for judge in OF_RUNS.values()}:
        cards = tuple(as_card(recipe) for recipe in read_sweep(ROOT / "checkpoints" / dataset / "sweep.yaml"))
        found[dataset] = Stored(
            dataset=dataset, zoo=Zoo(dataset=dataset, cards=cards), results=Results(dataset=dataset),
            metrics=Metrics(dataset=dataset),
        )  # fmt: skip
    return found


@pytest.mark.parametrize("claim_id", list(OF_RUNS))
def test_every_run_of_a_claim_is_in_the_data_sets_sweep(planned, claim_id):
    judge = OF_RUNS[claim_id]
    for check in judge.checks:
        for term in check.terms:
            assert planned[judge.dataset].ids(term.runs), f"{term.runs.label} on {judge.dataset}"


@pytest.mark.parametrize("claim_id", [one for one, judge in OF_RUNS.items() if isinstance(judge, OfRuns)])
def test_the_command_that_is_named_measures_what_the_claim_reads(claim_id):
    judge = OF_RUNS[claim_id]
    words = shlex.split(judge.make)
    read = {(term.explainer, term.metric) for check in judge.checks for term in check.terms}
    read |= {("answers", "right") for check in judge.checks if check.right_only and "evaluate" in words}
    if "evaluate" in words:
        explainers, metrics = (words[words.index(name) + 1].split(",") for name in ("--explainers", "--metrics"))
        explainers += ["answers", *(["cam"] if "grad_cam" in explainers else [])]
    else:
        assert words[3:5] == ["sweep", "collect"]
        explainers, metrics = ["answers", "cam", *HEAVY], [*SIMILARITIES, *LOCALISATIONS, "right", "same_answer"]
    assert {name for name, _ in read} <= set(explainers)
    assert {metric for _, metric in read} <= set(metrics)
