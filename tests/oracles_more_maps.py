"""Plain statements of RISE, LIME, gradients, rules of propagation, augmented maps and controls, for one image.

Same import rule as `oracles`. A network is a list of steps on flat vectors, in order: ("weights", W (out, in), b),
("relu",), ("max", groups) or ("mean", groups), where groups lists the inputs of each output.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from tests.oracles import registrar

ORACLES: dict[str, Callable] = {}
oracle = registrar(ORACLES)

Steps = Sequence[tuple]
EPS = 1e-6  # zennit's


def sign(value: float) -> float:
    return 1.0 if value >= 0 else -1.0


# Perturbation


def mirrored(cell: int, cells: int) -> int:
    cell = abs(cell)
    return max(0, 2 * (cells - 1) - cell) if cell >= cells else cell


def smooth_mask(grid: np.ndarray, shift: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """The grid enlarged to one cell more than the image, linearly, and cut out at the shift."""
    cells = len(grid)
    mask = np.zeros(size)
    for i, j in product(*map(range, size)):
        total = 0.0
        parts = []
        for place, start, side in zip((i, j), shift, size, strict=True):
            cell_px = math.ceil(side / cells)
            at = (place + start + 0.5) * cells / ((cells + 1) * cell_px) - 0.5
            low = math.floor(at)
            parts.append([(low, 1 - (at - low)), (low + 1, at - low)])
        for (row, a), (column, b) in product(*parts):
            total += a * b * grid[mirrored(row, cells), mirrored(column, cells)]
        mask[i, j] = total
    return mask


@oracle("rise")
def rise(image: np.ndarray, probability: Callable, grids: np.ndarray, shifts: np.ndarray, p: float) -> np.ndarray:
    masks = [smooth_mask(grid, tuple(shift), image.shape[1:]) for grid, shift in zip(grids, shifts, strict=True)]
    return sum(probability(image * mask) * mask for mask in masks) / (len(masks) * p)


@oracle("lime")
def lime(shown: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Normal equations with a column of ones for the intercept, which is not penalised."""
    n = shown.shape[1]
    gram, right = np.zeros((n + 1, n + 1)), np.zeros(n + 1)
    for row, value in zip(shown, values, strict=True):
        cosine = sum(row) / (math.sqrt(sum(row)) * math.sqrt(n)) if any(row) else 0.0
        weight = math.sqrt(math.exp(-((1 - cosine) ** 2) / 0.25**2))
        with_one = np.append(np.asarray(row, dtype=float), 1.0)
        gram += weight * np.outer(with_one, with_one)
        right += weight * value * with_one
    penalty = np.diag([1.0] * n + [0.0])
    return np.linalg.solve(gram + penalty, right)[:n]


# Gradients: ``slope`` gives the gradient (3, H, W) of the score at an image


@oracle("saliency")
def saliency(image: np.ndarray, slope: Callable) -> np.ndarray:
    return np.abs(slope(image)).max(axis=0)


@oracle("input_x_gradient")
def input_x_gradient(image: np.ndarray, slope: Callable) -> np.ndarray:
    return (image * slope(image)).sum(axis=0)


@oracle("smooth_grad")
def smooth_grad(image: np.ndarray, slope: Callable, draws: np.ndarray, noise: float) -> np.ndarray:
    width = noise * (image.max() - image.min())
    return np.abs(sum(slope(image + width * draw) for draw in draws) / len(draws)).max(axis=0)


# Rules of propagation


def forward(steps: Steps, x: np.ndarray) -> list[np.ndarray]:
    """What comes into each step, and the logits."""
    seen = [x]
    for kind, *rest in steps:
        x = seen[-1]
        if kind == "weights":
            seen.append(rest[0] @ x + rest[1])
        elif kind == "relu":
            seen.append(np.maximum(x, 0))
        else:
            pick = max if kind == "max" else lambda values: sum(values) / len(values)
            seen.append(np.array([pick([x[place] for place in group]) for group in rest[0]]))
    return seen


def pooled(kind: str, groups: list, x: np.ndarray, above: np.ndarray) -> np.ndarray:
    """To the (first) maximum, or by share of the mean."""
    found = np.zeros(len(x))
    for group, value in zip(groups, above, strict=True):
        if kind == "max":
            found[max(group, key=lambda place: x[place])] += value
            continue
        total = sum(x[place] for place in group)
        for place in group:
            found[place] += x[place] / (total + EPS * len(group) * sign(total)) * value
    return found


def walked(steps: Steps, x: np.ndarray, start: np.ndarray, rule: Callable) -> np.ndarray:
    """rule(number of the step, W, b, x, above) -> relevance below; numbers count the weights, from 0."""
    seen, above = forward(steps, x), start
    number = sum(step[0] == "weights" for step in steps)
    for (kind, *rest), below in zip(reversed(steps), reversed(seen[:-1]), strict=True):
        if kind == "weights":
            number -= 1
            above = rule(number, rest[0], rest[1], below, above)
        elif kind != "relu":
            above = pooled(kind, rest[0], below, above)
    return above


def one_hot(n: int, target: int, value: float) -> np.ndarray:
    return np.array([value if place == target else 0.0 for place in range(n)])


@oracle("lrp")
def lrp(steps: Steps, x: np.ndarray, target: int, linear: Sequence[int]) -> np.ndarray:
    """Flat in the first weights, epsilon in those of number ``linear``, z+ (inputs >= 0) in the others."""

    def rule(number: int, weights: np.ndarray, bias: np.ndarray, x: np.ndarray, above: np.ndarray) -> np.ndarray:
        found = np.zeros(len(x))
        for j, row in enumerate(weights):
            if number == 0:
                share = (row != 0) / ((row != 0).sum() + EPS)
            elif number in linear:
                total = row @ x + bias[j]
                share = row * x / (total + EPS * sign(total))
            else:
                share = np.maximum(row, 0) * x
                share = share / (share.sum() + max(bias[j], 0) + EPS)
            found += share * above[j]
        return found

    logits = forward(steps, x)[-1]
    return walked(steps, x, one_hot(len(logits), target, logits[target]), rule)


