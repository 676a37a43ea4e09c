"""Lines of the documents' tables: runs that differ in the seed only, what they are called, how large and how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import pandas as pd

from xkd_core.claims.stored import Stored
from xkd_core.distillation.recipes import BETAS, Recipe
from xkd_core.errors import DataUnavailableError
from xkd_core.evaluation.summary import fraction, kind, name_of
from xkd_core.images.datasets import info
from xkd_core.metrics.statistics import Estimate
from xkd_core.models.architectures import build
from xkd_core.models.cards import Card
from xkd_core.pruning.accounting import size_of
from xkd_core.results.compare import estimate
from xkd_core.results.groups import seed_groups
from xkd_core.results.in_loss import was_in_loss

Section = Literal["teachers", "methods", "controls", "λ", "variants"]
SECTIONS: tuple[Section, ...] = ("teachers", "methods", "controls", "λ", "variants")
USUAL_LAM = 0.5
METHODS = ("ce", "kd", "ewa", "swa", "sswa", "at", "nst", "ab", "xd", "surrogate")
KINDS = ("none", "width", "architecture", "slimmable", "structured", "unstructured", "int8")
IN_THE_LOSS, AN_INPUT = "†", "‡"


@dataclass(frozen=True, kw_only=True)
class Line:
    """Runs of one setting, in the order of their seeds. name: the method; size: how it was made small."""

    name: str
    size: str
    section: Section
    cards: tuple[Card, ...]

    @property
    def first(self) -> Card:
        """The run that stands for all: they differ in the seed only."""
        return self.cards[0]

    @property
    def ids(self) -> tuple[str, ...]:
        """Ids of the runs."""
        return tuple(card.id for card in self.cards)

    def metric(self, name: str) -> list[float | None]:
        """A metric of the cards, of the runs that have it."""
        return [card.metrics[name].value for card in self.cards if name in card.metrics]


def lines(stored: Stored) -> list[Line]:
    """All runs of a data set as lines: teachers first, then the narrow ones by width, then the pruned ones."""
    cards = {card.id: card for card in stored.zoo.cards}
    first = stored.zoo.teacher
    found = []
    for ids in seed_groups(stored.zoo.cards).values():
        group = tuple(cards[run_id] for run_id in ids)
        if group[0].role != "teacher":
            found.append(_line(group))
            continue
        for card in group:  # the first teaches, the others are the noise floor
            word = "teacher" if first is not None and card.id == first.id else "second teacher (noise floor)"
            found.append(Line(name=word, size=_size(card), section="teachers", cards=(card,)))
    return sorted(found, key=_order)


def _line(group: tuple[Card, ...]) -> Line:
    card = group[0]
    words = [name_of(card.method, card.lam or 0.0), *_settings(card), *_own(card)]
    return Line(name=", ".join(words), size=_size(card), section=_section(card), cards=group)


def _settings(card: Card) -> list[str]:
    """λ and β where they are not the usual ones."""
    words = [f"λ {card.lam:g}"] if card.lam not in (USUAL_LAM, None) and (card.method != "kd" or card.lam) else []
    return words + ([f"β {card.beta:g}"] if card.beta and card.beta != _usual_beta(card) else [])


def _own(card: Card) -> list[str]:
    """What else sets the run apart and is no part of how it was made small."""
    return [word for word in kind(card) if word not in _taken_off(card)]


def _usual_beta(card: Card) -> float:
    return BETAS.get((card.method, str(card.recipe.get("form") or "")), Recipe.beta)


def _section(card: Card) -> Section:
    if card.role == "control":
        return "controls"
    if card.lam not in (USUAL_LAM, None) and card.role != "baseline" and not card.recipe.get("name"):
        return "λ"
    odd_beta = bool(card.beta) and card.beta != _usual_beta(card)
    return "variants" if "fr_weight" in card.recipe or (odd_beta and not card.recipe.get("name")) else "methods"


def _taken_off(card: Card) -> list[str]:
    pruned = card.compression in ("structured", "unstructured")
    return [word for word in kind(card) if word.endswith(" off") or word.startswith("round ")] * pruned + [
        card.compression
    ]


def _size(card: Card) -> str:
    """'/4', 'net', 'unstructured, 20% off, round 3', 'int8 of /4'."""
    narrow = fraction(card.width) if card.width < 1 else ""
    if card.compression in ("slimmable", "int8"):
        return f"{card.compression} {'of ' if card.compression == 'int8' else ''}{narrow}".strip()
    if card.compression in ("structured", "unstructured"):
        taken = _taken_off(card)
        return ", ".join([taken[-1], *taken[:-1]])
    return narrow or card.arch


def _order(line: Line) -> tuple[object, ...]:
    card = line.first
    taken = (card.recipe.get("amount", 0.0), card.recipe.get("round", 0))
    place = KINDS.index(card.compression) if card.compression not in ("architecture", "none") else 1
    return (SECTIONS.index(line.section), place, -card.width, *taken, METHODS.index(card.method), card.lam or 0.0,
            card.beta or 0.0, line.name != "teacher", line.name, line.size, card.seed)  # fmt: skip


def measured(stored: Stored, ids: Sequence[str], explainer: str, metric: str) -> Estimate | None:
    """Mean over images (and measured seeds, see `of_how_many`) with its interval; None where no run was measured so."""
    found = values(stored, ids, explainer, metric)
    return None if found is None else estimate(found, metric)


def mean_of(stored: Stored, ids: Sequence[str], explainer: str, metric: str) -> float | None:
    """The same without an interval."""
    found = values(stored, ids, explainer, metric)
    return None if found is None else float(found.mean(axis=1, skipna=False).mean())


def values(stored: Stored, ids: Sequence[str], explainer: str, metric: str) -> pd.DataFrame | None:
    """A column for each run that was measured so, indexed by image; None where none was."""
    columns = [stored.values(run_id, explainer, metric) for run_id in ids]
    known = [column for column in columns if column is not None]
    return pd.concat(known, axis=1, join="inner") if known else None


def of_how_many(stored: Stored, ids: Sequence[str], explainer: str, metric: str) -> str:
    """'3 of 5' where not all of the seeds were measured so, else ""."""
    found = values(stored, ids, explainer, metric)
    return "" if found is None or found.shape[1] == len(ids) else f"{found.shape[1]} of {len(ids)}"


def bracketed(some: str) -> str:
    """' (3 of 5)', to stand behind a value; "" of nothing."""
    return f" ({some})" if some else ""


def mark(card: Card, explainer: str) -> str:
    """† for a map that was in the run's loss, ‡ for one that an XDistillation student is given."""
    if card.method == "xd":
        target = card.recipe.get("explained") or "gradient_shap"
        return AN_INPUT if target == explainer or (target == "grad_cam" and explainer == "cam") else ""
    return IN_THE_LOSS if was_in_loss(card, explainer) else ""


def flops(card: Card) -> int:
    """Of one image; older cards and widths of a slimmable run do not say, so their network is built and counted."""
    if card.flops is not None and "@" not in card.id:
        return card.flops
    return _counted(card.arch, len(card.classes), card.width, card.transform.size)


@cache
def _counted(arch: str, n_classes: int, width: float, input_px: int) -> int:
    return size_of(build(arch, n_classes, width=width), input_px=input_px).flops


def images_per_second(card: Card) -> float | None:
    """Images of the training split times epochs over the seconds of the card; None where nothing was trained."""
    if card.compression == "int8" or not card.train_seconds:
        return None
    seen = images_seen(card)
    return None if seen is None else seen / card.train_seconds


def images_seen(card: Card) -> int | None:
    """Images that the training went through; None where the split's size is not known here."""
    try:
        splits: Mapping[str, int] = info(card.dataset).splits
    except DataUnavailableError:
        return None
    n = splits.get(str(card.recipe["split"]))
    if n is None:
        return None
    n = min(n, card.recipe.get("limit") or n)
    return int(card.recipe["epochs"]) * (n - n % int(card.recipe["batch_size"]))
