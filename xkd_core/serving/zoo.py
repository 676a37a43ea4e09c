"""Which runs exist for a data set, and which of them a choice of λ, ratio and β means."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from xkd_core import settings
from xkd_core.catalogue import EXPLAINERS
from xkd_core.models.cards import Card, equal_teachers, first_teacher
from xkd_core.serving.names import CONTROL_TITLES, LESS, OTHER_TITLES, at_once, control_of, how_much, smaller, times

if TYPE_CHECKING:
    from xkd_core.models.checkpoints import Scan

Row = Literal["teacher", "naive", "matched"]
ROWS: tuple[Row, ...] = ("teacher", "naive", "matched")
AxisName = Literal["lam", "ratio", "beta"]
AXES: tuple[AxisName, ...] = ("lam", "ratio", "beta")

MATCHED: Mapping[str, str] = {
    "swa": "SWA: the class activation map is matched",
    "sswa": "SSWA: as SWA, with channels dropped at random",
    "ewa": "EWA: activations are matched, whatever the class",
    "at": "AT: attention maps of several layers are matched",
    "nst": "NST: the distribution of the activations is matched",
    "ab": "AB: the activation boundaries are matched first",
    "xd": "XDistillation: an approximated explanation is an input",
    "surrogate": "Attentive surrogate: the student draws a map of its own",
}
WIDTH = "width"
KINDS: Mapping[str, str] = {
    WIDTH: "fewer channels",
    "slim": "slimmable",
    "filters": "filters pruned",
    "weights": "weights pruned",
    "int8": "8 bits",
}
"""How students are made small."""
KIND_OF: Mapping[str, str] = {
    "slimmable": "slim", "structured": "filters", "unstructured": "weights", "int8": "int8"
}  # fmt: skip
"""A card's way of compression -> the first part of its family's name; the plain narrow student has none."""

CONTROLS: Mapping[str, str] = {
    "shuffled": "Control: SWA with the maps of other images",
    "plain": "Control: SWA and naive trained without the shortcut",
    "few": "Comparison: SWA and naive trained on 3,000 of the 12,000 images",
    "sized": "Control: naive with as many parameters as XDistillation has without its autoencoder",
    "untrained": "Control: XDistillation whose autoencoder was never trained",
}


VARIED: Mapping[str, tuple[str, object]] = {
    "explained": ("target", ""), "fr_weight": ("F_R", 5e-4), "l1_weight": ("ℓ1 weight", 0.5), "layers": ("layers", ""),
    "top_k": ("top k", 1), "mask": ("mask", "teacher"), "through": ("through", "teacher"), "name": ("recipe", ""),
    "kd_form": ("KD form", "t2"), "optimizer": ("optimizer", "adamw"), "momentum": ("momentum", 0.9),
    "schedule": ("schedule", "cosine"), "freeze_norm": ("norms frozen", False),
}  # fmt: skip
"""Fields of a recipe that runs of one method differ in on purpose: in words, and the default."""
VARIANT = "~"
"""Between a family and what its variant differs in: 'xd~F_R 0.005'."""


def family_name(kind: str, method: str) -> str:
    """The family of students made small in one way (a key of ``KINDS``) and matched by one method."""
    return method if kind == WIDTH else f"{kind}-{method}"


def parts_of(family: str) -> tuple[str, str]:
    """The way and the method of a family: 'slim-swa' -> ('slim', 'swa'), 'swa' -> ('width', 'swa')."""
    kind, dash, method = base_of(family).partition("-")
    return (kind, method) if dash else (WIDTH, kind)


def base_of(family: str) -> str:
    """The family without what its variant differs in: 'xd~F_R 0.005' -> 'xd'."""
    return family.partition(VARIANT)[0]


def params_of(family: str) -> dict[str, str]:
    """A family in a link: {'kind': 'slim', 'match': 'swa'}."""
    return dict(zip(("kind", "match"), parts_of(family), strict=True))


def _named(kind: str, text: str) -> str:
    method, _, words = text.partition(":")
    return text if kind == WIDTH else f"{method}, {KINDS[kind]}:{words}"


FAMILIES: Mapping[str, str] = {
    **{family_name(kind, method): _named(kind, text) for kind in KINDS for method, text in MATCHED.items()},
    **CONTROLS,
}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the sliders say. ``ratio`` is teacher parameters / student parameters.

    pair: two runs that stand in the rows of the naive and the matched student, whatever the sliders say.
    """

    lam: float
    ratio: float
    beta: float
    family: str = "swa"
    seed: int = 0
    pair: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True)
