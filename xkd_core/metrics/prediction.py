"""What the networks answer, in numpy: decisions, same answer, right, average precision, F1, calibration, KL.

An answer is the top-1 class (single-label) or the decision logit > 0 on the explained class (multi-label).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, log_expit, log_softmax, softmax

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


def f1(labels: ArrayLike, logits: ArrayLike, *, multi_label: bool, compat: Literal["park"] | None = None) -> Float64:
    """F1 of each class over the images, 2 TP / (2 TP + FP + FN): (C,) in 0 to 1; their mean is the macro F1.

    Args: labels (n, C) multi-hot; logits (n, C), a class is answered where its logit is > 0, or the top one
    (single-label). NaN for a class that is neither shown nor answered. compat "park" (paper 004's code): of each
    image over the classes, (n,), answered where the *logit* is > 0.5, 0 where nothing is shown or answered.
    """
    shown, values = np.asarray(labels) > 0, _logits(logits)
    _one_shape(shown, values)
    if compat == "park":
        return np.nan_to_num(_f1(shown, values > 0.5, axis=1))
    top = np.arange(values.shape[1]) == values.argmax(axis=1)[:, None]
    return _f1(shown, values > 0 if multi_label else top, axis=0)


def kl_to_teacher(teacher: ArrayLike, student: ArrayLike, *, multi_label: bool) -> Float64:
    """Kullback-Leibler divergence of the student's probabilities from the teacher's, in nats, temperature 1.

    Args: logits (n, C) twice. Single-label: KL(softmax T || softmax S). Multi-label: the mean over the classes of
    KL(Bernoulli(sigmoid T) || Bernoulli(sigmoid S)), as paper 004 distils. Returns: (n,), 0 and more, lower is
    nearer; NaN where a logit is not finite.
    """
    theirs, ours = _logits(teacher), _logits(student)
    _one_shape(theirs, ours)
    finite = np.isfinite(theirs).all(axis=1) & np.isfinite(ours).all(axis=1)
    found = np.full(len(theirs), np.nan)
    found[finite] = _bernoulli_kl(theirs[finite], ours[finite]) if multi_label else _kl(theirs[finite], ours[finite])
    return found


def calibration_error(labels: ArrayLike, logits: ArrayLike, *, multi_label: bool, n_bins: int = 15) -> float:
    """Expected calibration error (Naeini et al. 2015; Guo et al. 2017): mean gap of confidence and accuracy.

    Args: labels (n, C) multi-hot; logits (n, C). Confidence is the top class's softmax probability; multi-label,
    the sigmoid of every class, against how often it is shown. ``n_bins`` of equal width, closed above. Returns:
    one number in 0 to 1 for all images, lower is better; NaN for no image or where a logit is not finite.
    """
    shown, values = np.asarray(labels) > 0, _logits(logits)
    _one_shape(shown, values)
    if not len(values) or not np.isfinite(values).all():
        return float("nan")
    if multi_label:
        confidence, hit = expit(values).ravel(), shown.ravel()
    else:
        confidence, hit = softmax(values, axis=1).max(axis=1), shown[np.arange(len(shown)), values.argmax(axis=1)]
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    gaps = np.bincount(bins, hit - confidence, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(confidence))


def _f1(shown: np.ndarray, answered: np.ndarray, *, axis: int) -> Float64:
    hits, both = (shown & answered).sum(axis=axis), shown.sum(axis=axis) + answered.sum(axis=axis)
    return np.where(both > 0, 2 * hits / np.maximum(both, 1), np.nan)


def _kl(theirs: Float64, ours: Float64) -> Float64:
    gap = log_softmax(theirs, axis=1) - log_softmax(ours, axis=1)
    return np.asarray(np.maximum((softmax(theirs, axis=1) * gap).sum(axis=1), 0.0))


def _bernoulli_kl(theirs: Float64, ours: Float64) -> Float64:
    shown = expit(theirs) * (log_expit(theirs) - log_expit(ours))
    absent = expit(-theirs) * (log_expit(-theirs) - log_expit(-ours))
    return np.asarray(np.maximum((shown + absent).mean(axis=1), 0.0))


def _one_shape(first: np.ndarray, second: np.ndarray) -> None:
    if first.shape != second.shape:
        raise BadInputError(f"Both must have one shape (n, C); got {first.shape} and {second.shape}.")


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
