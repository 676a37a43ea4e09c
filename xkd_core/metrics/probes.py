"""Every faithfulness metric as what a network must be shown (swaps) and how its answers are read.

``measure`` is the one entrance: it joins the swaps of all metrics asked for, asks the networks once and reads
every value. "name@compat" is a metric with the quirk of a paper or library, and stays labelled so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xkd_core.errors import BadInputError, unknown_name
from xkd_core.metrics import curves, faithfulness
from xkd_core.metrics.complexity import NOT_FINITE, mean_l1
from xkd_core.metrics.curves import deletion_swaps, edges, insertion_swaps, road_swaps
from xkd_core.metrics.masking import WHOLE, By, Fill, Swap, fitted, seen, unit_maps
from xkd_core.metrics.planner import DEFAULT, Answers, Case, Settings, Tick, ask, check_targets
from xkd_core.types import Float, Float64

Swaps = Callable[[int, Settings], Sequence[Swap]]
SEEN, SEEN_MINMAX = seen(), seen(minmax=True)

FLAT = "the answer does not change, or all chunks have the same attribution"
NO_ANSWER = "the network's answer is 0 or not finite"
ONE_MAP = "the map, or that of the masked image, is constant or not finite"
NO_SSIM = "the map of the masked image is zero, or maps are smaller than 7x7"


@dataclass(frozen=True)
class Measured:
    """One value per image (B,), NaN where undefined, and for each image why it is (or None)."""

    values: Float64
    reasons: tuple[str | None, ...]

    @property
    def undefined(self) -> int:
        """How many images have no value."""
        return int(np.isnan(self.values).sum())


@dataclass(frozen=True)
class Asked:
    """What a metric is read from: the answers of one case, with its images and maps at their size."""

    answers: Answers
    case: Case
    x: Float
    maps: Float
    settings: Settings

    @property
    def n_pixels(self) -> int:
        """Pixels of an image."""
        return int(np.prod(self.maps.shape[1:]))

    @property
    def whole(self) -> Float64:
        """Probability of the target on the image itself: (B,)."""
        return self.one(WHOLE)

    def one(self, swap: Swap) -> Float64:
        """Probability of the target on one swap: (B,)."""
        return self.answers.prob([swap])[:, 0]

    def probs(self, swaps: Swaps) -> Float64:
        """Probability of the target on many: (B, swaps)."""
        return self.answers.prob(swaps(self.n_pixels, self.settings))

    def sums(self, n_parts: int, by: By = "value") -> Float64:
        """Attribution (by size: its absolute value) of each chunk of ranks: (B, chunks)."""
        ordered = self._by_size if by == "size" else self._by_value
        return np.asarray(np.add.reduceat(ordered, edges(self.n_pixels, n_parts)[:-1], axis=1))

    @cached_property
    def _by_value(self) -> Float64:
        """Values of each map from the highest to the lowest: sums of equal ones do not ask for their order."""
        return -np.sort(-self.maps.reshape(len(self.maps), -1).astype(np.float64), axis=1)

    @cached_property
    def _by_size(self) -> Float64:
        return self._by_value if self.maps.min() >= 0 else -np.sort(-np.abs(self._by_value), axis=1)

    @cached_property
    def again(self) -> Float64:
        """Maps (B, h, w) of the images times their maps, by the case's own ``explain``."""
        return self._explained(minmax=False)

    @cached_property
    def again_minmax(self) -> Float64:
        """The same with maps after min-max."""
        return self._explained(minmax=True)

    def _explained(self, *, minmax: bool) -> Float64:
        if self.case.explain is None:
            raise BadInputError("Coherency and ADCC explain another image: give the case `explain`.")
        pictures = self.x * unit_maps(self.maps, minmax=minmax)[:, None].astype(self.x.dtype)
        finite = np.isfinite(pictures).all(axis=(1, 2, 3))
        found = np.full(np.shape(self.case.maps), np.nan)
        if finite.any():
            targets = check_targets(self.case.targets, self.x, "the case")
            maps = np.asarray(self.case.explain(pictures[finite], targets[finite]))
            if maps.shape[1:] != found.shape[1:]:
                raise BadInputError(
                    f"`explain` must give maps on the grid of the case's own, {found.shape[1:]}; got {maps.shape[1:]}."
                )
            found[finite] = maps
        return found