class Pick:
    """The run that stands for a choice, and in words how it differs from it (empty: it does not)."""

    card: Card
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Zoo:
    """All usable runs of one data set. ``problems``: a sentence for each folder that could not be read.

    away: ids of runs of which only the card and the results are here: in charts and tables, but without live maps.
    """

    dataset: str
    cards: tuple[Card, ...]
    problems: tuple[str, ...] = ()
    away: frozenset[str] = frozenset()

    @cached_property
    def stamp(self) -> str:
        """Changes whenever a run does: part of every cache key."""
        text = "\n".join(f"{card.id} {card.sha256} {card.id in self.away}" for card in self.cards)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @cached_property
    def stored(self) -> Zoo:
        """The same runs for pages that show what is stored: none of them is left out for its weights."""
        return replace(self, away=frozenset()) if self.away else self

    def shown(self, choice: Choice) -> Choice:
        """The nearest choice of the same family that live maps can be shown of."""
        lam, ratio, beta = (self._nearest(name, choice) for name in AXES)
        return replace(choice, lam=lam, ratio=ratio, beta=beta)

    def _nearest(self, name: AxisName, choice: Choice) -> float:
        wanted: float = getattr(choice, name)
        return min(self.axis(name, choice.family), key=lambda value: abs(value - wanted), default=wanted)

    @cached_property
    def by_id(self) -> Mapping[str, Card]:
        """Run id -> card."""
        return {card.id: card for card in self.cards}

    @cached_property
    def teacher(self) -> Card | None:
        """The teacher that most students name, as of `cards.first_teacher`."""
        return first_teacher(self.cards)

    @cached_property
    def second_teacher(self) -> Card | None:
        """An equally trained teacher with another seed: the noise floor of every similarity."""
        return next(iter(equal_teachers(self.cards)), None)

    @cached_property
    def students(self) -> tuple[Card, ...]:
        """Every run that learned from a teacher, controls included."""
        return tuple(c for c in self.cards if c.role != "teacher" and c.lam is not None and c.beta is not None)

    def of(self, row: Row, family: str) -> tuple[Card, ...]:
        """Students that may stand in a row of the grid when ``family`` is chosen: those that can explain."""
        return self._here.get(naive_of(family) if row == "naive" else family, ())

    def known(self, row: Row, family: str) -> tuple[Card, ...]:
        """The same with those of which only the card and the results are here: for charts of what is stored."""
        return self._of_family.get(naive_of(family) if row == "naive" else family, ())

    @cached_property
    def _of_family(self) -> Mapping[str, tuple[Card, ...]]:
        found: dict[str, tuple[Card, ...]] = {}
        for card in self.students:
            found[self.family(card)] = (*found.get(self.family(card), ()), card)
        return found

    def family(self, card: Card) -> str:
        """As of `family_of`; a variant of a method of which no plain run exists stands for the method itself."""
        own = family_of(card)
        return own if base_of(own) in self._plain else base_of(own)

    @cached_property
    def _plain(self) -> frozenset[str]:
        return frozenset(name for card in self.students if VARIANT not in (name := family_of(card)))

    @cached_property
    def _here(self) -> Mapping[str, tuple[Card, ...]]:
        here = {name: tuple(card for card in cards if card.id not in self.away)
                for name, cards in self._of_family.items()}  # fmt: skip
        return {name: cards for name, cards in here.items() if cards}

    def how_small(self, ratio: float, family: str) -> str:
        """'1/8 width, 63x smaller': how a family's students of this ratio were made small, and by how much."""
        own = (*self.known("matched", family), *self.known("naive", family))
        card = next((card for card in own if rounded(card.ratio) == ratio), None)
        return f"{times(ratio)}x {less_of(family)}" if card is None else smaller(card)

    def within_reach(self, choice: Choice) -> tuple[str, ...]:
        """Runs that the sliders can bring on the screen while family and seed stay, and the pair; in order of cards."""
        axes = [self.axis(name, choice.family) or (getattr(choice, name),) for name in ("lam", "ratio", "beta")]
        choices = [replace(choice, lam=lam, ratio=ratio, beta=beta, pair=None) for lam, ratio, beta in product(*axes)]
        picks = [self.pick(row, one) for one in (*choices, choice) for row in ("naive", "matched")]
        wanted = {pick.card.id for pick in picks if pick is not None}
        return tuple(card.id for card in self.cards if card.id in wanted)

    @cached_property
    def families(self) -> tuple[str, ...]:
        """The kinds of matching of which a run exists, in the order of ``FAMILIES``."""
        return tuple(name for name in FAMILIES if name in self._here)

    def axis(self, name: AxisName, family: str) -> tuple[float, ...]:
        """Values of a slider, ascending: only those of which a run exists. β: of the matched runs alone."""
        naive = () if name == "beta" else self.of("naive", family)
        values = {rounded(getattr(card, name)) for card in (*naive, *self.of("matched", family))}
        return tuple(sorted(values))

    def default(self, family: str | None = None) -> Choice:
        """λ next to a half, the strongest compression, and the β that most runs of the family have."""
        family = family or next(iter(self.families), "swa")
        lams, ratios = self.axis("lam", family), self.axis("ratio", family)
        betas = Counter(rounded(card.beta) for card in self.of("matched", family) if card.beta is not None)
        return Choice(
            lam=min(lams, key=lambda lam: abs(lam - 0.5), default=0.5),
            ratio=max(ratios, default=1.0),
            beta=betas.most_common(1)[0][0] if betas else 0.0,
            family=family,
        )

    def pick(self, row: Row, choice: Choice) -> Pick | None:
        """The nearest existing run: ratio counts first, then λ, then β, then the seed. None: there is no run at all."""
        if row == "teacher":
            return None if self.teacher is None else Pick(card=self.teacher)
        if choice.pair is not None:
            card = self.by_id.get(choice.pair[row == "matched"])
            return None if card is None else Pick(card=card)
        key, cards = (row, choice), self.of(row, choice.family)
        if cards and key not in self._picked:
            best = min(cards, key=lambda card: (_distance(card, choice, row), card.id))
            self._picked[key] = Pick(card=best, note=_difference(best, choice, row))
        return self._picked[key] if cards else None

    @cached_property
    def _picked(self) -> dict[tuple[Row, Choice], Pick]:
        """Every page asks for the same few choices hundreds of times."""
        return {}

    def choice_of(self, run_id: str) -> Choice | None:
        """The sliders that show a run; None for a teacher or an unknown run."""
        card = self.by_id.get(run_id)
        if card is None or card not in self.students or card.lam is None:
            return None
        family = family_of(card)
        beside = (name for name in self.families if naive_of(name) == base_of(family))
        known = next(beside, "swa") if card.method in ("kd", "ce") else base_of(family)
        fallback = self.default(known if known in self.families else None)
        chosen = replace(fallback, lam=rounded(card.lam), ratio=rounded(card.ratio), seed=card.seed)
        return replace(chosen, beta=rounded(card.beta)) if card.beta and base_of(family) in FAMILIES else chosen


