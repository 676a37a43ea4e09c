"""Recipes with a name: the settings of each paper (or of its code), and smaller scales of them.

``paper`` holds what was published as fields of a recipe, ``ours`` what the runnable recipe has instead; the card
lists every field in which the two differ, and what no field can say. Numbers are frozen: a test pins the hashes.
A recipe that prunes begins with the teacher itself, unless the caller names another source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from xkd_core.distillation.checks import READ_BY
from xkd_core.distillation.recipes import UNREAD, Recipe, first_teacher, recipe_from
from xkd_core.errors import unknown_name

Fields = Mapping[str, Any]
TEACHER = "teacher"
"""As a source: the run that is learned from, whichever that is."""


@dataclass(frozen=True, kw_only=True)
class Named:
    """One recipe. teacher: the paper's, by architecture ("" for a teacher's own recipe)."""

    source: str
    teacher: str
    paper: Fields
    ours: Fields
    beyond: tuple[str, ...]

    @property
    def fields(self) -> dict[str, Any]:
        """The runnable recipe's fields, without its teacher."""
        return {**self.paper, **self.ours}


COMMON = (
    "Flips and shifts come from a fixed set of views of each image, so that the teacher's outputs can be cached; "
    "the paper draws them anew every epoch.",
    "Features are computed in bfloat16 during training, in the paper in float32.",
    "The last epoch is kept; nothing is selected on the images that are reported.",
)
SMALL: Fields = {
    "epochs": 15, "batch_size": 128, "lr": 4e-3, "weight_decay": 0.02, "warmup_epochs": 2.0, "optimizer": "adamw",
    "schedule": "cosine", "clip_norm": 0.0,
}  # fmt: skip


def _with(named: Named, paper: Fields, ours: Fields = {}) -> Named:  # noqa: B006 - never written to
    return replace(named, paper={**named.paper, **paper}, ours={**named.ours, **ours})


def _teacher_of(named: Named, paper: Fields, ours: Fields = {}) -> Named:  # noqa: B006 - never written to
    kept = {name: value for name, value in named.paper.items() if name not in ("lam", "temperature", "kd_form")}
    own = {"method": "ce", "arch": named.teacher, "width": 1.0, **paper}
    return replace(named, teacher="", paper={**kept, **own}, ours={**named.ours, **ours})


WILFLING = Named(
    source="Wilfling, Valdenegro-Toro & Zullich (paper 000), numbers of their code",
    teacher="resnet50",
    paper={
        "dataset": "ImageNet, 50 classes", "arch": "mobilenet_v3_small", "method": "kd", "width": 1.0, "lam": 0.5,
        "temperature": 50.0, "kd_form": "compat_000", "epochs": 160, "batch_size": 128, "lr": 3e-3,
        "weight_decay": 0.0, "warmup_epochs": 0.0, "optimizer": "radam", "schedule": "constant", "clip_norm": 1.0,
        "erasing": 0.5,
    },
    ours={"dataset": "tiny-imagenet-50", "arch": "mobilenet_v3_small_s8", "split": "train"},
    beyond=(
        *COMMON,
        "Images are as small as the data set's; the paper crops and resizes to 224 px.",
        "Batch norm stays in train mode; the code leaves it in eval mode after the first epoch (freeze_norm: true).",
        "KL(teacher || student) as in the code; Eq. 1 prints KL[student, teacher] (kd_form: reversed).",
        "The first view of an image is never erased: of 4 views .375 lose a rectangle, in the paper .5 of all images.",
        "Erased rectangles have the mean colour, as in the code; the text says black (erasing: 0.5 black).",
        "The student has one output per class of the data set; the paper's has 1000, of which 50 are trained.",
    ),
)  # fmt: skip

CHHABRA = Named(
    source="paper 001 (anonymous; code by Chhabra), training settings of the code base its checkpoints come from",
    teacher="wrn_28_10",
    paper={
        "dataset": "cifar10", "arch": "resnet18_cifar", "method": "kd", "width": 1.0, "lam": 0.95,
        "temperature": 6.0, "kd_form": "compat_001", "epochs": 170, "batch_size": 128, "lr": 0.1,
        "weight_decay": 5e-4, "warmup_epochs": 0.0, "optimizer": "sgd", "schedule": "steps 150",
    },
    ours={"split": "train"},
    beyond=(
        *COMMON,
        "45,000 of the 50,000 training images; the others are for validation.",
        "The published student was distilled from a ResNeXt-29, not from the WRN-28-10 it is compared with.",
    ),
)  # fmt: skip

