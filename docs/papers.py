"""Which comparisons of the papers each data set can stand beside, and which of our runs are meant."""

from __future__ import annotations

from collections.abc import Mapping

from docs.beside import Beside, Measure, Row
from xkd_core.claims import paper_003
from xkd_core.claims.stored import TEACHER, Runs

WIDTHS = {"/2": 0.5, "/4": 0.25, "/8": 0.125}
FAMILIES = {"KD": "naive", "EWA": "ewa", "SWA": "swa", "SSWA": "sswa"}
PRUNED = {"Naive": "naive", "EWA": "ewa", "SWA": "swa", "SSWA": "sswa"}
QUALITY = {"scenes": "mAP", "cifar10": "accuracy", "mnist": "accuracy", "tiny-imagenet-50": "accuracy"}
NETWORKS = {"scenes": "vgg_gap_64 on scenes", "cifar10": "vgg_gap_32 on CIFAR-10"}
TARGETS = {"GradientSHAP": "gradient_shap", "Grad-CAM": "grad_cam", "LIME": "lime"}
TRANSFERS = {"AT": "Attention transfer (AT)", "NST": "Neural selective transfer (NST)",
             "AB": "Activation boundary (AB)"}  # fmt: skip
ADDED = {"AT": 2.0, "NST": 10.0, "AB": 10.0}
"""Their weights where they are added to KD."""
EXPLAINERS = {"SHAP": "gradient_shap", "GradCAM": "grad_cam", "LIME": "lime"}


def comparisons(dataset: str) -> tuple[Beside, ...]:
    """The comparisons that a data set's runs can stand beside."""
    made: Mapping[str, tuple[Beside, ...]] = {
        "scenes": (widths("scenes"), weights("scenes"), filters("scenes"), one_shot(), methods("scenes"),
                   *explained("scenes")),
        "cifar10": (methods("cifar10"), *explained("cifar10"), widths("cifar10"), weights("cifar10"),
                    filters("cifar10"), drop()),
        "mnist": (small(),),
        "tiny-imagenet-50": (mixes(),),
    }  # fmt: skip
    return made.get(dataset, ())


def _quality(dataset: str, printed: tuple[str, str]) -> Measure:
    name = QUALITY[dataset]
    title = name if printed[1] == name else f"{printed[1]} there, {name} here"
    metric = "" if name == "mAP" else "right"
    return Measure(title=f"{title}, %", printed=printed, explainer="answers", metric=metric, card=name, scale=100)


def _maps(dataset: str, places: str, alike: str) -> tuple[Measure, ...]:
    """Paper 004's three columns of maps; without masks only the cosine."""
    cosine = Measure(title="cosine to the teacher's map", printed=(alike, "cos"), explainer="cam", metric="cosine")
    if dataset != "scenes":
        return (cosine,)
    area = Measure(title="ROC-AUC, %", printed=(places, "AUC"), explainer="cam", metric="roc_auc", scale=100)
    point = Measure(title="pointing, %", printed=(places, "point_acc"), explainer="cam", metric="pointing", scale=100)
    return cosine, area, point


def widths(dataset: str) -> Beside:
    """Paper 004, Tables 2 and 3."""
    rows = tuple(
        Row(size=size, name=name, key=(f"VGG16 / {size[1:]}", name), runs=_narrow(family, size))
        for size in WIDTHS for name, family in FAMILIES.items()
    )  # fmt: skip
    return Beside(
        title="Paper 004, Tables 2 and 3: narrow students", rows=rows, base="KD",
        there="VGG16 on PASCAL VOC 2012, maps of 14x14 cells, images that the network answers right; its code takes "
        "the mean precision over images.",
        here=f"{NETWORKS[dataset]}, maps of 8x8 cells, test images right or wrong; mAP is the mean over classes.",
        measures=_answers_and_maps(dataset, "004.T2", "004.T3"),
        note="SWA's and SSWA's map is in their loss. EWA has β 2 as SWA here; in the paper its weight is twice SWA's. "
        "The likeness of any two maps counts in a cosine (`claims --only '004-own-*'` takes it off). Two printed "
        "cosines do not fit their distances: /8 SSWA and the structured naive one (`claims --only 004-distance`).",
    )  # fmt: skip


