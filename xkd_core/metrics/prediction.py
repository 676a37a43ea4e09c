"""What the networks answer, in numpy: decisions, same answer, right, average precision.

An answer is the top-1 class (single-label) or the decision logit > 0 on the explained class (multi-label).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from xkd_core.errors import BadInputError
from xkd_core.types import Float64, Int


def decisions(logits: ArrayLike, *, multi_label: bool, targets: ArrayLike | None = None) -> Int:
    """The answer for each image: logits (n, C) -> (n,) class index, or 0/1 on ``targets`` (n,) if multi-label."""
    values = _logits(logits)
    answers: Int = (_on_targets(values, targets) > 0 if multi_label else values.argmax(axis=1)).astype(np.int64)
    return answers


def same_answer(
    teacher: ArrayLike, student: ArrayLike, *, multi_label: bool, targets: ArrayLike | None = None
) -> Float64:
    """1 where two networks answer alike: logits (n, C) twice -> (n,) of 0 and 1."""
    first, second = (decisions(logits, multi_label=multi_label, targets=targets) for logits in (teacher, student))
    return np.asarray(first == second, dtype=np.float64)


def right(logits: ArrayLike, labels: ArrayLike, *, multi_label: bool, targets: ArrayLike | None = None) -> Float64:
    """1 where the answer equals the label: logits (n, C) and multi-hot labels (n, C) -> (n,) of 0 and 1."""
    shown = np.asarray(labels) > 0
    answers = decisions(logits, multi_label=multi_label, targets=targets)
    agreed = answers == _on_targets(shown, targets) if multi_label else shown[np.arange(len(shown)), answers]
    return np.asarray(agreed, dtype=np.float64)


def average_precision(labels: ArrayLike, scores: ArrayLike) -> Float64:
    """Average precision of each class over the images (scikit-learn's step-wise sum; ties share a threshold).

    Args: labels (n, C) multi-hot; scores (n, C), higher = present. Returns: (C,) in 0 to 1, NaN for a class
    that no image shows. mAP is the mean over the classes (paper 004's code averages over images instead).
    """
    shown, values = np.asarray(labels) > 0, _logits(scores)
    if shown.shape != values.shape:
        raise BadInputError(f"labels and scores must have one shape (n, C); got {shown.shape} and {values.shape}.")
    return np.array([_average_precision(of_class, score) for of_class, score in zip(shown.T, values.T, strict=True)])


def _average_precision(shown: np.ndarray, scores: Float64) -> float:
    if not shown.any():
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(shown[order])
    last_of_tie = np.append(np.diff(scores[order]) != 0, True)
    hits, seen = hits[last_of_tie], np.flatnonzero(last_of_tie) + 1
    gained = np.diff(hits, prepend=0) / hits[-1]
    return float((gained * hits / seen).sum())


def _logits(logits: ArrayLike) -> Float64:
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2:
        raise BadInputError(f"logits must be (n, classes); got {values.shape}.")
    return values


def _on_targets(values: np.ndarray, targets: ArrayLike | None) -> np.ndarray:
    if targets is None:
        raise BadInputError("A multi-label answer is about one class: give targets (n,), the explained classes.")
    return values[np.arange(len(values)), np.asarray(targets, dtype=np.int64)]
