"""Runs x images x explainers -> stored rows and the metrics in the cards; the only writer of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from xkd_core.catalogue import get
from xkd_core.errors import BadInputError, WorkerError, XKDError
from xkd_core.evaluation.answers import answer_rows
from xkd_core.evaluation.controls import control_maps
from xkd_core.evaluation.forward import CAM, GRAD_CAM, Pass, class_map, forward_pass
from xkd_core.evaluation.heavy import HEAVY, Heavy, heavy_maps
from xkd_core.evaluation.pool import processes
from xkd_core.evaluation.rows import map_rows
from xkd_core.evaluation.split import Split, open_split
from xkd_core.images.datasets import info, load
from xkd_core.models import cards as of_cards
from xkd_core.models.architectures import has_cam
from xkd_core.models.cards import Card, Metric
from xkd_core.models.checkpoints import LoadedRun, change_metrics, find_card, is_here, list_runs, load_run
from xkd_core.results.aggregate import of_run
from xkd_core.results.metric_store import ANSWERS
from xkd_core.results.metrics import CONTROL
from xkd_core.results.store import merge_rows, read_rows, results_dir
from xkd_core.types import Float, Int

SAMPLE = 200
GALLERY = 60
STORIES = 12
TEST = "test"
STORED_IN_ORDER = ("gallery", "answers", "maps")
"""Rows of maps say that a run is measured, so they come last: a process killed before starts over."""
NOTED = ("cosine", "cosine_shuffled", "distance")
Report = Callable[[str], None]
Tables = Mapping[str, pd.DataFrame]
Todo = tuple[str, tuple[str, ...]]
Found = Tables | XKDError
"""The rows of a run, or why it gives none."""


@dataclass(frozen=True)
class Bench:
    """What all runs of a data set are measured on: the split, the teacher and its pass over it."""

    split: Split
    teacher: LoadedRun
    theirs: Pass


def open_bench(teacher_id: str, *, split: str = "test", root: Path | None = None) -> Bench:
    """Load the teacher and explain its top-1 on every image of ``split``."""
    teacher = load_run(teacher_id, root)
    data = load(teacher.card.dataset, split)
    blank = open_split(teacher.card.dataset, split, np.zeros(len(data), np.int64))
    theirs = forward_pass(teacher, blank.pixels, None)
    return Bench(Split(data, theirs.targets.astype(np.int64)), teacher, theirs)


def first_teacher(dataset: str, root: Path | None = None) -> Card:
    """The teacher that most of the data set's students name, as on the pages.

    Errors: UnknownNameError, BadInputError without one.
    """
    found = of_cards.first_teacher([card for card in list_runs(root) if card.dataset == dataset])
    if found is None:
        info(dataset)  # a name that does not exist is said first
        train = f"distill --dataset {dataset} --method ce"
        raise BadInputError(f"No teacher of {dataset!r} is stored: train one with `{train}`.")
    return found


def evaluate(
    dataset: str,
    *,
    run_ids: Sequence[str] | None = None,
    heavy: bool = True,
    workers: int = 1,
    root: Path | None = None,
    report: Report | None = None,
) -> int:
    """Measure every run of ``dataset`` that lacks rows on its test split; returns how many were measured.

    CAMs and answers cover the full split; occlusion, GradientSHAP and KernelSHAP a fixed stratified sample
    of 200 images. Rows that are there are not computed again, and they are the same for any ``workers``
    (processes of one torch thread each). Only this process writes. A run that cannot be measured does not stop those
    after it. Errors: WorkerError when a worker is killed; XKDError at the end for runs that cannot be measured;
    BadInputError where the stored rows are of other images.
    """
    cards = [find_card(run_id, root) for run_id in run_ids] if run_ids else _cards(dataset, root)
    bench = open_bench(first_teacher(dataset, root).id, root=root)
    same_images(bench.split, root)
    _store_controls(bench, root)
    measured: set[str] = set()
    failed: dict[str, XKDError] = {}
    # CAMs of all runs first: which images tell a story is known only from their rows.
    for wanted in (("cam",), HEAVY) if heavy else (("cam",),):
        have = _have(dataset, root)
        missing = [
            (card.id, tuple(name for name in wanted if not _is_there(card.id, name, have) and applies(name, card)))
            for card in cards
        ]
        todo = [(run_id, names) for run_id, names in missing if names]
        stories = story_images(dataset, root=root) if wanted == HEAVY else _told(dataset, root)
        merge_rows(dataset, "images", _image_rows(bench, stories), root=root)
        for number, (run_id, found) in enumerate(_measured(todo, bench, stories, workers, root), 1):
            if isinstance(found, XKDError):
                failed[run_id] = found
                continue
            _store(bench.teacher.card, run_id, found, root)
            if report is not None:
                report(f"{', '.join(wanted)}: {number}/{len(todo)} {run_id}")
            measured.add(run_id)
    _note_again(bench.teacher.card, root)
    if heavy:
        _store_heavy_controls(bench, root)
    if failed:
        first = "; ".join(map(str, list(failed.values())[:3]))
        raise XKDError(f"{len(failed)} runs could not be measured, {len(measured - set(failed))} were: {first}")
    return len(measured)


def same_images(split: Split, root: Path | None) -> None:
    """Errors: BadInputError where the rows that are stored are of images with other labels: files came or went."""
    dataset = split.data.info.name
    stored = read_rows(dataset, "images", root=root)
    if split.data.split != TEST or stored.empty:
        return
    now = split.image_rows()
    if len(now) != len(stored) or (now["labels"].to_numpy() != stored.sort_values("index")["labels"].to_numpy()).any():
        raise BadInputError(
            f"The {len(now)} test images of {dataset} are not the {len(stored)} of its stored rows. Bring those"
            f" back, or delete {results_dir(dataset, root)} and evaluate again."
        )


def _store(teacher: Card, run_id: str, tables: Tables, root: Path | None) -> None:
    if "maps" in tables:
        note_in_card(run_id, tables["maps"], teacher.id, root)
    for table in (name for name in STORED_IN_ORDER if name in tables):
        merge_rows(teacher.dataset, table, tables[table], root=root)


def _told(dataset: str, root: Path | None) -> Int:
    """The images of the gallery so far: without heavier maps no story is chosen anew, and none is forgotten."""
    images = read_rows(dataset, "images", root=root)
    told = images.loc[images["gallery"], "index"] if len(images) else images.index
    found: Int = told.to_numpy(dtype=np.int64)
    return found


def applies(name: str, card: Card) -> bool:
    """Whether a run can be explained by ``name``: 8-bit values have no gradient at the pixels."""
    return card.compression != "int8" or name == CAM or not get("explainer", name).differentiates


def note_in_card(run_id: str, rows: pd.DataFrame, teacher_id: str, root: Path | None) -> None:
    """Put the mean similarity of the heavier explainers in ``rows`` into the card: cosine/occlusion and so on.

    Only of a run whose own teacher is ``teacher_id``, the one that the rows compare it with.
    """
    if find_card(run_id, root).teacher_id != teacher_id:
        return
    found: dict[str, Metric] = {}
    for name, part in rows[rows["explainer"].isin(HEAVY)].groupby("explainer"):
        for metric in NOTED:
            values = part[metric].astype(float).dropna()
            mean = float(values.mean()) if len(values) else None
            found[f"{metric}/{name}"] = Metric(value=mean, n=len(values), split=TEST)
    if found:
        change_metrics(run_id, lambda known: {**known, **found}, root)


def _note_again(teacher: Card, root: Path | None) -> None:
    """Mend cards that say nothing of rows that are there, with weights or without."""
    rows = read_rows(teacher.dataset, "maps", root=root)
    for card in list_runs(root) if len(rows) else ():
        said = {name for name in HEAVY if f"{NOTED[0]}/{name}" in card.metrics}
        silent = rows[(rows["run_id"] == card.id) & rows["explainer"].isin(set(HEAVY) - said)]
        if len(silent):
            note_in_card(card.id, silent, teacher.id, root)


def _measured(
    todo: Sequence[Todo], bench: Bench, stories: Int, workers: int, root: Path | None
) -> Iterator[tuple[str, Found]]:
    """Rows of each run as they come, in order, from this process or from a pool."""
    if workers <= 1 or not todo:
        for run_id, names in todo:
            yield run_id, _attempt(lambda: rows_of_run(bench, load_run(run_id, root), names, stories))  # noqa: B023
        return
    heavy_maps_of_teacher(bench, {name for _, names in todo for name in names})
    teacher = bench.teacher.card.id
    with processes(workers, _one_thread) as pool:
        jobs = {run_id: pool.submit(_rows_in_worker, teacher, run_id, names, stories, root) for run_id, names in todo}
        yield from ((run_id, _attempt(job.result)) for run_id, job in jobs.items())


def _attempt(make: Callable[[], Tables]) -> Found:
    try:
        return make()
    except WorkerError:
        raise
    except XKDError as error:
        return error


def heavy_maps_of_teacher(bench: Bench, names: set[str]) -> None:
    """Fill the cache with the teacher's own maps, which every worker needs."""
    chosen = bench.split.sample(SAMPLE)
    for name in HEAVY:
        if name in names:
            heavy_maps(bench.teacher, bench.split, chosen, name)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)  # two processes with two threads each slow one another down by spin-waiting