def _narrow(family: str, size: str, **more: object) -> Runs:
    label = " ".join(map(str, [family, size, *more.values()]))  # what tells two groups of a gap apart
    return Runs(family=family, label=label, width=WIDTHS[size], **more)  # type: ignore[arg-type]


def _of_pruning(kind: str, amount: float) -> tuple[Row, ...]:
    return tuple(
        Row(size="", name=name, key=(name,), runs=_pruned(kind, family, amount)) for name, family in PRUNED.items()
    )


def _pruned(kind: str, family: str, amount: float) -> Runs:
    return Runs(family=f"{kind}-{family}", label=f"{family}, {kind} {amount:.0%} off", fields={"amount": amount})


def weights(dataset: str) -> Beside:
    """Paper 004, Tables 4 and 5."""
    return Beside(
        title="Paper 004, Tables 4 and 5: weights pruned in rounds", rows=_of_pruning("weights", 0.2), base="Naive",
        there="VGG16 on VOC, 16 rounds of 20 %, 3 % of the weights are left.",
        here=f"{NETWORKS[dataset]}, the last of 5 rounds of 20 %, a third is left.",
        measures=_answers_and_maps(dataset, "004.T4", "004.T5"),
    )  # fmt: skip


def filters(dataset: str) -> Beside:
    """Paper 004, Tables 6 and 7."""
    return Beside(
        title="Paper 004, Tables 6 and 7: filters pruned once", rows=_of_pruning("filters", 0.5), base="Naive",
        there="VGG16 on VOC, filters of seven layers (70 %, inferred from the printed size).",
        here=f"{NETWORKS[dataset]}, half of the filters of each layer that the rule of Li et al. cuts.",
        measures=_answers_and_maps(dataset, "004.T6", "004.T7"),
    )  # fmt: skip


def _answers_and_maps(dataset: str, places: str, alike: str) -> tuple[Measure, ...]:
    return (_quality(dataset, (places, "mAP")), *_maps(dataset, places, alike))


def one_shot() -> Beside:
    """Paper 004, Table 11."""
    rows = tuple(
        Row(size=share, name=name, key=(share, name), runs=_pruned("weights", PRUNED[name], amount))
        for share, amount in (("60%", 0.6), ("90%", 0.9)) for name in ("Naive", "SWA")
    )  # fmt: skip
    return Beside(
        title="Paper 004, Table 11: weights pruned once", rows=rows, base="Naive",
        there="VGG16 on ImageNet.", here=f"{NETWORKS['scenes']}, four epochs of fine-tuning.",
        measures=(_quality("scenes", ("004.T11", "top1")), *_maps("scenes", "004.T11", "004.T11")),
    )  # fmt: skip


def _row(name: str, printed: str, family: str, **more: object) -> Row:
    return Row(size="/4", name=name, key=(printed,) if printed else (), runs=_narrow(family, "/4", **more))


def _untrained() -> Row:
    return _row("XD, untrained autoencoder", "", "untrained", fields={"explained": "none"})


def methods(dataset: str) -> Beside:
    """Paper 003, Table III."""
    rows = (
        _row("baseline", "Baseline student", "naive", lam=0.0),
        _row("KD", "Knowledge distillation (KD)", "naive"),
        *(_transfer(name, printed) for name, printed in TRANSFERS.items()),
        _row("XD", "Xdistillation", "xd"),
        Row(size="9/32", name="KD of XD's size", key=(), runs=Runs(family="sized naive", label="sized naive")),
        _untrained(),
        *(_with_answers(name) for name in TRANSFERS),
    )
    return Beside(
        title="Paper 003, Table III: methods", rows=rows, base="KD",
        there="VGG16 teaches VGG7 on CIFAR-10, one run each.", here=f"{NETWORKS[dataset]}, students at 1/4 width.",
        measures=(_quality(dataset, ("003.T3", "top1")),),
        note="XD's target is GradientSHAP. AT, NST and AB learn beside hard labels with KD-Zoo's weights; the paper "
        "prints neither their losses nor their weights. The rows after XD are not in the paper: as many parameters as "
        "XD has without its autoencoder; an autoencoder that was never trained; and AT, NST and AB added to KD.",
    )  # fmt: skip


