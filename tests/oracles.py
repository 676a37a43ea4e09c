"""Second, plain statements of every map and metric: loops over numbers, one image at a time.

Nothing of the package under test is imported here (a test checks that). ``ORACLES`` names them as the
catalogue does; what is only compared with its reference library stands in ``REFERENCE_TESTS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, product

import numpy as np

ORACLES: dict[str, Callable] = {}
REFERENCE_TESTS = {
    "roar": "tests/evaluation/test_roar.py::test_the_highest_pixels_of_each_map_go_and_get_the_mean_colour",
    "score_cam": "tests/explainers/test_cam_library.py::test_library_maps_are_its_own_before_relu_and_min_max",
    "ablation_cam": "tests/explainers/test_cam_library.py::test_library_maps_are_its_own_before_relu_and_min_max",
    "surrogate": "tests/distillation/test_surrogate.py::test_the_explainer_gives_what_the_explanation_network_draws",
    "eigen_cam": "tests/explainers/test_cam_library.py::test_library_maps_are_its_own_before_relu_and_min_max",
}


def registrar(table: dict[str, Callable]) -> Callable[[str], Callable[[Callable], Callable]]:
    def oracle(name: str) -> Callable[[Callable], Callable]:
        def register(function: Callable) -> Callable:
            table[name] = function
            return function

        return register

    return oracle


oracle = registrar(ORACLES)


# Maps of one image: activation (K, h, w), and gradient (K, h, w) or weights (K,).


def weighted(activation: np.ndarray, weights: list[float]) -> np.ndarray:
    channels, height, width = activation.shape
    found = np.zeros((height, width))
    for k, i, j in product(range(channels), range(height), range(width)):
        found[i, j] += weights[k] * activation[k, i, j]
    return found


@oracle("cam")
def cam(activation: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return weighted(activation, list(weights))


@oracle("grad_cam")
def grad_cam(activation: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    cells = activation[0].size
    return weighted(activation, [sum(channel.ravel()) / cells for channel in gradient])


@oracle("grad_cam_pp")
def grad_cam_pp(activation: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    weights = []
    for channel, slopes in zip(activation, gradient, strict=True):
        total, weight = float(channel.sum()), 0.0
        for slope in slopes.ravel():
            alpha = slope**2 / (2 * slope**2 + total * slope**3 + 1e-6)
            weight += alpha * max(slope, 0.0)
        weights.append(weight)
    return weighted(activation, weights)


@oracle("hires_cam")
def hires_cam(activation: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    found = np.zeros(activation.shape[1:])
    for k, i, j in product(*map(range, activation.shape)):
        found[i, j] += gradient[k, i, j] * activation[k, i, j]
    return found


@oracle("xgrad_cam")
def xgrad_cam(activation: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    weights = []
    for channel, slopes in zip(activation, gradient, strict=True):
        weights.append(sum((channel * slopes).ravel()) / (sum(channel.ravel()) + 1e-7))
    return weighted(activation, weights)


@oracle("layer_cam")
def layer_cam(activation: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    found = np.zeros(activation.shape[1:])
    for k, i, j in product(*map(range, activation.shape)):
        found[i, j] += max(gradient[k, i, j], 0.0) * activation[k, i, j]
    return found


@oracle("ewa")
def ewa(activation: np.ndarray) -> np.ndarray:
    found = np.zeros(activation.shape[1:])
    for k, i, j in product(*map(range, activation.shape)):
        found[i, j] += activation[k, i, j] ** 2
    return found


# Maps of one image (3, H, W) from a score(image) -> float or slope(image) -> gradient (3, H, W).


@oracle("occlusion")
def occlusion(image: np.ndarray, score: Callable, window: int, stride: int) -> np.ndarray:
    height, width = image.shape[1:]
    falls, times = np.zeros((height, width)), np.zeros((height, width))
    whole = score(image)
    tops = [0]
    while tops[-1] + window < height:
        tops.append(tops[-1] + stride)
    lefts = [0]
    while lefts[-1] + window < width:
        lefts.append(lefts[-1] + stride)
    for top, left in product(tops, lefts):
        hidden = image.copy()
        hidden[:, top : top + window, left : left + window] = 0
        falls[top : top + window, left : left + window] += whole - score(hidden)
        times[top : top + window, left : left + window] += 1
    return falls / times


@oracle("gradient_shap")
def gradient_shap(image: np.ndarray, slope: Callable, origins: np.ndarray, places: np.ndarray) -> np.ndarray:
    total = np.zeros(image.shape)
    for origin, place in zip(origins, places, strict=True):
        total += (image - origin) * slope(origin + place * (image - origin))
    return total.sum(axis=0) / len(places)


@oracle("integrated_gradients")
def integrated_gradients(image: np.ndarray, slope: Callable, steps: int) -> np.ndarray:
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    total = np.zeros(image.shape)
    for node, weight in zip(nodes, weights, strict=True):
        total += weight / 2 * slope((1 + node) / 2 * image)
    return (image * total).sum(axis=0)


@oracle("kernel_shap")
def shapley_values(n: int, value: Callable[[tuple[int, ...]], float]) -> np.ndarray:
    """Shapley's own formula: the mean gain of each feature over all orders."""
    known = {subset: value(subset) for size in range(n + 1) for subset in combinations(range(n), size)}
    found = np.zeros(n)
    for feature in range(n):
        others = [other for other in range(n) if other != feature]
        for size in range(n):
            share = math.factorial(size) * math.factorial(n - size - 1) / math.factorial(n)
            for subset in combinations(others, size):
                found[feature] += share * (known[tuple(sorted((*subset, feature)))] - known[subset])
    return found


