"""What one participant sees, drawn once from a seed and then stored: items, order and slots, all balanced.

Items are taken least-seen first, and an image does not come twice while others are left. The arrangements of the
panels are balanced within a participant. Catches are spread over the trials; repeats come late, arranged anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from typing import Literal

import numpy as np

from xkd_core.study.config import ROLES, Question, StudyConfig
from xkd_core.study.selection import Chosen

ItemKind = Literal["main", "practice", "catch"]
TrialKind = Literal["main", "practice", "catch", "repeat"]
# In practice and catch trials two panels are the same picture, so the right answer is known.
KNOWN_ROLES = ("same_a", "same_b", "different")


@dataclass(frozen=True, kw_only=True)
class Item:
    """What a trial is about. pair: place in the configuration's pairs; None in practice and catch items."""

    number: int
    kind: ItemKind
    image: int
    stratum: str
    pair: int | None = None

    @property
    def roles(self) -> tuple[str, ...]:
        """What its panels show; the first is the reference of a two-alternative question."""
        return ROLES if self.kind == "main" else KNOWN_ROLES


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One drawn trial: roles by slot, left to right. repeat_of: index of the trial that it repeats."""

    index: int
    kind: TrialKind
    item: int
    slots: tuple[str, ...]
    reference: str | None = None
    repeat_of: int | None = None


def make_items(config: StudyConfig, chosen: Chosen) -> tuple[Item, ...]:
    """All items of a study, numbered: every main image with every pair, then practice and catch images."""
    wanted: list[tuple[ItemKind, int, str, int | None]] = [
        ("main", image, stratum, pair) for image, stratum in chosen.main.items() for pair in range(len(config.pairs))
    ]
    wanted += [("practice", image, stratum, None) for image, stratum in chosen.practice.items()]
    wanted += [("catch", image, stratum, None) for image, stratum in chosen.catches.items()]
    return tuple(
        Item(number=number, kind=kind, image=image, stratum=stratum, pair=pair)
        for number, (kind, image, stratum, pair) in enumerate(wanted)
    )


def participant_seed(config: StudyConfig, number: int) -> int:
    """The seed of the participant who came as ``number`` (from 0): from the study's seed alone."""
    return int(np.random.SeedSequence([config.seed, number]).generate_state(1)[0])


def draw_trials(config: StudyConfig, items: Sequence[Item], *, seen: Mapping[int, int], seed: int) -> tuple[Trial, ...]:
    """Draw a participant's trials. seen: item number -> how often it was given to others so far."""
    rng = np.random.default_rng(seed)
    main = _least_seen([item for item in items if item.kind == "main"], seen, config.trials, rng)
    first = [_Draft("practice", item) for item in items if item.kind == "practice"]
    drafts = [_Draft("main", item) for item in _shuffled(main, rng)]
    drafts = _with_repeats(drafts, config.repeats, rng)
    drafts = _with_catches(drafts, _shuffled([item for item in items if item.kind == "catch"], rng), rng)
    return _arranged(first + drafts, config.question, rng)


@dataclass(eq=False)
class _Draft:
    kind: TrialKind
    item: Item
    original: _Draft | None = None


def _least_seen(items: Sequence[Item], seen: Mapping[int, int], n: int, rng: np.random.Generator) -> list[Item]:
    left = _shuffled(items, rng)
    shown: Counter[int] = Counter()
    taken: list[Item] = []
    for _ in range(n):
        best = min(left, key=lambda item: (shown[item.image], seen.get(item.number, 0)))  # the first of equals
        left.remove(best)
        shown[best.image] += 1
        taken.append(best)
    return taken


def _shuffled(items: Sequence[Item], rng: np.random.Generator) -> list[Item]:
    return [items[place] for place in rng.permutation(len(items))]


def _with_repeats(drafts: list[_Draft], n: int, rng: np.random.Generator) -> list[_Draft]:
    """Repeat ``n`` of the trials, early ones if they suffice, somewhere in the last third."""
    early = drafts[: max(n, len(drafts) // 2)]
    originals = [early[place] for place in rng.permutation(len(early))[:n]]
    third = len(drafts) - len(drafts) // 3
    for original in originals:
        lowest = max(third, drafts.index(original) + 1)
        drafts.insert(int(rng.integers(lowest, len(drafts) + 1)), _Draft("repeat", original.item, original))
    return drafts


def _with_catches(drafts: list[_Draft], catches: Sequence[Item], rng: np.random.Generator) -> list[_Draft]:
    """One catch in each of as many equal stretches, never before the first trial."""
    edges = np.linspace(1, len(drafts) + 1, len(catches) + 1)
    places = [int(rng.integers(int(low), max(int(low) + 1, int(high)))) for low, high in pairwise(edges)]
    for place, item in reversed(list(zip(places, catches, strict=True))):
        drafts.insert(place, _Draft("catch", item))
    return drafts


def _arranged(drafts: Sequence[_Draft], question: Question, rng: np.random.Generator) -> tuple[Trial, ...]:
    """Number the drafts and give each its slots: every arrangement equally often among the main trials."""
    alternatives = question == "two_alternative"
    arrangements = list(permutations(range(1, 3) if alternatives else range(3)))
    main = [draft for draft in drafts if draft.kind == "main"]
    dealt = dict(zip(main, _dealt(len(main), len(arrangements), rng), strict=True))
    place = {draft: index for index, draft in enumerate(drafts)}
    trials = []
    for index, draft in enumerate(drafts):
        which = dealt[draft] if draft in dealt else int(rng.integers(len(arrangements)))
        if draft.original is not None:  # the same arrangement would be remembered
            which = (dealt[draft.original] + int(rng.integers(1, len(arrangements)))) % len(arrangements)
        trials.append(
            Trial(
                index=index,
                kind=draft.kind,
                item=draft.item.number,
                slots=tuple(draft.item.roles[role] for role in arrangements[which]),
                reference=draft.item.roles[0] if alternatives else None,
                repeat_of=None if draft.original is None else place[draft.original],
            )
        )
    return tuple(trials)


def _dealt(n: int, arrangements: int, rng: np.random.Generator) -> list[int]:
    """``n`` arrangements, each equally often but for a remainder, in random order."""
    rounds = [rng.permutation(arrangements) for _ in range(-(-n // arrangements))]
    dealt = np.concatenate([*rounds, np.empty(0, dtype=np.int64)])[:n]
    return [int(which) for which in rng.permutation(dealt)]
