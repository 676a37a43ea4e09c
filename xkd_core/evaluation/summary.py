"""The comparison that the project is about, as text: methods by width, maps in and not in the loss.

Every number carries n and a bootstrap interval over images; differences are paired on the same images
and the same class; the shuffled control and the teacher-against-teacher floor stand in the same table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from xkd_core.catalogue import in_loss
from xkd_core.evaluation.evaluate import first_teacher
from xkd_core.evaluation.heavy import HEAVY
from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import list_runs
from xkd_core.results.aggregate import difference, estimate
from xkd_core.results.store import read_rows

EXPLAINERS = ("cam", *HEAVY)
SIMILARITY = ("cosine", "cosine_shuffled", "distance")
PLACES = ("pointing", "attribution_localisation", "roc_auc", "area")
Group = tuple[str, list[Card]]


def summary(dataset: str, *, lam: float = 0.5, root: Path | None = None) -> str:
    """Markdown: answers, similarity per explainer, localisation in and out of habitat, paired differences."""
    rows, images = read_rows(dataset, "maps", root=root), read_rows(dataset, "images", root=root)
    groups = list(_groups(dataset, lam, root))
    parts = [f"# {dataset}, test split, λ = {lam:g}", "## Answers", *_answers(groups)]
    for explainer in EXPLAINERS:
        parts += [f"## Similarity to the teacher: {explainer}", *_table(rows, groups, explainer, SIMILARITY)]
    if "pointing" in rows:
        for word, chosen in _habitats(images):
            near = rows[rows["index"].isin(chosen)]
            parts += [f"## Localisation against masks, {word}: cam", *_table(near, groups, "cam", PLACES)]
    parts += ["## SWA minus naive, paired, cosine to the teacher", *_differences(rows, groups)]
    return "\n".join(parts)


def _groups(dataset: str, lam: float, root: Path | None) -> Iterator[Group]:
    """Named groups of runs; the seeds of one setting are one group."""
    teacher = first_teacher(dataset, root)
    cards = [card for card in list_runs(root) if card.dataset == dataset]
    yield "teacher", [teacher]
    yield "second teacher (noise floor)", [c for c in cards if c.role == "teacher" and c.id != teacher.id]
    settings = sorted({(-c.width, c.method, c.beta or 0, _kind(c)) for c in cards if c.role != "teacher"})
    for width, method, beta, kind in settings:
        for wanted in (lam, 0.0) if method == "kd" else (lam,):
            found = [
                c
                for c in cards
                if (-c.width, c.method, c.beta or 0, _kind(c)) == (width, method, beta, kind)
                and c.role != "teacher"
                and c.lam == wanted
            ]
            if found:
                yield f"/{round(-1 / width)} {_name(method, wanted)} β {beta:g}{kind}", found


def _kind(card: Card) -> str:
    if card.recipe.get("label"):
        return f" {card.recipe['label']}"
    return " shuffled" if card.recipe.get("shuffled") else " plain" if card.recipe.get("split") == "plain" else ""


def _name(method: str, lam: float) -> str:
    return {"kd": "naive" if lam else "hard labels"}.get(method, method.upper())


def _answers(groups: Sequence[Group]) -> Iterator[str]:
    names = sorted(
        {name for _, cards in groups for c in cards for name in c.metrics if "/" not in name or "mAP/" in name}
    )
    yield "| runs | seeds | " + " | ".join(names) + " |"
    yield "|---" * (len(names) + 2) + "|"
    for title, cards in groups:
        cells = [_over_seeds([c.metrics[name].value for c in cards if name in c.metrics]) for name in names]
        yield f"| {title} | {len(cards)} | " + " | ".join(cells) + " |"


def _over_seeds(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    spread = f" ({min(known):.3f}-{max(known):.3f})" if len(known) > 1 else ""
    return f"{sum(known) / len(known):.3f}{spread}"


def _table(rows: pd.DataFrame, groups: Sequence[Group], explainer: str, metrics: Sequence[str]) -> Iterator[str]:
    yield "| runs | " + " | ".join(metrics) + " | in the loss |"
    yield "|---" * (len(metrics) + 2) + "|"
    controls = [("control: random map", ["control:random"]), ("control: centre Gaussian", ["control:centre"])]
    named = [(title, [c.id for c in cards], in_loss(cards[0].method, explainer)) for title, cards in groups if cards]
    for title, ids, trained in [*named, *((title, ids, False) for title, ids in controls)]:
        if not _stored(rows, ids, explainer):
            continue
        cells = [_cell(estimate(rows, ids, explainer, metric)) for metric in metrics]
        yield f"| {title} | " + " | ".join(cells) + f" | {'yes' if trained else 'no'} |"


def _cell(value: Estimate) -> str:
    missing = f", {value.undefined} undefined" if value.undefined else ""
    return f"{value}{missing}"


def _stored(rows: pd.DataFrame, run_ids: Sequence[str], explainer: str) -> bool:
    chosen = rows[rows["explainer"] == explainer]["run_id"]
    return all(run_id in set(chosen) for run_id in run_ids)


def _habitats(images: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    inside = images["in_habitat"].astype(bool)
    yield "in habitat", images.loc[inside, "index"]
    yield "out of habitat", images.loc[~inside, "index"]


def _differences(rows: pd.DataFrame, groups: Sequence[Group]) -> Iterator[str]:
    by_title = {title: cards for title, cards in groups}
    yield "| width | " + " | ".join(EXPLAINERS) + " |"
    yield "|---" * (len(EXPLAINERS) + 1) + "|"
    for title, naive in by_title.items():
        width = title.split()[0]
        matched = by_title.get(f"{width} SWA β 2")
        if " naive " not in title or title.endswith(("plain", "full")) or matched is None:
            continue
        first, second = [c.id for c in matched], [c.id for c in naive]
        cells = [
            str(difference(rows, first, second, name, "cosine")) if _stored(rows, [*first, *second], name) else "-"
            for name in EXPLAINERS
        ]
        yield f"| {width} | " + " | ".join(cells) + " |"