def _rows_in_worker(teacher_id: str, run_id: str, names: Sequence[str], stories: Int, root: Path | None) -> Tables:
    return rows_of_run(open_bench(teacher_id, root=root), load_run(run_id, root), names, stories)


def rows_of_run(bench: Bench, run: LoadedRun, explainers: Sequence[str], stories: Int) -> Tables:
    """Table name -> rows of one run for ``explainers`` ("cam" stands for answers and all stored CAMs).

    ``stories``: images that were picked by ranking. Their maps go into the gallery, never into the table
    that means are made from.
    """
    found: dict[str, list[pd.DataFrame]] = {"maps": [], "answers": [], "gallery": []}
    if "cam" in explainers:
        ours = forward_pass(run, bench.split.pixels, bench.split.targets)
        found["answers"].append(answers_of(bench, run.card, ours))
        found["maps"].append(cam_rows(bench, run.card, ours))
    chosen = bench.split.sample(SAMPLE)
    for name in (name for name in explainers if name in HEAVY):
        mine, theirs = (heavy_maps(one, bench.split, chosen, name) for one in (run, bench.teacher))
        found["maps"].append(_sample_rows(bench, run.card, name, (mine, theirs), chosen))
        if mine.native is not None:
            keep = gallery_positions(len(chosen))
            found["gallery"].append(_gallery_rows(run.card, name, mine.native[keep], chosen[keep]))
            told = np.setdiff1d(stories, chosen[keep])
            if len(told) and (extra := heavy_maps(run, bench.split, told, name).native) is not None:
                found["gallery"].append(_gallery_rows(run.card, name, extra, told))
    return {table: pd.concat(frames, ignore_index=True) for table, frames in found.items() if frames}


