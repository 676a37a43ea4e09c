"""Paper 004 (Park et al. 2020): do compressed networks lose their maps, and does matching keep them?"""

from __future__ import annotations

from typing import Any

from xkd_core.claims import proofs_counts, proofs_losses, proofs_quirks, proofs_tables
from xkd_core.claims.base import Claim, by_code
from xkd_core.claims.columns import Check, Term
from xkd_core.claims.contrasts import of_runs, share_right
from xkd_core.claims.measuring import between
from xkd_core.claims.stored import TEACHER, Runs

WIDTHS = {"/2": 0.5, "/4": 0.25, "/8": 0.125}
KEPT = 0.75
"""The share of what SWA gains over KD that SSWA must keep to do about as well; .92 is the least that is printed."""
QUALITY_MARGIN = 0.01
OUTSIDE = ("occlusion", "gradient_shap", "kernel_shap")
TITLES = {"scenes": "scenes", "cifar10": "CIFAR-10"}
NAMES = {"naive": "KD", "swa": "SWA", "ewa": "EWA", "sswa": "SSWA"}
OTHERS_MAKE = (
    "python -m xkd_core evaluate --data scenes:test --runs 'scenes-kd-w8-l0.5-s[0-9]-*,scenes-swa-w8-l0.5-b2-s[0-9]-*' "
    "--explainers excitation_backprop,lrp,rap --metrics roc_auc --images 100"
)
PRUNED = {"filters": "L1 structured pruning", "weights": "iterative unstructured pruning"}
TABLE_OF = {"filters": "Tables 6 and 7", "weights": "Tables 4 and 5"}
PRINTED_PRUNED = {
    "filters": "cosine .764 naive, .911 SWA; ROC-AUC 79.98 and 86.99; mAP 83.76 and 88.39",
    "weights": "cosine .790 naive, .913 SWA; ROC-AUC 84.13 and 88.22; mAP 87.42 and 89.79",
}


def student(method: str, size: str) -> Runs:
    """Students of one method and width at λ = .5."""
    return Runs(family=method, label=f"{NAMES[method]} {size}", width=WIDTHS[size])


def _pair(first: str, second: str, explainer: str, metric: str, **more: object) -> list[Check]:
    name = f"{NAMES.get(first, first)} - {NAMES.get(second, second)}"
    return [
        between(f"{size}: {name}", _runs(first, size), _runs(second, size), explainer, metric, **more)
        for size in WIDTHS
    ]


def _runs(name: str, size: str) -> Runs:
    return TEACHER if name == "teacher" else student(name, size)


def _growth() -> list[Check]:
    """Gap of a smaller width minus that of the next larger one; the gap is SWA - KD in cosine."""
    checks = []
    for small, large in (("/4", "/2"), ("/8", "/4")):
        weights = ((1.0, "swa", small), (-1.0, "naive", small), (-1.0, "swa", large), (1.0, "naive", large))
        terms = tuple(
            Term(weight=weight, runs=student(method, size), explainer="cam", metric="cosine")
            for weight, method, size in weights
        )
        checks.append(Check(label=f"gap at {small} - gap at {large}", terms=terms))
    return checks


def _kept() -> list[Check]:
    """What SSWA gains over KD beyond a share of what SWA gains. A margin of so much cosine would let KD itself pass."""
    weights = (("sswa", 1.0), ("naive", KEPT - 1.0), ("swa", -KEPT))
    return [
        Check(label=f"{size}: (SSWA - KD) - {KEPT:g} (SWA - KD)", terms=tuple(
            Term(weight=weight, runs=student(method, size), explainer="cam", metric="cosine")
            for method, weight in weights
        ))
        for size in WIDTHS
    ]  # fmt: skip


def _outside() -> list[Check]:
    return [
        between(f"{size} {name}: SWA - KD", student("swa", size), student("naive", size), name, "cosine")
        for size in WIDTHS
        for name in OUTSIDE
    ]


def _lost(kind: str) -> Check:
    """Whether pruning alone cost anything that matching could keep."""
    naive = Runs(family=f"{kind}-naive", label=f"naive ({PRUNED[kind]})")
    return between("ROC-AUC: teacher - naive", TEACHER, naive, "cam", "roc_auc", right_only=True)


def _pruned(kind: str, explainer: str, metric: str, label: str, **more: object) -> list[Check]:
    first, second = (Runs(family=f"{kind}-{one}", label=f"{one} ({PRUNED[kind]})") for one in ("swa", "naive"))
    return [between(f"{label}: SWA - naive", first, second, explainer, metric, **more)]