@dataclass(frozen=True)
class Probe:
    """What to show, how to read it, what the map must have, and why else a value may be missing."""

    swaps: Swaps
    value: Callable[[Asked], Float64]
    needs: Literal["an order", "a positive value", "finite values"] = "an order"
    otherwise: str = NO_ANSWER


def measure(
    x: ArrayLike,
    cases: Mapping[str, Case],
    names: Sequence[str],
    settings: Settings = DEFAULT,
    *,
    tick: Tick | None = None,
) -> dict[str, dict[str, Measured]]:
    """Measure the faithfulness of maps: each distinct masked image is shown to each network once.

    Args: x (B, C, H, W) normalised images; cases, one for each network and explainer; names, of ``PROBES``.
    Returns: case -> name -> one value per image with its reason where undefined. Errors: UnknownNameError,
    BadInputError for shapes or targets that do not fit.
    """
    if all(case.careful is None for case in cases.values()):
        return _measure(x, cases, names, settings, tick)
    n_pixels = int(np.prod(np.shape(x)[2:]))
    single = [name for name in names if len(probe_of(name).swaps(n_pixels, settings)) <= 1]
    many = [name for name in names if name not in single]
    careful = {key: replace(case, score=case.careful or case.score) for key, case in cases.items()}
    found, again = _measure(x, cases, many, settings, tick), _measure(x, careful, single, settings, tick)
    return {key: {name: (found[key] | again[key])[name] for name in names} for key in cases}


def _measure(
    x: ArrayLike, cases: Mapping[str, Case], names: Sequence[str], settings: Settings, tick: Tick | None
) -> dict[str, dict[str, Measured]]:
    """``measure`` where every network answers by its ``score``."""
    if not names:
        return {key: {} for key in cases}
    probes = {name: probe_of(name) for name in names}
    n_pixels = int(np.prod(np.shape(x)[2:]))
    swaps = [swap for probe in probes.values() for swap in probe.swaps(n_pixels, settings)]
    answers = ask(x, cases, swaps, settings, tick=tick)
    found: dict[str, dict[str, Measured]] = {}
    for key, case in cases.items():
        asked = Asked(answers[key], case, *fitted(x, case.maps), settings)
        found[key] = {name: _measured(probe, asked) for name, probe in probes.items()}
    return found


def curve(
    x: ArrayLike, cases: Mapping[str, Case], name: str, settings: Settings = DEFAULT, *, tick: Tick | None = None
) -> dict[str, Float64]:
    """The probabilities behind an area: case -> (B, points), NaN where the map ranks nothing.

    Args: as ``measure``; name, a key of ``CURVES``. Errors: UnknownNameError.
    """
    if name not in CURVES:
        raise unknown_name("curve", name, CURVES)
    swaps = CURVES[name](int(np.prod(np.shape(x)[2:])), settings)
    return {key: answers.prob(swaps) for key, answers in ask(x, cases, swaps, settings, tick=tick).items()}


def forwards(names: Sequence[str], n_pixels: int, settings: Settings = DEFAULT) -> int:
    """Forwards of one network for one image and map, equal masked images counted once."""
    return len({WHOLE, *(swap for name in names for swap in probe_of(name).swaps(n_pixels, settings))})


def probe_of(name: str) -> Probe:
    """The probe called ``name`` or "name@compat". Errors: UnknownNameError with all that exist."""
    if name not in PROBES:
        raise unknown_name("faithfulness metric", name, PROBES)
    return PROBES[name]


def _measured(probe: Probe, asked: Asked) -> Measured:
    flaws = [_flaw(one, probe.needs) for one in asked.maps]
    values = np.where([flaw is None for flaw in flaws], probe.value(asked), np.nan)
    reasons = (
        flaw or (probe.otherwise if np.isnan(value) else None) for flaw, value in zip(flaws, values, strict=True)
    )
    return Measured(values, tuple(reasons))