def answers_of(bench: Bench, card: Card, ours: Pass) -> pd.DataFrame:
    """Answer rows of one run on the whole split."""
    rows = answer_rows(
        ours.logits,
        bench.theirs.logits,
        labels=bench.split.labels,
        targets=bench.split.targets,
        multi_label=card.multi_label,
    )
    rows.insert(0, "run_id", card.id)
    return rows


def cam_rows(bench: Bench, card: Card, ours: Pass) -> pd.DataFrame:
    """Rows of the class map at the seam on the whole split, and of EWA's own map for EWA runs."""
    names = [class_map(ours, bench.theirs), *(["ewa"] if card.method == "ewa" else [])]
    every = np.arange(len(bench.split.targets))
    frames = [
        map_rows(ours.of(name), bench.theirs.of(name), explainer=name, masks=bench.split.masks, indices=every)
        for name in names
    ]
    rows = pd.concat(frames, ignore_index=True)
    rows.insert(0, "run_id", card.id)
    return rows


def _sample_rows(bench: Bench, card: Card, name: str, maps: tuple[Heavy, Heavy], chosen: Int) -> pd.DataFrame:
    masks = None if bench.split.masks is None else bench.split.masks[chosen]
    rows = map_rows(maps[0].maps, maps[1].maps, explainer=name, masks=masks, indices=chosen)
    rows.insert(0, "run_id", card.id)
    return rows


def _gallery_rows(card: Card, name: str, native: Float, indices: Int) -> pd.DataFrame:
    """Native values (n, ...) of one run on the images ``indices`` (n,), flattened, as float16."""
    values = native.reshape(len(indices), -1).astype(np.float16)
    return pd.DataFrame({"run_id": card.id, "explainer": name, "index": indices, "values": list(values)})


def story_images(dataset: str, *, root: Path | None = None) -> Int:
    """The images of the clearest stories, ascending: all three right, the naive map far, the matched one near.

    By the stored CAM rows of the smallest naive and SWA student at λ = .5; empty while these are missing.
    """
    rows, answers = (read_rows(dataset, table, root=root) for table in ("maps", "answers"))
    pair = [_smallest(dataset, role, root) for role in ("naive", "matched")]
    if rows.empty or answers.empty or None in pair:
        return np.array([], np.int64)
    naive, matched = (of_run(rows, str(run_id), "cam", "cosine") for run_id in pair)
    right = answers[answers["right"] & answers["same_answer"] & answers["run_id"].isin(pair)].groupby("index").size()
    gap = (matched - naive)[right.reindex(naive.index, fill_value=0) == 2].dropna()
    best: Int = np.sort(gap.sort_values(ascending=False, kind="stable").index.to_numpy(np.int64)[:STORIES])
    return best