LEE = Named(
    source="Lee & Kim 2021 (paper 002), the attentive student alone",
    teacher="resnet50",
    paper={
        "dataset": "ImageNet", "arch": "attentive_resnet50", "method": "kd", "width": 1.0, "lam": 0.5,
        "temperature": 1.0, "epochs": 190, "lr": 0.1, "weight_decay": 0.0, "warmup_epochs": 0.0,
        "optimizer": "nesterov", "schedule": "steps 100 130 160",
    },
    ours={"dataset": "cifar10", "arch": "attentive_resnet18", "split": "train"},
    beyond=(
        *COMMON,
        "The explanation network and its losses come with --method surrogate only.",
        "Batch size and weight decay are not printed in the paper.",
    ),
)  # fmt: skip

SURROGATE = replace(
    _with(
        LEE,
        {"arch": "attentive_resnet50_explained", "method": "surrogate", "l1_weight": 1e-5 * 224**2,
         "through": "teacher"},
        {"arch": "attentive_resnet18_explained", "l1_weight": 0.5},
    ),
    source="Lee & Kim 2021 (paper 002), student and explanation network together",
    beyond=(
        *COMMON,
        "λ = 1e-5 weighs the sum over 224x224 pixels; l1_weight weighs the mean, so that it is the same at every size.",
        "Both networks share one schedule; in the paper the lr of the explanation network falls after its epoch 10.",
        "Eqs. 7 and 9 are repaired: as printed (7) has no gradient and (9) does not contain the map.",
        "Widths and merging of the explanation network, batch size and weight decay are not printed in the paper.",
    ),
)  # fmt: skip

ALHARBI = Named(
    source="Alharbi, Vu & Thai (paper 003); what it does not print is KD-Zoo's, whose loss it shares",
    teacher="vgg16",
    paper={
        "dataset": "cifar10", "arch": "vgg7", "method": "kd", "width": 1.0, "lam": 0.1, "temperature": 1.0,
        "kd_form": "added", "epochs": 500, "batch_size": 128, "lr": 0.1, "weight_decay": 1e-4,
        "warmup_epochs": 0.0, "optimizer": "sgd", "schedule": "steps 150 250",
    },
    ours={"split": "train"},
    beyond=(
        *COMMON,
        "45,000 of the 50,000 training images; the others are for validation.",
        "The paper gives VGG7's parameter count, not its layers; weight decay, and β of AT, NST and AB, are KD-Zoo's.",
    ),
)  # fmt: skip

PARK = Named(
    source="Park et al. 2020 (paper 004), numbers of their code where the text has none",
    teacher="vgg16_voc",
    paper={
        "dataset": "PASCAL VOC 2012", "arch": "vgg16_voc", "method": "kd", "width": 0.125, "lam": 0.9,
        "temperature": 4.0, "epochs": 350, "batch_size": 64, "lr": 0.1, "weight_decay": 1e-4, "warmup_epochs": 0.0,
        "optimizer": "sgd", "schedule": "steps 150 200 250",
    },
    ours={"dataset": "scenes", "arch": "vgg_gap_64", "split": "transfer"},
    beyond=(
        *COMMON,
        "Images of 64 px without random resized crops; the paper has 227 px with them.",
        "The teacher is not initialised with ImageNet weights.",
        "SGD has momentum .9 as in the text; the authors' code passes none to distillation (momentum: 0).",
        "β (1 - cos) has the strength that the paper's weight (100 for EWA, else 50) has on its 7x7 map.",
    ),
)  # fmt: skip


FUSED = replace(
    _with(ALHARBI, {"method": "xd", "arch": "vgg7_xd", "n_superpixels": 19, "fr_weight": 5e-4}),
    beyond=(
        *ALHARBI.beyond,
        "The autoencoder has 194,955 values, the paper's 198,796: its channels are not printed. Nor is what reads its "
        "map: here a second stack of the student's convolutions, half as wide.",
        "SHAP stands for GradientSHAP with 20 samples, on the first images only (cae_limit).",
        "The autoencoder's error has no 1/2 before it (Eq. 4 has): Adam's steps do not depend on it.",
    ),
)

