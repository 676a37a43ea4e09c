"""What a run answers on each image, beside its teacher and the label, on the explained class."""

from __future__ import annotations

import numpy as np
import pandas as pd

from xkd_core.types import Float, Int, UInt8


def answer_rows(logits: Float, teacher: Float, *, labels: UInt8, targets: Int, multi_label: bool) -> pd.DataFrame:
    """One row per image: the probability of the explained class, own top-1, same answer, right.

    Multi-label: the answer is the decision logit > 0 on the explained class; single-label: the top-1.
    Args: logits, teacher, labels (N, C); targets (N,), the explained classes.
    """
    each = np.arange(len(logits))
    logit = logits[each, targets]
    if multi_label:
        answer, theirs, truth = logit > 0, teacher[each, targets] > 0, labels[each, targets] > 0
        prob = 1 / (1 + np.exp(-logit.astype(np.float64)))
    else:
        answer, theirs, truth = logits.argmax(axis=1), teacher.argmax(axis=1), labels.argmax(axis=1)
        shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        prob = shifted[each, targets] / shifted.sum(axis=1)
    return pd.DataFrame(
        {
            "index": each,
            "target": targets.astype(np.int16),
            "prob": prob.astype(np.float32),
            "top1": logits.argmax(axis=1).astype(np.int16),
            "same_answer": answer == theirs,
            "right": answer == truth,
        }
    )
