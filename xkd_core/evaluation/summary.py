"""The comparison that the project is about, as text: methods by width, maps in and not in the loss.

Every number carries n and an interval over images and, where there are several, over seeds; differences are paired
on the same images and the same class, and by seed; the shuffled control and the teacher-against-teacher floor stand
in the same table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import pandas as pd

from xkd_core.errors import BadInputError
from xkd_core.evaluation.evaluate import first_teacher
from xkd_core.evaluation.forward import CAM, GRAD_CAM
from xkd_core.evaluation.heavy import HEAVY
from xkd_core.images.datasets import info
from xkd_core.metrics.statistics import Estimate
from xkd_core.models.cards import Card, equal_teachers
from xkd_core.models.checkpoints import list_runs
from xkd_core.results.aggregate import difference, estimate
from xkd_core.results.in_loss import was_in_loss
from xkd_core.results.paired import paired_seeds
from xkd_core.results.store import read_rows

CLASS_MAPS = (CAM, GRAD_CAM)
ANSWERS = "answers"
SIMILARITY = ("cosine", "cosine_shuffled", "distance")
PLACES = ("pointing", "attribution_localisation", "roc_auc", "area")
LEGEND = """\
A line stands for the runs that differ in the seed only. mAP is the mean of runs, with the smallest and the largest;
agreement is the share of test images with the teacher's answer (where an image shows several classes: yes or no on the
one that the teacher names first), "not flat" counts runs whose validation curve still moved at the end. Intervals are
95 % over images, and over seeds where there are several; they are not corrected for their number. All students have one
teacher. Places are known where the image shows the class that the teacher names first, the explained one: elsewhere
they are undefined. The random map is drawn on the grid of the maps and enlarged as they are: its peak lies at the
border more often than a random pixel, so chance of pointing is this line rather than the area of the mask."""
TRANSFERS = ("at", "nst", "ab")
OF_ANSWERS = {"accuracy": "right", "agreement": "same_answer"}
Group = tuple[str, list[Card]]


def summary(dataset: str, *, lam: float = 0.5, root: Path | None = None) -> str:
    """Markdown: answers, similarity per explainer, localisation in and out of habitat, paired differences.

    Errors: UnknownNameError for a data set, BadInputError when nothing is stored for it or no student has this λ.
    """
    rows, images = read_rows(dataset, "maps", root=root), read_rows(dataset, "images", root=root)
    if rows.empty:
        info(dataset)  # a name that does not exist is said first
        raise BadInputError(
            f"Nothing is stored for {dataset!r} yet: `python -m xkd_core evaluate --dataset {dataset}`."
        )
    known = sorted({card.lam for card in list_runs(root) if card.dataset == dataset and card.lam is not None})
    if known and lam not in known:
        there = ", ".join(f"{one:g}" for one in known)
        raise BadInputError(f"No student of {dataset} has λ {lam:g}; there are {there}.")
    groups = list(_groups(dataset, lam, root))
    answers = read_rows(dataset, "answers", root=root).assign(explainer=ANSWERS)
    parts = [f"# {dataset}, test split, λ = {lam:g}", LEGEND, "## Answers", *_answers(groups, answers)]
    class_maps = [name for name in CLASS_MAPS if (rows["explainer"] == name).any()]
    for explainer in (*class_maps, *HEAVY):
        table = list(_table(rows, groups, explainer, SIMILARITY))
        parts += [f"## Similarity to the teacher: {explainer}", *(table if len(table) > 2 else ["Not measured."])]
    if "pointing" in rows:
        for word, chosen in _habitats(images):
            near = rows[rows["index"].isin(chosen)]
            for name in class_maps:
                parts += [f"## Localisation against masks, {word}: {name}", *_table(near, groups, name, PLACES)]
    parts += ["## SWA minus naive, paired over the same images", *_differences(rows, answers, groups, class_maps)]
    return "\n".join(parts)


def _groups(dataset: str, lam: float, root: Path | None) -> Iterator[Group]:
    """Named groups of runs; the seeds of one setting are one group."""
    teacher = first_teacher(dataset, root)
    cards = [card for card in list_runs(root) if card.dataset == dataset]
    yield "teacher", [teacher]
    yield "second teacher (noise floor)", list(equal_teachers(cards))
    cards = sorted(cards, key=lambda card: (card.seed, card.id))
    students = [card for card in cards if card.role != "teacher"]
    settings = sorted({_setting(card) for card in students})
    alike = Counter(setting[:4] for setting in settings)
    for setting in settings:
        width, method, beta, kind, arch, of = setting
        which = f", {arch} of {of}" if alike[setting[:4]] > 1 else ""
        for wanted in sorted({lam, 0.0}, reverse=True) if method in ("kd", *TRANSFERS) else (lam,):
            found = [card for card in students if _setting(card) == setting and card.lam == wanted]
            if found:
                yield f"{fraction(-width)} {name_of(method, wanted)} β {beta:g}{kind}{which}", found


def _setting(card: Card) -> tuple[float, str, float, str, str, str]:
    """What the runs of one group share; the title of a group names the last two where it needs them."""
    return -card.width, card.method, card.beta or 0, _kind(card), card.arch, card.teacher_id or ""


def fraction(width: float) -> str:
    """'/8' for an eighth, '3/16' for widths between."""
    share = Fraction(width).limit_denominator(64)
    return f"/{share.denominator}" if share.numerator == 1 else str(share)


def kind(card: Card) -> tuple[str, ...]:
    """Words for all that sets a run apart from the plain narrow student of its method, width, λ and β."""
    recipe = card.recipe
    known = {
        card.compression: card.compression in ("slimmable", "structured", "unstructured", "int8"),
        f"{recipe.get('amount', 0):.0%} off": bool(recipe.get("amount")),
        f"round {recipe.get('round')}": card.compression == "unstructured",
        str(recipe.get("label")): bool(recipe.get("label")),
        "shuffled": bool(recipe.get("shuffled")),
        "plain": recipe.get("split") == "plain",
        _explained(recipe): card.method == "xd",
        f"F_R {recipe.get('fr_weight')}": card.method == "xd" and "fr_weight" in recipe,
        f"ℓ1 weight {recipe.get('l1_weight', 0.5):g}": card.method == "surrogate",
        str(recipe.get("name")): bool(recipe.get("name")),
    }
    return tuple(word for word, true in known.items() if true)


def _explained(recipe: Mapping[str, Any]) -> str:
    """Whose maps the autoencoder of an XDistillation student draws."""
    target = recipe.get("explained", "gradient_shap")
    return "untrained autoencoder" if target == "none" else f"target {target}"


def _kind(card: Card) -> str:
    return "".join(f" {word}" for word in kind(card))


def name_of(method: str, lam: float) -> str:
    """The word for a method: "naive", "hard labels", "SWA"; "AT" beside hard labels alone, with answers "KD + AT"."""
    known = {"kd": "naive" if lam else "hard labels", "surrogate": "attentive"}
    return known.get(method, f"{'KD + ' if lam and method in TRANSFERS else ''}{method.upper()}")


def _answers(groups: Sequence[Group], answers: pd.DataFrame) -> Iterator[str]:
    names = sorted(
        {name for _, cards in groups for c in cards for name in c.metrics if "/" not in name or "mAP/" in name}
    )
    yield "| runs | seeds | not flat | " + " | ".join(names) + " |"
    yield "|---" * (len(names) + 3) + "|"
    for title, cards in groups:
        cells = [_answer_cell(cards, name, answers) for name in names]
        yield f"| {title} | {len(cards)} | {sum(c.undertrained for c in cards)} | " + " | ".join(cells) + " |"


def _answer_cell(cards: Sequence[Card], name: str, answers: pd.DataFrame) -> str:
    """With its interval where each image has an answer of its own; mAP is of all images at once."""
    ids = [card.id for card in cards]
    if (
        name in OF_ANSWERS
        and all(name in card.metrics for card in cards)
        and len(_stored(answers, ids, ANSWERS)) == len(ids)
    ):
        return str(estimate(answers, ids, ANSWERS, OF_ANSWERS[name]))
    return over_seeds([card.metrics[name].value for card in cards if name in card.metrics])


def over_seeds(values: Sequence[float | None], show: str = ".3f") -> str:
    """Mean of runs that differ in the seed, with the smallest and the largest; "-" without a value."""
    known = [value for value in values if value is not None]
    if not known:
        return "-"
    spread = f" ({min(known):{show}}-{max(known):{show}})" if len(known) > 1 else ""
    return f"{sum(known) / len(known):{show}}{spread}"


def _table(rows: pd.DataFrame, groups: Sequence[Group], explainer: str, metrics: Sequence[str]) -> Iterator[str]:
    yield "| runs | seeds | " + " | ".join(metrics) + " | in the loss |"
    yield "|---" * (len(metrics) + 3) + "|"
    controls = [("control: random map", ["control:random"]), ("control: centre Gaussian", ["control:centre"])]
    named = [(title, [c.id for c in cards], was_in_loss(cards[0], explainer)) for title, cards in groups if cards]
    for title, ids, trained in [*named, *((title, ids, False) for title, ids in controls)]:
        known = _stored(rows, ids, explainer)
        if not known:
            continue
        cells = [_cell(estimate(rows, known, explainer, metric)) for metric in metrics]
        seeds = "-" if title.startswith("control") else _of(known, ids)
        yield f"| {title} | {seeds} | " + " | ".join(cells) + f" | {'yes' if trained else 'no'} |"


def _cell(value: Estimate) -> str:
    missing = f", {value.undefined} undefined" if value.undefined else ""
    return f"{value}{missing}"


def _stored(rows: pd.DataFrame, run_ids: Sequence[str], explainer: str) -> list[str]:
    """The runs of which there are maps by an explainer."""
    chosen = set(rows[rows["explainer"] == explainer]["run_id"])
    return [run_id for run_id in run_ids if run_id in chosen]


def _of(known: Sequence[str], run_ids: Sequence[str]) -> str:
    return str(len(known)) if len(known) == len(run_ids) else f"{len(known)} of {len(run_ids)}"


def _habitats(images: pd.DataFrame) -> Iterator[tuple[str, pd.Series]]:
    if "in_habitat" not in images:
        yield "images that show the explained class", images["index"]
        return
    inside = images["in_habitat"].astype(bool)
    yield "in habitat", images.loc[inside, "index"]
    yield "out of habitat", images.loc[~inside, "index"]


def _differences(
    rows: pd.DataFrame, answers: pd.DataFrame, groups: Sequence[Group], class_maps: Sequence[str]
) -> Iterator[str]:
    measured = [(rows, name, "cosine") for name in (*class_maps, *HEAVY)]
    measured += [(rows, name, metric) for name in class_maps for metric in ("distance", *PLACES[:3]) if metric in rows]
    measured += [(answers, ANSWERS, metric) for metric in ("same_answer", "right")]
    yield "| width | paired seeds | " + " | ".join(f"{name} {metric}" for _, name, metric in measured) + " |"
    yield "|---" * (len(measured) + 2) + "|"
    for title, naive, matched in _pairs(groups):
        first, second = ([card.id for card in cards] for cards in (matched, naive))
        seeds = {card.id: card.seed for card in (*matched, *naive)}
        cells = [_gap(table, first, second, name, metric, seeds) for table, name, metric in measured]
        paired = ", ".join(map(str, paired_seeds(*([seeds[run_id] for run_id in own] for own in (first, second)))))
        yield f"| {title} | {paired or 'none, drawn apart'} | " + " | ".join(cells) + " |"


def _gap(
    rows: pd.DataFrame, first: Sequence[str], second: Sequence[str], explainer: str, metric: str, seeds: dict[str, int]
) -> str:
    """The difference over the seeds that were measured, '(3 of 5)' where those are not all; "-" without any."""
    ours, theirs = (_stored(rows, own, explainer) for own in (first, second))
    if not ours or not theirs:
        return "-"
    some = [_of(known, own) for known, own in ((ours, first), (theirs, second)) if len(known) < len(own)]
    return f"{difference(rows, ours, theirs, explainer, metric, seeds=seeds)}{f' ({min(some)})' if some else ''}"


def _pairs(groups: Sequence[Group]) -> Iterator[tuple[str, list[Card], list[Card]]]:
    """Each naive group with the SWA group that was made in the same way (β 2, the main one)."""
    by_title = dict(groups)
    for title, naive in by_title.items():
        matched = by_title.get(title.replace(" naive β 0", " SWA β 2"))
        if " naive " in title and matched is not None:
            yield title.replace(" naive β 0", ""), naive, matched
