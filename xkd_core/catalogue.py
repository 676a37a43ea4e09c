"""The one registry of explainers and metrics: where the code is, and what a page says about it.

Names and texts only: code is imported when an entry is resolved, so reading this costs nothing.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from xkd_core.catalogue_metrics import METRICS_OF_MAPS, RETRAINED, MetricInfo
from xkd_core.catalogue_more import MORE_EXPLAINERS
from xkd_core.catalogue_networks import METRICS_OF_NETWORKS
from xkd_core.catalogue_tables import FIRST_EXPLAINERS, ON_GAP, Entry, Options, windows
from xkd_core.errors import BadInputError, unknown_name
from xkd_core.types import Param

__all__ = ["EXPLAINERS", "INSTEAD", "METRICS", "RETRAINED", "Entry", "MetricInfo", "cost", "distinct", "get", "in_loss",
           "options", "resolve", "source_line", "windows"]  # fmt: skip

INSTEAD: Mapping[str, str] = {"cam": "grad_cam"}
"""What stands in where a network has no CAM; where it has one, the two are equal but for a positive factor."""
EXPLAINERS: Mapping[str, Entry] = {**FIRST_EXPLAINERS, **MORE_EXPLAINERS}
METRICS: Mapping[str, MetricInfo] = {**METRICS_OF_MAPS, **METRICS_OF_NETWORKS}


def in_loss(method: str, explainer: str, *, gap: bool = True, layers: str = "") -> bool:
    """Was this explainer's map part of the training loss of a run with this method?

    gap: whether the network has the head that CAM needs; without it SWA's map is Grad-CAM's alone. layers: as in
    the recipe; explainers look at the last one. AT compares sum_k A_k^2, so on the last layer it is EWA. NST and
    AB compare activations channel by channel: no explainer's map.
    """
    if layers and "last" not in layers.split("+"):
        return False
    if method in ("swa", "sswa"):
        return explainer in ON_GAP if gap else explainer == "grad_cam"
    return method in ("ewa", "at") and explainer == "ewa"


def distinct(names: Iterable[str]) -> tuple[str, ...]:
    """The explainers without those that show the map of an earlier one on global average pooling + one linear layer."""
    kept: list[str] = []
    for name in names:
        if not set(EXPLAINERS[name].equal_on_gap) & set(kept):
            kept.append(name)
    return tuple(kept)


def get(kind: Literal["explainer", "map", "metric"], name: str) -> Any:
    """The Entry or MetricInfo called ``name``; a "map" is an explainer that `cams` computes.

    Errors: UnknownNameError with the nearest name and all that exist.
    """
    maps = {known: entry for known, entry in EXPLAINERS.items() if entry.needs != "model"}
    tables: Mapping[str, Mapping[str, Any]] = {"explainer": EXPLAINERS, "map": maps, "metric": METRICS}
    table = tables[kind]
    if name not in table:
        raise unknown_name(kind, name, table)
    return table[name]


def resolve(entry: Entry | MetricInfo) -> Callable[..., Any]:
    """Import the function behind an entry."""
    module, _, attribute = entry.attr.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), attribute)
    return function


@cache
def source_line(attr: str) -> str:
    """Where the function behind ``attr`` stands, "xkd_core/metrics/similarity.py:31", without importing it."""
    module, _, attribute = attr.partition(":")
    path = Path(__file__).parents[1] / Path(*module.split(".")).with_suffix(".py")
    begins = re.compile(rf"(?:def|class) {attribute}\b|{attribute}\b.*=")
    lines = enumerate(path.read_text().splitlines(), start=1)
    number = next(number for number, line in lines if begins.match(line))
    return f"{path.relative_to(Path(__file__).parents[1]).as_posix()}:{number}"


def options(name: str, given: Options) -> dict[str, Any]:
    """All parameters of an explainer: the given ones, checked, and the defaults of the others.

    Errors: UnknownNameError for a parameter it does not have, BadInputError for a value out of range.
    """
    known = {param.name: param for param in get("explainer", name).params}
    for key, value in given.items():
        if key not in known:
            raise unknown_name(f"parameter of {name}", key, known)
        _check(name, known[key], value)
    return {key: given.get(key, param.default) for key, param in known.items()}


def cost(name: str, params: Options, size: int, *, channels: int = 256) -> int:
    """Forwards of one network for one image; a backward to the pixels counts as one forward.

    Args: params, the given ones or none; size, of the image in px; channels, of the last activation.
    """
    entry: Entry = get("explainer", name)
    return entry.forwards(options(name, params), size, channels)


def _check(name: str, param: Param, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, type(param.default)):
        kind = type(param.default).__name__
        raise BadInputError(f"{param.name} of {name} must be of type {kind}; got {value!r}.")
    number: Any = value
    too_low = param.low is not None and number < param.low
    too_high = param.high is not None and number > param.high
    if too_low or too_high:
        raise BadInputError(f"{param.name} of {name} must be {param.low} to {param.high}; got {value!r}.")
