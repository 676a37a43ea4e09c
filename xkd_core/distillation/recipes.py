"""A recipe is everything that decides a training, as one frozen value; its hash names the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from xkd_core.distillation.checks import check, check_types
from xkd_core.errors import BadInputError
from xkd_core.types import Role

if TYPE_CHECKING:  # cards are slow to import, recipes are not
    from xkd_core.models.cards import Card

MATCHING = ("ewa", "swa", "sswa")
TRANSFER = ("at", "nst", "ab")
METHODS = ("ce", "kd", *MATCHING, *TRANSFER, "xd", "surrogate")
PRUNED = ("unstructured", "structured")
LAST_THREE = "last-2+last-1+last"
LAYERS: Mapping[str, str] = {**dict.fromkeys((*MATCHING, "nst"), "last"), "at": LAST_THREE, "ab": LAST_THREE}


TEACHERS_PART = ("lam", "beta", "temperature", "kd_form")
"""Fields that say how a teacher is learned from: whatever is given, labels alone (ce) are at the defaults."""


def later(default: Any) -> Any:
    """A field that came after runs existed: at its default it is left out of the hash, so that their ids stay."""
    return field(default=default, metadata={"later": True})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a run is trained. λ, β and T are read only by methods that have them.

    method: ce (labels alone, for teachers), kd, or kd plus matched ewa / swa / sswa maps, or plus at / nst / ab.
    width: fraction of the architecture's channels. views: fixed augmented copies of each image that
    teacher outputs are cached for. shuffled: match the map of another image (a control).
    limit: train on the first so many images of the split. label: a word for a run outside the main grid.
    drop_prob: share of the teacher's channels that SSWA hides, one draw per batch (paper 004).
    slimmable: one set of weights for all widths of models/slimmable.py, the widest of which is ``width``.
    source_id: the run whose weights the training begins with. compress: what is taken off them first,
    "unstructured" (``amount`` of the living kernel weights), "structured" (``amount`` of the filters) or
    "int8" (bits; nothing is trained). round: how many times before and now, for the name.

    layers: names joined by "+" (see Network.layers), "" the method's own: the last, for at and ab the last three.
    top_k: maps of the teacher's so many best classes are matched (swa, sswa). mask: sswa's channels are drawn for
    the teacher once a batch, "shared" by both networks, or "independent" for each network and image. kd_form:
    see losses.kd_scale. form: see transfer.FORMS. margin, init_epochs: ab's m, and its first stage (no answers).
    optimizer, schedule, clip_norm (0: off): see optimizers.py. erasing: share of the views that lose a rectangle to
    the mean colour, as 0.5, or to black, as "0.5 black" (paper 000's code and its text).
    flip: whether half of the views are mirrored, which must not be where an image means something else then.
    explained: for xd, whose explanations its autoencoder draws ("" is gradient_shap, "none" leaves it untrained),
    on about n_superpixels, learned in cae_epochs from the first cae_limit images. fr_weight: of the joint layer's
    squared weights (paper 003's F_R). l1_weight: for surrogate, of the mean of its map (paper 002's λ times the
    pixels); through: whose answer to the masked image it keeps, "teacher" or "student".
    name: the named recipe this is, or is derived from (named.py). momentum: of sgd and nesterov.
    freeze_norm: from the second epoch on batch norm keeps its statistics, as by an oversight in paper 000's code.
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
    label: str = later("")
    slimmable: bool = later(False)
    source_id: str | None = later(None)
    compress: str = later("")
    amount: float = later(0.0)
    round: int = later(0)
    layers: str = later("")
    top_k: int = later(1)
    mask: str = later("teacher")
    kd_form: str = later("t2")
    form: str = later("")
    margin: float = later(1.0)
    init_epochs: int = later(0)
    optimizer: str = later("adamw")
    schedule: str = later("cosine")
    clip_norm: float = later(0.0)
    erasing: float | str = later(0.0)
    flip: bool = later(True)
    explained: str = later("")
    n_superpixels: int = later(19)
    cae_epochs: int = later(20)
    cae_limit: int = later(4000)
    fr_weight: float = later(5e-4)
    l1_weight: float = later(0.5)
    through: str = later("teacher")
    name: str = later("")
    momentum: float = later(0.9)
    freeze_norm: bool = later(False)

    def __post_init__(self) -> None:
        check_types(self)
        if self.method not in METHODS:
            raise BadInputError(f"method must be one of {', '.join(METHODS)}; got {self.method!r}.")
        if self.method in ("kd", "xd", "surrogate"):
            object.__setattr__(self, "beta", 0.0)  # one name per run: they have no β to differ by
        if self.explained == "gradient_shap":
            object.__setattr__(self, "explained", "")  # the default has one name too
        check(self)
        for name in TEACHERS_PART if self.method == "ce" else ():
            object.__setattr__(self, name, Recipe.__dataclass_fields__[name].default)

    @property
    def values(self) -> dict[str, Any]:
        """The fields that the hash is over: all but the later ones at their default."""
        defaults = {each.name: each.default for each in fields(self) if each.metadata.get("later")}
        return {name: value for name, value in asdict(self).items() if name not in defaults or value != defaults[name]}

    @property
    def hash(self) -> str:
        """Twelve hex digits over ``values``: equal recipes, equal name, equal run."""
        return hashlib.sha256(json.dumps(self.values, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def transfers(self) -> bool:
        """Whether something besides answers is taken over from the teacher."""
        return self.method in (*MATCHING, *TRANSFER) and self.beta > 0

    @property
    def matches_maps(self) -> bool:
        """Whether a map is in the loss."""
        return self.method in (*MATCHING, "at") and self.beta > 0

    @property
    def explained_by(self) -> str:
        """The explainer whose maps an xd student's autoencoder draws, or "none"."""
        return self.explained or "gradient_shap"

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The layers whose activations enter the loss, in the order given; none for ce and kd."""
        if self.method not in LAYERS:
            return ()
        return tuple((self.layers or LAYERS[self.method]).split("+"))

    @property
    def needs_live_teacher(self) -> bool:
        """Whether the teacher's cached answers and last maps (ewa, and swa of its top-1) are not enough."""
        cached = self.method in ("ewa", "swa") and self.layer_names == ("last",) and self.top_k == 1
        return self.method == "surrogate" or (self.transfers and not cached)

    @property
    def needs(self) -> tuple[str, ...]:
        """The ids of the runs that must be there before it; of a width of a slimmable run, the whole one's."""
        return tuple(run_id.partition("@")[0] for run_id in (self.teacher_id, self.source_id) if run_id is not None)

    @property
    def role(self) -> Role:
        """What the run is for; a run for comparison only (shuffled maps, data without shortcut) is a control.

        ce is a teacher unless it has one itself or was pruned: then it is what labels alone make of a small network.
        """
        if self.method == "ce" and self.teacher_id is None and not self.compress:
            return "teacher"
        if self.shuffled or self.split == "plain" or self.label or self.explained == "none":
            return "control"
        if self.transfers or self.method in ("xd", "surrogate"):
            return "matched" if self.method in MATCHING else "other"
        return "naive" if self.method != "ce" and self.lam > 0 else "baseline"

    @property
    def run_id(self) -> str:
        """A readable name that ends in the hash, e.g. scenes-swa-w4-l0.5-b2-s0-1a2b3c4d5e6f.

        The int8 form of a run is called after it: it has no other settings.
        """
        if self.compress == "int8":
            return f"{str(self.source_id).replace('@', '-w')}-int8"
        own = self.arch.startswith("vgg_gap_")  # the data set's own network is not named
        parts = [self.dataset, *([] if own else [self.arch]), self.method, self._form()]
        if self.method != "ce":
            parts.append(f"l{self.lam:g}")
        if self.method in (*MATCHING, *TRANSFER):
            parts.append(f"b{self.beta:g}")
        words = {"shuffled": self.shuffled, "plain": self.split == "plain", self.label: bool(self.label)}
        words |= {self.explained: bool(self.explained), f"f{self.fr_weight:g}": self.fr_weight != 5e-4}
        words |= {f"h{self.l1_weight:g}": self.l1_weight != 0.5}
        parts += [word for word, on in words.items() if on]
        return "-".join([*parts, f"s{self.seed}", self.hash])

    def _form(self) -> str:
        if self.slimmable:
            return "slim"
        taken_off = {"unstructured": f"u{self.round}", "structured": f"f{100 * self.amount:.0f}"}
        return taken_off.get(self.compress) or f"w{round(1 / self.width)}"


