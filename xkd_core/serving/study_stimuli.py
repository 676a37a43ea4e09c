"""What a user study needs of networks and results: which images there are, and how all runs explain one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from xkd_core import catalogue, settings
from xkd_core.errors import BadInputError, RunError
from xkd_core.evaluation.rows import SIMILARITIES
from xkd_core.images import datasets
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import find_card
from xkd_core.serving.explaining import explain_image, explain_more
from xkd_core.serving.figure import fine
from xkd_core.serving.results import Results, read_results
from xkd_core.serving.scores import Scores
from xkd_core.serving.sentences import comparable
from xkd_core.serving.shelf import Shelf
from xkd_core.serving.subjects import SPLITS, key_of, subject
from xkd_core.serving.views import light
from xkd_core.study.config import Stratum, StudyConfig
from xkd_core.study.selection import Candidate
from xkd_core.study.stimuli import ImageMaps, MapsOf


def candidates(config: StudyConfig) -> tuple[Candidate, ...]:
    """Every image of the study's split with class, habitat and correctness, from the stored results.

    Class is the teacher's explained class; habitat is "own" or "other"; correctness says who is right.
    Errors: BadInputError for another split than the one pages show, or runs that were not evaluated.
    """
    split = SPLITS.get(config.dataset)
    if config.selection.split != split:
        raise BadInputError(f"Studies of {config.dataset} show its {split} images; got {config.selection.split!r}.")
    results = read_results(config.dataset)
    lost = [run for run in config.run_ids if results.answers_of(run).empty]
    if lost:
        raise BadInputError(
            f"No stored answers of {', '.join(lost)}; `python -m xkd_core evaluate --dataset {config.dataset}` first."
        )
    right = pd.concat({run: results.answers_of(run)["right"].astype(bool) for run in config.run_ids}, axis=1).dropna()
    classes, habitats = _classes(config, results), _habitats(results)
    return tuple(
        _candidate(int(str(index)), bool(row[config.teacher]), bool(row.all()), classes, habitats)
        for index, row in right.iterrows()
    )


def strata(dataset: str) -> tuple[Stratum, ...]:
    """What the images of a data set can be drawn evenly by: not all have habitats."""
    return ("class", "correctness", *(("habitat",) if _habitats(read_results(dataset)) else ()))


def maps_of(config: StudyConfig) -> MapsOf:
    """The function that explains one image with all runs of the study. Errors: those of runs, when it is made."""
    cards = [find_card(run) for run in config.run_ids]
    entry = catalogue.get("explainer", config.explainer)  # an unknown name is an error now, not at the first image
    foreign = [card.id for card in cards if card.dataset != config.dataset]
    if foreign:
        raise BadInputError(f"{', '.join(foreign)} was not trained on {config.dataset}.")
    shelf, smooth = Shelf(), fine(config.explainer)
    torch.set_num_threads(settings.threads())

    def explained(index: int) -> ImageMaps:
        return _explain(config, cards, shelf, index, smooth=smooth)

    explained.__doc__ = f"One image, explained by {entry.title}."
    return explained


def _explain(config: StudyConfig, cards: Sequence[Card], shelf: Shelf, index: int, *, smooth: bool) -> ImageMaps:
    shown = subject(key_of(config.dataset, index))
    name = config.explainer
    view = explain_image(shown, cards, names=[name] if light(name) else [], policy=config.target, shelf=shelf)
    if view.broken:
        raise RunError("; ".join(view.broken.values()))
    if light(name):
        found = {run: (one.maps[name], one.scores[name]) for run, one in view.runs.items()}
    else:
        found = explain_more(view, cards, name=name, shelf=shelf)
    similarities = {
        run: _similarities(scores, known=comparable(view, view.runs[run]))
        for run, (_, scores) in found.items()
        if run != config.teacher
    }
    return ImageMaps(
        photo=shown.photo, maps={run: grid for run, (grid, _) in found.items()}, similarities=similarities, fine=smooth
    )


def _similarities(scores: Scores, *, known: bool) -> dict[str, float]:
    """Larger is more alike: distances change their sign. Maps of different classes are not compared."""
    found = {}
    for name in SIMILARITIES:
        value = scores.values.get(name)
        sign = 1.0 if catalogue.get("metric", name).higher_is_better else -1.0
        found[name] = float(np.nan) if value is None or not known else sign * value
    return found


def _candidate(
    index: int, teacher: bool, every: bool, classes: Mapping[int, str], habitats: Mapping[int, str]
) -> Candidate:
    correctness = "all right" if every else "a student wrong" if teacher else "teacher wrong"
    strata = {"class": classes[index], "correctness": correctness}
    if index in habitats:
        strata["habitat"] = habitats[index]
    return Candidate(index=index, strata=strata, teacher_right=teacher, all_right=every)


def _classes(config: StudyConfig, results: Results) -> dict[int, str]:
    names = datasets.info(config.dataset).classes
    targets = results.answers_of(config.teacher)["target"]
    return {int(index): names[int(target)] for index, target in targets.items()}  # type: ignore[call-overload]


def _habitats(results: Results) -> dict[int, str]:
    if "in_habitat" not in results.images:
        return {}
    own = results.images.set_index("index")["in_habitat"]
    return {int(index): "own" if value else "other" for index, value in own.items()}  # type: ignore[call-overload]