MNIST = replace(
    _with(
        ALHARBI,
        {"dataset": "mnist", "arch": "net", "epochs": 150, "lr": 1e-3, "weight_decay": 0.0, "optimizer": "adamw",
         "schedule": "constant", "flip": False, "shift_px": 0},
        {"views": 1},
    ),
    source="Alharbi, Vu & Thai (paper 003) on MNIST; Adam is AdamW without weight decay",
    teacher="lenet5",
    beyond=(
        *COMMON[1:],
        "55,000 of the 60,000 training images; the others are for validation.",
        "Of LeNet5 and Net it gives parameter counts, not layers: here LeNet5 has 61,706 values (paper: 61,701).",
        "Cross-entropy; the paper says that its LeNet was trained with a mean squared error.",
        "Optimizer, lr and epochs are those printed for LeNet5; for the students none are. Nor is any batch size.",
    ),
)  # fmt: skip
MNIST_FUSED = replace(
    _with(MNIST, {"method": "xd", "arch": "net_xd", "n_superpixels": 19, "fr_weight": 5e-4}),
    beyond=(
        *MNIST.beyond,
        "What reads the autoencoder's map is not printed: here a second stack of the student's convolutions.",
        *FUSED.beyond[-2:],
    ),
)


def _small(named: Named, ours: Fields) -> Named:
    return _with(named, {}, {**SMALL, **ours})


def _both(name: str, named: Named, small: Fields) -> dict[str, Named]:
    return {name: named, f"{name}-small": _small(named, small)}


# KD-Zoo averages three layers where losses are added here: β is a third of its 1000 and 10.
_AT = {"method": "at", "lam": 0.0, "kd_form": "t2", "beta": 1000 / 3, "form": "code"}
_NST = {"method": "nst", "lam": 0.0, "kd_form": "t2", "beta": 10.0}
_AB = {"method": "ab", "lam": 0.0, "kd_form": "t2", "beta": 10 / 3, "margin": 2.0, "init_epochs": 50}
BOUNDARIES = replace(
    _with(ALHARBI, _AB),
    beyond=(
        *ALHARBI.beyond,
        "KD-Zoo learns the boundaries for 50 epochs, at a tenth of the learning rate and then less, before a whole "
        "other training; here for 50 of the epochs, at their learning rate.",
    ),
)
_EWA = {"method": "ewa", "layers": "pool5", "beta": 4.08}  # 100 · 2 / 49
_SWA = {"method": "swa", "layers": "pool5", "beta": 2.04}  # 50 · 2 / 49

_SSWA = {**_SWA, "method": "sswa", "drop_prob": 0.3}

PRUNED = replace(
    _with(
        PARK,
        {"width": 1.0, "lam": 0.0, "batch_size": 64, "lr": 1e-3, "schedule": "constant"},
        {"source_id": TEACHER},
    ),
    beyond=(
        *(line for line in PARK.beyond if "momentum" not in line),
        "Fine-tuned with labels and matching, as in Eq. 2, without the teacher's answers; how the lr falls is not "
        "printed (here not at all).",
    ),
)
ROUNDS = (
    "One round; the paper has 16, each from the weights of the one before: in a sweep `compress: unstructured` and "
    "`rounds: 16` beside the recipe's name."
)
FILTERS = "Of the convolutions the first and the later half lose filters: as in the authors' code for its 13."
ONE_SHOT = "Table 11 is of VGG16 on ImageNet; its lr is not printed (here that of the other prunings)."


def _pruning(prefix: str, fields: Fields, small_epochs: int, beyond: str) -> dict[str, Named]:
    """The four fine-tunings of paper 004 after one way of pruning, with a small scale of each."""
    named = replace(_with(PRUNED, fields), beyond=(*PRUNED.beyond, beyond))
    small = {"epochs": small_epochs, "lr": 1e-3, "warmup_epochs": 0.2}
    found: dict[str, Named] = {}
    ways: Mapping[str, Fields] = {"naive": {"method": "kd"}, "ewa": _EWA, "swa": _SWA, "sswa": _SSWA}
    for name, own in ways.items():
        found |= _both(f"{prefix}-{name}", _with(named, own, {"layers": ""}), small)
    return found


_TABLE_11 = {"dataset": "ImageNet", "arch": "VGG16", "compress": "unstructured", "epochs": 10, "batch_size": 180}

