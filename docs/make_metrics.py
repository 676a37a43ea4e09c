"""FE, MS, PG and AL by λ and CAM method, as in paper 000's Fig. 2, from stored rows: ``python -m docs.make_metrics``.

Writes docs/metrics_DATASET.md for every data set below that has rows. Nothing is computed here: what `evaluate` has
not stored is named as missing, with the command that makes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from docs.text import interval, page, table
from xkd_core.catalogue import EXPLAINERS, METRICS
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import list_runs
from xkd_core.results.compare import estimate
from xkd_core.results.metrics import Metrics, read_metrics
from xkd_core.serving.zoo import family_of

HERE = Path(__file__).parent
DATASETS = ("scenes", "tiny-imagenet-50")
SHORT = {"faithfulness_estimate": "FE", "monotonicity_correlation": "MS", "pointing": "PG",
         "attribution_localisation": "AL"}  # fmt: skip
METHODS = ("cam", "grad_cam", "grad_cam_pp", "hires_cam", "xgrad_cam")
CONTROLS = ("random_map", "centre_gaussian")
LAMS = (0.0, 0.25, 0.5, 0.75, 1.0)
FAMILIES = {"naive": "naive", "swa": "SWA"}
IMAGES = 100
HEAD = """# {dataset}: FE, MS, PG and AL by λ and CAM method