def recipe_of(values: Mapping[str, Any]) -> Recipe:
    """A recipe from a file or the command line. Errors: BadInputError that names a field too many or too few."""
    known = {each.name for each in fields(Recipe)}
    for name in values:
        if name not in known:
            raise BadInputError(f"A recipe has no field {name!r}. Fields: {', '.join(sorted(known))}.")
    for name in ("dataset", "arch", "split"):
        if name not in values:
            raise BadInputError(f"A recipe needs {name!r}; got {', '.join(values) or 'nothing'}.")
    return Recipe(**values)


DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "scenes": {"arch": "vgg_gap_64", "teacher": "teacher", "student": "transfer"},
    "cifar10": {"arch": "vgg_gap_32", "teacher": "train", "student": "train"},
    "digits": {"arch": "vgg_gap_tiny", "teacher": "train", "student": "train", "flip": False},
    "mnist": {"arch": "lenet5", "teacher": "train", "student": "train", "flip": False},
    "tiny-imagenet-50": {"arch": "resnet18_small", "teacher": "train", "student": "train"},
}
BETAS: Mapping[tuple[str, str], float] = {
    ("at", "code"): 1000 / 3, ("nst", ""): 10.0, ("ab", ""): 10.0, ("ab", "code"): 1.0,
}  # fmt: skip
"""β by method and form where the loss has another scale than 1 - cos: KD-Zoo's weights (paper 003 gives none), for AT
a third of it, as the mean over three layers is a sum here, and for AB's own code that code's. AB of the default form
learns the boundaries alone first, where AdamW's steps hardly depend on β."""
STUDENT: Mapping[str, Any] = {"width": 0.25}
UNREAD: Mapping[str, tuple[str, ...]] = {
    "ce": TEACHERS_PART, "kd": ("beta",), "xd": ("beta",), "surrogate": ("beta",),
}  # fmt: skip
"""What a method does not read. A sweep's defaults may hold it for others; said for one run it is a mistake."""


