"""Shapley values of a few features from a weighted least-squares fit (KernelSHAP), in numpy.

Lundberg & Lee 2017, Theorem 2, with the paired sampling of Covert & Lee 2021 and the enumeration of
small and large coalitions of the shap library. Nothing here runs a network.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np

from xkd_core.errors import BadInputError
from xkd_core.types import Bool, Float64


def coalitions(n_features: int, n_samples: int, *, seed: int) -> tuple[Bool, Float64]:
    """Choose which features are shown in each sample, in pairs of a coalition and its complement.

    The sizes 1 and n-1, 2 and n-2, ... are taken whole as long as random draws would fill them anyway; the
    rest of the budget is spread over the other sizes by their weight. All 2^n - 2 coalitions are taken if
    they fit, which makes the values exact. The empty and the full coalition are not among them.

    Args: n_samples, the most coalitions, at least 2 n_features. Returns: (m, n) bool, True = shown, and
    (m,) weights that sum to 1. Errors: BadInputError for a smaller budget.
    """
    if n_features < 2:
        return np.zeros((0, n_features), dtype=bool), np.zeros(0)
    if n_samples < min(2 * n_features, 2**n_features - 2):
        raise BadInputError(f"{n_features} superpixels need at least {2 * n_features} samples; got {n_samples}.")
    mass = size_mass(n_features)
    rows, weights, size, left = [np.zeros((0, n_features), dtype=bool)], [np.zeros(0)], 1, n_samples
    everything = 2**n_features - 2 <= n_samples
    while 2 * size <= n_features:
        count, share = _of_size(n_features, size, mass)
        if not everything and left * share / mass[size - 1 : n_features - size].sum() < count:
            break
        rows.append(_whole_size(n_features, size))
        weights.append(np.full(count, share / count))
        left, size = left - count, size + 1
    if 2 * size <= n_features and left > 1:
        rows.append(_drawn(n_features, np.arange(size, n_features - size + 1), left // 2, mass, seed))
        weights.append(np.full(len(rows[-1]), mass[size - 1 : n_features - size].sum() / len(rows[-1])))
    return np.concatenate(rows), np.concatenate(weights)


def fit(shown: Bool, values: Float64, weights: Float64, *, empty: float, full: float) -> Float64:
    """Solve for the Shapley values: weighted least squares under the constraint sum = full - empty.

    Args: shown (m, n) coalitions; values (m,) their scores; weights (m,); empty and full, the scores with
    no and with all features. Returns: (n,), in the unit of the score. The constraint holds exactly (the last
    value is put in terms of the others), where captum approximates it by a weight of 1e6.
    """
    if shown.shape[1] == 1:
        return np.array([full - empty])
    design = shown.astype(np.float64)
    last = design[:, -1:]
    root = np.sqrt(weights / weights.max())[:, None]
    rest = values[:, None] - empty - last * (full - empty)
    solution, *_ = np.linalg.lstsq(root * (design[:, :-1] - last), root * rest, rcond=None)
    return np.append(solution[:, 0], full - empty - solution.sum())


def size_mass(n_features: int) -> Float64:
    """Share of the Shapley kernel on coalitions of 1 .. n-1 features: (n-1,), sums to 1."""
    sizes = np.arange(1, n_features)
    mass = (n_features - 1) / (sizes * (n_features - sizes))
    share: Float64 = mass / mass.sum()
    return share


def _of_size(n_features: int, size: int, mass: Float64) -> tuple[int, float]:
    """How many coalitions have ``size`` features or all but so many, and their share of the kernel."""
    twice = 1 if 2 * size == n_features else 2
    return twice * comb(n_features, size), twice * float(mass[size - 1])


def _whole_size(n_features: int, size: int) -> Bool:
    chosen = np.array(list(combinations(range(n_features), size)))
    rows = np.zeros((len(chosen), n_features), dtype=bool)
    rows[np.arange(len(chosen))[:, None], chosen] = True
    return rows if 2 * size == n_features else np.concatenate([rows, ~rows])


def _drawn(n_features: int, sizes: np.ndarray, n_pairs: int, mass: Float64, seed: int) -> Bool:
    """Random coalitions and their complements; sizes are spread evenly over the kernel (systematic sampling)."""
    generator = np.random.default_rng(seed)
    steps = (np.arange(n_pairs) + generator.random()) / n_pairs
    share = np.cumsum(mass[sizes - 1])
    picked = sizes[np.minimum(np.searchsorted(share / share[-1], steps), len(sizes) - 1)]
    order = generator.permuted(np.tile(np.arange(n_features), (n_pairs, 1)), axis=1)  # a random rank for each
    rows: Bool = order < picked[:, None]
    return np.concatenate([rows, ~rows])