def read_zoo(dataset: str, *, root: Path | None = None, found: Scan | None = None) -> Zoo:
    """Read the cards of a data set; folders that cannot be read become ``problems``.

    found: what was read below ``root`` before, so that the zoos of several data sets cost one look at the disk.
    """
    from xkd_core.models.checkpoints import scan  # imports torch

    if found is None:
        found = scan(settings.checkpoints_dir() if root is None else root)
    cards = tuple(card for card in found.cards if card.dataset == dataset)
    away = found.away & {card.id for card in cards}
    return Zoo(dataset=dataset, cards=cards, problems=found.problems, away=away)


def fingerprint(root: Path | None = None) -> str:
    """Changes when a card, a table or a sweep file is written, removed or replaced; cheap enough for each page run."""
    root = settings.checkpoints_dir() if root is None else root
    kinds = ("*/*/card.json", "*/results/*.parquet", "*/sweep*.yaml")
    files = sorted(path for kind in kinds for path in root.glob(kind))
    seen = [(str(path), status.st_mtime_ns, status.st_size) for path in files if (status := path.stat())]
    return hashlib.sha256(repr((str(root), seen)).encode()).hexdigest()[:16]


def family_of(card: Card) -> str:
    """Which kind of student a card is: a key of ``FAMILIES``, or that of a naive one as `naive_of` names it.

    Runs that differ from their method's defaults in one of ``VARIED`` are a variant: no seeds of the others. So are
    those whose weights were pruned in one go: no rounds of the iterative pruning.
    """
    if card.role == "control":
        control = control_of(card)
        return naive_of(control) if card.method in ("kd", "ce") else control
    method = "naive" if card.method in ("kd", "ce") else card.method
    varied = ", ".join(_variations(card))
    return VARIANT.join([family_name(KIND_OF.get(card.compression, WIDTH), method), *([varied] if varied else [])])


