"""Which class is explained: the teacher's top-1, the network's own, the label, or a chosen class.

Every module takes the result as ``targets``, one class index for each image; 0 is a class like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar, get_args

import numpy as np
import torch
from torch import Tensor

from xkd_core.errors import BadInputError
from xkd_core.types import TargetPolicy, UInt8

T = TypeVar("T")
_BY_NAME: Mapping[str, TargetPolicy] = {"teacher": "teacher", "own": "own", "label": "label"}


def parse_target(text: str) -> tuple[TargetPolicy, int | None]:
    """Read "teacher", "own", "label" or a class index such as "0"; errors: BadInputError."""
    if text.isdecimal():
        return "class", int(text)
    if text in _BY_NAME:
        return _BY_NAME[text], None
    raise BadInputError(f"A target is teacher, own, label or a class index; got {text!r}.")


def choose_targets(
    policy: TargetPolicy,
    *,
    own: Tensor,
    teacher: Tensor | None = None,
    labels: UInt8 | None = None,
    index: int | None = None,
) -> Tensor:
    """Pick the class to explain for each image.

    Args: own and teacher, logits (B, C); labels, (B, C) multi-hot, whose first class is taken; index, for
    the policy "class". Returns: (B,) int64. Errors: BadInputError when what the policy needs is missing.
    """
    if policy == "own":
        return own.argmax(dim=1)
    if policy == "teacher":
        return _given(teacher, policy, "the teacher's logits").argmax(dim=1)
    if policy == "label":
        return _first_label(_given(labels, policy, "labels")).to(own.device)
    if policy == "class":
        return _one_class(_given(index, policy, "a class index"), own)
    raise BadInputError(f"A target policy is one of {', '.join(get_args(TargetPolicy))}; got {policy!r}.")


def _given(value: T | None, policy: str, what: str) -> T:
    if value is None:
        raise BadInputError(f"Target policy {policy!r} needs {what}; none came.")
    return value


def _first_label(labels: UInt8) -> Tensor:
    if not labels.any(axis=1).all():
        bare = np.flatnonzero(~labels.any(axis=1)).tolist()
        raise BadInputError(f"Images {bare} carry no label; choose another target policy for them.")
    return torch.from_numpy(labels.argmax(axis=1).astype(np.int64))


def _one_class(index: int, own: Tensor) -> Tensor:
    n_classes = own.shape[1]
    if not 0 <= index < n_classes:
        raise BadInputError(f"Class {index} does not exist; the network knows 0 to {n_classes - 1}.")
    return torch.full((len(own),), index, dtype=torch.int64, device=own.device)