def _flaw(one: Float, needs: str) -> str | None:
    if not np.isfinite(one).all():
        return NOT_FINITE
    if needs == "a positive value" and one.max() <= 0:
        return "the map has no positive value"
    if needs == "an order" and one.max() == one.min():
        return "the map is constant" if one.any() else "the map is zero everywhere"
    return None


@lru_cache(maxsize=32)
def _chunks(n_pixels: int, settings: Settings, fill: Fill = "mean") -> list[Swap]:
    ends = edges(n_pixels, settings.n_chunks)
    return [Swap(low, high, fill) for low, high in pairwise(ends)]


@lru_cache(maxsize=32)
def _colours(n_pixels: int, settings: Settings, fill: Fill = "uniform") -> list[Swap]:
    ends, n = edges(n_pixels, settings.n_colour_chunks), settings.n_colours
    return [Swap(low, high, fill, draw, "size") for low, high in pairwise(ends) for draw in range(n)]


@lru_cache(maxsize=32)
def _deletion(n_pixels: int, settings: Settings) -> list[Swap]:
    return deletion_swaps(n_pixels, settings.n_steps)


@lru_cache(maxsize=32)
def _insertion(n_pixels: int, settings: Settings, fill: Fill = "blur") -> list[Swap]:
    return insertion_swaps(n_pixels, settings.n_steps, fill)


@lru_cache(maxsize=32)
def _weakest_gone(n_pixels: int, settings: Settings) -> list[Swap]:
    return road_swaps(n_pixels, settings.road_percent, strongest=False)


@lru_cache(maxsize=32)
def _strongest_gone(n_pixels: int, settings: Settings) -> list[Swap]:
    return road_swaps(n_pixels, settings.road_percent, strongest=True)


@lru_cache(maxsize=32)
def _both_gone(n_pixels: int, settings: Settings) -> list[Swap]:
    return _weakest_gone(n_pixels, settings) + _strongest_gone(n_pixels, settings)


def _seen(n_pixels: int, settings: Settings) -> list[Swap]:
    return [SEEN]


def _seen_minmax(n_pixels: int, settings: Settings) -> list[Swap]:
    return [SEEN_MINMAX]


def _estimate(asked: Asked) -> Float64:
    falls = asked.whole[:, None] - asked.probs(_chunks)
    return faithfulness.faithfulness_estimate(asked.sums(asked.settings.n_chunks), falls)


def _estimate_rank(asked: Asked) -> Float64:
    falls = asked.whole[:, None] - asked.probs(_chunks)
    return faithfulness.faithfulness_estimate_rank(asked.sums(asked.settings.n_chunks), falls)


def _estimate_quantus(asked: Asked) -> Float64:
    falls = asked.answers.logit([WHOLE]) - asked.answers.logit(_chunks(asked.n_pixels, asked.settings, "black"))
    return faithfulness.faithfulness_estimate(asked.sums(asked.settings.n_chunks), falls)


def _colour_correlation(asked: Asked, fill: Fill = "uniform") -> Float64:
    sums = asked.sums(asked.settings.n_colour_chunks, "size")
    answers = asked.answers.prob(_colours(asked.n_pixels, asked.settings, fill))
    by_chunk = answers.reshape(*sums.shape, asked.settings.n_colours)
    return faithfulness.monotonicity_correlation(sums, by_chunk, asked.whole)


def _drop(asked: Asked, swap: Swap = SEEN, compat: Literal["gradcam"] | None = None) -> Float64:
    return faithfulness.average_drop(asked.whole, asked.one(swap), compat=compat)


def _drop_xml(asked: Asked) -> Float64:
    top = asked.answers.top([WHOLE, SEEN_MINMAX], logit=True)
    return faithfulness.average_drop(top[:, 0], top[:, 1])


def _coherency(asked: Asked, compat: Literal["gradcam"] | None = None) -> Float64:
    return faithfulness.coherency(asked.case.maps, asked.again, compat=compat)