def _smallest(dataset: str, role: str, root: Path | None) -> str | None:
    found = [c for c in _cards(dataset, root) if c.role == role and c.lam == 0.5 and c.seed == 0]
    found = [c for c in found if c.method in ("kd", "swa") and c.beta in (0.0, 2.0) and c.compression == "width"]
    return min(found, key=lambda c: (c.params, c.id)).id if found else None


def gallery_positions(n_sample: int) -> Int:
    """Which of the sampled images are in the gallery: evenly spread over the sample."""
    return np.unique(np.linspace(0, n_sample - 1, num=min(GALLERY, n_sample), dtype=np.int64))


def _image_rows(bench: Bench, stories: Int) -> pd.DataFrame:
    rows = bench.split.image_rows()
    rows["sampled"] = rows["index"].isin(bench.split.sample(SAMPLE))
    gallery = bench.split.sample(SAMPLE)[gallery_positions(min(SAMPLE, len(rows)))]
    rows["gallery"] = rows["index"].isin([*gallery, *stories])
    return rows


def _store_controls(bench: Bench, root: Path | None) -> None:
    """Rows of maps that know nothing of the image, beside every name that class maps of the data set go by.

    Those that are there stay: made again by another number of threads they differ in their last digits.
    """
    theirs = bench.theirs.of(GRAD_CAM)
    have = _have(bench.teacher.card.dataset, root)
    for explainer in _class_maps(bench, root):
        _add_controls(bench, explainer, theirs, np.arange(len(theirs)), have, root)


def _store_heavy_controls(bench: Bench, root: Path | None) -> None:
    """The same beside the teacher's heavier maps, where runs are compared with them."""
    have, chosen = _have(bench.teacher.card.dataset, root), bench.split.sample(SAMPLE)
    wanted = {name for run_id, name in have if name in HEAVY}
    for name in sorted(name for name in wanted if (f"{CONTROL}random", name) not in have):
        theirs = heavy_maps(bench.teacher, bench.split, chosen, name).maps
        _add_controls(bench, name, theirs, chosen, have, root)


def _add_controls(
    bench: Bench, explainer: str, theirs: Float, indices: Int, have: set[tuple[str, str]], root: Path | None
) -> None:
    """Store the control rows that are missing beside the teacher's maps (n, h, w) of the images ``indices`` (n,)."""
    masks = None if bench.split.masks is None else bench.split.masks[indices]
    for name, maps in control_maps(theirs.shape).items():
        run_id = f"{CONTROL}{name}"
        if (run_id, explainer) not in have:
            rows = map_rows(maps, theirs, explainer=explainer, masks=masks, indices=indices)
            rows.insert(0, "run_id", run_id)
            merge_rows(bench.teacher.card.dataset, "maps", rows, root=root)


def _class_maps(bench: Bench, root: Path | None) -> list[str]:
    alike = bench.theirs.has_cam
    pairs = {alike and has_cam(card.arch) for card in _cards(bench.teacher.card.dataset, root)}
    return [name for name, wanted in ((CAM, True), (GRAD_CAM, False)) if wanted in pairs]


def _cards(dataset: str, root: Path | None) -> list[Card]:
    """Runs that can be measured: of others, only the results are here."""
    return [card for card in list_runs(root) if card.dataset == dataset and is_here(card, root)]


def _is_there(run_id: str, name: str, have: set[tuple[str, str]]) -> bool:
    """Whether the rows are stored; "cam" stands for the class map at the seam, whatever it is called."""
    names = (CAM, GRAD_CAM) if name == CAM else (name,)
    if name == CAM and (run_id, ANSWERS) not in have:
        return False
    return any((run_id, one) in have for one in names)


def _have(dataset: str, root: Path | None) -> set[tuple[str, str]]:
    """(run, explainer) of all stored maps, and (run, "answers")."""
    maps, answers = (read_rows(dataset, table, root=root) for table in ("maps", "answers"))
    of_maps = [] if maps.empty else maps[["run_id", "explainer"]].drop_duplicates().itertuples(index=False, name=None)
    of_answers: set[str] = set() if answers.empty else set(answers["run_id"])
    return {*of_maps, *((run_id, ANSWERS) for run_id in of_answers)}
