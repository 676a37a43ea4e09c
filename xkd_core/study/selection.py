"""Which images enter a study: a stratified random draw from a seed. Nobody picks.

Strata get places in proportion to their size (largest remainder), so the study stays representative of the split.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from xkd_core.errors import BadInputError
from xkd_core.study.config import Selection, StudyConfig


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An image that may be drawn. strata: value of each stratum that is known, e.g. class "mug", habitat "own".

    teacher_right, all_right: whether the teacher, or every run of the study, answers it right; None: not known.
    """

    index: int
    strata: Mapping[str, str]
    teacher_right: bool | None = None
    all_right: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """The drawn images: for the main items, and others for practice and catch trials; index -> its stratum."""

    main: Mapping[int, str]
    practice: Mapping[int, str]
    catches: Mapping[int, str]


def choose_images(config: StudyConfig, candidates: Sequence[Candidate]) -> Chosen:
    """Draw the images of a study from its selection rule and seed, whatever the order of the candidates.

    Errors: BadInputError when too few images fit the rule, or a stratum is not known for them.
    """
    rule = config.selection
    fitting = sorted((one for one in candidates if _fits(one, rule)), key=lambda one: one.index)
    others = config.practice + config.catches
    if len(fitting) < rule.n_images + others:
        raise BadInputError(
            f"The rule needs {rule.n_images} images and {others} for practice and catch trials, but only "
            f"{len(fitting)} of {len(candidates)} fit it ({rule.only}). Ask for fewer, or choose another rule."
        )
    rng = np.random.default_rng(rule.seed)
    main = _stratified(fitting, rule, rule.n_images, rng)
    rest = [one for one in fitting if one.index not in main]
    extra = list(_stratified(rest, rule, others, rng).items())
    order = [extra[place] for place in rng.permutation(len(extra))]
    return Chosen(main=main, practice=dict(order[: config.practice]), catches=dict(order[config.practice :]))


def stratum_of(candidate: Candidate, rule: Selection) -> str:
    """The stratum in words, e.g. "class=mug, habitat=own"; "all" without strata."""
    unknown = [name for name in rule.strata if name not in candidate.strata]
    if unknown:
        raise BadInputError(
            f"Image {candidate.index} has no {', '.join(unknown)} to stratify by; take it out of selection.strata."
        )
    return ", ".join(f"{name}={candidate.strata[name]}" for name in rule.strata) or "all"


def _fits(candidate: Candidate, rule: Selection) -> bool:
    if rule.only == "any":
        return True
    return bool(candidate.teacher_right if rule.only == "teacher_right" else candidate.all_right)


def _stratified(
    candidates: Sequence[Candidate], rule: Selection, n: int, rng: np.random.Generator
) -> Mapping[int, str]:
    groups: defaultdict[str, list[int]] = defaultdict(list)
    for one in candidates:
        groups[stratum_of(one, rule)].append(one.index)
    names = sorted(groups)
    places = _places([len(groups[name]) for name in names], n, rng)
    drawn = {
        int(index): name
        for name, count in zip(names, places, strict=True)
        for index in rng.choice(groups[name], size=count, replace=False)
    }
    return dict(sorted(drawn.items()))


def _places(sizes: Sequence[int], n: int, rng: np.random.Generator) -> list[int]:
    """Largest remainder: n places over groups in proportion to their sizes, equal remainders in random order."""
    share = np.asarray(sizes, dtype=np.float64) * n / max(1, sum(sizes))
    places = np.floor(share).astype(int)
    shuffled = rng.permutation(len(sizes))
    by_remainder = shuffled[np.argsort(-(share - places)[shuffled], kind="stable")]
    places[by_remainder[: n - places.sum()]] += 1
    return [int(count) for count in places]
