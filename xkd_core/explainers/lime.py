"""LIME (Ribeiro, Singh & Guestrin, KDD 2016) on superpixels: a linear model of the score near the image.

The superpixels are KernelSHAP's and hidden ones become the mean colour, so the two differ in their samples and
weights alone. Samples, weights and ridge regression are those of the authors' package.
"""

from __future__ import annotations

import numpy as np
import torch

from xkd_core.explainers.base import Explanation, Request
from xkd_core.explainers.perturbation import Networks, images_of, masked_scores, prepare, spread
from xkd_core.explainers.superpixels import superpixels
from xkd_core.types import Bool, Float64, Int

KERNEL_WIDTH = 0.25
PENALTY = 1.0


def lime(request: Request, *, n_samples: int = 500, n_superpixels: int = 19) -> dict[str, Explanation]:
    """Coefficients of superpixels in a weighted ridge regression of the target's logit.

    Every network sees the same superpixels and samples of an image. Returns: maps (B, H, W), each pixel the
    coefficient of its superpixel, in logits, shrunk by the penalty; native "coefficients" (B, n), NaN beyond an
    image's own number of superpixels, and "superpixels" (B, H, W). Errors: BadInputError without the uint8 images.
    """
    labels = superpixels(images_of(request), n_segments=n_superpixels)
    networks = prepare(request)
    return spread(
        request,
        [_fit_image(request, networks, index, labels[index], n_samples) for index in range(len(labels))],
        labels,
    )


def samples(n_features: int, n_samples: int, *, seed: int) -> Bool:
    """Which superpixels are shown in each sample, (n_samples, n_features), each by a coin; the first shows all."""
    shown: Bool = np.random.default_rng(seed).integers(0, 2, (n_samples, n_features)) == 1
    shown[0] = True
    return shown


def nearness(shown: Bool) -> Float64:
    """The weight of each sample, sqrt(exp(-d^2 / width^2)); d, the cosine distance to the row that shows all."""
    distance = 1 - np.sqrt(shown.mean(axis=1))
    weight: Float64 = np.exp(-0.5 * distance**2 / KERNEL_WIDTH**2)
    return weight


def ridge(shown: Bool, values: Float64, weights: Float64) -> Float64:
    """argmin_b sum_i w_i (y_i - b_0 - z_i b)^2 + penalty |b|^2, without b_0: (m, n), (m,), (m,) -> (n,)."""
    share = weights / weights.sum()
    design = shown - share @ shown  # the free intercept takes the weighted means
    rest = values - share @ values
    gram = (weights[:, None] * design).T @ design
    found: Float64 = np.linalg.solve(gram + PENALTY * np.eye(len(gram)), design.T @ (weights * rest))
    return found


def _fit_image(request: Request, networks: Networks, index: int, labels: Int, n_samples: int) -> dict[str, Float64]:
    shown = samples(int(labels.max()) + 1, n_samples, seed=request.seed)
    scores = masked_scores(request, networks, index, torch.from_numpy(shown[:, labels]))
    weights = nearness(shown)
    return {name: ridge(shown, score.double().numpy(), weights) for name, score in scores.items()}