def _on(dataset: str) -> tuple[Claim, ...]:
    """Claims that both data sets can test: similarity and quality."""
    name = TITLES[dataset]
    common: dict[str, Any] = {"paper": "004", "kind": "runs", "page": "pages/compression.py"}
    query = {"data": dataset}
    return (
        Claim(
            id=f"004-ewa-{dataset}", says="Matching equally weighted activations keeps maps nearer to the teacher's.",
            place="Table 3", printed="cosine KD .705 .650 .563, EWA .788 .750 .652 at /2 /4 /8",
            test=f"CAM cosine to the teacher, EWA - KD at each width on {name}: above 0.",
            judge=of_runs(dataset, _pair("ewa", "naive", "cam", "cosine")), query={**query, "match": "ewa"}, **common,
        ),
        Claim(
            id=f"004-swa-{dataset}", says="Matching class-weighted maps keeps more than equally weighted ones.",
            place="Table 3", printed="cosine EWA .788 .750 .652, SWA .873 .841 .813 at /2 /4 /8",
            test=f"CAM cosine to the teacher, SWA - EWA at each width on {name}: above 0. Both have β = 2; in the "
            "paper EWA's weight is twice SWA's.",
            judge=of_runs(dataset, _pair("swa", "ewa", "cam", "cosine")), query={**query, "match": "swa"}, **common,
        ),
        Claim(
            id=f"004-naive-{dataset}", says="With matching, maps are nearer to the teacher's than with KD alone.",
            place="Table 3", printed="cosine KD .705 .650 .563, SWA .873 .841 .813 at /2 /4 /8",
            test=f"CAM cosine to the teacher, SWA - KD at each width on {name}: above 0. "
            f"What maps of any two images have in common counts too; without it: `004-own-{dataset}`.",
            judge=of_runs(dataset, _pair("swa", "naive", "cam", "cosine")), query={**query, "match": "swa"}, **common,
        ),
        Claim(
            id=f"004-own-{dataset}", ours=True, place="Table 3 (no such control there)", printed="no number",
            says="Class-weighted matching brings maps nearer beyond what maps of any two images have in common.",
            test="CAM cosine to the teacher's map less that to its map of another image, as a share of what is "
            f"left to 1 (a centre Gaussian has about 0), SWA - KD and SWA - EWA at each width on {name}: above 0.",
            judge=of_runs(dataset, [*_pair("swa", "naive", "cam", "cosine", beyond=True),
                                    *_pair("swa", "ewa", "cam", "cosine", beyond=True)]),
            query={**query, "match": "swa"}, **common,
        ),
        Claim(
            id=f"004-sswa-{dataset}", says="Dropping channels at random (SSWA) does about as well as SWA.",
            place="Table 3", printed="cosine SWA .873 .841 .813, SSWA .859 .837 .842 at /2 /4 /8",
            test=f"CAM cosine, SSWA - KD less {KEPT:g} of SWA - KD at each width on {name}: above 0.",
            judge=of_runs(dataset, _kept()),
            query={**query, "match": "sswa"}, **common,
        ),
        Claim(
            id=f"004-growth-{dataset}", says="The smaller the student, the more matching helps.",
            place="Table 3", printed="SWA - KD in cosine: .168 at /2, .191 at /4, .250 at /8",
            test=f"Difference of the gaps SWA - KD of neighbouring widths on {name}: above 0 both times.",
            judge=of_runs(dataset, _growth()), query={**query, "match": "swa"}, **common,
        ),
        Claim(
            id=f"004-quality-{dataset}", says="Matching maps does not cost quality.",
            place="Table 2", printed="mAP SWA - KD +2.81 at /2, +2.36 at /4, +3.23 at /8",
            test=f"{share_right(dataset)}, SWA - KD on {name}: not below -{QUALITY_MARGIN:g} "
            f"at any width. The paper's gain itself is `004-gain-{dataset}`.",
            judge=of_runs(dataset, _pair("swa", "naive", "answers", "right", rule="not below", margin=QUALITY_MARGIN)),
            query={**query, "match": "swa"}, **common,
        ),
        Claim(
            id=f"004-gain-{dataset}", says="Students that match maps answer better than those with KD alone.",
            place="Table 2", printed="mAP SWA - KD +2.81 at /2, +2.36 at /4, +3.23 at /8",
            test=f"{share_right(dataset)}, SWA - KD at each width on {name}: above 0.",
            judge=of_runs(dataset, _pair("swa", "naive", "answers", "right")), query={**query, "match": "swa"},
            **common,
        ),
        Claim(
            id=f"004-outside-{dataset}", ours=True,
            says="By explainers that were not in the loss matched maps are nearer to the teacher's as well.",
            place="Section 4.5, Table 8 (ROC-AUC there)", printed="no cosine; ROC-AUC naive, SSWA: EBP 76.31 82.31, "
            "LRP 79.60 82.46, RAP 80.85 83.53, which `004-others-scenes` tests",
            test=f"Cosine to the teacher by {', '.join(OUTSIDE)}, SWA - KD at each width on {name}: above 0.",
            judge=of_runs(dataset, _outside()), query={**query, "map": "occlusion"}, **common,
        ),
    )  # fmt: skip


