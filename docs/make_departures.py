"""What the shipped runs do otherwise than the papers' recipes, from their cards: ``python -m docs.make_departures``.

A run of a named recipe has that on its card; the shipped runs are of sweep files, without a name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from docs.text import page, table
from xkd_core.distillation.named import NAMED, differences
from xkd_core.distillation.recipes import Recipe, recipe_of
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import list_runs

HERE = Path(__file__).parent
HEAD = """# What the shipped runs do otherwise than the papers

Written by `python -m docs.make_departures` from the cards in `checkpoints/`. Each group of runs stands beside the named
recipe (`python -m xkd_core recipes`) of the paper that its method is of; listed is every field that has another value,
and at the end what no field says. Fields in which runs of a group are meant to differ (data set, seed, width, λ, β,
rounds) are left out, and slimmable students, which no paper has. Runs of a named recipe (`distill --recipe-name`) have
the same list on their card."""
IN_PAPER = " (paper: "
MEANT = ("seed", "width", "lam", "beta", "round", "amount", "dataset", "fr_weight", "l1_weight", "label")
OF_METHODS: Mapping[str, str] = {
    "kd": "park-004-kd", "ewa": "park-004-ewa", "swa": "park-004-swa", "sswa": "park-004-sswa",
    "at": "alharbi-003-at", "nst": "alharbi-003-nst", "ab": "alharbi-003-ab", "xd": "alharbi-003-xd",
    "surrogate": "lee-002-surrogate", "ce": "park-004-teacher",
}  # fmt: skip
"""The recipe that a method is of; where the data set is another paper's, see `OF_SETS`."""
OF_SETS: Mapping[tuple[str, str], str] = {
    ("mnist", "ce"): "alharbi-003-mnist-teacher", ("mnist", "kd"): "alharbi-003-mnist-kd",
    ("mnist", "xd"): "alharbi-003-mnist-xd", ("cifar10", "ce"): "alharbi-003-teacher",
    ("cifar10", "kd"): "alharbi-003-kd", ("tiny-imagenet-50", "kd"): "wilfling-000",
}  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Runs that differ from a paper's recipe in the same fields."""

    method: str
    paper: str
    lines: tuple[str, ...]
    runs: tuple[str, ...]


_AT_ONCE = {0.6: "oneshot60", 0.9: "oneshot90"}


def paper_of(recipe: Recipe) -> str | None:
    """The named recipe that a run stands beside; None where no paper has one."""
    if recipe.compress in ("structured", "unstructured"):
        how = recipe.compress if recipe.compress == "structured" or recipe.amount < 0.5 else _AT_ONCE[recipe.amount]
        return f"park-004-{how}-{'naive' if recipe.method == 'kd' else recipe.method}"
    if (recipe.dataset, recipe.method) == ("tiny-imagenet-50", "ce"):
        return None
    return OF_SETS.get((recipe.dataset, recipe.method), OF_METHODS.get(recipe.method))


def departures(recipe: Recipe, paper: str) -> tuple[str, ...]:
    """The fields in which a run is not what the paper did: "epochs: 20 (paper: 40)"."""
    said = differences(Recipe(**{**recipe.values, "label": recipe.label, "name": paper}))
    return tuple(line for line in said if IN_PAPER in line and line.partition(":")[0] not in MEANT)


def groups(cards: Iterable[Card]) -> list[Group]:
    """Runs of one method, recipe and list of departures together; 8-bit forms are no trainings of their own."""
    found: dict[tuple[str, str, tuple[str, ...]], list[str]] = {}
    for card in cards:
        recipe = recipe_of(dict(card.recipe))
        paper = paper_of(recipe)
        if paper is not None and card.compression not in ("int8", "slimmable"):
            method = card.method if card.source_id is None else f"{card.method}, {card.compression}"
            found.setdefault((method, paper, departures(recipe, paper)), []).append(card.id)
    return [Group(*key, runs=tuple(runs)) for key, runs in sorted(found.items())]


def block(group: Group) -> str:
    """One group as Markdown."""
    count = f"{len(group.runs)} run{'s' if len(group.runs) > 1 else ''}"
    head = f"### {group.method}: {count} beside `{group.paper}`\n\nFor example `{group.runs[0]}`."
    rows = [_row(line) for line in group.lines]
    return f"{head}\n\n{table(('field', 'here', 'paper'), rows)}" if rows else f"{head} No field differs."


def _row(line: str) -> tuple[str, str, str]:
    name, _, values = line.partition(": ")
    here, _, paper = values.partition(IN_PAPER)
    return name, f"`{here}`", f"`{paper.removesuffix(')')}`"


def beyond(papers: Iterable[str]) -> Iterator[str]:
    """What no field of a recipe says, by recipe."""
    for paper in sorted(set(papers)):
        yield f"### `{paper}`\n\n{NAMED[paper].source}\n\n" + "\n".join(f"- {line}" for line in NAMED[paper].beyond)


def text(runs: Iterable[Card]) -> str:
    """The whole document, of runs without a recipe's name."""
    cards = [card for card in runs if "@" not in card.id and not card.recipe.get("name")]
    blocks, papers = [HEAD], []
    for dataset in sorted({card.dataset for card in cards}):
        found = groups(card for card in cards if card.dataset == dataset)
        blocks += [f"## {dataset}", *map(block, found)]
        papers += [group.paper for group in found]
    return page([*blocks, "## What no field says", *beyond(papers)])


if __name__ == "__main__":
    (HERE / "departures.md").write_text(text(list_runs()))
