"""Target policies, class 0 among them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from xkd_core.errors import BadInputError
from xkd_core.explainers.targets import choose_targets, parse_target

OWN = torch.tensor([[0.0, 2.0, 1.0], [5.0, 0.0, 0.0]])
TEACHER = torch.tensor([[9.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
LABELS = np.array([[0, 1, 1], [1, 0, 0]], dtype=np.uint8)


@pytest.mark.parametrize(
    ("policy", "wanted"), [("own", [1, 0]), ("teacher", [0, 2]), ("label", [1, 0]), ("class", [0, 0])]
)
def test_each_policy_picks_its_class(policy: str, wanted: list[int]) -> None:
    found = choose_targets(policy, own=OWN, teacher=TEACHER, labels=LABELS, index=0)
    assert found.dtype == torch.int64
    assert found.tolist() == wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [("teacher", ("teacher", None)), ("0", ("class", 0)), ("12", ("class", 12))]
)
def test_targets_are_read_from_text(text: str, wanted: tuple[str, int | None]) -> None:
    assert parse_target(text) == wanted


@pytest.mark.parametrize("text", ["", "class", "-1", "Teacher", "1.5"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="teacher, own, label or a class index"):
        parse_target(text)


def test_what_a_policy_needs_must_be_given() -> None:
    with pytest.raises(BadInputError, match="needs the teacher's logits"):
        choose_targets("teacher", own=OWN)
    with pytest.raises(BadInputError, match="needs a class index"):
        choose_targets("class", own=OWN)
    with pytest.raises(BadInputError, match="0 to 2"):
        choose_targets("class", own=OWN, index=3)
    with pytest.raises(BadInputError, match=r"Images \[1\] carry no label"):
        choose_targets("label", own=OWN, labels=np.array([[0, 1, 0], [0, 0, 0]], dtype=np.uint8))
