"""The label of the maps that a claim judges students by: were they in the loss that the students were trained by?

One rule for all claims, `results.in_loss`, asked for the cards of the runs that are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xkd_core.catalogue import EXPLAINERS, INSTEAD
from xkd_core.claims.columns import Check
from xkd_core.claims.stored import TEACHER, Stored
from xkd_core.models.cards import Card
from xkd_core.results.in_loss import was_in_loss
from xkd_core.results.metric_store import ANSWERS

OWN = "surrogate"
"""The map that a student draws itself: it is matched with no teacher's map, and trained to be what it is."""


def was_target(card: Card, explainer: str) -> bool:
    """Whether the teacher's map by this explainer is what an XDistillation student's autoencoder learned to draw.

    Where CAM exists, Grad-CAM is the same map. In the loss of the student itself there is no map (paper 003, Eq. 6).
    """
    target = str(card.recipe.get("explained") or "gradient_shap")
    return card.method == "xd" and target in (explainer, INSTEAD.get(explainer, explainer))


def in_words(stored: Stored, checks: Sequence[Check]) -> str:
    """'Judged by CAM: in the loss of SWA /4, not in the loss of KD /4.', a sentence for each map; "" without maps."""
    said: dict[str, list[str]] = {}
    for explainer, cards in _judged(stored, checks).items():
        said.setdefault(_status(explainer, cards), []).append(EXPLAINERS[explainer].title)
    return " ".join(f"Judged by {_listed(titles)}: {status}." for status, titles in said.items())


def _judged(stored: Stored, checks: Sequence[Check]) -> Mapping[str, Mapping[str, list[Card]]]:
    """Explainer -> label of the students that it judges -> their cards. Answers and maps of no network are left out."""
    cards = {card.id: card for card in stored.zoo.cards}
    found: dict[str, dict[str, list[Card]]] = {}
    for term in (term for check in checks for term in check.terms):
        name = term.explainer.partition("~")[0]
        if term.runs != TEACHER and name != ANSWERS and not EXPLAINERS[name].model_free:
            own = [cards[run_id] for run_id in stored.ids(term.runs).values()]
            found.setdefault(name, {})[term.runs.label] = own
    return found


def _status(explainer: str, students: Mapping[str, list[Card]]) -> str:
    if explainer == OWN:
        return "not in the loss as a match with the teacher's, but drawn by the student, which is trained to do so"
    trained = [label for label, cards in students.items() if any(was_in_loss(card, explainer) for card in cards)]
    others = [label for label in students if label not in trained]
    parts = [f"in the loss of {_listed(trained)}"] if trained else []
    parts += [f"not in the loss of {_listed(others)}"] if trained and others else []
    drawn = [label for label, cards in students.items() if any(was_target(card, explainer) for card in cards)]
    target = [f"the target of the autoencoder of {_listed(drawn)}"] if drawn else []
    return ", ".join([*(parts or ["not in the loss"]), *target])


def _listed(words: Iterable[str]) -> str:
    """'a', 'a and b', 'a, b and c'."""
    every = list(words)
    return " and ".join([*([", ".join(every[:-1])] if len(every) > 1 else []), every[-1]])