# Similarities of two maps (h, w); None is undefined.


@oracle("cosine")
def cosine(a: np.ndarray, b: np.ndarray) -> float | None:
    dot = sum(x * y for x, y in zip(a.ravel(), b.ravel(), strict=True))
    lengths = math.sqrt(sum(x * x for x in a.ravel())) * math.sqrt(sum(y * y for y in b.ravel()))
    return dot / lengths if lengths > 0 else None


@oracle("distance")
def distance(a: np.ndarray, b: np.ndarray) -> float | None:
    length_a, length_b = math.sqrt(float((a * a).sum())), math.sqrt(float((b * b).sum()))
    if length_a == 0 or length_b == 0:
        return None
    pairs = zip(a.ravel(), b.ravel(), strict=True)
    return 1e4 * sum((x / length_a - y / length_b) ** 2 for x, y in pairs) / a.size


@oracle("pearson")
def pearson(a: np.ndarray, b: np.ndarray) -> float | None:
    if len(set(a.ravel())) == 1 or len(set(b.ravel())) == 1:
        return None
    return cosine(a - sum(a.ravel()) / a.size, b - sum(b.ravel()) / b.size)


def ranks(values: np.ndarray) -> np.ndarray:
    flat = values.ravel().tolist()
    places = [sum(other < value for other in flat) + (flat.count(value) + 1) / 2 for value in flat]
    return np.array(places).reshape(values.shape)


@oracle("spearman")
def spearman(a: np.ndarray, b: np.ndarray) -> float | None:
    return pearson(ranks(a), ranks(b))


@oracle("ssim")
def ssim(a: np.ndarray, b: np.ndarray) -> float | None:
    if min(a.shape) < 7 or not a.any() or not b.any():
        return None
    a, b = a / abs(a).max(), b / abs(b).max()
    data_range = 1.0 if min(a.min(), b.min()) >= 0 else 2.0
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for top, left in product(range(a.shape[0] - 6), range(a.shape[1] - 6)):
        x, y = a[top : top + 7, left : left + 7].ravel(), b[top : top + 7, left : left + 7].ravel()
        mean_x, mean_y = sum(x) / 49, sum(y) / 49
        var_x, var_y = sum((x - mean_x) ** 2) / 48, sum((y - mean_y) ** 2) / 48
        both = sum((x - mean_x) * (y - mean_y)) / 48
        above = (2 * mean_x * mean_y + c1) * (2 * both + c2)
        values.append(above / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))
    return sum(values) / len(values)


@oracle("topk_overlap")
def topk_overlap(a: np.ndarray, b: np.ndarray) -> float | None:
    if len(set(a.ravel())) == 1 or len(set(b.ravel())) == 1:
        return None
    tops = []
    for values in (list(a.ravel()), list(b.ravel())):
        k = max(1, round(0.1 * len(values)))
        bar = sorted(values, reverse=True)[k - 1]
        tops.append({place for place, value in enumerate(values) if value >= bar and value > min(values)})
    return len(tops[0] & tops[1]) / len(tops[0] | tops[1])


# Localisation of one map (H, W) against a mask (H, W).


@oracle("pointing")
def pointing(values: np.ndarray, mask: np.ndarray) -> float | None:
    """For maps with one maximum."""
    if not mask.any() or values.max() == values.min():
        return None
    best = max(product(range(values.shape[0]), range(values.shape[1])), key=lambda place: values[place])
    return float(mask[best])


@oracle("attribution_localisation")
def attribution_localisation(values: np.ndarray, mask: np.ndarray) -> float | None:
    inside = sum(max(v, 0.0) for v, m in zip(values.ravel(), mask.ravel(), strict=True) if m)
    total = sum(max(v, 0.0) for v in values.ravel())
    return inside / total if total > 0 and mask.any() else None


@oracle("roc_auc")
def roc_auc(values: np.ndarray, mask: np.ndarray) -> float | None:
    inside, outside = values[mask], values[~mask]
    if not len(inside) or not len(outside):
        return None
    won = sum((x > y) + 0.5 * (x == y) for x, y in product(inside, outside))
    return won / (len(inside) * len(outside))


# Answers of one image.


@oracle("same_answer")
def same_answer(teacher: np.ndarray, student: np.ndarray, target: int | None) -> float:
    if target is None:
        return float(list(teacher).index(max(teacher)) == list(student).index(max(student)))
    return float((teacher[target] > 0) == (student[target] > 0))


@oracle("right")
def right(logits: np.ndarray, labels: np.ndarray, target: int | None) -> float:
    if target is None:
        return float(labels[list(logits).index(max(logits))])
    return float((logits[target] > 0) == bool(labels[target]))


@oracle("mAP")
def average_precision(labels: np.ndarray, scores: np.ndarray) -> float | None:
    """Of one class: over the thresholds from high to low, precision times what recall gains."""
    if not labels.any():
        return None
    area, recall = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        taken = scores >= threshold
        hits = int((taken & (labels > 0)).sum())
        area += (hits / labels.sum() - recall) * hits / taken.sum()
        recall = hits / labels.sum()
    return area
