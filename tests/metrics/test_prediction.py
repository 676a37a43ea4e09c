"""Answers and average precision against loops, scikit-learn and worked numbers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tests.oracles import ORACLES
from xkd_core.errors import BadInputError
from xkd_core.metrics.prediction import average_precision, decisions, right, same_answer

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
