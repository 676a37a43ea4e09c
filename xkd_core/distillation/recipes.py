"""A recipe is everything that decides a training, as one frozen value; its hash names the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from xkd_core.errors import BadInputError
from xkd_core.types import Role

if TYPE_CHECKING:  # cards need pydantic, recipes do not
    from xkd_core.models.cards import Card

METHODS = ("ce", "kd", "ewa", "swa", "sswa")
MATCHING = ("ewa", "swa", "sswa")
COMPRESSED = ("", "unstructured", "structured", "int8")
LATER = ("label", "slimmable", "source_id", "compress", "amount", "round")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a run is trained. λ, β and T are read only by methods that have them.

    method: ce (labels, for teachers), kd, or kd plus matched ewa / swa / sswa maps.
    width: fraction of the architecture's channels. views: fixed augmented copies of each image that
    teacher outputs are cached for. shuffled: match the map of another image (a control).
    limit: train on the first so many images of the split. label: a word for a run outside the main grid.
    drop_prob: share of the teacher's channels that SSWA hides, one draw per batch (paper 004).
    slimmable: one set of weights for all widths of models/slimmable.py up to ``width``.
    source_id: the run whose weights the training begins with. compress: what is taken off them first,
    "unstructured" (``amount`` of the living kernel weights), "structured" (``amount`` of the filters) or
    "int8" (bits; nothing is trained). round: how many times before and now, for the name.
    """

    dataset: str
    arch: str
    split: str
    method: str = "kd"
    width: float = 1.0
    lam: float = 0.5
    beta: float = 2.0
    temperature: float = 4.0
    seed: int = 0
    teacher_id: str | None = None
    epochs: int = 20
    batch_size: int = 128
    lr: float = 4e-3
    weight_decay: float = 0.02
    warmup_epochs: float = 2.0
    views: int = 4
    shift_px: int = 4
    drop_prob: float = 0.3
    shuffled: bool = False
    limit: int | None = None
    label: str = ""
    slimmable: bool = False
    source_id: str | None = None
    compress: str = ""
    amount: float = 0.0
    round: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        if self.method == "kd":
            object.__setattr__(self, "beta", 0.0)  # one name per run: plain KD has no β to differ by
        check(self)

    @property
    def hash(self) -> str:
        """Twelve hex digits over all fields: equal recipes, equal name, equal run.

        A field that came later counts only where it says something, so that older runs keep their names.
        """
        values = {name: value for name, value in asdict(self).items() if name not in LATER or value}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def matches_maps(self) -> bool:
        """Whether a map is in the loss."""
        return self.method in MATCHING and self.beta > 0

    @property
    def role(self) -> Role:
        """What the run is for; a run for comparison only (shuffled maps, data without shortcut) is a control."""
        if self.method == "ce":
            return "teacher"
        if self.shuffled or self.split == "plain" or self.label:
            return "control"
        if self.matches_maps:
            return "matched"
        return "naive" if self.lam > 0 else "baseline"

    @property
    def run_id(self) -> str:
        """A readable name that ends in the hash, e.g. scenes-swa-w4-l0.5-b2-s0-1a2b3c4d5e6f.

        The int8 form of a run is called after it: it has no other settings.
        """
        if self.compress == "int8":
            return f"{str(self.source_id).replace('@', '-w')}-int8"
        parts = [self.dataset, self.method, self._form()]
        if self.method != "ce":
            parts.append(f"l{self.lam:g}")
        if self.method in MATCHING:
            parts.append(f"b{self.beta:g}")
        words = {"shuffled": self.shuffled, "plain": self.split == "plain", self.label: bool(self.label)}
        parts += [word for word, on in words.items() if on]
        return "-".join([*parts, f"s{self.seed}", self.hash])

    def _form(self) -> str:
        if self.slimmable:
            return "slim"
        taken_off = {"unstructured": f"u{self.round}", "structured": f"f{100 * self.amount:.0f}"}
        return taken_off.get(self.compress) or f"w{round(1 / self.width)}"


KINDS: Mapping[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (int, float), "bool": (bool,), "None": (type(None),)
}  # fmt: skip


def check_types(recipe: Recipe) -> None:
    """Refuse values of another kind than the field's. Errors: BadInputError with the field and its kind."""
    for field in fields(recipe):
        value = getattr(recipe, field.name)
        kinds = str(field.type).split(" | ")
        # A bool is an int in Python, but no number of epochs.
        fits = any(isinstance(value, KINDS[kind]) and (kind == "bool" or type(value) is not bool) for kind in kinds)
        if not fits:
            raise BadInputError(f"{field.name} must be of type {field.type}; got {value!r}.")


