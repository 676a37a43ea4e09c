"""The commands of ``sweep``: plan, status, run and collect. Parsing and printing only."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from xkd_core.errors import BadInputError, XKDError
from xkd_core.evaluate_command import Address, Engine, Workers, checked, cluster_at, use_threads

sweep = typer.Typer(no_args_is_help=True, help="Train all runs of a sweep file, in resumable pieces.")
SweepFile = Annotated[Path, typer.Argument(help="The sweep file, e.g. checkpoints/scenes/sweep.yaml")]


@sweep.command("plan")
def sweep_plan(file: SweepFile) -> None:
    """Print the run ids of a sweep in training order."""
    from xkd_core.sweep.plan import read_sweep

    for recipe in read_sweep(file):
        print(recipe.run_id)


@sweep.command("status")
def sweep_status(file: SweepFile) -> None:
    """Say how many runs of a sweep are done, by their card only, begun and missing."""
    from xkd_core.sweep.local import status
    from xkd_core.sweep.plan import read_sweep

    now = status(read_sweep(file), verify=True)
    cards = f" ({len(now.by_card)} by their card only)" if now.by_card else ""
    broken = f", {len(now.damaged)} damaged" if now.damaged else ""
    print(f"{len(now.done)} done{cards}, {len(now.begun)} begun, {len(now.missing)} missing{broken}")
    for run_id in (*now.begun, *now.missing, *now.damaged):
        print(f"  {run_id}")


@sweep.command("run")
def sweep_run(
    file: SweepFile,
    workers: Workers = 2,
    minutes: Annotated[float | None, typer.Option(help="stop after so many minutes; run again to go on")] = None,
    engine: Engine = "local",
    address: Address = "auto",
    weights: Annotated[bool, typer.Option("--weights", help="also runs of which only the card is here")] = False,
) -> None:
    """Train what is missing of a sweep and print the time it took."""
    import time

    from tqdm import tqdm

    from xkd_core.sweep.cluster import run_all_on_ray
    from xkd_core.sweep.local import run_all
    from xkd_core.sweep.plan import read_sweep

    if minutes is not None and not minutes > 0:
        raise BadInputError(f"--minutes must be above 0; got {minutes:g}.")
    if checked(engine) == "ray" and minutes is not None:
        raise BadInputError("--minutes is for the local engine; a Ray cluster trains until all runs are done.")
    plan, started = read_sweep(file), time.monotonic()
    cluster = cluster_at(address) if engine == "ray" else None
    with tqdm(total=len(plan), unit="run") as bar:

        def report(run_id: str, outcome: str) -> None:
            bar.write(f"{run_id}: {outcome}", file=sys.stderr)
            bar.update(outcome == "done")

        if cluster is not None:
            outcomes = run_all_on_ray(cluster, plan, report=report, weights=weights)
        else:
            outcomes = run_all(plan, workers=workers, minutes=minutes, report=report, weights=weights)
    failed = [(run_id, outcome) for run_id, outcome in outcomes if outcome not in ("done", "out of time")]
    done = sum(outcome == "done" for _, outcome in outcomes)
    print(f"{done} of {len(plan)} runs done after {(time.monotonic() - started) / 60:.1f} minutes of this piece")
    if failed:
        raise XKDError("; ".join(f"{run_id}: {outcome}" for run_id, outcome in failed[:3]))


@sweep.command("collect")
def sweep_collect(
    file: SweepFile,
    heavy: Annotated[bool, typer.Option(help="also occlusion, GradientSHAP and KernelSHAP on 200 images")] = True,
    workers: Workers = 1,
) -> None:
    """Measure the finished runs of a sweep that are not measured yet, cards and rows."""
    use_threads()
    from xkd_core.evaluation.evaluate import evaluate as measure_all
    from xkd_core.evaluation.quick import measure_cards
    from xkd_core.sweep.local import status
    from xkd_core.sweep.plan import read_sweep

    cards, problems = measure_cards(status(read_sweep(file)).done)
    for dataset in sorted({card.dataset for card in cards}):
        ids = [card.id for card in cards if card.dataset == dataset]
        count = measure_all(dataset, run_ids=ids, heavy=heavy, workers=workers)
        print(f"{dataset}: {len(ids)} runs, {count} of them new")
    if problems:
        raise XKDError("; ".join(problems))
