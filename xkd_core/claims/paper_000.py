"""Paper 000 (Wilfling et al.): what does the weight of distillation do to the quality of maps?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from xkd_core.claims import proofs_losses, proofs_maps, proofs_quirks
from xkd_core.claims.base import Claim, by_code
from xkd_core.claims.columns import Check, Term
from xkd_core.claims.contrasts import of_runs, share_right
from xkd_core.claims.measuring import between
from xkd_core.claims.stored import TEACHER, Runs

MIXED = (0.25, 0.5, 0.75)
METRICS: Mapping[str, str] = {
    "faithfulness_estimate": "FE", "monotonicity_correlation": "MS", "pointing": "PG",
    "attribution_localisation": "AL",
}  # fmt: skip
CAMS = ("grad_cam_pp", "grad_cam")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Where λ was swept. make: measures what claims need beyond the data set's own rows."""

    dataset: str
    title: str
    width: float | None
    runs: str

    @property
    def make(self) -> str:
        """The command for faithfulness, localisation and both CAMs."""
        return (
            f"python -m xkd_core evaluate --data {self.dataset}:test --runs '{self.runs}' --explainers "
            f"{','.join(CAMS)} --metrics {','.join(METRICS)},right --images 1000"
        )

    def student(self, lam: float) -> Runs:
        """Students at one λ, naive or, at 0, the baseline."""
        return Runs(family="naive", label=f"λ {lam:g}", width=self.width, lam=lam)


SWEEPS = (
    Sweep(dataset="scenes", title="scenes, /4", width=0.25, runs="scenes-ce-*,scenes-kd-w4-l*[0-9]-s[0-9]-*"),
    Sweep(dataset="tiny-imagenet-50", title="Tiny ImageNet, 50 classes", width=None, runs="tiny-imagenet-50-*"),
)


def _best(sweep: Sweep, metric: str) -> list[Check]:
    return [between(f"λ 0 - λ {lam:g}", sweep.student(0.0), sweep.student(lam), "cam", metric) for lam in (*MIXED, 1.0)]


def _mixed(sweep: Sweep, metrics: tuple[str, ...], ends: tuple[float, ...] = (0.0, 1.0)) -> list[Check]:
    """The mean of the mixtures minus an end of the axis: below 0."""
    return [
        Check(
            label=f"{METRICS[metric]}: mixtures - λ {end:g}",
            terms=(*(_term(1 / len(MIXED), sweep.student(lam), metric) for lam in MIXED),
                   _term(-1.0, sweep.student(end), metric)),
            rule="below",
        )
        for metric in metrics
        for end in ends
    ]  # fmt: skip


def _term(weight: float, runs: Runs, metric: str) -> Term:
    return Term(weight=weight, runs=runs, explainer="cam", metric=metric)


def _teacher(sweep: Sweep, metrics: tuple[str, ...]) -> list[Check]:
    return [
        between(f"{METRICS[metric]}: teacher - λ {lam:g}", TEACHER, sweep.student(lam), "cam", metric)
        for metric in metrics
        for lam in (0.0, *MIXED, 1.0)
    ]


def _plus_plus(sweep: Sweep, metric: str, lam: float = 0.5) -> Check:
    first, second = (
        Term(weight=weight, runs=sweep.student(lam), explainer=name, metric=metric)
        for weight, name in zip((1.0, -1.0), CAMS, strict=True)
    )
    return Check(label=f"{METRICS[metric]}: Grad-CAM++ - Grad-CAM", terms=(first, second), rule="below")


def _best_claims(sweep: Sweep) -> tuple[Claim, ...]:
    return tuple(
        Claim(
            id=f"000-labels-{short.lower()}-{sweep.dataset}", paper="000", kind="runs",
            says=f"Without distillation (λ = 0) students have the best maps by {short}.",
            place="Section 3, Fig. 2", printed="box plots without numbers",
            test=f"{metric.replace('_', ' ')} of Grad-CAM, λ = 0 minus each other λ on {sweep.title}: above 0.",
            judge=of_runs(sweep.dataset, _best(sweep, metric), make=sweep.make), page="pages/compression.py",
            query={"data": sweep.dataset},
        )
        for metric, short in METRICS.items()
    )  # fmt: skip