def recipe_from(given: Mapping[str, Any]) -> Recipe:
    """Fill what the command line left open (None): architecture, split, teacher, width, and what a method needs.

    Errors: UnknownNameError for a data set, BadInputError when no default is known, no teacher of it exists or a
    teacher is to be narrow.
    """
    from xkd_core.images.datasets import info

    values = {name: value for name, value in given.items() if value is not None}
    dataset, method = str(values["dataset"]), str(values.get("method", "kd"))
    for name in UNREAD.get(method, ()):
        if name in values:
            word = name.removesuffix("_id")
            raise BadInputError(f"--method {method} does not read {word}; got {values[name]!r}. Leave it out.")
    defaults = DEFAULTS.get(dataset, {})
    values.setdefault("arch", defaults.get("arch", ""))
    values.setdefault("split", defaults.get("teacher" if method == "ce" else "student", ""))
    values.setdefault("flip", defaults.get("flip", True))
    for name in ("arch", "split"):
        if not values[name]:
            info(dataset)  # a name that does not exist is said first
            raise BadInputError(f"No default {name} is known for data set {dataset!r}: give --{name}.")
    if method == "ce":
        if values.setdefault("width", 1.0) != 1.0:
            raise BadInputError(
                f"--method ce trains a teacher, at width 1; got {values['width']!r}. A small network that learns from "
                "labels alone is --method kd --lam 0."
            )
        return Recipe(**values)
    if method == "xd" and given.get("arch") is None:
        values["arch"] += "_xd"
    if method == "surrogate" and given.get("arch") is None:
        values["arch"] = "attentive_resnet18_explained"
    values = {**_of_method(method, values), **values}
    if "teacher_id" not in values:
        values["teacher_id"] = first_teacher(dataset)
    return Recipe(**{**STUDENT, **values})


