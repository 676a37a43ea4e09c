"""What a study is: one frozen, versioned, hashed value that holds every choice made before the first answer.

Nothing here knows a network, a database or a page. Paper 003 asked which two of three heatmaps are most alike.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from xkd_core.errors import BadInputError
from xkd_core.rendering import Mode, Scale, Sequential, Style
from xkd_core.types import RUN_ID

Question = Literal["most_similar_pair", "odd_one_out", "two_alternative"]
Stratum = Literal["class", "correctness", "habitat"]
Only = Literal["any", "teacher_right", "all_right"]
RunId = Annotated[str, Field(pattern=rf"^{RUN_ID}(@0\.[0-9]+)?$")]
Parameter = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,40}$")]

ROLES = ("teacher", "naive", "matched")
CHANCE = {"most_similar_pair": 1 / 3, "odd_one_out": 1 / 3, "two_alternative": 1 / 2}


class Frozen(BaseModel):
    """Base of the parts: immutable, and unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Selection(Frozen):
    """Which images: drawn at random from ``seed`` within strata, never picked by hand.

    only: images that the teacher answers right, or that all runs do (as in paper 003), or any.
    """

    split: str = "test"
    n_images: int = Field(default=40, ge=1, le=2000)
    strata: tuple[Stratum, ...] = ("class", "correctness", "habitat")
    only: Only = "any"
    seed: int = Field(default=0, ge=0, lt=2**31)

    @field_validator("strata")
    @classmethod
    def _once(cls, strata: tuple[Stratum, ...]) -> tuple[Stratum, ...]:
        if len(set(strata)) != len(strata):
            raise ValueError(f"each stratum once; got {', '.join(strata)}")
        return strata


class StudentPair(Frozen):
    """Two students that are judged beside the teacher, with the ratio and the λ they stand for."""

    naive: RunId
    matched: RunId
    ratio: float | None = Field(default=None, gt=0)
    lam: float | None = Field(default=None, ge=0, le=1)


class Rendering(Frozen):
    """How every map is drawn, all by the same rule.

    scale: "panel" gives each map the whole colour scale, so that places are compared and not strengths; "method" is
    one scale for all panels of an item, on which the weaker maps of students are dark and look alike for that alone.
    """

    size_px: int = Field(default=256, ge=128, le=1024)
    mode: Mode = "overlay"
    colours: Sequential = "inferno"
    opacity: int = Field(default=50, ge=0, le=100)
    smooth: bool = True
    signed: bool = False
    scale: Scale = "panel"

    @property
    def style(self) -> Style:
        """As `xkd_core.rendering` takes it."""
        return Style(mode=self.mode, smooth=self.smooth, opacity=self.opacity, signed=self.signed, colours=self.colours)


class Exclusions(Frozen):
    """When a participant does not count; fixed here, before the first answer. None: the rule is off.

    failed_catches: so many wrong catch trials or more. fast_share: more than this share of the answers came in under
    ``fast_ms``. slot_share: one place was chosen in more than this share of the trials.
    """

    failed_catches: int | None = Field(default=2, ge=1)
    fast_ms: int = Field(default=800, ge=0)
    fast_share: float | None = Field(default=0.25, ge=0, le=1)
    slot_share: float | None = Field(default=0.6, gt=0, le=1)
    slot_min_trials: int = Field(default=12, ge=1)
    unfinished: bool = False


