"""Losses again as loops over numbers: nothing of the package under test is imported here.

Activations are (B, K, h, w) arrays, answers lists of rows.
"""

from __future__ import annotations

import math
from itertools import product

import numpy as np


def softmax(row: list[float], temperature: float = 1.0) -> list[float]:
    powers = [math.exp((value - max(row)) / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def kl(student: list[list[float]], teacher: list[list[float]], temperature: float) -> float:
    """Mean over the batch of sum q_T log(q_T / q_S), softened by T, without any factor."""
    total = 0.0
    for s_row, t_row in zip(student, teacher, strict=True):
        s, t = softmax(s_row, temperature), softmax(t_row, temperature)
        total += sum(q * math.log(q / p) for p, q in zip(s, t, strict=True))
    return total / len(student)


def cross_entropy(student: list[list[float]], labels: list[int]) -> float:
    return -sum(math.log(softmax(row)[label]) for row, label in zip(student, labels, strict=True)) / len(labels)


def answers(  # one line for each form, as the papers and their code have it
    form: str, student: list[list[float]], teacher: list[list[float]], labels: list[int], lam: float, temperature: float
) -> float:
    task, far = cross_entropy(student, labels), kl(student, teacher, temperature)
    if form == "compat_000":
        if lam in (0, 1):
            return far if lam else task
        return lam * 40000 * far + (1 - lam) * task
    weighted = {
        "t2": (1 - lam) * task + lam * temperature**2 * far,
        "convex": (1 - lam) * task + lam * far,
        "reversed": (1 - lam) * task + lam * kl(teacher, student, temperature),
        "compat_001": (1 - lam) * task + lam * temperature**2 * far / len(student[0]),
        "added": task + lam * temperature**2 * far,
    }
    return weighted[form]


def attention(activation: np.ndarray) -> np.ndarray:
    """Mean of squares over the channels, at length 1: one image (K, h, w) -> (h, w)."""
    channels, height, width = activation.shape
    found = np.zeros((height, width))
    for k, i, j in product(range(channels), range(height), range(width)):
        found[i, j] += activation[k, i, j] ** 2 / channels
    length = math.sqrt(sum(value**2 for value in found.ravel()))
    return found / length if length > 0 else found


def attention_transfer(student: np.ndarray, teacher: np.ndarray, form: str) -> float:
    values = []
    for s, t in zip(student, teacher, strict=True):
        ours, theirs = attention(s).ravel(), attention(t).ravel()
        if form == "cosine":
            values.append(1 - sum(a * b for a, b in zip(ours, theirs, strict=True)))
        elif form == "code":
            values.append(sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True)) / len(ours))
        else:
            values.append(math.sqrt(sum((a - b) ** 2 for a, b in zip(ours, theirs, strict=True))))
    return sum(values) / len(values)


def neuron_selectivity(student: np.ndarray, teacher: np.ndarray) -> float:
    """All pairs of channels, one after the other, kernel (a . b)^2."""
    values = []
    for s, t in zip(student, teacher, strict=True):
        ours, theirs = ([_unit(channel.ravel()) for channel in each] for each in (s, t))
        values.append(_kernel(theirs, theirs) + _kernel(ours, ours) - 2 * _kernel(ours, theirs))
    return sum(values) / len(values)


def activation_boundary(response: np.ndarray, teacher: np.ndarray, margin: float, form: str) -> float:
    total = 0.0
    for s, t in zip(response.ravel(), teacher.ravel(), strict=True):
        if t <= 0 and s > -margin:
            total += (s + margin) ** 2
        if t > 0 and s <= margin:
            total += (s - margin) ** 2
    return total / response.size if form == "mean" else total / len(response) * 3 / 1000


def sensitivity_weighted(activation: np.ndarray, gradient: np.ndarray, keep: np.ndarray | None = None) -> np.ndarray:
    """Paper 004 Eq. 4 and 5 of one image: max(0, sum_k m_k alpha_k A_k), alpha_k the mean gradient."""
    channels, height, width = activation.shape
    found = np.zeros((height, width))
    for k in range(channels):
        alpha = sum(gradient[k].ravel()) / (height * width) * (1.0 if keep is None else keep[k])
        for i, j in product(range(height), range(width)):
            found[i, j] += alpha * activation[k, i, j]
    return np.where(found > 0, found, 0.0)


def _unit(values: np.ndarray) -> list[float]:
    length = math.sqrt(sum(value**2 for value in values))
    return [value / length if length > 0 else 0.0 for value in values]


def _kernel(some: list[list[float]], others: list[list[float]]) -> float:
    pairs = [sum(a * b for a, b in zip(one, other, strict=True)) ** 2 for one, other in product(some, others)]
    return sum(pairs) / len(pairs)
