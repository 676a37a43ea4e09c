"""Which recipes can be trained at all: every refusal names the field and what it may be."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING

from xkd_core.errors import BadInputError
from xkd_core.types import RUN_ID

if TYPE_CHECKING:
    from xkd_core.distillation.recipes import Recipe

COMPRESSED = ("", "unstructured", "structured", "int8")
OPTIMIZERS = ("adamw", "radam", "sgd", "nesterov")
MASKS = ("teacher", "shared", "independent")
KD_FORMS = ("t2", "convex", "reversed", "compat_000", "compat_001", "added")
EXPLAINED = ("", "gradient_shap", "grad_cam", "lime", "none")
THROUGH = ("teacher", "student")
MOMENTUM = 0.9
NOT_TO_LEARN_FROM = ("val", "test")
SLIM_WIDTH = 0.5  # the widest stop of models/slimmable.py, which is slow to import
FORMS: Mapping[str, tuple[str, ...]] = {"at": ("cosine", "code", "paper"), "ab": ("mean", "code")}
"""The forms of each method's loss (transfer.py); the first is the default."""

READ_BY: Mapping[str, tuple[str, ...]] = {
    "layers": ("ewa", "swa", "sswa", "at", "nst", "ab"),
    "top_k": ("swa", "sswa"),
    "mask": ("sswa",),
    "drop_prob": ("sswa",),
    "form": ("at", "ab"),
    "margin": ("ab",),
    "init_epochs": ("ab",),
    "explained": ("xd",),
    "n_superpixels": ("xd",),
    "cae_epochs": ("xd",),
    "cae_limit": ("xd",),
    "fr_weight": ("xd",),
    "l1_weight": ("surrogate",),
    "through": ("surrogate",),
}


KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "None": (type(None),)
}  # fmt: skip


def check_types(recipe: Recipe) -> None:
    """Refuse values of another kind than the field's. Errors: BadInputError with the field and its kind."""
    for each in fields(recipe):
        value = getattr(recipe, each.name)
        kinds = str(each.type).split(" | ")
        # A bool is an int in Python, but no number of epochs.
        fits = any(isinstance(value, KINDS[kind]) and (kind == "bool" or type(value) is not bool) for kind in kinds)
        if not fits:
            hint = " YAML reads 1e-3 as text: write 1.0e-3." if _is_number(value) else ""
            raise BadInputError(f"{each.name} must be of type {each.type}; got {value!r}.{hint}")


def _is_number(value: object) -> bool:
    try:
        return isinstance(value, str) and math.isfinite(float(value))
    except ValueError:
        return False


def check(recipe: Recipe) -> None:
    """Refuse values no training could use. Errors: BadInputError with the field and what it may be."""
    for name, good, accepted in (*_choices(recipe), *_ranges(recipe)):
        if not good:
            raise BadInputError(f"{name} must be {accepted}; got {getattr(recipe, name)!r}.")
    _check_unread(recipe)
    if recipe.method != "ce" and recipe.teacher_id is None:
        raise BadInputError(f"method {recipe.method!r} needs a teacher: name its run.")
    if recipe.shuffled and (recipe.needs_live_teacher or not recipe.matches_maps):
        raise BadInputError(
            "shuffled works with the teacher's cached maps: ewa or swa of the last layer and one class, β above 0."
        )
    if recipe.slimmable:
        _check_slimmable(recipe)
    _check_name(recipe)


def _check_slimmable(recipe: Recipe) -> None:
    elsewhere = recipe.layer_names not in ((), ("last",)) or recipe.mask != "teacher" or recipe.method == "ab"
    if recipe.method in ("xd", "surrogate"):
        raise BadInputError("A slimmable student has no networks beside it: train xd and surrogate at one width.")
    if elsewhere:
        raise BadInputError("A slimmable student is matched at the last layer only, with sswa's mask on the teacher.")
    if recipe.method == "ce" or recipe.source_id is not None or recipe.width != SLIM_WIDTH:
        raise BadInputError(
            f"A slimmable student begins with random weights, has a teacher (method kd, ...) and width {SLIM_WIDTH}, "
            f"its widest stop; got method {recipe.method!r}, source_id {recipe.source_id!r}, width {recipe.width:g}."
        )


def _check_name(recipe: Recipe) -> None:
    """A run that no folder could be called after is refused before its training, not after it."""
    if not re.fullmatch(RUN_ID, recipe.run_id):
        raise BadInputError(
            f"No run can be called {recipe.run_id!r}: data set, arch and label must be small letters, digits, dots, "
            "dashes and underscores, and the id at most 120 of them. Of a folder of images write folder-NAME."
        )


def milestones(schedule: str) -> tuple[int, ...] | None:
    """The epochs of "steps 150 250"; None for a text that is not of that form."""
    word, *epochs = schedule.split() or [""]
    good = word == "steps" and epochs and all(epoch.isdecimal() for epoch in epochs)
    return tuple(int(epoch) for epoch in epochs) if good else None


def erased(erasing: float | str) -> tuple[float, bool] | None:
    """The share of the views that lose a rectangle, and whether to black; None for a value that says neither."""
    share, _, colour = str(erasing).partition(" ")
    black = isinstance(erasing, str)
    if (black and colour != "black") or not _is_number(share):
        return None
    good = 0 <= float(share) <= 1 and (float(share) > 0 or not black)
    return (float(share), black) if good else None