def _transfer(name: str, printed: str) -> Row:
    """AT, NST or AB beside hard labels, as KD-Zoo has them."""
    return _row(name, printed, name.lower(), lam=0.0, beta=paper_003.BETAS[name.lower()])


def _with_answers(name: str) -> Row:
    """The same with the teacher's answers."""
    return _row(f"KD + {name}", "", name.lower(), beta=ADDED[name])


def explained(dataset: str) -> tuple[Beside, Beside]:
    """Paper 003, Tables IV and V: explainers by methods."""
    rows = (
        _row("KD", "KD", "naive"), *(_transfer(name, name) for name in TRANSFERS),
        *(_target(title, name) for title, name in TARGETS.items()), _untrained(),
        *(_with_answers(name) for name in TRANSFERS),
        Row(size="/4", name="control: KD, teacher's map of another image", key=(), runs=_narrow("naive", "/4"),
            shuffled=True),
    )  # fmt: skip
    there = "VGG16 teaches VGG7 on CIFAR-10; the scale of the values and the k of the top superpixels are not printed."
    hexadecimal = 12 * "?"  # without it the pattern fits the int8 forms too
    make = (
        f"python -m xkd_core evaluate --data {dataset}:test --runs '"
        f"{dataset}-kd-w4-l0.5-s[0-9]-{hexadecimal},{dataset}-at-w4-*,{dataset}-nst-w4-*,{dataset}-ab-w4-*,"
        f"{dataset}-xd-w4-*' --explainers "
        "gradient_shap,grad_cam,lime --metrics superpixel_mse,sign_agreement,sign_agreement@teacher --images 200"
    )
    common = {"rows": rows, "base": "KD", "there": there, "make": make}
    return (
        Beside(
            title="Paper 003, Table IV: MSE of superpixel explanations to the teacher's",
            here=f"{NETWORKS[dataset]}, /4, each map over its largest value: compare within one explainer only.",
            measures=_by_explainer("003.T4", "superpixel_mse", 1), **common,  # type: ignore[arg-type]
        ),
        Beside(
            title="Paper 003, Table V: sign agreement of the top superpixels",
            here=f"{NETWORKS[dataset]}, /4, k = 2, superpixels in both top sets (so most agree) or in the "
            "teacher's, images that both answer right. Random signs would agree on 50 %, but the "
            "strongest superpixels are nearly all positive: the control says what maps of two images have in common. "
            "Grad-CAM is taken before ReLU.",
            measures=(
                *_by_explainer("003.T5", "sign_agreement", 100),
                *_by_explainer("003.T5", "sign_agreement@teacher", 100, "in the teacher's top"),
            ), **common,  # type: ignore[arg-type]
        ),
    )  # fmt: skip


def _target(title: str, name: str) -> Row:
    """An XDistillation student by its target; printed beside it is the paper's, of the same explainer."""
    fields = {} if name == "gradient_shap" else {"explained": name}
    return Row(size="/4", name=f"XD, target {title}", key=("Xdistillation (our)",), only=(name,),
               runs=_narrow("xd", "/4", fields=fields))  # fmt: skip


def _by_explainer(name: str, metric: str, scale: float, form: str = "") -> tuple[Measure, ...]:
    ending = f"{f', {form}' if form else ''}{', %' if scale == 100 else ''}"
    return tuple(
        Measure(title=f"{explainer}{ending}", printed=(name, column), explainer=explainer,
                metric=metric, scale=scale)
        for column, explainer in EXPLAINERS.items()
    )  # fmt: skip


