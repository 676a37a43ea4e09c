"""Plain statements of the faithfulness metrics: one image, one map, one masked image after the other.

``prob`` is a function image (C, H, W) -> probability of the explained class. Ties: of equal values the pixel
with the higher draw of ``default_rng(seed).random(pixels)`` comes first. Same import rule as `oracles`.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from itertools import product

import numpy as np

from tests.oracles import pearson, registrar, spearman, ssim

Prob = Callable[[np.ndarray], float]
ORACLES: dict[str, Callable] = {}
oracle = registrar(ORACLES)


def ranking(values: np.ndarray, seed: int = 0) -> list[int]:
    flat = values.ravel().tolist()
    draws = np.random.default_rng(seed).random(len(flat)).tolist()
    return sorted(range(len(flat)), key=lambda pixel: (-flat[pixel], -draws[pixel]))


def parts(pixels: list[int], n_parts: int) -> list[list[int]]:
    size = math.ceil(len(pixels) / n_parts)
    return [pixels[start : start + size] for start in range(0, len(pixels), size)]


def replaced(image: np.ndarray, pixels: list[int], content: np.ndarray | float) -> np.ndarray:
    """``content``: a number, a colour (C,) or a picture (C, H, W)."""
    found = image.copy()
    for pixel in pixels:
        row, column = divmod(pixel, image.shape[2])
        if np.ndim(content) == 3:
            found[:, row, column] = content[:, row, column]
        else:
            found[:, row, column] = content
    return found


def constant(values: np.ndarray) -> bool:
    return len(set(values.ravel())) == 1


def falls(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    chunks = parts(ranking(values, seed), n)
    sums = [sum(float(values.ravel()[pixel]) for pixel in chunk) for chunk in chunks]
    return np.array([sums]), np.array([[prob(image) - prob(replaced(image, chunk, 0.0)) for chunk in chunks]])


@oracle("faithfulness_estimate")
def faithfulness_estimate(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0) -> float | None:
    return None if constant(values) else pearson(*falls(image, values, prob, n, seed))


@oracle("faithfulness_estimate_rank")
def faithfulness_estimate_rank(
    image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0
) -> float | None:
    return None if constant(values) else spearman(*falls(image, values, prob, n, seed))


@oracle("monotonicity_correlation")
def monotonicity_correlation(
    image: np.ndarray, values: np.ndarray, prob: Prob, n: int, n_colours: int, seed: int = 0
) -> float | None:
    if constant(values):
        return None
    size, whole = abs(values), prob(image)
    low, high = image.min(), image.max()
    sums, effects = [], []
    key = zlib.crc32(image.astype(np.float32).tobytes())
    for chunk in parts(ranking(size, seed), n):
        changes = []
        for draw in range(n_colours):
            colour = np.random.default_rng([seed, key, draw]).random((len(image),))
            changes.append((prob(replaced(image, chunk, low + colour * (high - low))) - whole) ** 2)
        sums.append(sum(float(size.ravel()[pixel]) for pixel in chunk))
        effects.append(sum(changes) / n_colours / (whole**2 if whole >= 1e-5 else 1.0))
    return spearman(np.array([sums]), np.array([effects]))


def deletion(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0) -> list[float]:
    gone: list[int] = []
    curve = [prob(image)]
    for chunk in parts(ranking(values, seed), n):
        gone += chunk
        curve.append(prob(replaced(image, gone, 0.0)))
    return curve


def blurred(image: np.ndarray) -> np.ndarray:
    """Gaussian of 11 x 11 px and sigma 5; beyond the border the image goes back, without repeating its edge."""
    height, width = image.shape[1:]
    weights = {d: math.exp(-(d**2) / 50) for d in range(-5, 6)}
    total = sum(weights.values()) ** 2

    def inside(place: int, side: int) -> int:
        period = max(1, 2 * side - 2)
        place %= period
        return place if place < side else period - place

    found = np.zeros(image.shape)
    for i, j in product(range(height), range(width)):
        for down, right in product(weights, weights):
            share = weights[down] * weights[right] / total
            found[:, i, j] += share * image[:, inside(i + down, height), inside(j + right, width)]
    return found


def insertion(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0) -> list[float]:
    start, order = blurred(image), ranking(values, seed)
    chunks = parts(order, n)
    curve = [prob(start)]
    for number in range(1, len(chunks) + 1):
        missing = [pixel for chunk in chunks[number:] for pixel in chunk]
        curve.append(prob(replaced(image, missing, start)))
    return curve


def trapezoids(curve: list[float]) -> float:
    return (sum(curve) - curve[0] / 2 - curve[-1] / 2) / (len(curve) - 1)


@oracle("deletion_auc")
def deletion_auc(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0) -> float | None:
    return None if constant(values) else trapezoids(deletion(image, values, prob, n, seed))


@oracle("deletion_relative")
def deletion_relative(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0) -> float | None:
    return None if constant(values) else trapezoids(deletion(image, values, prob, n, seed)) / prob(image)


@oracle("insertion_auc")
def insertion_auc(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0) -> float | None:
    return None if constant(values) else trapezoids(insertion(image, values, prob, n, seed))


@oracle("insertion_relative")
def insertion_relative(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0) -> float | None:
    return None if constant(values) else trapezoids(insertion(image, values, prob, n, seed)) / prob(image)


def rises(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int) -> list[bool]:
    """Arya: from the empty image, chunks come in from the least to the most important."""
    chunks = parts(ranking(values, seed), n)
    shown = np.zeros(image.shape)
    before, found = prob(shown), []
    for chunk in reversed(chunks):
        shown = replaced(shown, chunk, image)
        found.append(prob(shown) >= before)
        before = prob(shown)
    return found


@oracle("monotonicity")
def monotonicity(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0) -> float | None:
    return None if constant(values) else float(all(rises(image, values, prob, n, seed)))


@oracle("monotonicity_share")
def monotonicity_share(image: np.ndarray, values: np.ndarray, prob: Prob, n: int, seed: int = 0) -> float | None:
    if constant(values):
        return None
    found = rises(image, values, prob, n, seed)
    return sum(found) / len(found)


def imputed(image: np.ndarray, gone: list[int], noise: float, seed: int) -> np.ndarray:
    """Each hidden pixel is the weighted mean of its neighbours: a dense system, row by row."""
    channels, height, width = image.shape
    drawn = np.random.default_rng(seed).standard_normal((channels, height * width))
    number = {pixel: row for row, pixel in enumerate(gone)}
    system, right = np.zeros((len(gone), len(gone))), np.zeros((len(gone), channels))
    for pixel, row in number.items():
        i, j = divmod(pixel, width)
        for down, across in product((-1, 0, 1), (-1, 0, 1)):
            a, b = i + down, j + across
            if (down, across) == (0, 0) or not (0 <= a < height and 0 <= b < width):
                continue
            weight = 1 / 6 if 0 in (down, across) else 1 / 12
            system[row, row] += weight
            if a * width + b in number:
                system[row, number[a * width + b]] -= weight
            else:
                right[row] += weight * image[:, a, b]
    solved = np.linalg.solve(system, right)
    found = image.copy()
    for pixel, row in number.items():
        found[:, pixel // width, pixel % width] = solved[row] + noise * drawn[:, pixel]
    return found


@oracle("road")
def road(
    image: np.ndarray, values: np.ndarray, prob: Prob, percents: tuple[float, ...], noise: float = 0.01, seed: int = 0
) -> float | None:
    if constant(values):
        return None
    order, gaps = ranking(values, seed), []
    for percent in percents:
        k = min(len(order) - 1, max(1, round(percent / 100 * len(order))))
        weak, strong = imputed(image, order[-k:], noise, seed), imputed(image, order[:k], noise, seed)
        gaps.append((prob(weak) - prob(strong)) / 2)
    return sum(gaps) / len(gaps)


def shown_only(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([channel * (np.maximum(values, 0) / values.max()) for channel in image])


@oracle("average_drop")
def average_drop(image: np.ndarray, values: np.ndarray, prob: Prob) -> float | None:
    if values.max() <= 0:
        return None
    return max(0.0, prob(image) - prob(shown_only(image, values))) / prob(image)


@oracle("confidence_increase")
def confidence_increase(image: np.ndarray, values: np.ndarray, prob: Prob) -> float | None:
    return None if values.max() <= 0 else float(prob(shown_only(image, values)) > prob(image))


@oracle("coherency")
def coherency(image: np.ndarray, values: np.ndarray, explain: Callable) -> float | None:
    return None if values.max() <= 0 else pearson(values, explain(shown_only(image, values)))


@oracle("coherency_ssim")
def coherency_ssim(image: np.ndarray, values: np.ndarray, explain: Callable) -> float | None:
    return None if values.max() <= 0 else ssim(values, explain(shown_only(image, values)))


@oracle("adcc")
def adcc(image: np.ndarray, values: np.ndarray, prob: Prob, explain: Callable) -> float | None:
    drop, same = average_drop(image, values, prob), coherency(image, values, explain)
    if drop is None or same is None:
        return None
    claimed = sum(max(value, 0.0) / values.max() for value in values.ravel()) / values.size
    terms = ((1 + same) / 2, 1 - claimed, 1 - drop)
    return 0.0 if 0 in terms else 3 / sum(1 / term for term in terms)