def _localised() -> tuple[Claim, ...]:
    """Claims that need masks: scenes alone has them."""
    common: dict[str, Any] = {
        "paper": "004",
        "kind": "runs",
        "page": "pages/compression.py",
        "query": {"data": "scenes"},
    }
    return (
        Claim(
            id="004-broken-scenes", says="Compression pulls maps off the object although the answer stays right.",
            place="Table 1", printed="point accuracy 80.21 of the teacher, 67.26 after KD to /8",
            test="Pointing game on images that both answer right, teacher - KD at each width on scenes: above 0.",
            judge=of_runs("scenes", _pair("teacher", "naive", "cam", "pointing", right_only=True)), **common,
        ),
        Claim(
            id="004-auc-scenes", says="Matched students' maps cover the object better than naive ones'.",
            place="Table 2", printed="ROC-AUC KD 82.53 80.61 78.74, SWA 88.12 87.90 87.88 at /2 /4 /8",
            test="ROC-AUC against the mask on images that both answer right, SWA - KD at each width: above 0.",
            judge=of_runs("scenes", _pair("swa", "naive", "cam", "roc_auc", right_only=True)), **common,
        ),
        Claim(
            id="004-point-scenes", says="The peak of a matched student's map lies on the object more often.",
            place="Table 2", printed="point accuracy KD 72.01 68.86 67.26, SWA 80.66 80.05 79.59 at /2 /4 /8",
            test="Pointing game on images that both answer right, SWA - KD at each width on scenes: above 0.",
            judge=of_runs("scenes", _pair("swa", "naive", "cam", "pointing", right_only=True)), **common,
        ),
        Claim(
            id="004-near-scenes", says="Matched students localise more like the teacher than naive ones.",
            place="Table 2", printed="ROC-AUC teacher 88.79, SWA 88.12 87.90 87.88, KD 82.53 80.61 78.74",
            test="|ROC-AUC - the teacher's| on each image, SWA - KD at each width on scenes: below 0.",
            judge=of_runs("scenes", _pair("swa", "naive", "cam", "roc_auc", rule="below", to_teacher=True)), **common,
        ),
        Claim(
            id="004-others-scenes", says="Excitation backprop, LRP and RAP localise better after matching as well.",
            place="Table 8", printed="ROC-AUC naive, SSWA: EBP 76.31 82.31, LRP 79.60 82.46, RAP 80.85 83.53",
            test="ROC-AUC against the mask by the three explainers, SWA - KD at /8 on scenes: above 0.",
            judge=of_runs("scenes", [
                between(f"/8 {name}: SWA - KD", student("swa", "/8"), student("naive", "/8"), name, "roc_auc")
                for name in ("excitation_backprop", "lrp", "rap")
            ], make=OTHERS_MAKE), **common,
        ),
    )  # fmt: skip


def _of_few() -> Claim:
    """The gain where there is room for it: `scenes` as a whole is easy, its naive students are nearly always right.

    mAP, which the paper prints, is one number for each run without rows of images; shares of right answers have them.
    """
    groups = [(Runs(family="few", label=f"SWA {size}, few", width=width),
               Runs(family="few naive", label=f"KD {size}, few", width=width), size)
              for size, width in WIDTHS.items()]  # fmt: skip
    return Claim(
        id="004-gain-few", paper="004", kind="runs",
        says="Students that match maps answer better than those with KD alone, trained on a quarter of the images.",
        place="Table 2", printed="mAP SWA - KD +2.81 at /2, +2.36 at /4, +3.23 at /8",
        test=f"{share_right('scenes')}, SWA - KD at each width, trained on 3,000 images of scenes for 80 "
        "epochs, as many steps as the others have on 12,000. One seed each, so what another seed would change is not "
        "known. Above 0.",
        judge=of_runs("scenes", [
            between(f"{size}: SWA - KD", swa, naive, "answers", "right") for swa, naive, size in groups
        ]), page="pages/compression.py", query={"data": "scenes", "match": "few"},
    )  # fmt: skip


