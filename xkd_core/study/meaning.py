"""What an answer means: from the chosen slot to the pair that was judged alike.

"Most similar pair", asked over three panels, is answered by the panel that is left over; so both three-panel
questions store the odd one out. In a two-alternative trial the chosen panel is the one nearer to the reference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

PAIR_OF_ODD = {"naive": "TM", "matched": "TN", "teacher": "NM"}
PAIR_OF_NEAR = {"matched": "TM", "naive": "TN"}
PAIRS = ("TM", "TN", "NM")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """pair: TM, TN or NM (teacher, naive, matched); None in practice and catch trials. correct: only there."""

    odd: str | None
    pair: str | None
    correct: bool | None


def meaning(slots: Sequence[str], reference: str | None, choice: int) -> Meaning:
    """Read a choice, the slot 1, 2 or 3: the odd one out, or with a reference the panel that is nearer to it."""
    role = slots[choice - 1]
    known = "different" in slots
    if reference is not None:
        near = role == "same_b" if known else None
        return Meaning(odd=None, pair=None if known else PAIR_OF_NEAR[role], correct=near)
    odd = role == "different" if known else None
    return Meaning(odd=role, pair=None if known else PAIR_OF_ODD[role], correct=odd)
