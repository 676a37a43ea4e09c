"""Heavier maps that are shipped: occlusion grids and superpixel values of gallery images, made into maps again.

They are kept as float16, so they stand in for a run until its exact maps are computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
import pandas as pd

from xkd_core.serving.results import Results
from xkd_core.serving.subjects import Subject
from xkd_core.types import Float, Int, UInt8


def shipped(results: Results, subject: Subject, name: str) -> dict[str, Float]:
    """Run id -> map (S, S) of every run whose native values are stored for this image and explainer."""
    rows = results.gallery
    if rows.empty or name not in _MAKERS or subject.key.dataset != results.dataset:
        return {}
    here: pd.DataFrame = rows[(rows["index"] == subject.key.index) & (rows["explainer"] == name)]
    make = _MAKERS[name]
    return {
        str(run_id): make(np.asarray(values, dtype=np.float32), subject.input)
        for run_id, values in zip(here["run_id"], here["values"], strict=True)
    }


def superpixel_count(pixels: UInt8) -> int:
    """How many superpixels KernelSHAP's default settings make of an image (S, S, 3)."""
    return int(_superpixels(pixels.tobytes(), pixels.shape).max()) + 1


@lru_cache(maxsize=64)
def _superpixels(data: bytes, shape: tuple[int, ...]) -> Int:
    from xkd_core.explainers.superpixels import superpixels

    labels: Int = superpixels(np.frombuffer(data, dtype=np.uint8).reshape(shape)[None])[0]
    return labels


def _from_windows(falls: Float, pixels: UInt8) -> Float:
    """Occlusion: the mean of the windows that cover a pixel, (g*g,) -> (S, S)."""
    from xkd_core.explainers.perturbation import Grid

    size = (pixels.shape[0], pixels.shape[1])
    hidden = Grid.over(size, 0, 0).hidden().numpy().reshape(-1, size[0] * size[1]).astype(np.float32)
    return np.asarray((falls @ (hidden / hidden.sum(axis=0))).reshape(size), dtype=np.float32)


def _from_superpixels(values: Float, pixels: UInt8) -> Float:
    """KernelSHAP: each pixel gets the value of its superpixel, (n,) -> (S, S)."""
    return np.asarray(values[_superpixels(pixels.tobytes(), pixels.shape)])


_MAKERS: Mapping[str, Callable[[Float, UInt8], Float]] = {
    "occlusion": _from_windows,
    "kernel_shap": _from_superpixels,
}
