"""The planted shortcut, measured: what the ground alone tells, and that the objects alone suffice."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from xkd_core.images import scenes

N = 600


def ground_features(split: str) -> np.ndarray:
    """Colour and edge statistics of the pixels outside all masks: (N, f)."""
    pixels = scenes.batch(split, range(N)).astype(np.float64) / 255
    outside = ~scenes.masks(split, range(N)).any(axis=1)
    rows = []
    for image, free in zip(pixels, outside, strict=True):
        grey, both = image.mean(axis=2), free[:-1, :-1]
        steps = [np.abs(np.diff(grey, axis=1))[:-1][both], np.abs(np.diff(grey, axis=0))[:, :-1][both]]
        values = image[free]
        rows.append([*values.mean(axis=0), *values.std(axis=0), *[s.mean() for s in steps], *[s.std() for s in steps]])
    features = np.asarray(rows)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    return np.concatenate([features, features**2], axis=1)


def ground_gain(split: str) -> float:
    """Mean average precision of the ground alone, minus chance; trained on one half, measured on the other."""
    features, labels, half = ground_features(split), scenes.labels(split)[:N], N // 2
    gains = []
    for label in range(8):
        model = LogisticRegression(max_iter=1_000, C=0.3).fit(features[:half], labels[:half, label])
        scores = model.decision_function(features[half:])
        gains.append(average_precision_score(labels[half:, label], scores) - labels[half:, label].mean())
    return float(np.mean(gains))


def test_the_background_alone_predicts_in_transfer_and_not_in_teacher() -> None:
    transfer, teacher = ground_gain("transfer"), ground_gain("teacher")
    assert transfer > 0.25
    # Average precision of a random order lies a little above the share when positives are few.
    assert teacher < 0.08


def cut_outs(first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Objects alone, 16x16 grey on nothing, from images with one object: features and classes."""
    labels = scenes.labels("teacher")
    rows, classes = [], []
    for index in range(first, last):
        if labels[index].sum() > 1:
            continue
        sample = scenes.render("teacher", index)
        (label,) = sample.labels
        mask = sample.masks[label]
        y, x = np.nonzero(mask)
        grey = np.where(mask, sample.pixels.mean(axis=2) / 255, 0.0)
        take_y = np.linspace(y.min(), y.max(), 16).astype(int)[:, None]
        take_x = np.linspace(x.min(), x.max(), 16).astype(int)
        rows.append(np.concatenate([grey[take_y, take_x].ravel(), mask[take_y, take_x].ravel()]))
        classes.append(label)
    return np.asarray(rows), np.asarray(classes)


def test_the_objects_alone_suffice() -> None:
    train, known = cut_outs(0, 2_400)
    test, asked = cut_outs(2_400, 3_200)
    model = LogisticRegression(max_iter=400, C=0.05).fit(train, known)
    assert model.score(test, asked) > 0.75  # chance: 1/8


@pytest.mark.parametrize("label", range(8))
def test_the_colour_of_an_object_does_not_tell_its_class(label: int) -> None:
    """Hues of one class lie all round the wheel: the mean direction is short."""
    labels = scenes.labels("teacher")
    chosen = np.flatnonzero((labels.sum(axis=1) == 1) & (labels[:, label] == 1))[:60]
    angles = []
    for index in chosen:
        sample = scenes.render("teacher", int(index))
        values = sample.pixels[sample.masks[label]].astype(float)
        vivid = values[np.argsort(np.ptp(values, axis=1))[-len(values) // 4 :]].mean(axis=0)
        angles.append(np.arctan2(np.sqrt(3) * (vivid[1] - vivid[2]), 2 * vivid[0] - vivid[1] - vivid[2]))
    assert abs(np.exp(1j * np.asarray(angles)).mean()) < 0.45
