"""A sweep file (YAML) and the recipes it stands for, in the order in which they are to be trained."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import product
from pathlib import Path
from typing import Any

import yaml

from xkd_core.distillation.named import get_named
from xkd_core.distillation.recipes import Recipe, int8_of, recipe_of
from xkd_core.errors import BadInputError, UnknownNameError

PARTS = ("defaults", "teachers", "students")
FIELDS = tuple(field.name for field in fields(Recipe))


def read_sweep(path: Path) -> list[Recipe]:
    """All recipes of a sweep file, teachers first and each behind the runs that it needs, without repeats.

    The file has ``defaults`` (fields of a recipe), ``teachers`` and ``students`` (lists of groups; a
    field with a list stands for each of its values). Students learn from the first teacher unless
    their group says ``teacher: N``. A pruned group begins with that teacher's weights; ``rounds: N`` prunes
    and trains N times, each on the one before. ``int8: true`` adds the int8 form of each run of the group.
    ``recipe: NAME`` begins a group with a named recipe's fields instead of the defaults.
    Errors: BadInputError that names the file and the field.
    """
    document = _read(path)
    defaults = _mapping(path, "defaults", document.get("defaults", {}))
    teachers = [recipe for group in _groups(path, document, "teachers") for recipe in _expand(path, defaults, group)]
    students: list[Recipe] = []
    for group in _groups(path, document, "students"):
        chosen = teachers[_whole(path, group, "teacher", 0, range(len(teachers)))]
        rest = {name: value for name, value in group.items() if name not in ("teacher", "rounds", "int8")}
        if {**_named(path, group.get("recipe", ""), defaults), **group}.get("compress"):
            rest = {"source_id": chosen.run_id, "width": 1.0, "round": 1, **rest}
        elif "rounds" in group:
            raise BadInputError(f"Sweep file {path}: rounds are of pruning; say how (compress) or leave them out.")
        as_int8 = _flag(path, group, "int8")
        made = [
            one
            for first in _expand(path, defaults, {"teacher_id": chosen.run_id, **rest})
            for one in _rounds(first, _whole(path, group, "rounds", 1, range(1, 100)))
        ]
        students += made + [int8_of(one.dataset, one.run_id) for one in made if as_int8]
    return _ordered(dict.fromkeys([*teachers, *students]))


def _ordered(recipes: Iterable[Recipe]) -> list[Recipe]:
    """In the order given, but for a run that another one needs: it comes before that one."""
    by_id = {recipe.run_id: recipe for recipe in recipes}
    placed: dict[str, Recipe] = {}

    def place(recipe: Recipe) -> None:
        for needed in recipe.needs:
            if needed in by_id and needed not in placed:
                place(by_id[needed])
        placed.setdefault(recipe.run_id, recipe)

    for recipe in by_id.values():
        place(recipe)
    return list(placed.values())


def _rounds(first: Recipe, rounds: int) -> Iterator[Recipe]:
    yield first
    for number in range(2, rounds + 1):
        first = replace(first, source_id=first.run_id, round=number)
        yield first


class _NoKeyTwice(yaml.SafeLoader):
    """YAML keeps the last of two equal keys and says nothing; here a list of runs would be lost by it."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            words = f"{', '.join(twice)} stands twice in one mapping; keep one, or join their lists"
            raise yaml.constructor.ConstructorError(None, None, words, node.start_mark)
        return super().construct_mapping(node, deep=deep)


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml.load(path.read_text(), Loader=_NoKeyTwice)  # a safe loader
    except OSError as error:
        raise BadInputError(f"Sweep file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadInputError(f"Sweep file {path} is not text in UTF-8.") from error
    except yaml.YAMLError as error:
        words = " ".join(str(error).split())
        raise BadInputError(f"Sweep file {path} is not valid YAML: {words}.") from error
    if not isinstance(document, Mapping) or not document.get("teachers"):
        raise BadInputError(f"Sweep file {path} must be a mapping with at least one entry under 'teachers'.")
    for name in document:
        if name not in PARTS:
            raise BadInputError(f"Sweep file {path}: no part {name!r}. Parts: {', '.join(PARTS)}.")
    return document


def _expand(path: Path, defaults: Mapping[str, Any], group: Mapping[str, Any]) -> Iterator[Recipe]:
    merged = {**_named(path, group.get("recipe", ""), defaults), **group}
    merged.pop("recipe", None)
    for name in merged:
        if name not in FIELDS:
            raise BadInputError(f"Sweep file {path}: no field {name!r}. Fields: {', '.join(FIELDS)}.")
        if merged[name] == []:
            raise BadInputError(f"Sweep file {path}: {name} is an empty list, which would leave no run of its group.")
    choices = [value if isinstance(value, list) else [value] for value in merged.values()]
    for values in product(*choices):
        try:
            yield recipe_of(dict(zip(merged, values, strict=True)))
        except BadInputError as error:
            raise BadInputError(f"Sweep file {path}: {error}") from error


def _named(path: Path, name: object, defaults: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a group begins with: the fields of the recipe called ``name``, without one the file's defaults."""
    if not name:
        return defaults
    if not isinstance(name, str):
        raise BadInputError(f"Sweep file {path}: recipe must be the name of a recipe, see `recipes`; got {name!r}.")
    try:
        return {**get_named(name).fields, "name": name}
    except UnknownNameError as error:
        raise BadInputError(f"Sweep file {path}: {error}") from error


def _groups(path: Path, document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = document.get(name) or []
    if not isinstance(found, list):
        raise BadInputError(f"Sweep file {path}: {name} must be a list of groups; got {found!r}.")
    return [_mapping(path, f"a group of {name}", group) for group in found]


def _mapping(path: Path, name: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise BadInputError(f"Sweep file {path}: {name} must be a mapping of fields to values; got {value!r}.")
    return value


def _flag(path: Path, group: Mapping[str, Any], name: str) -> bool:
    value = group.get(name, False)
    if not isinstance(value, bool):
        raise BadInputError(f"Sweep file {path}: {name} must be true or false; got {value!r}.")
    return value


def _whole(path: Path, group: Mapping[str, Any], name: str, default: int, accepted: range) -> int:
    value = group.get(name, default)
    if type(value) is not int or value not in accepted:
        low, high = accepted.start, accepted.stop - 1
        raise BadInputError(f"Sweep file {path}: {name} must be a whole number from {low} to {high}; got {value!r}.")
    return value
