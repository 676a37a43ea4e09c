"""One desk for all sessions: loaded networks, maps computed so far and the jobs that compute more."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from xkd_core import catalogue, settings
from xkd_core.errors import XKDError
from xkd_core.models.cards import Card
from xkd_core.serving import subjects
from xkd_core.serving.jobs import Job, Jobs, Progress
from xkd_core.serving.results import Results
from xkd_core.serving.scores import Scores
from xkd_core.serving.shelf import Recent, Shelf
from xkd_core.serving.stored import shipped
from xkd_core.serving.subjects import ImageKey
from xkd_core.serving.views import ImageView, impossible, light, scored
from xkd_core.serving.zoo import Zoo
from xkd_core.types import Float, UInt8

BUSY = "The pictures of other studies are being drawn, or data fetched; try again in some minutes."
AUTOMATIC_FORWARDS = 700  # of one network; above it a visitor is asked first, with the cost shown


@dataclass(frozen=True, kw_only=True)
class ViewRequest:
    """What decides an image view: small and frozen, so it is its own cache key.

    runs: ids of the students to explain besides the teacher; None: all that can.
    """

    key: ImageKey
    stamp: str
    explainers: tuple[str, ...]
    runs: tuple[str, ...] | None = None
    policy: str = "teacher"


@dataclass(frozen=True, kw_only=True)
class MapKey:
    """One heavier map: the run by what computes (`Card.network`), the image, the explained class."""

    key: ImageKey
    network: str
    explainer: str
    target: int


@dataclass
class Desk:
    """Shared state of the app; every part of it is bounded and safe in threads."""

    shelf: Shelf = field(default_factory=Shelf)
    views: Recent[ViewRequest, ImageView] = field(default_factory=lambda: Recent(64))
    maps: Recent[MapKey, tuple[Float, Scores]] = field(default_factory=lambda: Recent(4000))
    shipped: Recent[tuple[ImageKey, str, str], Mapping[str, tuple[Float, Scores]]] = field(
        default_factory=lambda: Recent(64)
    )
    jobs: Jobs = field(default_factory=Jobs)
    # Drawing a study or fetching data takes minutes: in a line of their own, so that no visitor's map waits for them.
    errands: Jobs = field(default_factory=lambda: Jobs(waiting=2, busy=BUSY))
    pace: dict[str, float] = field(default_factory=dict)  # explainer -> seconds of a unit of `_work`, as last measured

    def view(self, request: ViewRequest, zoo: Zoo, *, upload: UInt8 | None = None) -> ImageView:
        """Answers and class activation maps of all runs for one image, computed once for all sessions."""
        return self.views.get_or_make(request, lambda: _explain(request, zoo, self.shelf, upload))

    def with_maps(self, view: ImageView, zoo: Zoo, names: Sequence[str], results: Results) -> ImageView:
        """The view with every heavier map of ``names``: computed so far, or shipped with the results."""
        kept = {name: self._shipped(view, zoo, name, results) for name in names}
        runs = dict(view.runs)
        for run_id, run in view.runs.items():
            known = {
                name: self.maps.get(_key(view, zoo.by_id[run_id], name)) or kept[name].get(run_id) for name in names
            }
            found = {name: pair for name, pair in known.items() if pair is not None}
            maps = {**run.maps} | {name: grid for name, (grid, _) in found.items()}
            scores = {**run.scores} | {name: score for name, (_, score) in found.items()}
            runs[run_id] = replace(run, maps=maps, scores=scores)
        return replace(view, runs=runs)

    def _shipped(self, view: ImageView, zoo: Zoo, name: str, results: Results) -> Mapping[str, tuple[Float, Scores]]:
        """Shipped maps explain the teacher's top class, so they fit that policy only."""
        if view.policy != "teacher" or results.gallery.empty:
            return {}
        key = (view.subject.key, name, zoo.stamp)
        return self.shipped.get_or_make(key, lambda: scored(view, shipped(results, view.subject, name), name))

    def missing(self, view: ImageView, cards: Sequence[Card], names: Sequence[str]) -> tuple[str, ...]:
        """Heavier explainers that lack the map of at least one of ``cards`` that can have one."""
        here = [card for card in cards if card.id in view.runs]
        return tuple(
            name for name in names
            if not light(name)
            and any(not impossible(name, card) and self.maps.get(_key(view, card, name)) is None for card in here)
        )  # fmt: skip

    def compute(self, view: ImageView, cards: Sequence[Card], names: Sequence[str]) -> Job:
        """Start a job for the heavier maps of ``cards`` (the teacher first). Errors: BadInputError when busy."""

        def work(progress: Progress, cancel: threading.Event) -> bool:
            failures: list[XKDError] = []
            for place, name in enumerate(names):
                try:
                    self._compute(view, cards, name, _part(progress, place, len(names)), cancel)
                except XKDError as error:  # the other explainers may not need what this one lacks
                    failures.append(error)
                if cancel.is_set():
                    break
            if failures:
                raise failures[0]
            return True

        return self.jobs.submit((*work_on(view, cards), tuple(names)), work)

    def seconds(self, names: Sequence[str], cards: Sequence[Card]) -> float | None:
        """How long computing ``names`` for ``cards`` takes at the pace measured last; None before the first job.

        An explainer that was never computed is taken to go at the mean pace of the others.
        """
        if not self.pace:
            return None
        usual = sum(self.pace.values()) / len(self.pace)
        return sum(self.pace.get(name, usual) * _work(name, cards) for name in names)

    def _compute(
        self, view: ImageView, cards: Sequence[Card], name: str, progress: Progress, cancel: threading.Event
    ) -> None:
        from xkd_core.serving.explaining import explain_more

        cards, start = [card for card in cards if not impossible(name, card)], time.monotonic()
        if not cards:
            return
        # The shuffled control is the teacher's map of another image; where the teacher has none, there is no control.
        partner = _partner(view.subject.key) if cards[0].id == next(iter(view.runs)) else None
        found = explain_more(
            view, cards, name=name, shelf=self.shelf, partner=partner, progress=progress, cancel=cancel
        )
        for card in cards:
            self.maps.put(_key(view, card, name), found[card.id])
        self.pace[name] = (time.monotonic() - start) / _work(name, cards)