NAMED: Mapping[str, Named] = {
    **_both("wilfling-000", WILFLING, {"dataset": "cifar10", "kd_form": "t2", "temperature": 4.0}),
    **_both("chhabra-001", CHHABRA, {"width": 0.25, "kd_form": "t2"}),
    **_both("chhabra-001-teacher", _teacher_of(CHHABRA, {}), {"arch": "wrn_16_4"}),
    **_both("lee-002", LEE, {"width": 0.25}),
    **_both("lee-002-surrogate", SURROGATE, {"width": 0.25}),
    **_both("alharbi-003-teacher", _teacher_of(ALHARBI, {}), {"arch": "vgg16_gap4"}),
    **_both("alharbi-003-kd", ALHARBI, {"width": 0.25}),
    **_both("alharbi-003-at", _with(ALHARBI, _AT), {"width": 0.25}),
    **_both("alharbi-003-nst", _with(ALHARBI, _NST), {"width": 0.25}),
    **_both("alharbi-003-ab", BOUNDARIES, {"width": 0.25, "init_epochs": 4}),
    **_both("alharbi-003-xd", FUSED, {"width": 0.25}),
    **_both("alharbi-003-mnist-teacher", _teacher_of(MNIST, {}), {}),
    **_both("alharbi-003-mnist-kd", MNIST, {}),
    **_both("alharbi-003-mnist-xd", MNIST_FUSED, {}),
    **_both(
        "park-004-teacher",
        _teacher_of(PARK, {"epochs": 250, "batch_size": 128, "schedule": "steps 10 30 40"}, {"split": "teacher"}),
        {"weight_decay": 0.05},
    ),
    **_both("park-004-kd", PARK, {}),
    **_both("park-004-ewa", _with(PARK, _EWA, {"layers": ""}), {}),
    **_both("park-004-swa", _with(PARK, _SWA, {"layers": ""}), {}),
    **_both("park-004-sswa", _with(PARK, _SSWA, {"layers": ""}), {}),
    **_pruning(
        "park-004-unstructured", {"compress": "unstructured", "amount": 0.2, "round": 1, "epochs": 30}, 2, ROUNDS
    ),
    **_pruning("park-004-structured", {"compress": "structured", "amount": 0.7, "round": 1, "epochs": 60}, 4, FILTERS),
    **_pruning("park-004-oneshot60", {**_TABLE_11, "amount": 0.6, "round": 1}, 4, ONE_SHOT),
    **_pruning("park-004-oneshot90", {**_TABLE_11, "amount": 0.9, "round": 1}, 4, ONE_SHOT),
}


def get_named(name: str) -> Named:
    """The entry called ``name``. Errors: UnknownNameError with the nearest name and all that exist."""
    if name not in NAMED:
        raise unknown_name("recipe", name, NAMED)
    return NAMED[name]


def named_recipe(name: str, given: Fields) -> Recipe:
    """The recipe called ``name`` with what the caller gives instead (None: nothing), such as a seed and a teacher.

    Errors: UnknownNameError; as ``recipe_from`` for a data set without a teacher.
    """
    changed = {field: value for field, value in given.items() if value is not None}
    values = {**_read_by(str(changed.get("method", "")), get_named(name).fields), **changed, "name": name}
    if values.get("source_id") == TEACHER:
        values["teacher_id"] = values.get("teacher_id") or first_teacher(values["dataset"])
        values["source_id"] = values["teacher_id"]
    return recipe_from(values)


def _read_by(method: str, own: Fields) -> Fields:
    """The fields of a recipe without those that another ``method``, which the caller wants, does not read."""
    if method in ("", own.get("method")):
        return own
    unread = {*UNREAD.get(method, ()), *(field for field, methods in READ_BY.items() if method not in methods)}
    return {field: value for field, value in own.items() if field not in unread}


def differences(recipe: Recipe, *, teacher_arch: str | None = None) -> tuple[str, ...]:
    """Every point in which a run of ``recipe`` is not what the paper of its name did; () for a recipe without one.

    Args: teacher_arch, the architecture of the teacher that was used. Errors: UnknownNameError.
    """
    if not recipe.name:
        return ()
    named = get_named(recipe.name)
    changed = [
        f"{field}: {getattr(recipe, field)!r} (paper: {value!r})"
        for field, value in named.paper.items()
        if getattr(recipe, field) != value
    ]
    if teacher_arch is not None and named.teacher and teacher_arch != named.teacher:
        changed.append(f"teacher: {teacher_arch!r} (paper: {named.teacher!r})")
    return (*changed, *named.beyond)
