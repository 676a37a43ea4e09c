"""Noisy linear imputation: hidden pixels become the weighted mean of their neighbours (Rong et al. 2022, ROAD).

Neighbours beside and above weigh 1/6, diagonal ones 1/12; beyond the border there are none. The equations of
all hidden pixels are solved at once, and noise is added so that the smooth patch does not give them away.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.linalg import splu

from xkd_core.errors import BadInputError
from xkd_core.types import Bool, Float

NEIGHBOURS = ((0, 1, 1 / 6), (1, 0, 1 / 6), (1, 1, 1 / 12), (1, -1, 1 / 12))
"""(rows down, columns right, weight); each stands for its opposite too."""


def impute(image: Float, hidden: Bool, *, noise: float = 0.01, seed: int = 0) -> Float:
    """Fill the hidden pixels of one image.

    Args: image (C, H, W); hidden (H * W,) or (H, W) bool; noise, the standard deviation that is added, one
    pattern for all images. Returns: (C, H * W). Errors: BadInputError when every pixel is hidden.
    """
    channels, height, width = image.shape
    gone = hidden.reshape(-1)
    filled = image.reshape(channels, -1).copy()
    if not gone.any():
        return filled
    if gone.all():
        raise BadInputError("Imputation needs at least one visible pixel; all are hidden. Remove fewer than 100 %.")
    rows = _differences(height, width)[np.flatnonzero(gone)]
    right = -(rows[:, np.flatnonzero(~gone)] @ filled[:, ~gone].T.astype(np.float64))
    # Symmetric and positive definite: no pivoting is needed, which keeps the factors sparse.
    system = splu(
        rows[:, np.flatnonzero(gone)].tocsc(),
        permc_spec="MMD_AT_PLUS_A",
        diag_pivot_thresh=0.0,
        options={"SymmetricMode": True},
    )
    drawn = np.random.default_rng(seed).standard_normal(filled.shape)
    filled[:, gone] = system.solve(right).T + noise * drawn[:, gone]
    return filled


@cache
def _differences(height: int, width: int) -> csr_array:
    """Each pixel times the sum of its neighbours' weights, minus its neighbours: (pixels, pixels)."""
    pixels = np.arange(height * width).reshape(height, width)
    here, there, weight = [], [], []
    for down, right, share in NEIGHBOURS:
        first = pixels[: height - down, max(0, -right) : width - max(0, right)].ravel()
        second = pixels[down:, max(0, right) : width + min(0, right)].ravel()
        here += [first, second]
        there += [second, first]
        weight += [np.full(len(first), share)] * 2
    rows, columns, values = np.concatenate(here), np.concatenate(there), np.concatenate(weight)
    total = np.bincount(rows, values, minlength=pixels.size)
    diagonal = np.arange(pixels.size)
    return coo_array(
        (np.concatenate([-values, total]), (np.concatenate([rows, diagonal]), np.concatenate([columns, diagonal])))
    ).tocsr()