def work_on(view: ImageView, cards: Sequence[Card]) -> tuple[Hashable, ...]:
    """What a job is about, whatever explainers it computes: the start of its key."""
    return view.subject.key, view.policy, tuple(card.network for card in cards)


def forwards(names: Sequence[str], cards: Sequence[Card]) -> int:
    """What computing ``names`` for ``cards`` costs, in forwards of one network on one image.

    The first card, the teacher, also explains the image of the shuffled control.
    """
    return sum(catalogue.cost(name, {}, card.transform.size) for name in names for card in (*cards, *cards[:1]))


def _work(name: str, cards: Sequence[Card]) -> float:
    """Forwards, each weighted with the network's width: a narrow one's time goes with its channels; at least 1."""
    each = (catalogue.cost(name, {}, card.transform.size) * math.sqrt(card.params) for card in (*cards, *cards[:1]))
    return max(1.0, sum(each))


def automatic(name: str, card: Card) -> bool:
    """Cheap enough to start without asking."""
    return catalogue.cost(name, {}, card.transform.size) <= AUTOMATIC_FORWARDS


def stored_controls(results: Results, key: ImageKey, run_id: str, names: Sequence[str]) -> Mapping[str, float]:
    """The shuffled control of explainers for which only the stored results know it."""
    rows = {name: results.row(run_id, name, key.index).get("cosine_shuffled") for name in names}
    return {name: float(str(value)) for name, value in rows.items() if value is not None}


def _explain(request: ViewRequest, zoo: Zoo, shelf: Shelf, upload: UInt8 | None) -> ImageView:
    import torch

    from xkd_core.serving.explaining import explain_image

    torch.set_num_threads(settings.threads())
    runs = set(zoo.by_id if request.runs is None else request.runs) - zoo.away
    cards = [card for card in zoo.cards if card.id in runs and zoo.teacher is not None and card.id != zoo.teacher.id]
    return explain_image(
        subjects.subject(request.key, upload=upload),
        [*([zoo.teacher] if zoo.teacher else []), *cards],
        names=request.explainers,
        policy=request.policy,
        shelf=shelf,
        partner=_partner(request.key),
    )


def _partner(key: ImageKey) -> subjects.Subject:
    """The image of the shuffled control: half the split away, as in stored rows of CAMs; for an upload, a photo."""
    if key.dataset == subjects.UPLOAD:
        return subjects.subject(subjects.key_of("photos", 0))
    n = subjects.images_in(key.dataset)
    return subjects.subject(replace(key, index=(key.index + n // 2) % n), crisp=False)


def _key(view: ImageView, card: Card, name: str) -> MapKey:
    return MapKey(key=view.subject.key, network=card.network, explainer=name, target=view.runs[card.id].target)


def _part(progress: Progress, place: int, parts: int) -> Progress:
    return lambda done, note: progress((place + done) / parts, note)
