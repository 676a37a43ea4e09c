"""From a configuration to a stored draft: images drawn, maps asked for, pictures written, rows stored.

Whoever calls gives the candidates and a function that explains one image; the study knows no network.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache

from xkd_core.study.config import StudyConfig
from xkd_core.study.plan import Item, make_items
from xkd_core.study.selection import Candidate, choose_images
from xkd_core.study.stimuli import ImageMaps, MapsOf, Panel, draw_panels, most_different, stimuli_dir, write_stimuli
from xkd_core.study.store.database import Database
from xkd_core.study.store.studies import Similarities, Study, add_study, new_id

Progress = Callable[[int, int], None]


def create_study(
    database: Database,
    config: StudyConfig,
    *,
    candidates: Sequence[Candidate],
    maps_of: MapsOf,
    progress: Progress | None = None,
) -> Study:
    """Set up a draft with every picture on disk; it opens with `open_study`. Nothing is left when it fails.

    maps_of: image index -> photo, raw maps and similarities; asked once for each image. progress: items done, of all.
    Errors: BadInputError when too few images fit or a map is missing; XKDError for a full disk; those of ``maps_of``.
    """
    items = make_items(config, choose_images(config, candidates))
    known = lru_cache(maxsize=None)(maps_of)
    study_id = new_id()
    folder = stimuli_dir(study_id)
    try:
        stimuli = write_stimuli(folder, _panels(config, items, known, progress))
        similarities = {item.number: _similarities(config, item, known(item.image)) for item in items}
        return add_study(database, study_id, config, items, stimuli, similarities)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _panels(config: StudyConfig, items: Sequence[Item], maps_of: MapsOf, progress: Progress | None) -> Iterator[Panel]:
    images = sorted({item.image for item in items})
    for done, item in enumerate(items):
        other = None
        if item.kind != "main":
            other = most_different(item.image, images, lambda index: maps_of(index).maps[config.teacher])
        yield from draw_panels(config, item, maps_of, other)
        if progress is not None:
            progress(done + 1, len(items))


def _similarities(config: StudyConfig, item: Item, seen: ImageMaps) -> Similarities:
    """metric -> {naive, matched}, where both students have it; undefined is None, which JSON can hold."""
    if item.pair is None:
        return {}
    pair = config.pairs[item.pair]
    of = {role: seen.similarities.get(run, {}) for role, run in (("naive", pair.naive), ("matched", pair.matched))}
    metrics = [name for name in of["naive"] if name in of["matched"]]
    return {name: {role: _defined(values, name) for role, values in of.items()} for name in metrics}


def _defined(values: Mapping[str, float], name: str) -> float | None:
    value = float(values[name])
    return value if math.isfinite(value) else None
