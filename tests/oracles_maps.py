"""Plain statements of the metrics of superpixels, places, complexity, answers and randomised networks.

Same import rule as `oracles`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import numpy as np

from tests.oracles import pointing, registrar, spearman

ORACLES: dict[str, Callable] = {}
oracle = registrar(ORACLES)


@oracle("js_divergence")
def js_divergence(a: np.ndarray, b: np.ndarray) -> float | None:
    first, second = ([max(value, 0.0) for value in values.ravel()] for values in (a, b))
    if not any(first) or not any(second):
        return None
    total = 0.0
    for x, y in zip(first, second, strict=True):
        p, q = x / sum(first), y / sum(second)
        total += sum(share * math.log2(2 * share / (p + q)) for share in (p, q) if share > 0) / 2
    return total


def of_superpixels(values: np.ndarray, labels: np.ndarray) -> list[float]:
    sums = [0.0] * (int(labels.max()) + 1)
    for value, label in zip(values.ravel(), labels.ravel(), strict=True):
        sums[label] += value
    return sums


@oracle("superpixel_mse")
def superpixel_mse(a: np.ndarray, b: np.ndarray, labels: np.ndarray) -> float | None:
    first, second = of_superpixels(a, labels), of_superpixels(b, labels)
    if not any(first) or not any(second):
        return None
    x, y = max(map(abs, first)), max(map(abs, second))
    return sum((first[label] / x - second[label] / y) ** 2 for label in labels.ravel()) / labels.size


def strongest(values: list[float], k: int, seed: int) -> set[int] | None:
    """``values`` may end in NaN, which no draw belongs to."""
    known = [place for place, value in enumerate(values) if not math.isnan(value)]
    if len(known) < k or not any(values[place] for place in known):
        return None
    draws = np.random.default_rng(seed).random(len(values))
    return set(sorted(known, key=lambda place: (-abs(values[place]), -draws[place]))[:k])


@oracle("superpixel_overlap")
def superpixel_overlap(teacher: list[float], student: list[float], k: int, seed: int = 0) -> float | None:
    first, second = strongest(teacher, k, seed), strongest(student, k, seed)
    return None if first is None or second is None else len(first & second) / k


@oracle("sign_agreement")
def sign_agreement(teacher: list[float], student: list[float], k: int, among: str, seed: int = 0) -> float | None:
    first, second = strongest(teacher, k, seed), strongest(student, k, seed)
    if first is None or second is None:
        return None
    asked = {"both": first & second, "either": first | second, "teacher": first}[among]

    def sign(value: float) -> int:
        return (value > 0) - (value < 0)

    return sum(sign(teacher[one]) == sign(student[one]) for one in asked) / len(asked) if asked else None


@oracle("iou")
def iou(values: np.ndarray, mask: np.ndarray, threshold: float = 0.5) -> float | None:
    if not mask.any() or values.max() <= 0:
        return None
    found = {place for place in np.ndindex(*mask.shape) if values[place] >= threshold * values.max()}
    shown = {place for place in np.ndindex(*mask.shape) if mask[place]}
    return len(found & shown) / len(found | shown)


@oracle("energy_in_box")
def energy_in_box(values: np.ndarray, mask: np.ndarray) -> float | None:
    if not mask.any() or values.max() <= 0:
        return None
    rows, columns = zip(*[place for place in np.ndindex(*mask.shape) if mask[place]], strict=True)
    inside = product(range(min(rows), max(rows) + 1), range(min(columns), max(columns) + 1))
    return sum(max(values[place], 0.0) for place in inside) / sum(max(value, 0.0) for value in values.ravel())


@oracle("grid_pointing")
def grid_pointing(values: np.ndarray, quadrant: int) -> float | None:
    """Of a map at the mosaic's size."""
    height, width = values.shape
    inside = total = 0.0
    for i, j in np.ndindex(height, width):
        total += max(values[i, j], 0.0)
        if 2 * (i >= height // 2) + (j >= width // 2) == quadrant:
            inside += max(values[i, j], 0.0)
    return inside / total if total > 0 else None


@oracle("broken")
def broken(values: np.ndarray, mask: np.ndarray, right: float) -> float | None:
    """For maps with one maximum."""
    hit = pointing(values, mask)
    return None if hit is None or not right else 1.0 - hit


@oracle("mean_l1")
def mean_l1(values: np.ndarray) -> float | None:
    sizes = [abs(value) for value in values.ravel()]
    return sum(sizes) / max(sizes) / len(sizes) if any(sizes) else None


@oracle("entropy")
def entropy(values: np.ndarray) -> float | None:
    sizes = [abs(value) for value in values.ravel()]
    if not any(sizes) or len(sizes) == 1:
        return None
    shares = [size / sum(sizes) for size in sizes]
    return -sum(share * math.log(share) for share in shares if share > 0) / math.log(len(sizes))


@oracle("gini")
def gini(values: np.ndarray) -> float | None:
    """Half the mean absolute difference of all pairs, over the mean."""
    sizes = [abs(value) for value in values.ravel()]
    if not any(sizes):
        return None
    return sum(abs(x - y) for x, y in product(sizes, sizes)) / (2 * len(sizes) * sum(sizes))


@oracle("f1")
def f1(shown: list[bool], answered: list[bool]) -> float | None:
    """Of one class."""
    pairs = list(zip(shown, answered, strict=True))
    hits, false, missed = pairs.count((True, True)), pairs.count((False, True)), pairs.count((True, False))
    return 2 * hits / (2 * hits + false + missed) if hits + false + missed else None


def softmax(logits: list[float]) -> list[float]:
    powers = [math.exp(value - max(logits)) for value in logits]
    return [power / sum(powers) for power in powers]


@oracle("kl_to_teacher")
def kl_to_teacher(teacher: list[float], student: list[float], multi_label: bool) -> float:
    if not multi_label:
        return sum(p * math.log(p / q) for p, q in zip(softmax(teacher), softmax(student), strict=True))
    total = 0.0
    for z_t, z_s in zip(teacher, student, strict=True):
        p, q = 1 / (1 + math.exp(-z_t)), 1 / (1 + math.exp(-z_s))
        total += p * math.log(p / q) + (1 - p) * math.log((1 - p) / (1 - q))
    return total / len(teacher)


@oracle("calibration_error")
def calibration_error(confidences: list[float], hits: list[bool], n_bins: int) -> float:
    total = 0.0
    for number in range(n_bins):
        low, high = number / n_bins, (number + 1) / n_bins
        inside = [place for place, sure in enumerate(confidences) if low < sure <= high or (number == sure == 0)]
        if inside:
            mean_sure = sum(confidences[place] for place in inside) / len(inside)
            mean_hit = sum(hits[place] for place in inside) / len(inside)
            total += len(inside) / len(confidences) * abs(mean_hit - mean_sure)
    return total


@oracle("randomisation_cascading")
@oracle("randomisation_independent")
def randomisation(original: np.ndarray, of_steps: list[np.ndarray]) -> float | None:
    """Of one image: the map of the trained network, and of each randomised one."""
    found = [spearman(original, values) for values in of_steps]
    return None if None in found else sum(found) / len(found)