def recipe_of(values: Mapping[str, Any]) -> Recipe:
    """A recipe from a file or the command line. Errors: BadInputError that names a field too many or too few."""
    known = {field.name for field in fields(Recipe)}
    for name in values:
        if name not in known:
            raise BadInputError(f"A recipe has no field {name!r}. Fields: {', '.join(sorted(known))}.")
    for name in ("dataset", "arch", "split"):
        if name not in values:
            raise BadInputError(f"A recipe needs {name!r}; got {', '.join(values) or 'nothing'}.")
    return Recipe(**values)


def check(recipe: Recipe) -> None:
    """Refuse values no training could use. Errors: BadInputError with the field and what it may be."""
    if recipe.method not in METHODS:
        raise BadInputError(f"method must be one of {', '.join(METHODS)}; got {recipe.method!r}.")
    rules = (
        ("lam", 0 <= recipe.lam <= 1, "in 0..1"),
        ("beta", recipe.beta >= 0, ">= 0"),
        ("temperature", recipe.temperature > 0, "> 0"),
        ("width", 0 < recipe.width <= 1, "in (0, 1]"),
        ("epochs", recipe.epochs >= 1, ">= 1"),
        ("batch_size", recipe.batch_size >= 2, ">= 2 (batch norm)"),
        ("lr", recipe.lr > 0, "> 0"),
        ("views", recipe.views >= 1, ">= 1"),
        ("drop_prob", 0 <= recipe.drop_prob < 1, "in [0, 1)"),
        ("compress", recipe.compress in COMPRESSED, f"one of {', '.join(COMPRESSED[1:])}, or empty"),
        ("amount", recipe.compress in ("", "int8") or 0 < recipe.amount < 1, "in (0, 1) where something is pruned"),
        ("source_id", not recipe.compress or recipe.source_id is not None, "a run, to be compressed"),
        ("limit", recipe.limit is None or recipe.limit >= recipe.batch_size, "at least one batch"),
    )
    for name, good, accepted in rules:
        if not good:
            raise BadInputError(f"{name} must be {accepted}; got {getattr(recipe, name)!r}.")
    if recipe.method != "ce" and recipe.teacher_id is None:
        raise BadInputError(f"method {recipe.method!r} needs a teacher: name its run.")


DEFAULTS: Mapping[str, Mapping[str, str]] = {
    "scenes": {"arch": "vgg_gap_64", "teacher": "teacher", "student": "transfer"},
    "cifar10": {"arch": "vgg_gap_32", "teacher": "train", "student": "train"},
    "digits": {"arch": "vgg_gap_tiny", "teacher": "train", "student": "train"},
}


def recipe_from(given: Mapping[str, Any]) -> Recipe:
    """Fill what the command line left open: architecture, split, teacher, and the teacher's full width.

    Errors: BadInputError when no default is known or no teacher of the data set exists.
    """
    values = {name: value for name, value in given.items() if value is not None}
    defaults = DEFAULTS.get(str(values["dataset"]), {})
    is_teacher = values.get("method") == "ce"
    values.setdefault("arch", defaults.get("arch", ""))
    values.setdefault("split", defaults.get("teacher" if is_teacher else "student", ""))
    for name in ("arch", "split"):
        if not values[name]:
            raise BadInputError(f"No default {name} is known for data set {values['dataset']!r}: give --{name}.")
    if is_teacher:
        return Recipe(**{**values, "width": 1.0})
    values.setdefault("teacher_id", _first_teacher(str(values["dataset"])))
    return Recipe(**values)


def _first_teacher(dataset: str) -> str:
    from xkd_core.models.checkpoints import list_runs

    found = sorted((c.seed, c.id) for c in list_runs() if c.dataset == dataset and c.role == "teacher")
    if not found:
        raise BadInputError(f"No teacher for {dataset!r} yet: train one with --method ce, or name one with --teacher.")
    return found[0][1]


def int8_of(dataset: str, source_id: str) -> Recipe:
    """The recipe of the int8 form of a run."""
    return Recipe(dataset=dataset, arch="", split="", method="ce", compress="int8", source_id=source_id)


def pruning_rounds(
    card: Card, *, how: str, amount: float, rounds: int, training: Mapping[str, Any]
) -> Iterator[Recipe]:
    """Recipes that prune a run ``rounds`` times, each from the weights of the one before, and train it.

    The teacher is the run itself where it is one, else its teacher. ``training``: the other fields.
    """
    data = DEFAULTS.get(card.dataset, {})
    source = card.id
    for number in range(1, rounds + 1):
        recipe = Recipe(
            dataset=card.dataset,
            arch=card.arch,
            split=str(data.get("student", card.recipe["split"])),
            teacher_id=card.teacher_id or card.id,
            width=card.width,
            warmup_epochs=0.2,
            source_id=source,
            compress=how,
            amount=amount,
            round=number,
            **training,
        )
        yield recipe
        source = recipe.run_id
