"""Runs that a data set's sweep files promise and its folder does not have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from xkd_core import settings
from xkd_core.distillation.recipes import Recipe
from xkd_core.errors import BadInputError
from xkd_core.sweep.local import status
from xkd_core.sweep.plan import read_sweep


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Runs of one method and network that are missing. file: the sweep file's name. compress: "" or how."""

    file: str
    method: str
    arch: str
    compress: str
    widths: tuple[float, ...]
    lams: tuple[float, ...]
    seeds: tuple[int, ...]
    n: int


@dataclass(frozen=True, kw_only=True)
class Planned:
    """All runs that the sweep files of a data set name: how many, and which are missing. problem: a broken file."""

    total: int
    gaps: tuple[Gap, ...]
    problem: str = ""

    @property
    def missing(self) -> int:
        """How many runs are not there."""
        return sum(gap.n for gap in self.gaps)


def sweep_files(dataset: str, root: Path | None = None) -> list[Path]:
    """``sweep*.yaml`` of a data set, in the order of their names."""
    root = settings.checkpoints_dir() if root is None else root
    return sorted((root / dataset).glob("sweep*.yaml"))


def planned(dataset: str, *, root: Path | None = None) -> Planned:
    """Compare the sweep files of ``dataset`` with the runs that are there; a file that is broken is named."""
    plans: dict[Path, list[Recipe]] = {}
    problem = ""
    for path in sweep_files(dataset, root):
        try:
            plans[path] = read_sweep(path)
        except BadInputError as error:
            problem = str(error)
    gaps = tuple(gap for path, plan in plans.items() for gap in _gaps(path, plan, root))
    return Planned(total=sum(map(len, plans.values())), gaps=gaps, problem=problem)


def _gaps(path: Path, plan: Sequence[Recipe], root: Path | None) -> Iterator[Gap]:
    done = set(status(plan, root=root).done)
    missing = sorted((recipe for recipe in plan if recipe.run_id not in done), key=_kind)
    for (method, arch, compress), group in groupby(missing, key=_kind):
        recipes = list(group)
        yield Gap(
            file=path.name, method=method, arch=arch, compress=compress, n=len(recipes),
            widths=tuple(sorted({recipe.width for recipe in recipes})),
            lams=tuple(sorted({recipe.lam for recipe in recipes if method != "ce"})),
            seeds=tuple(sorted({recipe.seed for recipe in recipes})),
        )  # fmt: skip


def _kind(recipe: Recipe) -> tuple[str, str, str]:
    return recipe.method, recipe.arch, "slimmable" if recipe.slimmable else recipe.compress