def _variations(card: Card) -> list[str]:
    """'F_R 0.005', 'norms frozen': each field of `VARIED` that a card has another value of; and '60% at once'.

    The amount is no field of `VARIED`: its usual value is one for rounds, another for filters and none for the rest.
    """
    given = [(words, card.recipe.get(name, usual), usual) for name, (words, usual) in VARIED.items()]
    found = [words if value is True else f"{words} {_word(value)}" for words, value, usual in given if value != usual]
    return [*found, *filter(None, [at_once(card)])]


def _word(value: object) -> object:
    """An explainer by its title, as `target_of` has it; anything else as it is."""
    return EXPLAINERS[value].title if isinstance(value, str) and value in EXPLAINERS else value


def naive_of(family: str) -> str:
    """The family of the naive students that stand beside ``family``: made smaller in the same way, on the same data."""
    if family in ("plain", "few", "sized"):
        return f"{family} naive"
    return family_name(parts_of(family)[0], "naive")


def less_of(family: str) -> str:
    """What the ratios of a family count: a word of ``LESS``."""
    return LESS[{"weights": "nonzeros", "int8": "bits"}.get(parts_of(family)[0], "parameters")]


def matched_title(family: str) -> str:
    """The title of a family's matched students, as of `title`."""
    return {**OTHER_TITLES, **CONTROL_TITLES}.get(parts_of(family)[1], "Matched student")


def problems_about(problems: Iterable[str], dataset: str) -> tuple[str, ...]:
    """The problems of runs whose folder name begins with the data set's name, as run ids do."""
    return tuple(problem for problem in problems if problem.startswith(f"Run {dataset}"))


def rounded(value: float) -> float:
    """A value of a slider: those that differ by less are one place. With fewer digits 10.147 would become 10.2."""
    return float(f"{value:.6g}")


def _distance(card: Card, choice: Choice, row: Row) -> tuple[float, float, float, int]:
    beta = abs((card.beta or 0.0) - choice.beta) if row == "matched" else 0.0
    lam = abs((card.lam or 0.0) - choice.lam)
    return abs(rounded(card.ratio) - choice.ratio), lam, beta, abs(card.seed - choice.seed)


def _difference(card: Card, choice: Choice, row: Row) -> str:
    ratio, lam, beta, seed = _distance(card, choice, row)
    words = [how_much(card)] * (ratio > 0) + [f"λ {card.lam:g}"] * (lam > 0)
    words += [f"β {card.beta or 0:g}"] * (beta > 0) + [f"seed {card.seed}"] * (seed > 0)
    return f"nearest run: {', '.join(words)}" if words else ""
