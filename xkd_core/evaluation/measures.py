"""Every metric of one value per image, by family: from a block of images to values with reasons where undefined."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from xkd_core.catalogue import EXPLAINERS, METRICS, resolve
from xkd_core.evaluation.asked import family
from xkd_core.evaluation.block import Block
from xkd_core.evaluation.mosaic import around
from xkd_core.evaluation.randomise import Way, randomised
from xkd_core.evaluation.rows import NO_OTHER, compared, on_one_grid
from xkd_core.metrics import complexity as of_complexity
from xkd_core.metrics import localisation as of_place
from xkd_core.metrics import prediction as of_answers
from xkd_core.metrics import probes
from xkd_core.metrics import similarity as of_pairs
from xkd_core.metrics.localisation import resize_maps
from xkd_core.metrics.masking import unit_maps
from xkd_core.metrics.mosaics import grid_pointing
from xkd_core.metrics.planner import Case, Settings
from xkd_core.metrics.probes import Measured
from xkd_core.metrics.randomisation import Curve, randomisation_curve, randomisation_score
from xkd_core.metrics.superpixel_agreement import sign_agreement, superpixel_mse, superpixel_overlap, superpixel_sums
from xkd_core.types import Bool, Float, Float64, Int

Reasons = Sequence[str | None]
Found = dict[str, Measured]
SHUFFLED = "_shuffled"
OF_SUPERPIXELS = ("superpixel_overlap", "sign_agreement")
AREA = "area"
"""Not a metric but the chance level of pointing and attribution localisation; it comes with every localisation."""
WRONG, BOTH_WRONG = "the answer is wrong", "not both networks answer right"
TOO_SMALL = "maps smaller than 7x7 have no SSIM"
WHOLE_MASK = "the mask covers the whole image"


def measure(block: Block, metrics: Sequence[str]) -> Found:
    """Measure a block. Args: metrics, by name or name@quirk, all of families that this run and map have.

    Returns: metric -> values (n,) and reasons; with similarities "NAME_shuffled", with localisation "area".
    Errors: those of the explainer.
    """
    found: Found = {}
    for kind, measured in FAMILIES.items():
        names = [name for name in metrics if family(name) == kind]
        if names:
            found |= measured(block, names)
    return found


def _similarity(block: Block, names: Sequence[str]) -> Found:
    found: Found = {}
    for theirs, ending in ((block.theirs, ""), (block.theirs_shuffled, SHUFFLED)):
        pair = on_one_grid(compared(theirs, block.name), block.shown)
        reasons, alone = of_pairs.undefined_reasons(*pair), block.alone & (ending == SHUFFLED)
        why = [NO_OTHER if one else reason for one, reason in zip(alone, reasons, strict=True)]
        for name in names:
            if name.startswith(OF_SUPERPIXELS):
                continue
            values = _on_pixels(block, theirs, name) if name.startswith("superpixel") else _formula(name)(*pair)
            found[f"{name}{ending}"] = _with(np.where(alone, np.nan, values), why, name)
    for name in (name for name in names if name.startswith(OF_SUPERPIXELS)):
        found[name] = _by_superpixel(block, block.theirs, name)
        if name.startswith("sign_agreement"):
            found[f"{name}{SHUFFLED}"] = _unrelated_signs(block, name)
    return found


def _on_pixels(block: Block, theirs: Float, name: str) -> Float64:
    """superpixel_mse: maps at the size of the image; one that holds a superpixel's value counts it once."""
    first, second = (_large(compared(maps, block.name), block) for maps in (theirs, block.shown))
    if EXPLAINERS[block.name].grid == "superpixels":
        counts = superpixel_sums(np.ones(block.superpixels.shape), block.superpixels)
        size = np.take_along_axis(counts, block.superpixels.reshape(len(counts), -1), axis=1).reshape(first.shape)
        first, second = (first / size).astype(np.float32), (second / size).astype(np.float32)
    return superpixel_mse(first, second, block.superpixels, compat="raw" if name.endswith("@raw") else None)


def _unrelated_signs(block: Block, name: str) -> Measured:
    """The control: the teacher's map of another image over this one's superpixels."""
    found = _by_superpixel(block, block.theirs_shuffled, name)
    why = [NO_OTHER if alone else reason for alone, reason in zip(block.alone, found.reasons, strict=True)]
    return Measured(np.where(block.alone, np.nan, found.values), tuple(why))


def _by_superpixel(block: Block, teachers: Float, name: str) -> Measured:
    mean = EXPLAINERS[block.name].grid == "superpixels"
    pair = _signed(block, teachers, name)
    theirs, ours = (superpixel_sums(_large(maps, block), block.superpixels, mean=mean) for maps in pair)
    if name == "superpixel_overlap":
        return _with(superpixel_overlap(theirs, ours), [None] * len(ours), name)
    both = np.minimum(_right(block, block.logits), _right(block, block.teachers_logits)) > 0
    option: Any = name.partition("@")[2] or None
    values = np.where(both, sign_agreement(theirs, ours, compat=option), np.nan)
    return _with(values, [None if right else BOTH_WRONG for right in both], name)


def _signed(block: Block, teachers: Float, name: str) -> tuple[Float, Float]:
    """Signs are those of the map before ReLU; after it a superpixel can only be positive or zero."""
    if name.startswith("sign_agreement"):
        return teachers, block.maps
    return compared(teachers, block.name), block.shown


