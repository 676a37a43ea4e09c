"""Maps that no network enters: what any explainer has to beat.

They are the same for every network, so they are controls of metrics that compare a map with the image, its mask
or the score; their similarity to the teacher's map is 1 by construction.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from skimage.filters import sobel

from xkd_core.explainers.base import Explanation, Request
from xkd_core.types import Float, Float64


def random_map(request: Request) -> dict[str, Explanation]:
    """Independent uniform numbers for each pixel, from the seed and the image's own values.

    Returns: maps (B, H, W) in 0..1. An image gets the same map alone as in a batch, another image another one.
    """

    def drawn(image: Float) -> Float64:
        return np.random.default_rng([request.seed, *image.view(np.uint32).ravel()]).random(image.shape[1:])

    return _without_networks(request, drawn)


def centre_gaussian(request: Request, *, sigma: float = 0.25) -> dict[str, Explanation]:
    """A round bump in the middle, 1 at its centre; sigma, as a share of each side. Returns: maps (B, H, W) in 0..1."""

    def bump(image: Float) -> Float64:
        rows, columns = (np.exp(-(((np.arange(n) + 0.5) / n - 0.5) ** 2) / (2 * sigma**2)) for n in image.shape[1:])
        return np.outer(rows, columns)

    return _without_networks(request, bump)


def edge_detector(request: Request) -> dict[str, Explanation]:
    """Sobel's size of the slope of the image's mean colour (of normalised values), by scikit-image.

    Returns: maps (B, H, W) >= 0, the root of the mean square of both directions' slopes.
    """

    def slopes(image: Float) -> Float64:
        return np.asarray(sobel(image.mean(axis=0, dtype=np.float64)))  # type: ignore[no-untyped-call]

    return _without_networks(request, slopes)


def _without_networks(request: Request, make: Callable[[Float], Float64]) -> dict[str, Explanation]:
    images: Float = np.ascontiguousarray(request.x.detach().cpu().numpy(), dtype=np.float32)
    maps = []
    for image in images:
        maps.append(make(image).astype(np.float32))
        request.tick(0)
    return {
        name: request.explanation(name, np.stack(maps), layer="no network", score="none") for name in request.models
    }
