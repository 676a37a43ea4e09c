"""Differences of groups of runs over the same images, and which of their seeds are paired.

Runs of one seed share the teacher and the order of the data, so what a seed does to both leaves their difference.
The Metrics page, the drift curves and the printed summary pair the seeds of two groups here (`paired_seeds`); claims,
whose contrasts may have more than two, by `claims.columns.choose`: of two groups it takes the same seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from xkd_core.metrics.seeds_and_images import difference_over_seeds, mean_over_seeds
from xkd_core.metrics.statistics import ROUNDING, Estimate, mean_interval

ANY_SEED = -1
"""Where a run stands that is the same for every seed: the teacher."""
Read = Callable[[Sequence[str]], pd.DataFrame]
"""Run ids -> a column for each, indexed by the images that all of them were asked about; NaN is undefined."""


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A mean with its interval. values: by image, means over seeds. seeds: those that were paired, () if none is.

    fewest: how many seeds stand behind the side that has fewest; with one, the interval knows of images alone.
    """

    estimate: Estimate
    values: pd.Series[float]
    seeds: tuple[int, ...]
    fewest: int


def shared_seeds(*groups: Collection[int]) -> tuple[int, ...]:
    """Seeds that all groups have, ascending; a group at ``ANY_SEED`` stands beside every seed.

    Empty where none is shared, or where a group has a seed twice: nobody knows which of its runs belongs to which.
    """
    trained = [own for own in groups if set(own) != {ANY_SEED}]
    if any(len(set(own)) < len(own) for own in trained):
        return ()
    return tuple(sorted(set.intersection(*map(set, trained)))) if trained else (ANY_SEED,)


def paired_seeds(*groups: Collection[int]) -> tuple[int, ...]:
    """The seeds that a difference of groups pairs: those that all have, if there are two, or each has but one run.

    Of one run beside several, all enter unpaired: the one that happens to have the same number decides nothing.
    """
    shared = shared_seeds(*groups)
    return shared if len(shared) > 1 or all(len(own) == 1 for own in groups) else ()


def over_seeds(by_seed: Mapping[int, pd.Series[float]]) -> Contrast:
    """Mean of a contrast whose values by image are known for each seed, on the images that all seeds have.

    The interval is over images and seeds; with one seed over images alone.
    """
    table = pd.concat(list(by_seed.values()), axis=1, join="inner")
    rows = table.to_numpy(dtype=np.float64).T  # (seeds, images)
    found = mean_over_seeds(rows) if len(rows) > 1 else mean_interval(rows[0])
    return Contrast(estimate=found, values=table.mean(axis=1, skipna=False), seeds=tuple(by_seed), fewest=len(rows))


def difference(read: Read, first: Sequence[str], second: Sequence[str], seeds: Mapping[str, int]) -> Contrast:
    """Mean of ``first`` minus ``second`` on the images of both: of the runs whose seeds are paired, else of all.

    Args: run ids of both groups; seeds, of each run. Where seeds are not paired (`paired_seeds`), they are drawn for
    each group on its own. Undefined (n = 0) where they have no image in common.
    """
    shared = paired_seeds(*([seeds[run_id] for run_id in own] for own in (first, second)))
    paired = [[run_id for seed in shared for run_id in own if seeds[run_id] == seed] for own in (first, second)]
    a, b = (read(own) for own in (paired if shared else (first, second)))
    images = a.index.intersection(b.index)
    a, b = a.reindex(images), b.reindex(images)
    if shared:
        return over_seeds({seed: a.iloc[:, at] - b.iloc[:, at] for at, seed in enumerate(shared)})
    values = a.mean(axis=1, skipna=False) - b.mean(axis=1, skipna=False)
    found = difference_over_seeds(a.to_numpy(dtype=np.float64).T, b.to_numpy(dtype=np.float64).T)
    return Contrast(estimate=found, values=values, seeds=(), fewest=min(a.shape[1], b.shape[1]))


def seed_floor(groups: Iterable[pd.DataFrame]) -> float | None:
    """How far two seeds of one group lie apart at most, in their means over the images of both; columns are seeds.

    None where every group has one seed: what another one would make is not known.
    """
    pairs = [group[[a, b]] for group in groups for a, b in combinations(group.columns, 2)]
    apart = [abs(float((pair.iloc[:, 0] - pair.iloc[:, 1]).mean())) for pair in pairs]
    return max((value for value in apart if not np.isnan(value)), default=None)


def within_floor(mean: float, floor: float | None) -> bool:
    """Whether another seed alone is known to make as large a difference; floor: of `seed_floor`. Equal is as large."""
    return floor is not None and abs(mean) <= floor + ROUNDING


def seeds_in_words(seeds: Sequence[int]) -> str:
    """Which seeds a difference pairs: 'seeds 0, 1 and 2 paired', or that none is shared."""
    if not seeds:
        return "seeds are not paired: all runs of both sides"
    if len(seeds) == 1:
        return f"seed {seeds[0]} alone, the one that both have"
    return f"seeds {', '.join(map(str, seeds[:-1]))} and {seeds[-1]} paired"
