"""The metrics of one card, from the stored file and the full test split, written into the card."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from xkd_core.distillation.validation import quality
from xkd_core.errors import DataUnavailableError, XKDError
from xkd_core.evaluation.evaluate import Bench, answers_of, cam_rows, open_bench
from xkd_core.evaluation.forward import forward_pass
from xkd_core.models.cards import Card, Metric, widths
from xkd_core.models.checkpoints import change_metrics, find_card, is_here, load_run
from xkd_core.types import Bool, Float

TO_TEACHER = ("cosine", "cosine_shuffled", "distance")
ON_MASKS = ("pointing", "attribution_localisation", "roc_auc", "area")


def measure_card(card: Card, *, root: Path | None = None, split: str = "test") -> Card:
    """Measure a run on ``split`` and write the values into its card, unless they are there.

    mAP or accuracy, agreement, and for the CAM of the teacher's top-1: similarity and localisation, each
    as the mean over the images where it is defined. A data set without that split leaves the card as it is.
    """
    if any("/" not in name for name in card.metrics):
        return card
    try:
        bench = open_bench(card.teacher_id or card.id, split=split, root=root)
    except DataUnavailableError:
        return card
    found = {name: Metric(value=value, n=n, split=split) for name, (value, n) in _measure(bench, card, root).items()}
    return change_metrics(card.id, lambda known: {**found, **known}, root)


def measure_cards(run_ids: Iterable[str], *, root: Path | None = None) -> tuple[list[Card], list[str]]:
    """Measure all widths of runs whose weights are here; the cards, and a sentence for each run that cannot be."""
    cards: list[Card] = []
    problems: list[str] = []
    for run_id in run_ids:
        try:
            card = find_card(run_id, root)
            cards += [measure_card(one, root=root) for one in widths(card)] if is_here(card, root) else []
        except XKDError as error:
            problems.append(str(error))
    return cards, problems


def _measure(bench: Bench, card: Card, root: Path | None) -> dict[str, tuple[float | None, int]]:
    run = load_run(card.id, root)
    ours = forward_pass(run, bench.split.pixels, bench.split.targets)
    found = quality_by_habitat(ours.logits, bench, multi_label=card.multi_label)
    # A teacher has nobody to be compared with: its card holds no similarity, which would be 1 by definition.
    if card.teacher_id is not None:
        answers = answers_of(bench, card, ours)
        found["agreement"] = (float(answers["same_answer"].mean()), len(answers))
    names = (*(TO_TEACHER if card.teacher_id is not None else ()), *ON_MASKS)
    for explainer, rows in cam_rows(bench, card, ours).groupby("explainer"):
        found |= {f"{name}/{explainer}": mean_defined(rows[name]) for name in names if name in rows}
    return found


def quality_by_habitat(logits: Float, bench: Bench, *, multi_label: bool) -> dict[str, tuple[float | None, int]]:
    """mAP (or accuracy) on the split, and in and out of habitat where the data set knows habitats."""
    name, labels = ("mAP" if multi_label else "accuracy"), bench.split.labels
    found: dict[str, tuple[float | None, int]] = {name: (quality(logits, labels, multi_label=multi_label), len(labels))}
    rows = bench.split.image_rows()
    if "in_habitat" in rows:
        inside: Bool = rows["in_habitat"].to_numpy(dtype=bool)
        for word, chosen in (("in", inside), ("out", ~inside)):
            part = quality(logits[chosen], labels[chosen], multi_label=multi_label)
            found[f"{name}/{word}"] = (part, int(chosen.sum()))
    return found


def mean_defined(values: pd.Series[float]) -> tuple[float | None, int]:
    """Mean over the defined values and their number; None when there is none."""
    defined = values.to_numpy(dtype=np.float64)
    defined = defined[~np.isnan(defined)]
    return (float(defined.mean()) if len(defined) else None), len(defined)
