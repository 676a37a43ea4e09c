"""Asks networks about masked images: each distinct one once, in large batches over images, masks and networks.

Networks that share a map (a control, a teacher's map) are shown the same batch; explanations of one network
share its whole image; metrics share whatever swap they have in common. A network is only ``score(x)``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from xkd_core.errors import BadInputError
from xkd_core.metrics.masking import ROAD_NOISE, WHOLE, Pictures, Swap, fitted
from xkd_core.types import Bool, Float, Float64, Int

Score = Callable[[Float], ArrayLike]
"""Normalised images (n, C, H, W) -> logits (n, classes). The array may be written to; it is not the score's to keep.
In memory the colours of a pixel lie together (channels last)."""
Explain = Callable[[Float, Int], ArrayLike]
"""Normalised images (n, C, H, W) and target classes (n,) -> maps (n, h, w)."""
Tick = Callable[[int], None]
"""Called after each batch with the number of forwards it took; may raise to stop the work."""

_KEPT = threading.local()
PIXELS_PER_BATCH = 96 * 64 * 64


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network with its maps of the images: what is to be measured.

    maps: (B, h, w), raw and signed; class activation maps after ReLU, as everywhere. targets: (B,) explained
    classes. explain: how to explain another image, for the metrics that must. careful: who answers in place of a
    rough ``score`` (bfloat16) where a metric rests on one pair of answers and no noise averages out.
    """

    score: Score
    maps: ArrayLike
    targets: ArrayLike
    explain: Explain | None = None
    careful: Score | None = None


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How finely faithfulness is measured; the papers' numbers of points, whatever the size of the image.

    n_chunks: of faithfulness estimate. n_steps: of insertion, deletion and monotonicity. n_colour_chunks and
    n_colours: of monotonicity correlation. road_percent: shares of the pixels that ROAD removes. seed: of
    ties, colours and noise. multi_label: sigmoid of each class instead of softmax.
    """

    multi_label: bool = False
    seed: int = 0
    n_chunks: int = 64
    n_steps: int = 32
    n_colour_chunks: int = 16
    n_colours: int = 5
    road_percent: tuple[float, ...] = (10.0, 30.0, 50.0, 70.0, 90.0)
    noise: float = ROAD_NOISE

    def __post_init__(self) -> None:
        """Refuse what cannot be measured."""
        counts = (self.n_chunks, self.n_steps, self.n_colour_chunks, self.n_colours)
        if min(counts) < 1:
            raise BadInputError(f"Numbers of chunks, steps and colours must be 1 or more; got {counts}.")
        if not self.road_percent or not all(0 < percent < 100 for percent in self.road_percent):
            raise BadInputError(f"road_percent must be above 0 and below 100; got {self.road_percent}.")


DEFAULT = Settings()


@dataclass(frozen=True)
class Answers:
    """What a network answered on swaps of each image: (B, swaps) each, for the target and for its own top class."""

    swaps: Sequence[Swap]
    logits: Float64
    probs: Float64
    top_logits: Float64
    top_probs: Float64

    def prob(self, swaps: Sequence[Swap]) -> Float64:
        """Probability of the target on ``swaps``: (B, len(swaps))."""
        return self.probs[:, self._places(swaps)]

    def logit(self, swaps: Sequence[Swap]) -> Float64:
        """Logit of the target on ``swaps``: (B, len(swaps))."""
        return self.logits[:, self._places(swaps)]

    def top(self, swaps: Sequence[Swap], *, logit: bool) -> Float64:
        """The largest logit or probability, of whatever class: (B, len(swaps))."""
        return (self.top_logits if logit else self.top_probs)[:, self._places(swaps)]

    @cached_property
    def _place(self) -> dict[Swap, int]:
        return {swap: place for place, swap in enumerate(self.swaps)}

    def _places(self, swaps: Sequence[Swap]) -> list[int]:
        return [self._place[swap] for swap in swaps]


@dataclass
class _Rows:
    """Masked images that wait for a batch, all for the same networks."""

    image: list[Int] = field(default_factory=list)
    map_: list[Int] = field(default_factory=list)
    swap: list[Int] = field(default_factory=list)
    count: int = 0

    def add(self, image: int, map_: int, swaps: Int) -> None:
        self.image.append(np.full(len(swaps), image))
        self.map_.append(np.full(len(swaps), map_))
        self.swap.append(swaps)
        self.count += len(swaps)

    def all(self) -> tuple[Int, Int, Int]:
        return np.concatenate(self.image), np.concatenate(self.map_), np.concatenate(self.swap)


def ask(
    x: ArrayLike,
    cases: Mapping[str, Case],
    swaps: Sequence[Swap],
    settings: Settings = DEFAULT,
    *,
    tick: Tick | None = None,
) -> dict[str, Answers]:
    """Show every network the masked images of its map.

    Args: x (B, C, H, W) normalised; swaps, the masked images of each map. Returns: case -> Answers; NaN where
    a map ranks nothing (constant, not finite) or the network's answer is not finite. Errors: BadInputError
    for shapes or targets that do not fit.
    """
    # Rows of one fill together: that is how `Pictures` is fast.
    ordered = sorted({WHOLE, *swaps}, key=lambda swap: (swap.fill, swap.by, swap.low, swap.high, swap.draw))
    work = _Work(x, cases, ordered, settings, tick)
    work.run()
    return {name: Answers(work.swaps, *work.found[number]) for number, name in enumerate(cases)}


class _Work:
    """The state of one call of `ask`."""

    def __init__(
        self, x: ArrayLike, cases: Mapping[str, Case], swaps: Sequence[Swap], settings: Settings, tick: Tick | None
    ) -> None:
        self.swaps, self.settings, self.tick = swaps, settings, tick
        self.targets = [check_targets(case.targets, x, name) for name, case in cases.items()]
        scores = {id(case.score): case.score for case in cases.values()}  # by identity: a score need not have a hash
        self.scores = list(scores.values())
        self.score_of = [list(scores).index(id(case.score)) for case in cases.values()]
        fits = [fitted(x, case.maps) for case in cases.values()]
        self.map_of, distinct = _distinct([maps for _, maps in fits])  # (cases, B), (R, H, W)
        self.pictures = Pictures(fits[0][0], distinct, swaps, settings.seed, settings.noise)
        n_pixels = distinct[0].size
        self.free = np.array([not swap.ranked or _hides_all(swap, n_pixels) for swap in swaps])
        self.found = np.full((len(cases), 4, len(fits[0][0]), len(swaps)), np.nan)
        self.batch = max(1, PIXELS_PER_BATCH // n_pixels)
        # One piece of memory for all batches and calls: fresh pages cost as much as writing them.
        self.buffer = _memory(self.batch * self.pictures.flat.shape[1], self.pictures.x.dtype).reshape(self.batch, -1)

    def run(self) -> None:
        piles: dict[tuple[int, ...], _Rows] = {}
        usable = _usable(self.pictures.maps, self.swaps)
        every = tuple(range(len(self.scores)))
        for image in range(self.map_of.shape[1]):
            self._add(piles, every, image, -1, np.flatnonzero(self.free))
            for map_ in dict.fromkeys(self.map_of[:, image].tolist()):
                owners = {self.score_of[case] for case in np.flatnonzero(self.map_of[:, image] == map_)}
                self._add(piles, tuple(sorted(owners)), image, map_, np.flatnonzero(~self.free & usable[map_]))
        for wanted, rows in piles.items():
            self._show(wanted, rows)

    def _add(
        self, piles: dict[tuple[int, ...], _Rows], wanted: tuple[int, ...], image: int, map_: int, swaps: Int
    ) -> None:
        rows = piles.setdefault(wanted, _Rows())
        rows.add(image, map_, swaps)
        if rows.count >= self.batch:
            self._show(wanted, rows)
            piles[wanted] = _Rows()

    def _show(self, wanted: tuple[int, ...], waiting: _Rows) -> None:
        if not waiting.count:
            return
        image, map_, swap = waiting.all()
        logits: dict[int, list[Float64]] = {score: [] for score in wanted}
        for start in range(0, len(image), self.batch):
            part = slice(start, start + self.batch)
            rows = image[part], np.maximum(map_[part], 0), swap[part]
            batch = self.pictures.make(*rows, out=self.buffer[: len(rows[0])])
            for score in wanted:
                own = batch if score == wanted[-1] else np.copy(batch)  # a network may write into its input
                logits[score].append(np.asarray(self.scores[score](own), dtype=np.float64))
            if self.tick is not None:
                self.tick(len(batch) * len(wanted))
        for score in wanted:
            self._keep(score, np.concatenate(logits[score]), image, map_, swap)

    def _keep(self, score: int, logits: Float64, image: Int, map_: Int, swap: Int) -> None:
        probs = probabilities(logits, multi_label=self.settings.multi_label)
        for case in (number for number, own in enumerate(self.score_of) if own == score):
            mine = np.flatnonzero((map_ == -1) | (map_ == self.map_of[case, image]))
            rows, target, own, shares = image[mine], self.targets[case][image[mine]], logits[mine], probs[mine]
            if len(mine) and target.max() >= logits.shape[1]:
                raise BadInputError(
                    f"The network knows classes 0 to {logits.shape[1] - 1}; targets hold {target.max()}."
                )
            asked = np.arange(len(mine)), target
            values = own[asked], shares[asked], own.max(axis=1), shares.max(axis=1)
            self.found[case, :, rows, swap[mine]] = np.stack(values, axis=1)


def probabilities(logits: ArrayLike, *, multi_label: bool) -> Float64:
    """Softmax over the classes, or the sigmoid of each: logits (n, C) -> (n, C)."""
    values = np.asarray(logits, dtype=np.float64)
    if multi_label:
        return np.asarray(expit(values), dtype=np.float64)
    with np.errstate(invalid="ignore"):  # an infinite logit makes NaN, which the caller counts
        shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _distinct(maps: Sequence[Float]) -> tuple[Int, Float]:
    """Which row each case and image has among the distinct maps, (cases, B), and these maps (R, H, W)."""
    rows: dict[tuple[int, bytes], int] = {}
    places, kept = [], []
    for of_case in maps:
        for image, one in enumerate(of_case):
            key = (image, one.tobytes())
            if key not in rows:
                rows[key] = len(rows)
                kept.append(one)
            places.append(rows[key])
    return np.array(places).reshape(len(maps), -1), np.stack(kept)


def _memory(size: int, dtype: np.dtype[Any]) -> Float:
    """Memory for ``size`` numbers, the thread's own and kept for its next call: what was in it is lost."""
    held: dict[str, Float] = _KEPT.__dict__
    if len(held.get(dtype.name, ())) < size:
        held[dtype.name] = np.empty(size, dtype)
    return held[dtype.name][:size]


def _usable(maps: Float, swaps: Sequence[Swap]) -> Bool:
    """Can the masked image be made of the map? (R, swaps)."""
    flat = maps.reshape(len(maps), -1)
    finite = np.asarray(np.isfinite(flat).all(axis=1, keepdims=True))
    varied = flat.max(axis=1, keepdims=True) > flat.min(axis=1, keepdims=True)
    needs_order = np.array([not swap.fill.startswith("seen") for swap in swaps])
    usable: Bool = finite & (varied | ~needs_order)
    return usable


def _hides_all(swap: Swap, n_pixels: int) -> bool:
    return swap.low == 0 and swap.high >= n_pixels and swap.fill not in ("imputed", "seen", "seen_minmax")


def check_targets(targets: ArrayLike, x: ArrayLike, name: str) -> Int:
    """The explained classes (B,) of a case. Errors: BadInputError unless they are class indices, one per image."""
    given, n_images = np.asarray(targets), len(np.asarray(x))
    if given.shape != (n_images,) or not np.issubdtype(given.dtype, np.integer) or given.min() < 0:
        raise BadInputError(f"targets of {name} must be {n_images} class indices, one per image; got {targets!r}.")
    return given.astype(np.int64)
