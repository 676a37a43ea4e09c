"""Answers and average precision against loops, scikit-learn and worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score

from tests.oracles import ORACLES
from tests.oracles_maps import ORACLES as ORACLES_OF_ANSWERS
from xkd_core.errors import BadInputError
from xkd_core.metrics.prediction import (
    average_precision,
    calibration_error,
    decisions,
    f1,
    kl_to_teacher,
    right,
    same_answer,
)

GENERATOR = np.random.default_rng(0)
TEACHER, STUDENT = GENERATOR.normal(size=(40, 5)), GENERATOR.normal(size=(40, 5))
LABELS = (GENERATOR.random((40, 5)) < 0.3).astype(np.uint8)
TARGETS = GENERATOR.integers(0, 5, 40)


@pytest.mark.parametrize("multi_label", [True, False])
def test_answers_equal_their_oracles(multi_label: bool) -> None:
    targets = TARGETS if multi_label else [None] * 40
    same = same_answer(TEACHER, STUDENT, multi_label=multi_label, targets=TARGETS)
    assert same.tolist() == [ORACLES["same_answer"](*row) for row in zip(TEACHER, STUDENT, targets, strict=True)]
    correct = right(STUDENT, LABELS, multi_label=multi_label, targets=TARGETS)
    assert correct.tolist() == [ORACLES["right"](*row) for row in zip(STUDENT, LABELS, targets, strict=True)]


def test_decisions_worked_by_hand() -> None:
    logits = np.array([[-1.0, 2.0], [0.0, -3.0]])
    assert decisions(logits, multi_label=False).tolist() == [1, 0]
    assert decisions(logits, multi_label=True, targets=[0, 0]).tolist() == [0, 0]  # 0 itself is a no
    assert decisions(logits, multi_label=True, targets=[1, 1]).tolist() == [1, 0]


@pytest.mark.parametrize("coarse", [False, True])
def test_average_precision_equals_its_oracle_and_scikit_learn_with_ties(coarse: bool) -> None:
    scores = np.round(STUDENT) if coarse else STUDENT
    labels = LABELS.copy()
    labels[:, 3] = 0  # a class that no image shows
    found = average_precision(labels, scores)
    assert np.isnan(found[3])
    for column in (0, 1, 2, 4):
        assert found[column] == pytest.approx(ORACLES["mAP"](labels[:, column], scores[:, column]), abs=1e-12)
        assert found[column] == pytest.approx(average_precision_score(labels[:, column], scores[:, column]), abs=1e-12)


def test_what_is_missing_or_does_not_fit_is_refused() -> None:
    with pytest.raises(BadInputError, match="give targets"):
        decisions(TEACHER, multi_label=True)
    with pytest.raises(BadInputError, match="logits must be"):
        decisions(TEACHER[0], multi_label=False)
    with pytest.raises(BadInputError, match="one shape"):
        average_precision(LABELS[:, :4], TEACHER)


@pytest.mark.parametrize("multi_label", [True, False])
def test_f1_equals_its_oracle_and_scikit_learn(multi_label: bool) -> None:
    labels = LABELS.copy()
    labels[:, 3] = 0
    logits = STUDENT.copy()
    logits[:, 3] = -9  # neither shown nor answered
    answered = logits > 0 if multi_label else np.eye(5, dtype=bool)[logits.argmax(axis=1)]
    found = f1(labels, logits, multi_label=multi_label)
    for column in range(5):
        wanted = ORACLES_OF_ANSWERS["f1"]((labels[:, column] > 0).tolist(), answered[:, column].tolist())
        np.testing.assert_allclose(found[column], np.nan if wanted is None else wanted)
    kept = [0, 1, 2, 4]
    theirs = f1_score(labels[:, kept], answered[:, kept], average=None, zero_division=0.0)
    np.testing.assert_allclose(found[kept], theirs)
    assert np.isnan(found[3])


def test_paper_004s_f1_is_by_image_and_cuts_the_logit_at_a_half() -> None:
    found = f1(LABELS, STUDENT, multi_label=True, compat="park")
    theirs = f1_score(LABELS, STUDENT > 0.5, average="samples", zero_division=0.0)
    assert found.shape == (40,)
    assert found.mean() == pytest.approx(theirs)


@pytest.mark.parametrize("multi_label", [True, False])
def test_divergence_equals_its_oracle_and_is_zero_for_the_teacher_itself(multi_label: bool) -> None:
    found = kl_to_teacher(TEACHER, STUDENT, multi_label=multi_label)
    wanted = [
        ORACLES_OF_ANSWERS["kl_to_teacher"](t.tolist(), s.tolist(), multi_label)
        for t, s in zip(TEACHER, STUDENT, strict=True)
    ]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    assert kl_to_teacher(TEACHER, TEACHER, multi_label=multi_label).max() == 0
    far = kl_to_teacher([[800.0, -800.0]], [[-800.0, 800.0]], multi_label=multi_label)
    assert far == pytest.approx([1600.0] if not multi_label else [800.0])
    assert np.isnan(kl_to_teacher([[np.nan, 1.0]], [[0.0, 1.0]], multi_label=multi_label)).all()


@pytest.mark.parametrize("multi_label", [True, False])
@pytest.mark.parametrize("n_bins", [1, 4, 15])
def test_calibration_error_equals_its_oracle(multi_label: bool, n_bins: int) -> None:
    logits = np.round(STUDENT * 2) / 2  # some confidences on the border of a bin
    if multi_label:
        confidence, hits = (1 / (1 + np.exp(-logits))).ravel(), (LABELS > 0).ravel()
    else:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        confidence = (powers / powers.sum(axis=1, keepdims=True)).max(axis=1)
        hits = LABELS[np.arange(40), logits.argmax(axis=1)] > 0
    wanted = ORACLES_OF_ANSWERS["calibration_error"](confidence.tolist(), hits.tolist(), n_bins)
    assert calibration_error(LABELS, logits, multi_label=multi_label, n_bins=n_bins) == pytest.approx(wanted)


def test_calibration_worked_by_hand() -> None:
    sure = np.log([[3.0, 1.0], [1.0, 3.0], [3.0, 1.0], [3.0, 1.0]])  # 3/4 each time
    labels = np.array([[1, 0], [0, 1], [1, 0], [0, 1]])  # right three times of four
    assert calibration_error(labels, sure, multi_label=False) == pytest.approx(0.0)
    assert calibration_error(labels[[3, 3]], sure[[3, 3]], multi_label=False) == pytest.approx(0.75)
    assert np.isnan(calibration_error(np.zeros((0, 2)), np.zeros((0, 2)), multi_label=False))
    with pytest.raises(BadInputError, match="one shape"):
        kl_to_teacher(TEACHER, STUDENT[:, :3], multi_label=False)