def _of_method(method: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What a method needs and nothing says: β at its scale, and how long the first stage is."""
    found: dict[str, Any] = {}
    if (method, values.get("form", "")) in BETAS:
        found["beta"] = BETAS[method, values.get("form", "")]
    if method == "ab":
        # KD-Zoo: 50 before another 200. Here they are a quarter of all, so that all methods see as many images.
        found["init_epochs"] = max(1, int(values.get("epochs", 20)) // 4)
    return found


def first_teacher(dataset: str) -> str:
    """The teacher that most students of a data set name, of its own architecture where there is one.

    As of `cards.first_teacher`, so that a short trial takes nobody's place. Errors: BadInputError when there is none.
    """
    from xkd_core.models import cards
    from xkd_core.models.checkpoints import list_runs

    own = DEFAULTS.get(dataset, {}).get("arch")
    known = [card for card in list_runs() if card.dataset == dataset]
    usual = [card for card in known if card.role != "teacher" or card.arch == own]
    found = cards.first_teacher(usual) or cards.first_teacher(known)
    if found is None:
        raise BadInputError(f"No teacher for {dataset!r} yet: train one with --method ce, or name one with --teacher.")
    return found.id


def int8_of(dataset: str, source_id: str) -> Recipe:
    """The recipe of the int8 form of a run."""
    return Recipe(dataset=dataset, arch="", split="", method="ce", compress="int8", source_id=source_id)


def again(card: Card) -> Recipe:
    """The recipe that makes the run of ``card`` once more. Errors: BadInputError for one that no recipe made."""
    whole = card.id.partition("@")[0]
    recipe = int8_of(card.dataset, str(card.source_id)) if card.compression == "int8" else recipe_of(card.recipe)
    if recipe.run_id != whole:
        raise BadInputError(
            f"{whole} was not trained but cut out of {card.source_id}: "
            f"`restrict --run {card.source_id} --dataset {card.dataset}` makes it again."
        )
    return recipe


def pruning_rounds(
    card: Card, *, how: str, amount: float, rounds: int, training: Mapping[str, Any]
) -> Iterator[Recipe]:
    """Recipes that prune a run ``rounds`` times, each from the weights of the one before, and train it.

    The teacher is the run itself where it is one, else its teacher; images are mirrored where the run's were.
    ``training``: the other fields, None for a method's own.
    Errors: BadInputError for less than one round, or for no way of pruning.
    """
    if how not in PRUNED:
        raise BadInputError(f"Pruning is {' or '.join(PRUNED)}; got {how!r}.")
    if rounds < 1:
        raise BadInputError(f"rounds must be 1 or more; got {rounds}.")
    given = {name: value for name, value in training.items() if value is not None}
    method = str(given.get("method", "kd"))
    if "beta" in given and "beta" in UNREAD.get(method, ()):
        raise BadInputError(f"--method {method} does not read beta; got {given['beta']!r}. Leave it out.")
    given = {**_of_method(method, given), **given}
    data = DEFAULTS.get(card.dataset, {})
    source = card.id
    for number in range(1, rounds + 1):
        recipe = Recipe(
            dataset=card.dataset,
            arch=card.arch,
            split=str(data.get("student", card.recipe["split"])),
            teacher_id=card.teacher_id or card.id,
            width=card.width,
            flip=bool(card.recipe.get("flip", True)),
            warmup_epochs=0.2,
            source_id=source,
            compress=how,
            amount=amount,
            round=number,
            **given,
        )
        yield recipe
        source = recipe.run_id