Written by `python -m docs.make_metrics` from the stored rows of the test split, in the form of Wilfling et al.'s
Fig. 2, which has box plots without numbers. Higher is better in all four. A cell is the mean with its 95 % interval,
over images and, where there are several, over seeds; n is the number of images. All cells of a table are of the same
images; those without a value are left out of the cell and lower its n: PG and AL have none where the image does not
show the class that is explained, the one that the teacher names first. A cell of fewer seeds than its row says so: it
cannot be compared with those beside it. On networks with global average pooling and one linear layer CAM, Grad-CAM,
HiResCAM and XGrad-CAM are the same map but for a positive factor, which none of these metrics sees. "-": not
measured; of CAM, that the network has another head (MobileNetV3), where Grad-CAM stands for it. A random map and a
Gaussian in the centre of the image show what a map gets that knows nothing.
"""


@dataclass(frozen=True)
class Group:
    """A row of the tables: trainings that differ in the seed only."""

    label: str
    lam: str
    runs: tuple[str, ...]


def text(dataset: str, *, root: Path | None = None) -> str:
    """The text of docs/metrics_DATASET.md; "" where no row is stored. Errors: SystemExit for damaged rows."""
    groups = list(_groups([card for card in list_runs(root) if card.dataset == dataset]))
    metrics = read_metrics(dataset, root=root)
    if metrics.problem:
        raise SystemExit(metrics.problem)
    measured = [group for group in groups if any(_has(metrics, group, name) for name in METHODS)]
    if not measured:
        return ""
    blocks = [HEAD.format(dataset=dataset)]
    for metric, short in SHORT.items():
        info = METRICS[metric]
        blocks += [f"## {short}: {info.title.lower()}", f"{info.summary} Chance: {info.chance}.",
                   _table(metrics, measured, metric)]  # fmt: skip
    return page([*blocks, "## Missing", _missing(dataset, metrics, groups)])


def _groups(cards: Iterable[Card]) -> Iterator[Group]:
    """Both teachers, then naive and SWA students of every width by ascending λ, of the β that most have."""
    cards = list(cards)
    teachers = sorted((card for card in cards if card.role == "teacher"), key=lambda card: card.seed)
    for words, card in zip(("teacher", "second teacher"), teachers, strict=False):
        yield Group(words, "", (card.id,))
    students = [card for card in cards if card.role != "teacher" and card.lam is not None]
    for width in sorted({card.width for card in students}, reverse=True):
        for family, words in FAMILIES.items():
            own = [card for card in students if family_of(card) == family and card.width == width]
            betas = [card.beta for card in own]
            same = [card for card in own if card.beta == max(set(betas), key=betas.count)]
            for lam in LAMS:
                seeds = sorted((card for card in same if card.lam == lam), key=lambda card: card.seed)
                if seeds:
                    size = f"1/{1 / width:g}" if width < 1 else "full width"
                    yield Group(f"{words}, {size}", f"{lam:g}", tuple(card.id for card in seeds))


def _has(metrics: Metrics, group: Group, explainer: str) -> bool:
    return any(not _values(metrics, group, explainer, metric).empty for metric in SHORT)


def _values(metrics: Metrics, group: Group, explainer: str, metric: str) -> pd.DataFrame:
    """The seeds that were measured, a column each."""
    runs = [run for run in group.runs if not metrics.values([run], explainer, metric).empty]
    return metrics.values(runs, explainer, metric)


def _table(metrics: Metrics, groups: Sequence[Group], metric: str) -> str:
    """A line for each group, a column for each method of which anything is stored, controls last."""
    cells = {(group, name): _values(metrics, group, name, metric) for group in groups
             for name in (*METHODS, *CONTROLS)}  # fmt: skip
    names = [name for name in (*METHODS, *CONTROLS) if any(not cells[group, name].empty for group in groups)]
    images = _common(values for values in cells.values() if not values.empty)
    rows = []
    for group in groups:
        seeds = max((cells[group, name].shape[1] for name in names), default=0)
        rows.append([group.label, group.lam, str(seeds or ""),
                     *(_cell(cells[group, name], images, metric, seeds=seeds) for name in names)])  # fmt: skip
    return table(("network", "λ", "seeds", *(EXPLAINERS[name].title for name in names)), rows)


def _common(tables: Iterable[pd.DataFrame]) -> pd.Index:
    """Images that every cell was asked about."""
    found: pd.Index | None = None
    for values in tables:
        found = values.index if found is None else found.intersection(values.index)
    return pd.Index([]) if found is None else found


def _cell(values: pd.DataFrame, images: pd.Index, metric: str, *, seeds: int) -> str:
    if values.empty:
        return "-"
    found = estimate(values.reindex(images), metric)
    if not found.n:
        return f"undefined for all {found.undefined}"
    own = values.shape[1]
    fewer = f", {own} seed{'s' if own > 1 else ''}" if own < seeds else ""
    return f"{interval(found)}, n={found.n}{fewer}"


def _missing(dataset: str, metrics: Metrics, groups: Sequence[Group]) -> str:
    """Trainings without rows, by group, and the command; "-" in a table is one of them."""
    lost: dict[str, list[str]] = {}
    for group in groups:
        for run in group.runs:
            gaps = _gaps(metrics, run)
            if gaps:
                where = f"{group.label}{f', λ {group.lam}' if group.lam else ''}"
                lost.setdefault(where, []).append(f"`{run}` ({gaps})")
    if not lost:
        return "Nothing."
    command = (f"python -m xkd_core evaluate --data {dataset}:test --runs RUN --explainers {','.join(METHODS)} "
               f"--metrics {','.join(SHORT)} --images {IMAGES}")  # fmt: skip
    lines = [f"- {where}: {'; '.join(runs)}" for where, runs in lost.items()]
    return f"Made by `{command}`:\n\n" + "\n".join(lines)


def _gaps(metrics: Metrics, run: str) -> str:
    """What a training has no rows of: "all", or the pairs that are missing; what cannot be is not missing."""
    lost = [(name, metric) for name in METHODS for metric in SHORT
            if metrics.values([run], name, metric).empty and metrics.refusal(run, name, metric) is None]  # fmt: skip
    if len(lost) == len(METHODS) * len(SHORT):
        return "all"
    by_metric: Mapping[str, list[str]] = {metric: [name for name, other in lost if other == metric] for metric in SHORT}
    return ", ".join(f"{SHORT[metric]} of {', '.join(names)}" for metric, names in by_metric.items() if names)


def main() -> None:
    """Write the pages."""
    for dataset in DATASETS:
        found = text(dataset)
        if found:
            (HERE / f"metrics_{dataset}.md").write_text(found)


if __name__ == "__main__":
    main()