def _localisation(block: Block, names: Sequence[str]) -> Found:
    found: Found = {}
    if block.masks is not None and set(names) != {"grid_pointing"}:
        maps = _large(block.shown, block)
        reasons = of_place.undefined_reasons(maps, block.masks)
        for name in (name for name in names if name not in ("grid_pointing", "broken")):
            found[name] = _with(_formula(name)(maps, block.masks), reasons, name)
        if "broken" in names:
            right = _right(block, block.logits)
            why = [reason if one else WRONG for one, reason in zip(right, reasons, strict=True)]
            found["broken"] = _with(of_place.broken(maps, block.masks, right), why, "broken")
        area = np.where(block.masks.any(axis=(1, 2)), of_place.area(block.masks), np.nan)
        found[AREA] = _with(area, ["the mask is empty" if np.isnan(one) else None for one in area], "pointing")
    if "grid_pointing" in names:
        found["grid_pointing"] = _grid_pointing(block)
    return found


def _grid_pointing(block: Block) -> Measured:
    """Each image in a mosaic with three others of other classes, explained for its own label."""
    made = around(block.bench.split, block.indices)
    own = block.on_mosaics(made)
    values = grid_pointing(compared(own, block.name), made.quadrants, made.images.shape[1:3])
    return _with(values, [None] * len(values), "grid_pointing")


def _complexity(block: Block, names: Sequence[str]) -> Found:
    reasons = of_complexity.undefined_reasons(block.shown)
    # Paper 001's code takes its maps after min-max, and without ReLU.
    maps = {name: unit_maps(block.maps, minmax=True) if name.endswith("@xml") else block.shown for name in names}
    return {name: _with(_formula(name)(maps[name]), reasons, name) for name in names}


def _faithfulness(block: Block, names: Sequence[str]) -> Found:
    kept: Bool = np.asarray(np.isfinite(block.shown).all(axis=(1, 2)))

    def again(x: Float, targets: Int) -> Float:
        return compared(block.explain(block.run.model, x, targets, kept=kept), block.name)

    case = Case(score=block.score, maps=block.shown, targets=block.targets, explain=again, careful=block.careful)
    settings = Settings(multi_label=block.run.card.multi_label)
    return probes.measure(block.x.numpy(), {"it": case}, names, settings)["it"]


def _randomisation(block: Block, names: Sequence[str]) -> Found:
    curves = {name.partition("@")[0]: _curve(block, name.partition("@")[0]) for name in names}
    found: Found = {}
    for name in names:
        plain, _, compat = name.partition("@")
        values = randomisation_score(curves[plain].values, compat="quantus" if compat else None)
        found[name] = _with(values, curves[plain].undefined_reasons(), name)
    return found


def _curve(block: Block, name: str) -> Curve:
    way: Way = "cascading" if name.endswith("cascading") else "independent"
    x = block.x.numpy()
    steps = (
        (step, partial(block.explain, own))
        for step, own in randomised(block.run.model, block.calibration(), way=way, explained=block.name)
    )
    return randomisation_curve(block.maps, steps, x, block.targets)


def _prediction(block: Block, names: Sequence[str]) -> Found:
    ours, theirs, multi_label = block.logits, block.teachers_logits, block.run.card.multi_label
    made: Mapping[str, Callable[[], Float64]] = {
        "same_answer": lambda: of_answers.same_answer(theirs, ours, multi_label=multi_label, targets=block.targets),
        "right": lambda: _right(block, ours),
        "kl_to_teacher": lambda: of_answers.kl_to_teacher(theirs, ours, multi_label=multi_label),
    }
    return {name: _with(made[name](), [None] * len(ours), name) for name in names}


FAMILIES: Mapping[str, Callable[[Block, Sequence[str]], Found]] = {
    "similarity": _similarity,
    "localisation": _localisation,
    "complexity": _complexity,
    "faithfulness": _faithfulness,
    "randomisation": _randomisation,
    "prediction": _prediction,
}


def _right(block: Block, logits: Float) -> Float64:
    return of_answers.right(logits, block.labels, multi_label=block.run.card.multi_label, targets=block.targets)


def _large(maps: Float, block: Block) -> Float:
    return resize_maps(maps, (block.images.shape[1], block.images.shape[2]))


def _formula(name: str) -> Callable[..., Float64]:
    """The catalogue's function, with the quirk of "name@quirk"."""
    plain, _, compat = name.partition("@")
    function: Callable[..., Float64] = resolve(METRICS[plain])
    return partial(function, compat=compat) if compat else function


def _with(values: Float64, reasons: Reasons, name: str) -> Measured:
    """A reason for each value that is not there: the one found for its map, or else the metric's own words."""
    plain = name.partition("@")[0]
    own = METRICS[plain].undefined
    elsewhere = {TOO_SMALL: "ssim", WHOLE_MASK: "roc_auc"}  # found for all, true of one metric only
    fits = [None if elsewhere.get(str(reason), plain) != plain else reason for reason in reasons]
    flat = np.asarray(values, dtype=np.float64)
    why = [(reason or own) if bad else None for reason, bad in zip(fits, np.isnan(flat), strict=True)]
    return Measured(flat, tuple(why))
