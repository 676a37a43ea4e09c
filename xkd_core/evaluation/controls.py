"""Maps that know nothing of the image: what every similarity and localisation is to be read against."""

from __future__ import annotations

import numpy as np

from xkd_core.types import Float


def control_maps(shape: tuple[int, ...], *, seed: int = 0) -> dict[str, Float]:
    """random: uniform noise, another one for each image. centre: one Gaussian in the middle, σ = a quarter.

    Args: shape (n, h, w) of the maps they stand beside. Returns: name -> (n, h, w) float32, >= 0.
    """
    height, width = shape[1:]
    rows, columns = (
        (np.arange(side) + 0.5) / side - 0.5 for side in (height, width)
    )  # cell centres, -0.5..0.5 over the image
    centre = np.exp(-(rows[:, None] ** 2 + columns[None, :] ** 2) / (2 * 0.25**2))
    noise = np.random.RandomState(seed).random_sample(shape)
    return {
        "random": noise.astype(np.float32),
        "centre": np.broadcast_to(centre, shape).astype(np.float32),
    }