def _of_pruning(kind: str) -> tuple[Claim, ...]:
    how = PRUNED[kind]
    common: dict[str, Any] = {"paper": "004", "kind": "runs", "page": "pages/compression.py"}
    query = {"data": "scenes", "kind": kind, "match": "swa"}
    place, printed = TABLE_OF[kind], PRINTED_PRUNED[kind]
    return (
        Claim(
            id=f"004-{kind}-maps", says=f"After {how}, fine-tuning with matching keeps the maps nearer.",
            place=place, printed=printed, test="CAM cosine to the unpruned teacher, SWA - naive on scenes: above 0.",
            judge=of_runs("scenes", _pruned(kind, "cam", "cosine", "cosine")), query=query, **common,
        ),
        Claim(
            id=f"004-{kind}-outside", says=f"After {how}, explainers that were not in the loss follow.", ours=True,
            place="Tables 9 and 10 (without matching there)", printed="no number",
            test=f"Cosine to the teacher by {', '.join(OUTSIDE)}, SWA - naive on scenes: above 0.",
            judge=of_runs("scenes", [one for name in OUTSIDE for one in _pruned(kind, name, "cosine", name)]),
            query=query, **common,
        ),
        Claim(
            id=f"004-{kind}-places", says=f"{how[0].upper()}{how[1:]} pulls maps off the object, matching keeps them.",
            place=place, printed=f"{printed}; teacher 88.79",
            test="ROC-AUC against the mask on images that both answer right, teacher - naive and SWA - naive: "
            "both above 0, on scenes.",
            judge=of_runs("scenes", [_lost(kind), *_pruned(kind, "cam", "roc_auc", "ROC-AUC", right_only=True)]),
            query=query, **common,
        ),
        Claim(
            id=f"004-{kind}-quality", says=f"After {how}, matching does not cost quality.",
            place=place, printed=printed,
            test=f"{share_right('scenes')}, SWA - naive on scenes: not below -{QUALITY_MARGIN:g}.",
            judge=of_runs("scenes", _pruned(kind, "answers", "right", "right", rule="not below",
                                            margin=QUALITY_MARGIN)),
            query=query, **common,
        ),
    )  # fmt: skip


def _by_code() -> tuple[Claim, ...]:
    return (
        Claim(
            id="004-distance", paper="004", kind="code", ours=True, judge=by_code(proofs_tables.distance_pairs),
            says="The cosine and the distance columns measure the same drift of the maps.",
            place="Tables 3, 5 and 7", printed="20 pairs, such as .841 and 16.23e-4",
            test="The distance must be 1e4 (2 - 2 cos) / 196 = 51.02 (2 - 2 cos) for unit maps of 14x14 cells.",
        ),
        Claim(
            id="004-ewa-is-at", paper="004", kind="code", judge=by_code(proofs_losses.ewa_is_at),
            says="Equally weighted matching is the attention transfer of an earlier work, seen as attribution.",
            place="Section 3, Eq. 3", printed="cited, no number",
            test="Value and gradient of EWA's loss against those of attention transfer on one layer.",
        ),
        Claim(
            id="004-sizes", paper="004", kind="code", judge=by_code(proofs_counts.park),
            says="The networks have 15.22, 0.29 (KD /8) and 3.27 (structured) million parameters.",
            place="Table 1", printed="15.22 M, 0.29 M, 3.27 M",
            test="Count the parameters of VGG16 for VOC, of its /8 form, and with conv1 and conv8-13 cut by 70 %.",
        ),
        Claim(
            id="004-rounds", paper="004", kind="code", judge=by_code(proofs_counts.rounds),
            says="Sixteen rounds that take a fifth of the weights leave 0.53 million parameters.",
            place="Table 1 and Section 4.2", printed="0.53 M, 16 iterations",
            test="Count what is left after each number of rounds, with and without classifier, biases and norms.",
        ),
        Claim(
            id="004-columns", paper="004", kind="code", ours=True, judge=by_code(proofs_counts.columns),
            says="Structured pruning removes a filter and what belongs to it in the next layer.",
            place="Section 4.3; released code", printed="no number",
            test="The code tiles the mask of channels over the flattened 7x7 map; count the right columns it keeps.",
        ),
        Claim(
            id="004-map", paper="004", kind="code", ours=True, judge=by_code(proofs_quirks.precision_by_image),
            says="The mAP of the released code asks whether a class's images come before the others.",
            place="Tables 2, 4 and 6; released code", printed="mAP 91.83 teacher, 83.75 KD /2",
            test="Its average over images restated, on made labels and a scorer that looks at no image: the share of "
            "images that show a class, within .02.",
        ),
    )  # fmt: skip


CLAIMS: tuple[Claim, ...] = (
    *_on("scenes"), *_on("cifar10"), *_localised(), _of_few(), *_of_pruning("filters"), *_of_pruning("weights"),
    *_by_code(),
)  # fmt: skip
