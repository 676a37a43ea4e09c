"""Stored metrics as text: a table for each explainer and metric, groups of seeds on the same images, controls below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from xkd_core.catalogue import METRICS
from xkd_core.errors import BadInputError, unknown_name
from xkd_core.evaluation.asked import ONE_NUMBER, cards_like, explainers_like, family, metrics_like
from xkd_core.images.datasets import info
from xkd_core.metrics.statistics import Estimate
from xkd_core.results.compare import CONTROLS, Groups, Line, compare
from xkd_core.results.groups import seed_groups
from xkd_core.results.metric_store import ANSWERS
from xkd_core.results.metrics import Metrics, read_metrics


def metric_summary(
    dataset: str,
    runs: Sequence[str],
    explainers: Sequence[str],
    metrics: Sequence[str],
    *,
    split: str = "test",
    root: Path | None = None,
) -> str:
    """Markdown. Names as for `evaluate`. Errors: BadInputError when nothing is stored, XKDError for a damaged file."""
    known = [f"{name}{ending}" for name in info(dataset).splits for ending in ("", "@bf16")]
    if split not in known:
        raise unknown_name(f"split of {dataset}", split, known)
    stored = read_metrics(dataset, split=split, root=root)
    if stored.problem:
        raise BadInputError(stored.problem)
    groups = seed_groups([card for card in cards_like(runs, dataset, root) if card.id in stored.runs])
    if not groups:
        raise BadInputError(f"No metrics of {dataset}:{split} are stored for these runs: `evaluate` makes them.")
    lines: list[str] = [f"# {dataset}, {split} split"]
    for metric in metrics_like(metrics):
        if metric in ONE_NUMBER:
            lines += _of_all(stored, groups, metric)
            continue
        every = explainers_like(explainers)
        names = [name for name in every if name not in CONTROLS or name in explainers] or every
        for explainer in [ANSWERS] if family(metric) == "prediction" else names:
            lines += _table(stored, groups, explainer, metric)
    return "\n".join(lines)


def _table(stored: Metrics, groups: Groups, explainer: str, metric: str) -> Iterator[str]:
    found = compare(stored, groups, explainer, metric)
    info = METRICS[metric.partition("@")[0]]
    better = "higher" if info.higher_is_better else "lower"
    yield f"\n## {info.title}: {explainer} ({better} is better; chance: {info.chance})"
    yield f"Images that all of them have: {found.n}\n"
    yield "| runs | seeds | mean | median | on its own images | undefined |"
    yield "|---|---|---|---|---|---|"
    for line in (*found.lines, *found.controls):
        yield f"| {line.label} | {line.seeds} | {line.shared} | {line.median} | {line.own} | {_gaps(line)} |"


def _of_all(stored: Metrics, groups: Groups, metric: str) -> Iterator[str]:
    name, at, quirk = metric.partition("@")
    yield f"\n## {METRICS[name].title}{f' ({quirk})' if at else ''}, one number for all images\n"
    yield "| runs | values of the seeds |"
    yield "|---|---|"
    for label, ids in groups.items():
        values: list[Estimate | None] = [stored.of_all(run_id, metric) for run_id in ids]
        yield f"| {label} | {'; '.join('-' if value is None else str(value) for value in values)} |"


def _gaps(line: Line) -> str:
    said = [line.refused] if line.refused else []
    return "; ".join([*said, *(f"{count} {reason}" for reason, count in line.undefined.items())]) or "none"
