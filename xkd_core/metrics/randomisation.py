"""Do maps change when the weights do? Sanity check by weight randomisation (Adebayo et al. 2018), in numpy.

The randomised networks come as (name, explain) pairs, made one at a time by whoever has the weights
(`xkd_core.evaluation.randomise`). Lower similarity to the map of the trained network is better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xkd_core.errors import BadInputError
from xkd_core.metrics import similarity
from xkd_core.metrics.planner import Explain
from xkd_core.types import Float, Float64, Int

How = Literal["spearman", "pearson", "ssim", "cosine"]


@dataclass(frozen=True)
class Curve:
    """Similarity to the trained network's map after each step: ``values`` (steps, B), NaN where undefined."""

    steps: tuple[str, ...]
    values: Float64

    def undefined_reasons(self) -> list[str | None]:
        """For each image, at which steps the similarity is undefined, or None."""
        gone = [
            [step for step, bad in zip(self.steps, column, strict=True) if bad] for column in np.isnan(self.values.T)
        ]
        words = "a map is constant or not finite after randomising"
        return [f"{words} {', '.join(steps)}" if steps else None for steps in gone]


def randomisation_curve(
    original: ArrayLike,
    randomised: Iterable[tuple[str, Explain]],
    x: Float,
    targets: Int,
    *,
    how: How = "spearman",
    absolute: bool = False,
) -> Curve:
    """Similarity of the maps of randomised networks to those of the trained one, step by step.

    Args: original (B, h, w), raw and signed (ReLU makes maps of unrelated networks alike); randomised, the name
    of each step with how to explain its network, used one after the other; x (B, C, H, W) and targets (B,), the
    classes explained at first; absolute, compare |map|. Errors: BadInputError when there is no step.
    """
    prepared: Callable[[ArrayLike], Float64] = lambda maps: _prepared(maps, absolute)  # noqa: E731
    compare: similarity.Similarity = getattr(similarity, how)
    first = prepared(original)
    found = {step: compare(first, prepared(explain(x, targets))) for step, explain in randomised}
    if not found:
        raise BadInputError("Randomisation needs at least one layer with weights; there is none.")
    return Curve(tuple(found), np.stack(list(found.values())))


def randomisation_score(curve: ArrayLike, *, compat: Literal["quantus"] | None = None) -> Float64:
    """Mean similarity over the steps, (steps, B) -> (B,) in -1 to 1, lower is better.

    NaN where a step is. compat "quantus": the trained network's similarity to itself, 1, is one of the steps, as
    ``return_average_correlation`` counts it.
    """
    values = np.asarray(curve, dtype=np.float64)
    if values.ndim != 2 or not len(values):
        raise BadInputError(f"A randomisation curve must be (steps, images); got {values.shape}.")
    if compat == "quantus":
        values = np.concatenate([np.ones_like(values[:1]), values])
    mean: Float64 = values.mean(axis=0)
    return mean


def _prepared(maps: ArrayLike, absolute: bool) -> Float64:
    values = np.asarray(maps, dtype=np.float64)
    return np.abs(values) if absolute else values