def _coherency_adcc(asked: Asked) -> Float64:
    return faithfulness.coherency(asked.case.maps, asked.again_minmax, compat="adcc")


def _ssim_xml(asked: Asked) -> Float64:
    pair = (unit_maps(maps, minmax=True) for maps in (asked.case.maps, asked.again_minmax))
    return faithfulness.coherency_ssim(*pair, size=(asked.maps.shape[1], asked.maps.shape[2]), compat="xml")


def _adcc(asked: Asked) -> Float64:
    coherence = (1.0 + faithfulness.coherency(asked.case.maps, asked.again)) / 2
    return faithfulness.adcc(coherence, mean_l1(unit_maps(asked.maps)), _drop(asked))


CURVES: Mapping[str, Swaps] = {
    "insertion": _insertion,
    "deletion": _deletion,
    "road_weakest_gone": _weakest_gone,
    "road_strongest_gone": _strongest_gone,
}

PROBES: Mapping[str, Probe] = {
    "faithfulness_estimate": Probe(_chunks, _estimate, otherwise=FLAT),
    "faithfulness_estimate@quantus": Probe(partial(_chunks, fill="black"), _estimate_quantus, otherwise=FLAT),
    "faithfulness_estimate_rank": Probe(_chunks, _estimate_rank, otherwise=FLAT),
    "monotonicity_correlation": Probe(_colours, _colour_correlation, otherwise=FLAT),
    "monotonicity_correlation@quantus": Probe(
        partial(_colours, fill="unit"), partial(_colour_correlation, fill="unit"), otherwise=FLAT
    ),
    # The least important chunks are in first: the images of the deletion curve, read backwards.
    "monotonicity": Probe(_deletion, lambda asked: curves.monotonicity(asked.probs(_deletion)[:, ::-1])),
    "monotonicity_share": Probe(_deletion, lambda asked: curves.monotonicity_share(asked.probs(_deletion)[:, ::-1])),
    "deletion_auc": Probe(_deletion, lambda asked: curves.area(asked.probs(_deletion))),
    "deletion_relative": Probe(_deletion, lambda asked: curves.relative_area(asked.probs(_deletion), asked.whole)),
    "insertion_auc": Probe(_insertion, lambda asked: curves.area(asked.probs(_insertion))),
    "insertion_auc@rise": Probe(
        partial(_insertion, fill="rise_blur"),
        lambda asked: curves.area(asked.probs(partial(_insertion, fill="rise_blur"))),
    ),
    "insertion_relative": Probe(_insertion, lambda asked: curves.relative_area(asked.probs(_insertion), asked.whole)),
    "road": Probe(_both_gone, lambda asked: curves.road(asked.probs(_weakest_gone), asked.probs(_strongest_gone))),
    "average_drop": Probe(_seen, _drop, "a positive value"),
    "average_drop@adcc": Probe(_seen_minmax, partial(_drop, swap=SEEN_MINMAX), "finite values"),
    "average_drop@gradcam": Probe(_seen, partial(_drop, compat="gradcam"), "a positive value"),
    "average_drop@xml": Probe(_seen_minmax, _drop_xml, "finite values"),
    "confidence_increase": Probe(
        _seen, lambda asked: faithfulness.confidence_increase(asked.whole, asked.one(SEEN)), "a positive value"
    ),
    "coherency": Probe(_seen, _coherency, "a positive value", ONE_MAP),
    "coherency@adcc": Probe(_seen_minmax, _coherency_adcc, "finite values"),
    "coherency@gradcam": Probe(_seen, partial(_coherency, compat="gradcam"), "a positive value"),
    "coherency_ssim": Probe(
        _seen, lambda asked: faithfulness.coherency_ssim(asked.case.maps, asked.again), "a positive value", NO_SSIM
    ),
    "coherency_ssim@xml": Probe(_seen_minmax, _ssim_xml, "finite values", NO_SSIM),
    "adcc": Probe(_seen, _adcc, "a positive value", ONE_MAP),
}
"""Name -> how to measure it. The texts are in the catalogue; a metric's compat options follow an "@"."""
