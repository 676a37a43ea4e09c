"""The commands that measure: ``evaluate``, ``summary`` and ``roar``. Parsing and printing only."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from xkd_core import settings
from xkd_core.errors import BadInputError

Workers = Annotated[int, typer.Option(help="processes, one thread each", min=1)]
Engine = Annotated[str, typer.Option(help="local (processes of this machine) or ray (a cluster)")]
Address = Annotated[str, typer.Option(help="of the Ray cluster")]


def evaluate(
    dataset: Annotated[str | None, typer.Option(help="default: scenes")] = None,
    runs: Annotated[list[str] | None, typer.Option(help="run ids or patterns; default: all of the data set")] = None,
    heavy: Annotated[bool, typer.Option(help="also occlusion, GradientSHAP and KernelSHAP on 200 images")] = True,
    data: Annotated[str | None, typer.Option(help="with --metrics: NAME:SPLIT, e.g. scenes:test")] = None,
    explainers: Annotated[list[str] | None, typer.Option(help="names, families or all; a,b,c or repeated")] = None,
    metrics: Annotated[list[str] | None, typer.Option(help="names, families or all; a,b,c or repeated")] = None,
    images: Annotated[
        int | None, typer.Option(help="with --metrics: so many of the fixed sample; default: all")
    ] = None,
    precision: Annotated[str, typer.Option(help="with --metrics: fp32, or bf16, faster, in rows apart")] = "fp32",
    workers: Workers = 1,
    engine: Engine = "local",
    address: Address = "auto",
) -> None:
    """Measure runs on the test split; what is stored already is not computed again.

    With --explainers or --metrics: any metrics of any explainers, and what cannot be is noted with its reason.
    Without: class maps on all images and three heavier explainers on 200, for the pages.
    """
    use_threads()
    from xkd_core.evaluation.asked import words

    if data and dataset:
        raise BadInputError(f"Give --data or --dataset, not both; got {data!r} and {dataset!r}.")
    if not words(explainers) and not words(metrics):
        from xkd_core.evaluation.evaluate import evaluate as measure_all

        name, _, split = (data or dataset or "scenes").partition(":")
        _only_with_metrics(images, split, checked(engine), precision)
        count = measure_all(name, run_ids=_ids(words(runs), name), heavy=heavy, workers=workers, report=_to_stderr)
        print(f"{count} runs measured")
        return
    from xkd_core.evaluation.wide import order_from, raise_failed

    order = order_from(data or dataset or "scenes", runs, explainers, metrics, images, precision)
    report = _evaluated(order, engine, address, workers)
    print(f"{report.pieces} pieces computed, {report.refused} pairs noted that cannot be")
    if report.away:
        print(f"{report.away} runs left out: only their cards are here, not their weights", file=sys.stderr)
    raise_failed(report)


def _only_with_metrics(images: int | None, split: str, engine: str, precision: str) -> None:
    """Errors: BadInputError for what the rows of the pages cannot be asked for; nothing is left out in silence."""
    without = "without them all images of the test split are measured, by processes of this machine"
    given = {
        "--images": images is not None,
        f"the split {split!r}": split not in ("", "test"),
        f"--engine {engine}": engine != "local",
        f"--precision {precision}": precision != "fp32",
    }
    wrong = [name for name, there in given.items() if there]
    if wrong:
        raise BadInputError(f"{wrong[0]} goes with --metrics or --explainers; {without}.")


def _ids(patterns: list[str], dataset: str) -> list[str] | None:
    """Runs of the data set by id or pattern; of a pattern those whose weights are here. None for no pattern."""
    from xkd_core.evaluation.asked import cards_like
    from xkd_core.models.checkpoints import is_here

    found = cards_like(patterns, dataset) if patterns else []
    return [card.id for card in found if is_here(card) or card.id in patterns] or [card.id for card in found] or None


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _evaluated(order: Any, engine: str, address: str, workers: int) -> Any:
    from tqdm import tqdm

    from xkd_core.evaluation.engines import local, on_ray
    from xkd_core.evaluation.wide import evaluate_metrics

    chosen = on_ray(cluster_at(address)) if checked(engine) == "ray" else local(workers)
    with tqdm(unit="forward", unit_scale=True) as bar:

        def progress(spent: int, total: int, word: str) -> None:
            bar.total = total
            bar.set_postfix_str(word, refresh=False)
            bar.update(spent - bar.n)

        return evaluate_metrics(order, engine=chosen, progress=progress)


def checked(engine: str) -> str:
    """The engine's name. Errors: BadInputError for another one."""
    if engine not in ("local", "ray"):
        raise BadInputError(f"--engine must be local or ray; got {engine!r}.")
    return engine


