"""The card of a run: everything that is known about it, beside its weights, as validated JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from xkd_core.types import RUN_ID, Role, Transform

Compression = Literal["none", "width", "architecture", "slimmable", "structured", "unstructured", "int8"]
RatioOf = Literal["parameters", "nonzeros", "bits"]
CARD_SCHEMA = 1


class Frozen(BaseModel):
    """Base of the card's parts: immutable, and unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metric(Frozen):
    """One measured number: on how many images of which split."""

    value: float | None
    n: int
    split: str


class CardTransform(Frozen):
    """Input size in pixels and the normalisation of each colour channel."""

    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Stop(Frozen):
    """One width of a slimmable run: its size, and what it measured by itself."""

    params: int
    ratio: float
    nonzeros: int | None = None
    flops: int | None = None
    metrics: dict[str, Metric] = {}


class Card(Frozen):
    """A run's identity, how it was made, what it measured, and the sha256 of its weights.

    width: fraction of the teacher's channels. ratio: teacher parameters / own parameters.
    lam, beta, T: weights of the losses (see distillation/losses.py); None where the method has none.
    curve: validation metrics after each epoch. metrics: measured on the stored file.
    ratio_of: what the ratio counts; bits: 32 for each parameter of the teacher, to those of the parameters in the
    run's own file, 8-bit kernels with their float32 scales, steps, biases and head. nonzeros: of an int8 form, in its
    file; params and flops: of the network that it rounds.
    source_id: the run that a pruned or quantized one began as. channels: of each convolution, where they
    are not the architecture's. stops: width -> Stop of a slimmable run, whose widths are runs ``ID@width``.
    differs: for a named recipe, every point in which the run is not what the paper did.
    extras: what is known of parts that only this method has.
    """

    schema_version: int = CARD_SCHEMA
    id: str = Field(pattern=rf"^{RUN_ID}(@0\.[0-9]+)?$")
    dataset: str
    arch: str
    role: Role
    compression: Compression = "none"
    method: str
    teacher_id: str | None = None
    width: float = Field(default=1.0, gt=0, le=1)
    ratio: float = 1.0
    ratio_of: RatioOf = "parameters"
    lam: float | None = None
    beta: float | None = None
    T: float | None = None
    seed: int
    params: int
    nonzeros: int | None = None
    flops: int | None = None
    source_id: str | None = None
    channels: tuple[int, ...] | None = None
    stops: dict[str, Stop] = {}
    transform: CardTransform
    classes: tuple[str, ...]
    multi_label: bool
    recipe: dict[str, Any]
    recipe_hash: str
    metrics: dict[str, Metric] = {}
    curve: tuple[dict[str, float], ...] = ()
    undertrained: bool = False
    dead_maps: float | None = None
    train_seconds: float | None = None
    versions: dict[str, str] = {}
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    note: str = ""
    differs: tuple[str, ...] = ()
    extras: dict[str, float] = {}

    @property
    def network(self) -> str:
        """What computes: the sha256 of the weights and, of a slimmable run, which width of them; for keys of caches."""
        _, at, width = self.id.partition("@")
        return f"{self.sha256}{at}{width}"

    def input_transform(self) -> Transform:
        """The transform as the images package takes it."""
        return Transform(size=self.transform.size, mean=self.transform.mean, std=self.transform.std)


def first_teacher(cards: Sequence[Card]) -> Card | None:
    """The teacher that most of one data set's cards name; of those named as often, the one with the lowest seed."""
    teachers = sorted((card for card in cards if card.role == "teacher"), key=lambda card: card.seed)
    named = Counter(card.teacher_id for card in cards)
    return max(teachers, key=lambda card: named[card.id], default=None)


def equal_teachers(cards: Sequence[Card]) -> tuple[Card, ...]:
    """Teachers trained as the first one of a data set but for the seed: the noise floor of every similarity.

    Not a short trial, nor a copy: an equal architecture, another seed, and equal values wherever both recipes have one.
    """
    first = first_teacher(cards)
    if first is None:
        return ()
    alike = [card for card in cards if card.role == "teacher" and (card.arch, card.width) == (first.arch, first.width)
             and card.seed != first.seed and _same_training(card, first)]  # fmt: skip
    return tuple(sorted(alike, key=lambda card: (card.seed, card.id)))


def _same_training(one: Card, other: Card) -> bool:
    both = (one.recipe.keys() & other.recipe.keys()) - {"seed"}
    return all(one.recipe[name] == other.recipe[name] for name in both)


def widths(card: Card) -> tuple[Card, ...]:
    """The runs that a card stands for: itself, or one for each width of a slimmable run, narrowest first."""
    if not card.stops:
        return (card,)
    return tuple(at_width(card, width) for width in sorted(card.stops, key=float))


def at_width(card: Card, width: str) -> Card:
    """The card of one width of a slimmable run, called ``ID@width``. Errors: KeyError for another width."""
    stop = card.stops[width]
    own = {"id": f"{card.id}@{width}", "width": float(width), "stops": {}, **dict(stop)}
    return card.model_copy(update=own)