class StudyConfig(Frozen):
    """Every choice of a study.

    pairs: at least one pair of students. trials: main trials of one participant; repeats are shown on top of them,
    and so are practice and catches. participants: how many are planned. platform: parameters of the link that are
    kept, the first of which tells a returning participant. completion: a code, an https address, or neither.
    """

    schema_version: Literal[1] = 1
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,60}$")
    title: str = Field(default="Which pictures look alike?", min_length=1, max_length=200)
    dataset: str
    selection: Selection = Selection()
    teacher: RunId
    pairs: tuple[StudentPair, ...] = Field(min_length=1, max_length=20)
    explainer: str = "occlusion"
    target: Literal["teacher", "own", "label"] = "teacher"
    rendering: Rendering = Rendering()
    question: Question = "most_similar_pair"
    trials: int = Field(default=40, ge=1, le=500)
    practice: int = Field(default=3, ge=0, le=20)
    catches: int = Field(default=4, ge=0, le=50)
    repeats: int = Field(default=2, ge=0, le=50)
    participants: int = Field(default=40, ge=1, le=100_000)
    seed: int = Field(default=0, ge=0, lt=2**31)
    exclusions: Exclusions = Exclusions()
    consent_md: str = Field(min_length=40, max_length=20_000)
    consent_version: str = Field(default="1", min_length=1, max_length=40)
    debrief_md: str = Field(default="", max_length=20_000)
    contact: str = Field(min_length=3, max_length=200)
    completion_code: str | None = Field(default=None, pattern=r"^[A-Za-z0-9-]{4,40}$")
    redirect_url: str | None = None
    platform: tuple[Parameter, ...] = Field(default=(), max_length=10)
    min_width_px: int = Field(default=320, ge=200, le=4000)

    @field_validator("redirect_url")
    @classmethod
    def _https(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"https://[A-Za-z0-9.-]+(:\d+)?(/[^\s<>\"']*)?", url):
            raise ValueError("must be an https:// address without spaces or quotes")
        return url

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.completion_code is not None and self.redirect_url is not None:
            raise ValueError("give a completion_code or a redirect_url, not both")
        for pair in self.pairs:
            if len({self.teacher, pair.naive, pair.matched}) < 3:
                raise ValueError(f"teacher, naive and matched must be three runs; got {pair.naive}, {pair.matched}")
        if len(set(self.pairs)) != len(self.pairs):
            raise ValueError("each pair of students once")
        if self.trials > self.n_items:
            raise ValueError(
                f"{self.trials} trials need as many items, but {self.selection.n_images} images x {len(self.pairs)} "
                f"pairs are {self.n_items}: choose more images or fewer trials"
            )
        if self.repeats > self.trials:
            raise ValueError(f"only {self.trials} trials can be repeated; got {self.repeats} repeats")
        return self

    @property
    def n_items(self) -> int:
        """Main items: every image with every pair of students."""
        return self.selection.n_images * len(self.pairs)

    @property
    def n_shown(self) -> int:
        """Trials of one participant, practice included."""
        return self.practice + self.trials + self.catches + self.repeats

    @property
    def run_ids(self) -> tuple[str, ...]:
        """All runs, the teacher first, each once."""
        students = (run for pair in self.pairs for run in (pair.naive, pair.matched))
        return tuple(dict.fromkeys((self.teacher, *students)))

    @property
    def minutes(self) -> int:
        """About how long it takes a participant."""
        return minutes_of(self.n_shown)

    @property
    def chance(self) -> float:
        """How often blind guessing gives one certain answer."""
        return CHANCE[self.question]

    @property
    def consent_sha256(self) -> str:
        """What a participant agreed to is told by its version and this."""
        return hashlib.sha256(self.consent_md.encode()).hexdigest()

    def to_json(self) -> str:
        """Canonical JSON: the same configuration gives the same text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))

    @property
    def sha256(self) -> str:
        """The hash that names this configuration in the store, the export and a preregistration."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def minutes_of(trials: int) -> int:
    """About how long so many trials take, on the long side: ten seconds each, and three minutes of reading."""
    return 3 + round(trials / 6)


def config_from(fields: Any) -> StudyConfig:
    """Check a mapping. Errors: BadInputError that names the field, what is wrong and what came."""
    try:
        return StudyConfig.model_validate(fields)
    except ValidationError as error:
        raise BadInputError(f"The study cannot be set up so: {_sentences(error)}.") from error


def config_from_json(text: str) -> StudyConfig:
    """Read a stored or hand-written configuration. Errors: BadInputError."""
    try:
        fields = json.loads(text)
    except ValueError as error:
        raise BadInputError(f"A study's configuration must be JSON; {error}.") from error
    return config_from(fields)


def _sentences(error: ValidationError) -> str:
    problems = []
    for problem in error.errors()[:4]:
        place = ".".join(str(part) for part in problem["loc"])
        came = "" if not place or problem["type"] == "missing" else f" (got {str(problem['input'])[:60]!r})"
        problems.append(f"{place}: {problem['msg']}{came}" if place else problem["msg"].removeprefix("Value error, "))
    more = error.error_count() - len(problems)
    return "; ".join(problems) + (f"; and {more} more" if more else "")
