"""Paper 004, Tables 8 to 10: what compression does to explainers that no loss ever sees (EBP, LRP and RAP).

Grad-CAM's column of these tables is in `paper_004`: `004-broken-scenes`, `004-point-scenes` and `004-*-places`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xkd_core.claims.base import Claim
from xkd_core.claims.columns import Check
from xkd_core.claims.contrasts import of_runs
from xkd_core.claims.measuring import between
from xkd_core.claims.stored import TEACHER, Runs

EXPLAINERS: Mapping[str, str] = {"excitation_backprop": "EBP", "lrp": "LRP", "rap": "RAP"}
PLACES: Mapping[str, str] = {"roc_auc": "ROC-AUC", "pointing": "pointing"}
FULL = "ROC-AUC teacher 84.14 85.29 84.54, {}; point accuracy teacher 74.80 65.48 69.49, {} (EBP, LRP, RAP)"
LEFT_OUT = "Seeds whose maps are not measured are left out."


@dataclass(frozen=True, kw_only=True)
class Compressed:
    """One way of compression. family: of the runs, before the method. printed: its rows of Tables 9 and 10."""

    name: str
    how: str
    family: str
    width: float | None
    printed: tuple[str, str]
    runs: str

    def students(self, method: str) -> Runs:
        """Naive or SWA students of it."""
        title = {"naive": "naive", "swa": "SWA"}[method]
        return Runs(family=f"{self.family}{method}", label=f"{title} ({self.how})", width=self.width)

    @property
    def make(self) -> str:
        """The command that measures the maps of both kinds of students and of their teacher."""
        return (
            f"python -m xkd_core evaluate --data scenes:test --runs 'scenes-ce-w1-s0-*,{self.runs}' --explainers "
            f"{','.join(EXPLAINERS)} --metrics {','.join(PLACES)},cosine,right --images 100"
        )


WAYS = (
    Compressed(name="kd", how="KD to /8", family="", width=0.125, printed=("76.31 79.60 80.85", "66.31 53.43 56.87"),
               runs="scenes-kd-w8-l0.5-s[0-9]-*,scenes-swa-w8-l0.5-b2-s[0-9]-*"),
    Compressed(name="filters", how="structured pruning", family="filters-", width=None,
               printed=("79.03 81.60 79.30", "69.22 61.13 65.01"), runs="scenes-kd-f50-*,scenes-swa-f50-*"),
    Compressed(name="weights", how="unstructured pruning", family="weights-", width=None,
               printed=("81.99 81.55 81.16", "70.28 60.23 65.26"), runs="scenes-kd-u5-*,scenes-swa-u5-*"),
)  # fmt: skip
"""The rows of Tables 9 and 10; pruning as in `004-filters-*` and `004-weights-*`, of which the last round counts."""


def _places(label: str, first: Runs, second: Runs, metrics: Mapping[str, str] = PLACES) -> list[Check]:
    """On images that both answer right, as in the paper."""
    return [
        between(f"{short} {title}: {label}", first, second, name, metric, right_only=True)
        for name, short in EXPLAINERS.items()
        for metric, title in metrics.items()
    ]


def _kept(way: Compressed) -> Mapping[str, str]:
    """What matching is judged by: of KD the peak alone, for `004-others-scenes` has the area."""
    return {"pointing": PLACES["pointing"]} if way.name == "kd" else PLACES


def _near(way: Compressed) -> list[Check]:
    swa, naive = (way.students(method) for method in ("swa", "naive"))
    return [between(f"{short}: SWA - naive", swa, naive, name, "cosine") for name, short in EXPLAINERS.items()]


def _of(way: Compressed) -> tuple[Claim, ...]:
    swa, naive = (way.students(method) for method in ("swa", "naive"))
    area, point = (f"naive {one}" for one in way.printed)
    common: dict[str, Any] = {"paper": "004", "kind": "runs", "page": "pages/compression.py",
                              "query": {"data": "scenes", "match": "swa", "map": "lrp"}}  # fmt: skip
    both = f"ROC-AUC and pointing game by {', '.join(EXPLAINERS.values())} on images that both answer right"
    return (
        Claim(
            id=f"004-others-lost-{way.name}", place="Appendix A, Tables 9 and 10", printed=FULL.format(area, point),
            says=f"After {way.how}, excitation backprop, LRP and RAP localise worse than before.",
            test=f"{both}, teacher - naive on scenes: above 0 in all. {LEFT_OUT}",
            judge=of_runs("scenes", _places("teacher - naive", TEACHER, naive), make=way.make), **common,
        ),
        Claim(
            id=f"004-others-kept-{way.name}", says=f"After {way.how}, these maps localise better with matching.",
            test=f"{', '.join(_kept(way).values())} by {', '.join(EXPLAINERS.values())} on images that both answer "
            f"right, SWA - naive on scenes: above 0 in all. {LEFT_OUT}{_ELSEWHERE if way.name == 'kd' else ''}",
            judge=of_runs("scenes", _places("SWA - naive", swa, naive, _kept(way)), make=way.make), **common,
            **(_TABLE_8 if way.name == "kd" else _NO_TABLE),
        ),
        Claim(
            id=f"004-others-near-{way.name}", ours=True, place="Tables 8 to 10 (no likeness there)",
            printed="no number", says=f"After {way.how}, these maps drift less from the teacher's with matching.",
            test=f"Cosine to the teacher's map by {', '.join(EXPLAINERS.values())}, SWA - naive on scenes: above 0. "
            f"{LEFT_OUT}",
            judge=of_runs("scenes", _near(way), make=way.make), **common,
        ),
    )  # fmt: skip


_TABLE_8: dict[str, Any] = {
    "place": "Section 4.5, Table 8",
    "printed": "point accuracy naive, SSWA: EBP 66.31 71.24, LRP 53.43 64.08, RAP 56.87 65.66",
}
_ELSEWHERE = " ROC-AUC: `004-others-scenes`."
_NO_TABLE: dict[str, Any] = {
    "place": "Tables 9 and 10 (without matching there)",
    "printed": "no number with matching",
    "ours": True,
}
CLAIMS: tuple[Claim, ...] = tuple(claim for way in WAYS for claim in _of(way))