def drop() -> Beside:
    """Paper 001, Table 1."""
    rows = (
        Row(size="", name="teacher", key=("WRN-28-10",), runs=TEACHER),
        Row(size="", name="KD /2", key=("Distilled Resnet-18",), runs=_narrow("naive", "/2")),
    )
    columns = {"average drop, %": ("avg_drop", "average_drop", 100), "complexity": ("complexity", "mean_l1", 1),
               "coherency (SSIM)": ("ssim_coherency", "coherency_ssim", 1)}  # fmt: skip
    return Beside(
        title="Paper 001, Table 1: average drop, complexity, coherency", rows=rows, base="teacher",
        there="WRN-28-10 and ResNet-18 on training images of CIFAR-10, batch norm and dropout in training mode.",
        here="vgg_gap_32 and its half, which learned from it (there the student's teacher is another network), on "
        "test images, in eval mode, drop of the softmax answer (there of the top logit); complexity is the mean over "
        "the largest value (there a norm that grows with the grid: 8x8 and 4x4).",
        measures=tuple(
            Measure(title=title, printed=("001.T1", column), explainer="cam", metric=metric, scale=scale)
            for title, (column, metric, scale) in columns.items()
        ),
        make="python -m xkd_core evaluate --data cifar10:test --runs 'cifar10-ce-*,cifar10-kd-w2-*' --explainers cam "
        "--metrics average_drop,coherency_ssim,mean_l1 --images 1000",
    )  # fmt: skip


def small() -> Beside:
    """Paper 003, Table II."""
    names = {"baseline": ("Baseline student(Net)", "naive", 0.0), "KD": ("KD (Net)", "naive", 0.5),
             "XD": ("Xdistillation (Net)", "xd", 0.5)}  # fmt: skip
    rows = tuple(
        Row(size="Net", name=name, key=("MNIST", "Small_CAE", key), runs=Runs(family=family, label=name, lam=lam))
        for name, (key, family, lam) in names.items()
    )
    return Beside(
        title="Paper 003, Table II: MNIST", rows=rows, base="KD", there="LeNet5 teaches Net, whole percents, one run.",
        here="LeNet5 teaches a Net of as many parameters, 12 epochs.",
        measures=(_quality("mnist", ("003.T2", "top1")),),
    )  # fmt: skip


def mixes() -> Beside:
    """Paper 000, Fig. 2 and the text."""
    rows = (
        Row(size="", name="teacher", key=("teacher",), runs=TEACHER),
        *(Row(size="", name=f"λ {lam:g}", key=("students, highest mean (λ = 1)",) if lam == 1 else (),
              runs=Runs(family="naive", label=f"λ {lam:g}", lam=lam)) for lam in (0.0, 0.25, 0.5, 0.75, 1.0)),
    )  # fmt: skip
    found = {"faithfulness estimate": "faithfulness_estimate", "monotonicity correlation": "monotonicity_correlation",
             "pointing": "pointing", "attribution localisation": "attribution_localisation"}  # fmt: skip
    return Beside(
        title="Paper 000, Section 3 and Fig. 2: λ", rows=rows, base="teacher",
        there="ResNet-50 teaches MobileNetV3-small on 50 classes of ImageNet, five runs for each λ; the figure is box "
        "plots without numbers, the lowest mean accuracy of a λ is 80.46 %.",
        here="a small ResNet-18 teaches MobileNetV3-small with 4x4 last maps on 50 classes of Tiny ImageNet.",
        measures=(_quality("tiny-imagenet-50", ("000.text", "top1")), *(
            Measure(title=title, printed=None, explainer="cam", metric=metric) for title, metric in found.items()
        )),
        note="The paper's teacher chooses among 1000 classes, its students among 50; here both among 50.",
        make="python -m xkd_core evaluate --data tiny-imagenet-50:test --runs 'tiny-imagenet-50-*' --explainers "
        "grad_cam --metrics faithfulness_estimate,monotonicity_correlation,pointing,attribution_localisation,right "
        "--images 1000",
    )  # fmt: skip