@oracle("excitation_backprop")
def excitation_backprop(steps: Steps, x: np.ndarray, target: int) -> np.ndarray:
    def rule(number: int, weights: np.ndarray, bias: np.ndarray, x: np.ndarray, above: np.ndarray) -> np.ndarray:
        found = np.zeros(len(x))
        for j, row in enumerate(weights):
            excited = np.maximum(row * x, 0)
            found += excited / (excited.sum() + EPS) * above[j]
        return found

    return walked(steps, x, one_hot(len(forward(steps, x)[-1]), target, 1.0), rule)


@oracle("rap")
def rap(steps: Steps, x: np.ndarray, target: int) -> np.ndarray:
    """Unit by unit and weight by weight."""
    last = sum(step[0] == "weights" for step in steps) - 1

    def rule(number: int, weights: np.ndarray, bias: np.ndarray, x: np.ndarray, above: np.ndarray) -> np.ndarray:
        if number == last:
            influence = [abs(w * value) for w, value in zip(weights[target], x, strict=True)]
            return np.array([above[target] * one / sum(influence) for one in influence])
        if number == 0:
            return boxed(weights, x, above)
        found = np.zeros(len(x))
        for row, relevance in zip(weights, above, strict=True):
            plus = sum(w * value for w, value in zip(row, x, strict=True) if w > 0)
            minus = sum(-w * value for w, value in zip(row, x, strict=True) if w < 0)
            for i, (w, value) in enumerate(zip(row, x, strict=True)):
                if w * value > 0 and relevance > 0:
                    found[i] += w * value / plus * relevance
                elif w * value < 0:
                    found[i] += -w * value / (plus + minus) * relevance
                    found[i] += -w * value / minus * relevance if relevance < 0 else 0.0
        surplus, active = sum(found) - sum(above), [i for i in range(len(x)) if found[i] != 0]
        for i in active:
            found[i] -= surplus / len(active)
        return found

    logits = forward(steps, x)[-1]
    return walked(steps, x, one_hot(len(logits), target, logits[target]), rule)


def boxed(weights: np.ndarray, x: np.ndarray, above: np.ndarray) -> np.ndarray:
    low, high = min(x), max(x)
    found = np.zeros(len(x))
    for row, relevance in zip(weights, above, strict=True):
        parts = [w * value - w * (low if w > 0 else high) for w, value in zip(row, x, strict=True)]
        if sum(parts) != 0:
            found += np.array(parts) / sum(parts) * relevance
    return found


# Augmented maps: ``maps`` of the image times .9, 1 and 1.1, then of its mirror image


def min_max(values: np.ndarray) -> np.ndarray:
    return (values - values.min()) / (1e-7 + values.max() - values.min())


def enlarged(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear between the centres of cells, constant beyond the outermost."""
    found = np.zeros(size)
    for i, j in product(*map(range, size)):
        parts = []
        for place, side, cells in zip((i, j), size, values.shape, strict=True):
            at = min(max((place + 0.5) * cells / side - 0.5, 0.0), cells - 1.0)
            low = min(math.floor(at), cells - 1)
            parts.append([(low, 1 - (at - low)), (min(low + 1, cells - 1), at - low)])
        found[i, j] = sum(a * b * values[row, column] for (row, a), (column, b) in product(*parts))
    return found


@oracle("grad_cam_aug_smooth")
@oracle("grad_cam_pp_aug_smooth")
@oracle("hires_cam_aug_smooth")
@oracle("xgrad_cam_aug_smooth")
def aug_smooth(maps: Sequence[np.ndarray], size: tuple[int, int]) -> np.ndarray:
    total = np.zeros(size)
    for number, values in enumerate(maps):
        one = min_max(enlarged(min_max(np.maximum(values, 0)), size))
        total += one if number < 3 else one[:, ::-1]
    return total / 6


# Controls


@oracle("random_map")
def random_map(image: np.ndarray, seed: int) -> np.ndarray:
    """``image`` (3, H, W) float32: its bits, as whole numbers, follow the seed."""
    bits = [int(number) for number in np.frombuffer(image.tobytes(), dtype=np.uint32)]
    return np.random.default_rng([seed, *bits]).uniform(size=image.shape[1:])


@oracle("centre_gaussian")
def centre_gaussian(height: int, width: int, sigma: float) -> np.ndarray:
    found = np.zeros((height, width))
    for i, j in np.ndindex(height, width):
        down, right = (i + 0.5) / height - 0.5, (j + 0.5) / width - 0.5
        found[i, j] = math.exp(-(down**2 + right**2) / (2 * sigma**2))
    return found


@oracle("edge_detector")
def edge_detector(image: np.ndarray) -> np.ndarray:
    """The difference of the two neighbours, smoothed across by 1/4, 1/2, 1/4; the border is repeated."""
    grey = image.mean(axis=0)
    height, width = grey.shape

    def at(i: int, j: int) -> float:
        return grey[min(max(i, 0), height - 1), min(max(j, 0), width - 1)]

    found = np.zeros(grey.shape)
    for i, j in np.ndindex(height, width):
        steps = ((-1, 0.25), (0, 0.5), (1, 0.25))
        down = sum(share * (at(i + 1, j + k) - at(i - 1, j + k)) for k, share in steps)
        right = sum(share * (at(i + k, j + 1) - at(i + k, j - 1)) for k, share in steps)
        found[i, j] = math.sqrt((down**2 + right**2) / 2)
    return found
