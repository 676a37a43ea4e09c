"""What cannot be measured, known before anything is computed: a run, an explainer and a metric that do not fit.

Every reason is stored once, so that a gap in a table says why it is there and nobody tries it again.
"""

from __future__ import annotations

from xkd_core.catalogue import EXPLAINERS
from xkd_core.errors import BadInputError
from xkd_core.evaluation.asked import family, plain
from xkd_core.models.architectures import check_input, has_cam
from xkd_core.models.cards import Card
from xkd_core.types import DatasetInfo

EIGHT_BITS = "8-bit values have no gradient at the pixels"
NO_CAM = "CAM needs a head of global average pooling and one linear layer; Grad-CAM works with every head"
NO_SURROGATE = "only networks that were trained with an explanation network (`--method surrogate`) draw such a map"
MODEL_FREE = "no network enters the map: it is the teacher's by construction"
NEVER_CHANGES = "no network enters the map: random weights cannot change it"
ITSELF = "the run is the teacher itself: it is alike by construction"
NO_SAMPLES = "the explainer draws nothing at random"
NO_MASKS = "the data set has no masks"
NO_SIGNS = "the map is never negative"
FIXED_WEIGHTS = "8-bit weights cannot be drawn anew"
SAMPLED = ("gradient_shap", "kernel_shap", "lime", "rise", "smooth_grad")
"""Explainers whose map depends on a seed."""


def refusal(card: Card, teacher: Card, explainer: str, metric: str, info: DatasetInfo) -> str | None:
    """Why this metric of this map cannot be, or None. ``teacher``: the run that ``card`` is compared with."""
    name, seed = plain(explainer)
    if seed:
        return map_refusal(card, name) or (None if name in SAMPLED else NO_SAMPLES)
    return map_refusal(card, name) or _of_metric(card, teacher, name, metric, info)


def map_refusal(card: Card, name: str) -> str | None:
    """Why a run has no such map at all, or None."""
    if name not in EXPLAINERS:  # prediction: no map enters
        return None
    entry = EXPLAINERS[name]
    if card.compression == "int8" and entry.differentiates:
        return EIGHT_BITS
    if entry.needs == "weights" and not has_cam(card.arch):
        return NO_CAM
    return NO_SURROGATE if entry.family == "learned" and card.method != "surrogate" else None


def _of_metric(card: Card, teacher: Card, name: str, metric: str, info: DatasetInfo) -> str | None:
    entry, kind = EXPLAINERS.get(name), family(metric)
    if kind == "similarity" and entry is not None:
        return _of_similarity(card, teacher, name, metric)
    if kind == "randomisation":
        model_free = entry is not None and entry.model_free
        return NEVER_CHANGES if model_free else FIXED_WEIGHTS if card.compression == "int8" else None
    if metric == "grid_pointing":
        return _of_mosaics(card)
    if kind == "localisation" and info.masks == "none":
        return NO_MASKS
    return ITSELF if metric in ("same_answer", "kl_to_teacher") and card.id == teacher.id else None


def _of_similarity(card: Card, teacher: Card, name: str, metric: str) -> str | None:
    entry = EXPLAINERS[name]
    if entry.model_free:
        return MODEL_FREE
    if card.id == teacher.id:
        return ITSELF
    if metric.startswith("sign_agreement") and not entry.signed:
        return NO_SIGNS
    theirs = map_refusal(teacher, name)
    return f"the teacher has no such map: {theirs}" if theirs is not None else None


def _of_mosaics(card: Card) -> str | None:
    if len(card.classes) < 4:
        return f"a mosaic needs images of four classes, and there are {len(card.classes)}"
    try:
        check_input(card.arch, 2 * card.transform.size)
    except BadInputError as error:
        return str(error)
    return None
