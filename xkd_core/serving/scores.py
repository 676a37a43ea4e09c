"""Numbers under a panel: a map beside the teacher's map and the mask, undefined as None."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from xkd_core import catalogue
from xkd_core.evaluation.rows import LOCALISATIONS, SIMILARITIES, compared, on_one_grid
from xkd_core.metrics.localisation import resize_maps
from xkd_core.types import Bool, Float, Float64


@dataclass(frozen=True, kw_only=True)
class Scores:
    """values: metric -> number, None where undefined. shuffled: cosine to the teacher's map of another image.

    reason: why the map cannot be compared ("" if it can).
    """

    values: Mapping[str, float | None]
    shuffled: float | None = None
    reason: str = ""

    @property
    def cosine(self) -> float | None:
        """Cosine to the teacher's map; None for the teacher itself or an empty map."""
        return self.values.get("cosine")


def score_all(
    maps: Float, teacher: Float | None, *, explainer: str, masks: Bool | None = None, control: Float | None = None
) -> list[Scores]:
    """Score maps (n, h, w) of one image against the teacher's map (h', w'), both on the smaller of their grids.

    masks: (n, H, W) pixels of the class that each map explains. control: (h, w), the teacher's map of another
    image. Of the teacher itself (``teacher`` None) only the localisation is measured.
    """
    ours = compared(maps, explainer)
    columns: dict[str, Float64] = {}
    shuffled = np.full(len(ours), np.nan)
    if teacher is not None:
        pair = on_one_grid(ours, _repeated(teacher, explainer, len(ours)))
        columns |= {name: _metric(name)(*pair) for name in SIMILARITIES}
        if control is not None:
            shuffled = _metric("cosine")(*on_one_grid(ours, _repeated(control, explainer, len(ours))))
    if masks is not None and masks.any():
        large = resize_maps(ours, masks.shape[1:])
        columns |= {name: _metric(name)(large, masks) for name in LOCALISATIONS}
    return [
        Scores(
            values={name: _number(column[place]) for name, column in columns.items()},
            shuffled=_number(shuffled[place]),
            reason="" if ours[place].any() else "no positive evidence",
        )
        for place in range(len(ours))
    ]


def _repeated(one: Float, explainer: str, n: int) -> Float:
    return np.repeat(compared(one, explainer)[None], n, axis=0)


def _metric(name: str) -> Callable[..., Float64]:
    return catalogue.resolve(catalogue.get("metric", name))


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
