"""Paper 003, Tables IV and V, superpixel by superpixel: by every explainer of theirs, and against AT, NST and AB.

The autoencoder of the XD runs learned the teacher's GradientSHAP, unless "Grad-CAM's XD" is said: the paper trains
one by each explainer and does not say by which its table's columns were made. `003-regions-*` has GradientSHAP's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xkd_core.claims.base import Claim
from xkd_core.claims.columns import Check, Rule
from xkd_core.claims.contrasts import of_runs
from xkd_core.claims.measuring import between
from xkd_core.claims.paper_003 import BETAS, DATA, KD, QUARTER, XD, other
from xkd_core.claims.stored import Runs

METRICS: Mapping[str, tuple[str, Rule]] = {"superpixel_mse": ("MSE", "below"), "sign_agreement": ("signs", "above")}
MAPS: Mapping[str, str] = {"gradient_shap": "SHAP", "grad_cam": "Grad-CAM"}
XD_CAM = Runs(family="xd", label="Grad-CAM's XD /4", width=QUARTER, fields={"explained": "grad_cam"})
AGAINST_KD: Mapping[str, tuple[str, str]] = {
    "grad_cam": ("Grad-CAM", "MSE .024 against .025; sign agreement 62 against 56.1 %"),
    "lime": ("LIME", "MSE .006 both; sign agreement 54.4 against 50.1 %"),
}
PRINTED: Mapping[str, str] = {
    "superpixel_mse": "MSE XD, AT, NST, AB: SHAP .026 .040 .037 .033, Grad-CAM .024 .239 .246 .199",
    "sign_agreement": "sign agreement XD, AT, NST, AB: SHAP 70.5 67.9 67.6 67.3 %, Grad-CAM 62 52.1 58.6 55.6 %",
}
TABLES: Mapping[str, tuple[str, str]] = {"superpixel_mse": ("mse", "Table IV"), "sign_agreement": ("signs", "Table V")}


def _against_kd(explainer: str, first: Runs = XD) -> list[Check]:
    return [
        between(f"{title}: {first.label} - KD", first, KD, explainer, metric, rule=rule)
        for metric, (title, rule) in METRICS.items()
    ]


def _against_others(metric: str) -> list[Check]:
    rule = METRICS[metric][1]
    return [
        between(f"{title}: XD - {name.upper()}", XD, other(name), explainer, metric, rule=rule)
        for explainer, title in MAPS.items()
        for name in BETAS
    ]


def _overlap() -> list[Check]:
    return [between(f"{title}: XD - KD", XD, KD, explainer, "superpixel_overlap") for explainer, title in MAPS.items()]


def _make(dataset: str, explainers: Sequence[str], metrics: Sequence[str], runs: Sequence[str]) -> str:
    return (
        f"python -m xkd_core evaluate --data {dataset}:test --runs '{','.join(f'{dataset}-{one}' for one in runs)}' "
        f"--explainers {','.join(explainers)} --metrics {','.join(metrics)} --images 200"
    )


_KD_RUNS, _XD_RUNS, _XD_CAM_RUNS = "kd-w4-l0.5-s[0-9]-*", "xd-w4-l0.5-s[0-9]-*", "xd-w4-l0.5-grad_cam-s[0-9]-*"


def _on(dataset: str) -> tuple[Claim, ...]:
    common: dict[str, Any] = {"paper": "003", "kind": "runs", "page": "pages/compression.py",
                              "query": {"data": dataset, "match": "xd"}}  # fmt: skip
    of_maps = tuple(_of_kd(dataset, name, common) for name in AGAINST_KD)
    others = tuple(_of_others(dataset, metric, common) for metric in METRICS)
    return (*of_maps, _of_own_target(dataset, common), *others, _of_overlap(dataset, common))


def _of_kd(dataset: str, explainer: str, common: Mapping[str, Any]) -> Claim:
    title, printed = AGAINST_KD[explainer]
    return Claim(
        id=f"003-regions-{explainer}-{dataset}", place="Tables IV and V", printed=printed,
        says=f"By {title} as well, XDistillation is nearer to its teacher than KD, superpixel by superpixel.",
        test=f"{title} on superpixels, XD - KD on {DATA[dataset]}: MSE below 0, sign agreement above 0. XD's "
        "autoencoder learned GradientSHAP.",
        judge=of_runs(dataset, _against_kd(explainer),
                      make=_make(dataset, [explainer], list(METRICS), [_KD_RUNS, _XD_RUNS])), **common,
    )  # fmt: skip


def _of_own_target(dataset: str, common: Mapping[str, Any]) -> Claim:
    return Claim(
        id=f"003-regions-target-{dataset}", place="Tables IV and V", printed=AGAINST_KD["grad_cam"][1],
        says="By Grad-CAM, XDistillation is nearer to its teacher than KD where it was given Grad-CAM's map.",
        test=f"Grad-CAM on superpixels, XD whose autoencoder learned Grad-CAM minus KD on {DATA[dataset]}: MSE below "
        "0, sign agreement above 0.",
        judge=of_runs(dataset, _against_kd("grad_cam", XD_CAM),
                      make=_make(dataset, ["grad_cam"], list(METRICS), [_KD_RUNS, _XD_CAM_RUNS])), **common,
    )  # fmt: skip


def _of_others(dataset: str, metric: str, common: Mapping[str, Any]) -> Claim:
    short, table = TABLES[metric]
    what, side = ("MSE", "below") if short == "mse" else ("Sign agreement", "above")
    runs = [_XD_RUNS, *(f"{name}-w4-l0-*" for name in BETAS)]
    return Claim(
        id=f"003-regions-{short}-others-{dataset}", place=table, printed=PRINTED[metric],
        says=f"By {'distance' if short == 'mse' else 'signs'}, XDistillation is nearer to its teacher than AT, NST "
        "and AB.",
        test=f"{what} of superpixels by GradientSHAP (what XD's autoencoder learned) and Grad-CAM, XD minus each of "
        f"them (beside hard labels alone, with KD-Zoo's weights) on {DATA[dataset]}: {side} 0 in all.",
        judge=of_runs(dataset, _against_others(metric), make=_make(dataset, list(MAPS), [metric], runs)), **common,
    )  # fmt: skip


def _of_overlap(dataset: str, common: Mapping[str, Any]) -> Claim:
    return Claim(
        id=f"003-regions-overlap-{dataset}", place="Section IV, Fig. 11", ours=True,
        printed="\"overlap area\" in the text, for which Table V prints signs",
        says="XDistillation finds the teacher's two most important superpixels more often than KD.",
        test=f"Share of the two largest superpixels that both name, by GradientSHAP and Grad-CAM, XD - KD on "
        f"{DATA[dataset]}: above 0 in both. Seeds whose maps are not measured are left out.",
        judge=of_runs(dataset, _overlap(),
                      make=_make(dataset, list(MAPS), ["superpixel_overlap"], [_KD_RUNS, _XD_RUNS])), **common,
    )  # fmt: skip


CLAIMS: tuple[Claim, ...] = tuple(claim for dataset in DATA for claim in _on(dataset))
