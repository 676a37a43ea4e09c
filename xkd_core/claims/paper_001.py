"""Paper 001 (anonymous): does a distilled student have the better maps, by average drop, coherency, complexity?"""

from __future__ import annotations

from typing import Any

from xkd_core.claims import proofs_counts, proofs_quirks, proofs_tables
from xkd_core.claims.base import Claim, by_code
from xkd_core.claims.columns import Check, Rule, Term
from xkd_core.claims.contrasts import of_runs
from xkd_core.claims.measuring import between
from xkd_core.claims.stored import TEACHER, Runs

DATA = {"cifar10": ("CIFAR-10, /2 (about the paper's ratio)", ("/2",)), "scenes": ("scenes, /4 and /8", ("/4", "/8"))}
WIDTHS = {"/2": 0.5, "/4": 0.25, "/8": 0.125}
WANTED = "average_drop,coherency_ssim,mean_l1"
CONTROL = "centre_gaussian"


def _checks(dataset: str, metric: str, rule: Rule) -> list[Check]:
    return [
        between(f"{size}: KD - teacher", _student(size), TEACHER, "cam", metric, rule=rule) for size in DATA[dataset][1]
    ]


def _beyond(size: str, rule: Rule) -> Check:
    """The drop by CAM less that by one centre Gaussian for both: small networks lose more under any mask."""
    terms = tuple(
        Term(weight=of_run * of_map, runs=runs, explainer=name, metric="average_drop")
        for of_run, runs in ((1.0, _student(size)), (-1.0, TEACHER))
        for of_map, name in ((1.0, "cam"), (-1.0, CONTROL))
    )
    return Check(label=f"{size}: KD - teacher, CAM - centre", terms=terms, rule=rule)


def _student(size: str) -> Runs:
    return Runs(family="naive", label=f"KD {size}", width=WIDTHS[size])


def _make(dataset: str) -> str:
    return (
        f"python -m xkd_core evaluate --data {dataset}:test --runs '{dataset}-ce-*,{dataset}-kd-w*-l0.5-s[0-9]-*' "
        f"--explainers cam,{CONTROL} --metrics {WANTED} --images 1000"
    )


def _on(dataset: str) -> tuple[Claim, ...]:
    where, make = DATA[dataset][0], _make(dataset)
    common: dict[str, Any] = {"paper": "001", "kind": "runs", "place": "Table 1", "page": "pages/compression.py",
              "query": {"data": dataset}}  # fmt: skip
    return (
        Claim(
            id=f"001-drop-{dataset}", says="The student loses less confidence when it sees only what its map shows.",
            printed="average drop 12 % teacher, 8 % student",
            test="Average drop of softmax answers (networks in eval mode; the paper's code takes the top logit, and "
            f"its student learned from another teacher), KD - teacher on {where}: below 0.",
            judge=of_runs(dataset, _checks(dataset, "average_drop", "below"), make=make), **common,
        ),
        Claim(
            id=f"001-drop-map-{dataset}", ours=True,
            says="Beyond what one centre mask costs a network, the student's map costs it less.",
            printed="average drop 12 % teacher, 8 % student; no control there",
            test=f"Average drop by CAM less that by one centre Gaussian, KD - teacher on {where}: below 0. "
            f"Maps that mark more pixels lose less by that alone: `001-simpler-{dataset}`.",
            judge=of_runs(dataset, [_beyond(size, "below") for size in DATA[dataset][1]], make=make), **common,
        ),
        Claim(
            id=f"001-coherency-{dataset}", says="The student's maps are more coherent.",
            printed="SSIM .58 teacher, .67 student",
            test=f"SSIM of the map with the map of what it shows, KD - teacher on {where}: above 0.",
            judge=of_runs(dataset, _checks(dataset, "coherency_ssim", "above"), make=make), **common,
        ),
        Claim(
            id=f"001-simpler-{dataset}", says="The student's maps are less complex: they mark fewer pixels.",
            printed="complexity 5.65 teacher, 2.73 student",
            test=f"Mean L1 of the map over its largest value, which no grid enters, KD - teacher on {where}: below 0.",
            judge=of_runs(dataset, _checks(dataset, "mean_l1", "below"), make=make), **common,
        ),
    )  # fmt: skip


def _aggressive() -> Claim:
    return Claim(
        id="001-aggressive", paper="001", kind="runs", place="Section 5", printed="no number; Weber et al. 2023 cited",
        says="Slight compression helps the maps, aggressive compression hurts them.",
        test="Average drop by CAM less that by one centre Gaussian on CIFAR-10, KD - teacher: /2 below 0, /8 above.",
        judge=of_runs("cifar10", [_beyond("/2", "below"), _beyond("/8", "above")], make=_make("cifar10")),
        page="pages/compression.py", query={"data": "cifar10"},
    )  # fmt: skip


def _by_code() -> tuple[Claim, ...]:
    return (
        Claim(
            id="001-complexity", paper="001", kind="code", judge=by_code(proofs_tables.complexity_of_grids),
            says="Distillation halves the complexity of the maps.", place="Table 1", printed="5.65 and 2.73",
            test="The printed norm over the rows of each map: the student below 0.9 of the teacher.",
        ),
        Claim(
            id="001-adcc", paper="001", kind="code", ours=True, judge=by_code(proofs_tables.adcc_above_one),
            says="The ADCC of the student is above the teacher's.", place="released notebook",
            printed="ADCC 1.08 and 1.48", test="A harmonic mean of shares must be at most 1.",
        ),
        Claim(
            id="001-sizes", paper="001", kind="code", judge=by_code(proofs_counts.chhabra),
            says="ResNet-18 is a compressed WRN-28-10.", place="Abstract", printed="no number",
            test="Parameters of both networks for CIFAR-10.",
        ),
        Claim(
            id="001-mean", paper="001", kind="code", ours=True, judge=by_code(proofs_quirks.mean_of_kl),
            says="The training code weighs distillation as the formula does.",
            place="the paper's loss; nn.KLDivLoss() of the code its checkpoints are from",
            printed="α T² and 1 - α; α = .95, T = 6",
            test="The KL of random answers for 10 classes, with the formula's mean over images and with the code's "
            "over images and classes: equal.",
        ),
        Claim(
            id="001-eval", paper="001", kind="code", ours=True, judge=by_code(proofs_quirks.drop_of_nothing),
            says="The released evaluation measures what the maps cost.", place="released notebook (no eval())",
            printed="average drop 12 % teacher, 8 % student",
            test="Average drop (of softmax answers) by a map that keeps every pixel, on a small network with dropout "
            "of .3 and batch norm in train mode, one image at a time: 0, and the norm does not move.",
        ),
    )  # fmt: skip


CLAIMS: tuple[Claim, ...] = (*_by_code(), *(claim for dataset in DATA for claim in _on(dataset)), _aggressive())