def cluster_at(address: str) -> Any:
    """The ray module, connected."""
    from xkd_core.sweep.cluster import connect

    return connect(address)


def summary(
    dataset: str = "scenes",
    lam: Annotated[float, typer.Option(help="which λ to compare at")] = 0.5,
    runs: Annotated[list[str] | None, typer.Option(help="with --metrics: run ids or patterns; default: all")] = None,
    explainers: Annotated[
        list[str] | None, typer.Option(help="with --metrics: as for `evaluate`; default: cam")
    ] = None,
    metrics: Annotated[list[str] | None, typer.Option(help="stored metrics, as for `evaluate`")] = None,
) -> None:
    """Print the comparison of methods by width from the stored rows, or any stored metrics, as Markdown."""
    from xkd_core.evaluation.asked import words

    if words(metrics):
        from xkd_core.evaluation.metric_summary import metric_summary

        name, _, split = dataset.partition(":")
        chosen = words(explainers) or ["cam"]
        print(metric_summary(name, words(runs), chosen, words(metrics), split=split or "test"))
        return
    if words(runs) or words(explainers):
        raise BadInputError("--runs and --explainers go with --metrics; without it all runs of a λ are compared.")
    from xkd_core.evaluation.summary import summary as as_text

    print(as_text(dataset, lam=lam))


def thin(
    dataset: Annotated[str, typer.Option(help="whose rows")],
    images: Annotated[int, typer.Option(help="how many stratified test images keep their rows of maps")],
) -> None:
    """Drop stored rows of maps for shipping; answers stay for all images, and so do the numbers on the cards.

    The gallery's pictures of maps go too for runs of which only the card is here: no page can show them.

    The 200 sampled images and those of the gallery keep theirs besides. Dropped rows come back when maps.parquet is
    deleted and `evaluate` runs again, but only of runs whose weights are here: of others they are lost for good.
    """
    from xkd_core.evaluation.thinning import thin as keep
    from xkd_core.results.store import read_rows

    kept = keep(dataset, images)
    print(f"{kept:,} of {len(read_rows(dataset, 'images')):,} test images of {dataset} have rows of maps now.")


def roar(
    runs: Annotated[list[str], typer.Option(help="run ids whose maps rank the pixels; a,b,c or repeated")],
    explainers: Annotated[list[str] | None, typer.Option(help="their maps; default: cam")] = None,
    rates: Annotated[str, typer.Option(help="shares of the pixels that are removed")] = "0.1,0.5,0.9",
    arch: Annotated[str | None, typer.Option(help="of the fresh networks; default: the data set's own")] = None,
    width: Annotated[float | None, typer.Option(help="fraction of its channels; default: 1")] = None,
    epochs: Annotated[int | None, typer.Option(help="default: 20")] = None,
    limit: Annotated[int | None, typer.Option(help="train on the first N images only")] = None,
    seed: int = 0,
    workers: Workers = 1,
) -> None:
    """Remove the pixels that maps rank highest from all images, train fresh networks, and store how good they are.

    A random ranking and nothing removed come with every call. Killed at any moment, the same command goes on.
    """
    use_threads()
    from xkd_core.evaluation.asked import words
    from xkd_core.evaluation.roar import roar as run_all
    from xkd_core.evaluation.roar import trials

    try:
        shares = [float(word) for word in words([rates])]
    except ValueError as error:
        raise BadInputError(f"--rates must be shares such as 0.1,0.5; got {rates!r}.") from error
    options = {"arch": arch, "width": width, "epochs": epochs, "limit": limit, "seed": seed}
    work = trials(words(runs), words(explainers) or ["cam"], rates=shares, options=options)
    count = run_all(work, workers=workers, report=lambda done, total, name: _to_stderr(f"{done}/{total} {name}"))
    print(f"{count} of {len(work)} networks trained, the others were there")


def use_threads() -> None:
    """As the settings say."""
    import torch

    torch.set_num_threads(settings.threads())
