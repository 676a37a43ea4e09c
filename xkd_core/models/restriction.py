"""A teacher of many classes cut down to those of another data set: the same logits, fewer of them.

Without it a teacher that may answer with any of 1,000 classes is compared with students that know 50 of them, and
loses for that alone (paper 000 does so).
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

from torch import nn

from xkd_core.errors import BadInputError
from xkd_core.images.datasets import info
from xkd_core.images.tiny_imagenet import IN_FULL
from xkd_core.models.architectures import build, check_input, count_parameters
from xkd_core.models.cards import Card, CardTransform
from xkd_core.models.checkpoints import LoadedRun, load_run, run_folder, save_run


def restrict(run_id: str, dataset: str, root: Path | None = None) -> Card:
    """Store the teacher ``run_id`` once more with the classes of ``dataset`` only, found by name; returns its card.

    It normalises images as that data set's other networks do, which is said in the card where it differs.
    Errors: UnknownNameError, RunError, BadInputError for a run that knows none or not all of the classes.
    """
    run, wanted = load_run(run_id, root), info(dataset)
    places = _places(run.card, wanted.classes, dataset)
    check_input(run.card.arch, wanted.transform.size)
    model = _cut(run, places)
    before = run.card.transform
    after = CardTransform(**asdict(wanted.transform))
    moved = "" if (before.mean, before.std) == (after.mean, after.std) else " Images are normalised otherwise."
    key = hashlib.sha256(f"{run.card.network} {dataset} {places}".encode()).hexdigest()[:12]
    own = {
        "id": f"{dataset}-{run.card.method}-w1-restricted-s{run.card.seed}-{key}",
        "dataset": dataset,
        "source_id": run.card.id,
        "classes": wanted.classes,
        "multi_label": wanted.multi_label,
        "transform": after,
        "params": count_parameters(model),
        "nonzeros": None,
        "flops": None,
        "metrics": {},
        "curve": (),
        "note": f"{len(places)} of the {len(run.card.classes)} classes of {run.card.id}.{moved}",
    }
    card = run.card.model_copy(update=own)
    return save_run(run_folder(dataset, card.id, root), model, card)


def _places(card: Card, classes: tuple[str, ...], dataset: str) -> tuple[int, ...]:
    if card.role != "teacher":
        raise BadInputError(f"{card.id} is a student; only a teacher is restricted to other classes.")
    if not classes:
        raise BadInputError(f"{dataset} has no classes of its own that a teacher could be restricted to.")
    if (dataset, classes) == (card.dataset, card.classes):
        raise BadInputError(f"{card.id} knows the classes of {dataset} and no others; there is nothing to restrict.")
    found = {name: _place(card.classes, name) for name in classes}
    lost = [name for name, place in found.items() if place is None]
    if lost:
        few = ", ".join(lost[:5])
        raise BadInputError(
            f"{card.id} knows {len(classes) - len(lost)} of the {len(classes)} classes of {dataset}; not: {few}. "
            "Classes are matched by name."
        )
    return tuple(place for place in found.values() if place is not None)


def _place(known: tuple[str, ...], name: str) -> int | None:
    """Where a class stands among a teacher's, under its own name or else the longer one of ImageNet's lists."""
    called = name if name in known else IN_FULL.get(name, name)
    return known.index(called) if called in known else None


def _cut(run: LoadedRun, places: tuple[int, ...]) -> nn.Module:
    """The same network with the rows ``places`` of its last layer."""
    small = build(run.card.arch, len(places), width=run.card.width)
    last = [name for name, part in small.named_modules() if isinstance(part, nn.Linear)][-1]
    state = {
        name: value[list(places)] if name.rpartition(".")[0] == last else value
        for name, value in run.model.state_dict().items()
    }
    small.load_state_dict(state)
    return small.eval().requires_grad_(False)
