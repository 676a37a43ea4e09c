"""What an evaluation is asked for, in words of the command line: runs, explainers and metrics by name or pattern."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

from xkd_core.catalogue import EXPLAINERS, METRICS
from xkd_core.errors import BadInputError, unknown_name
from xkd_core.metrics.probes import PROBES
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import list_runs

ALL = "all"
CONTROLS = tuple(name for name, entry in EXPLAINERS.items() if entry.family == "control")
ONE_NUMBER = ("mAP", "f1", "f1@park", "calibration_error")
"""Metrics of prediction that are one number for all images, not one for each."""
OTHER_SAMPLES = re.compile(r"(?P<name>[a-z_]+)~(?P<seed>[1-9]\d{0,3})")
"""An explainer drawn with another seed, "rise~1": it is compared with itself, which is the floor of its noise."""


def words(given: Iterable[str] | None) -> list[str]:
    """Options that may be repeated or joined by commas, as one list.

    Errors: BadInputError for an option that was given and names nothing; left out, it would mean everything.
    """
    texts = list(given or ())
    found = [word.strip() for text in texts for word in text.split(",") if word.strip()]
    if texts and not found:
        said = " ".join(map(repr, texts))
        raise BadInputError(
            f"A list of names must hold at least one; got {said}. Leave the option out for its default."
        )
    return found


def cards_like(patterns: Sequence[str], dataset: str, root: Path | None = None) -> list[Card]:
    """Runs of a data set by id or by a pattern such as "scenes-kd-*"; no pattern, or "all": every one.

    Errors: UnknownNameError for a pattern that no run fits.
    """
    cards = [card for card in list_runs(root) if card.dataset == dataset]
    if not patterns or ALL in patterns:
        return cards
    for pattern in patterns:
        if not any(fnmatchcase(card.id, pattern) for card in cards):
            raise unknown_name(f"run of {dataset}", pattern, [card.id for card in cards])
    return [card for card in cards if any(fnmatchcase(card.id, pattern) for pattern in patterns)]


def explainers_like(asked: Sequence[str]) -> list[str]:
    """Explainers by name ("cam"), by family ("gradient", "propagation") or "all", and the controls with them.

    "rise~1" is RISE with seed 1, compared with RISE of seed 0 of the same network. Errors: UnknownNameError.
    """
    found: dict[str, None] = {}
    for word in asked:
        found |= dict.fromkeys(_explainers(word))
    return list(found | dict.fromkeys(CONTROLS))


def plain(explainer: str) -> tuple[str, int]:
    """The explainer's name and its seed: "rise~1" -> ("rise", 1), "rise" -> ("rise", 0)."""
    name, _, seed = explainer.partition("~")
    return name, int(seed or 0)


def metrics_like(asked: Sequence[str]) -> list[str]:
    """Metrics by name, with a quirk ("average_drop@gradcam"), by family ("localisation") or "all" (no quirks).

    Errors: UnknownNameError.
    """
    found: dict[str, None] = {}
    for word in asked:
        found |= dict.fromkeys(_metrics(word))
    return list(found)


def family(metric: str) -> str:
    """The family of a metric, whatever its form."""
    return METRICS[metric.partition("@")[0]].family


def _explainers(word: str) -> list[str]:
    match = OTHER_SAMPLES.fullmatch(word)
    if word in EXPLAINERS or (match is not None and match["name"] in EXPLAINERS):
        return [word]
    if word == ALL:
        return list(EXPLAINERS)
    found = [name for name, entry in EXPLAINERS.items() if entry.family == word]
    if not found:
        raise unknown_name("explainer", word, [*EXPLAINERS, ALL, *{entry.family for entry in EXPLAINERS.values()}])
    return found


def _metrics(word: str) -> list[str]:
    if word in METRICS or word in _WITH_QUIRKS:
        return [word]
    if word == ALL:
        return list(METRICS)
    found = [name for name, info in METRICS.items() if info.family == word]
    if not found:
        raise unknown_name("metric", word, [*METRICS, ALL, *{info.family for info in METRICS.values()}])
    return found


_WITH_QUIRKS = frozenset(
    f"{name}@{option}"
    for name, info in METRICS.items()
    for option, _ in info.compat
    if f"{name}@{option}" in (*PROBES, *ONE_NUMBER)
    or info.family in ("similarity", "localisation", "complexity", "randomisation")
)