def _ranges(recipe: Recipe) -> tuple[tuple[str, bool, str], ...]:
    pushed = recipe.optimizer in ("sgd", "nesterov")
    starts = recipe.init_epochs >= 1 if recipe.method == "ab" else recipe.init_epochs >= 0
    return (
        ("lam", 0 <= recipe.lam <= 1, "in 0..1"),
        ("beta", 0 <= recipe.beta < math.inf, ">= 0 and finite"),
        ("temperature", 0 < recipe.temperature < math.inf, "> 0 and finite"),
        ("width", 0 < recipe.width <= 1, "in (0, 1]"),
        ("epochs", recipe.epochs >= 1, ">= 1"),
        ("seed", 0 <= recipe.seed < 2**63, "in 0..2^63-1"),
        ("weight_decay", 0 <= recipe.weight_decay < math.inf, ">= 0 and finite"),
        ("warmup_epochs", recipe.warmup_epochs >= 0, ">= 0"),
        ("shift_px", recipe.shift_px >= 0, ">= 0"),
        ("batch_size", recipe.batch_size >= 2, ">= 2 (batch norm)"),
        ("lr", 0 < recipe.lr < math.inf, "> 0 and finite"),
        ("views", recipe.views >= 1, ">= 1"),
        ("drop_prob", 0 <= recipe.drop_prob < 1, "in [0, 1)"),
        ("amount", bool(recipe.compress) or recipe.amount == 0, "0 where nothing is pruned"),
        ("round", bool(recipe.compress) or recipe.round == 0, "0 where nothing is pruned"),
        ("amount", recipe.compress in ("", "int8") or 0 < recipe.amount < 1, "in (0, 1) where something is pruned"),
        ("source_id", not recipe.compress or recipe.source_id is not None, "a run, to be compressed"),
        ("limit", recipe.limit is None or recipe.limit >= recipe.batch_size, "at least one batch"),
        ("top_k", recipe.top_k >= 1, ">= 1"),
        ("margin", recipe.margin > 0, "> 0"),
        ("init_epochs", starts and recipe.init_epochs < recipe.epochs, "for ab 1 or more and fewer than epochs"),
        ("clip_norm", recipe.clip_norm >= 0, ">= 0 (0 is off)"),
        ("n_superpixels", 3 <= recipe.n_superpixels <= 20, "in 3..20 (paper 003)"),
        ("cae_epochs", recipe.cae_epochs >= 1, ">= 1"),
        ("cae_limit", recipe.cae_limit >= 20, "at least 20 images"),
        ("fr_weight", recipe.fr_weight >= 0, ">= 0"),
        ("l1_weight", recipe.l1_weight >= 0, ">= 0"),
        ("erasing", erased(recipe.erasing) is not None, "in 0..1, or such a share above 0 as '0.5 black'"),
        ("erasing", recipe.views > 1 or not recipe.erasing, "0 with one view, of which nothing is erased"),
        ("freeze_norm", recipe.epochs > 1 or not recipe.freeze_norm, "false with one epoch: it begins after the first"),
        ("kd_form", recipe.lam > 0 or recipe.kd_form != "reversed", "t2 at lam 0, which asks no divergence"),
        ("momentum", pushed or recipe.momentum == MOMENTUM, f"{MOMENTUM} where the optimizer is not sgd or nesterov"),
        ("momentum", recipe.optimizer != "nesterov" or recipe.momentum > 0, "> 0 for nesterov"),
        ("momentum", 0 <= recipe.momentum < 1, "in [0, 1)"),
    )


def _choices(recipe: Recipe) -> tuple[tuple[str, bool, str], ...]:
    forms = ("", *FORMS.get(recipe.method, ()))
    known = recipe.schedule in ("cosine", "constant") or milestones(recipe.schedule or "?") is not None
    names = recipe.layer_names
    return (
        ("split", recipe.split not in NOT_TO_LEARN_FROM, "images to learn from; val watches and test measures"),
        ("compress", recipe.compress in COMPRESSED, f"one of {', '.join(COMPRESSED[1:])}, or empty"),
        ("optimizer", recipe.optimizer in OPTIMIZERS, f"one of {', '.join(OPTIMIZERS)}"),
        ("mask", recipe.mask in MASKS, f"one of {', '.join(MASKS)}"),
        ("kd_form", recipe.kd_form in KD_FORMS, f"one of {', '.join(KD_FORMS)}"),
        ("form", recipe.form in forms, f"one of {', '.join(forms[1:])}" if forms[1:] else "left out for this method"),
        ("explained", recipe.explained in EXPLAINED, f"one of {', '.join(EXPLAINED[1:])}"),
        ("arch", recipe.method != "xd" or "_xd" in recipe.arch, "a network with an autoencoder, such as vgg_gap_64_xd"),
        ("arch", recipe.method != "surrogate" or recipe.arch.endswith("_explained"), "attentive_..._explained"),
        ("through", recipe.through in THROUGH, f"one of {', '.join(THROUGH)}"),
        ("schedule", known, "cosine, constant, or 'steps 150 250' (epochs at which the lr falls to a tenth)"),
        ("layers", len(set(names)) == len(names) and "" not in names, "different names joined by '+'"),
    )


def _check_unread(recipe: Recipe) -> None:
    """A field that the method does not read must keep its default: one name per run."""
    defaults = {each.name: each.default for each in fields(recipe) if each.default is not MISSING}
    for name, methods in READ_BY.items():
        if recipe.method not in methods and getattr(recipe, name) != defaults[name]:
            raise BadInputError(f"{name} is read by {', '.join(methods)} only; method {recipe.method!r} has none.")