def _other_claims(sweep: Sweep) -> tuple[Claim, ...]:
    common: dict[str, Any] = {"paper": "000", "kind": "runs", "place": "Section 3, Fig. 2",
                              "printed": "box plots without numbers", "page": "pages/compression.py",
                              "query": {"data": sweep.dataset}}  # fmt: skip
    places = ("pointing", "attribution_localisation")
    three = ("monotonicity_correlation", *places)
    return (
        Claim(
            id=f"000-mixed-{sweep.dataset}", says="Mixing hard and soft labels gives the worst maps by PG and AL.",
            test=f"Mean of λ = .25, .5, .75 minus λ = 0 and minus λ = 1 on {sweep.title}: below 0 in both metrics. λ "
            "has comparable scales here (T²), unlike in the paper.",
            judge=of_runs(sweep.dataset, _mixed(sweep, places), make=sweep.make), **common,
        ),
        Claim(
            id=f"000-mixed-fe-{sweep.dataset}", says="Purely distilled students have a better FE than mixtures.",
            test=f"FE of Grad-CAM, mean of λ = .25, .5, .75 minus λ = 1 on {sweep.title}: below 0.",
            judge=of_runs(sweep.dataset, _mixed(sweep, ("faithfulness_estimate",), ends=(1.0,)), make=sweep.make),
            **common,
        ),
        Claim(
            id=f"000-teacher-{sweep.dataset}",
            says="By MS, PG and AL the teacher's maps are better than its students'.",
            test=f"MS, PG and AL, teacher minus the student at each λ on {sweep.title}: above 0.",
            judge=of_runs(sweep.dataset, _teacher(sweep, three), make=sweep.make), **common,
        ),
        Claim(
            id=f"000-plusplus-{sweep.dataset}", says="Grad-CAM++ does worse than Grad-CAM and its likes.",
            test=f"FE, MS, PG and AL of the student at λ = .5 on {sweep.title}, Grad-CAM++ minus Grad-CAM: below 0.",
            judge=of_runs(sweep.dataset, [_plus_plus(sweep, metric) for metric in METRICS], make=sweep.make),
            **common,
        ),
        Claim(
            id=f"000-beats-{sweep.dataset}", says="KD makes students that are more accurate than their teacher.",
            **{**common, "place": "Sections 3 and 4", "printed": "teacher 81.45 %, students 80.46 to 84.43 %"},
            test=f"{share_right(sweep.dataset)}, λ = 1 minus the teacher on {sweep.title}: above 0. Both choose among "
            "the same classes; the paper's teacher among 1000, its students among 50.",
            judge=of_runs(sweep.dataset, [
                between("λ 1 - teacher", sweep.student(1.0), TEACHER, "answers", "right"),
            ], make=sweep.make),
        ),
        Claim(
            id=f"000-accuracy-{sweep.dataset}", says="Students on soft labels alone (λ = 1) are the most accurate.",
            **{**common, "place": "Section 3", "printed": "80.46 to 84.43 %, the highest at λ = 1; teacher 81.45 %"},
            test=f"{share_right(sweep.dataset)}, λ = 1 minus λ = 0, .25, .5 and .75 on {sweep.title}: above 0.",
            judge=of_runs(sweep.dataset, [
                between(f"λ 1 - λ {lam:g}", sweep.student(1.0), sweep.student(lam), "answers", "right")
                for lam in (0.0, *MIXED)
            ], make=sweep.make),
        ),
    )  # fmt: skip


def _by_code() -> tuple[Claim, ...]:
    return (
        Claim(
            id="000-alike", paper="000", kind="code", judge=by_code(proofs_maps.cams_alike),
            says="Grad-CAM, HiResCAM and XGrad-CAM give very similar results.",
            place="Section 3", printed="Fig. 2, no numbers",
            test="Largest difference of the maps on three networks with global average pooling, random weights.",
        ),
        Claim(
            id="000-unstable", paper="000", kind="code", judge=by_code(proofs_maps.grad_cam_pp_jumps), ours=True,
            says="Grad-CAM++ can jump: its channel weight has a pole that features of MobileNetV3 can reach.",
            place="Sections 3 and 4 (\"quite unstable\")", printed="no number",
            test="The weight around its pole, and whether sums of Hardswish's values go that low. Whether they do on "
            "images is not tested.",
        ),
        Claim(
            id="000-temperature", paper="000", kind="code", judge=by_code(proofs_losses.kd_share),
            says="In Eq. 1, λ mediates between the distillation and the classification loss (T = 50).",
            place="Eq. 1", printed="T = 50, λ = 0, .25, .5, .75, 1",
            test="KD term over cross-entropy for random logits, in value and gradient: above a hundredth.",
        ),
        Claim(
            id="000-always", paper="000", kind="code", judge=by_code(proofs_maps.always_monotone), ours=True,
            says="The toolkit that the paper evaluates with can tell whether a map is monotone (its Monotonicity).",
            place="Section 3 (Quantus); not the MS that Fig. 2 shows", printed="no number",
            test="Its procedure restated in plain code, with random maps of random networks: below 100 % monotone. The "
            "library is not installed beside the app; `tests/benchmarks/quantus_compare.py` runs it itself.",
        ),
        Claim(
            id="000-hits", paper="000", kind="code", judge=by_code(proofs_quirks.hits_of_nothing), ours=True,
            says="A hit of the toolkit's pointing game says that the peak of a map lies on the object.",
            place="Section 3 (Quantus, PointingGame; the paper pins 0.5.3 and leaves out its one empty mask)",
            printed="no number",
            test="Its rule of 0.6 restated, with constant maps and with empty masks: no hits.",
        ),
        Claim(
            id="000-area", paper="000", kind="code", judge=by_code(proofs_quirks.area_of_batch), ours=True,
            says="The toolkit's attribution localisation knows how much of the image an object fills.",
            place="Section 3 (Quantus 0.6, AttributionLocalisation; not the pinned 0.5.3)", printed="no number",
            test="Its count of the pixels restated, with an object of a quarter of the image in batches of 3, 10 and "
            "50: .25 each time.",
        ),
        Claim(
            id="000-frozen", paper="000", kind="code", judge=by_code(proofs_quirks.norms_after_first_epoch), ours=True,
            says="In the released script every epoch trains the student in training mode.",
            place="released code (test_accuracy)", printed="160 epochs",
            test="Its order of train() and eval() restated over 4 epochs of 5 batches: batch norm takes in all 20.",
        ),
    )  # fmt: skip


CLAIMS: tuple[Claim, ...] = (
    *_by_code(), *(claim for sweep in SWEEPS for claim in (*_best_claims(sweep), *_other_claims(sweep))),
)  # fmt: skip
