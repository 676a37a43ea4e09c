"""Data as text: ``NAME:SPLIT:A-B`` (A to B, both included), ``NAME:SPLIT:7`` or ``NAME:SPLIT`` for all."""

from __future__ import annotations

import re

from xkd_core.errors import BadInputError, unknown_name
from xkd_core.images.datasets import info

_FORM = re.compile(
    r"(?P<name>(?:folder:)?[^:\s]+):(?P<split>[^:\s]+)(?::(?P<first>\d{1,9})(?:-(?P<last>\d{1,9}))?)?", re.ASCII
)


def parse(text: str) -> tuple[str, str, range]:
    """Read a specification into data set, split and indices.

    Raises BadInputError for another form or a range outside the split, UnknownNameError for a name or split.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise BadInputError(f"Cannot read {text[:80]!r} as data. Write NAME:SPLIT:A-B, for instance scenes:test:0-99.")
    name, split = match["name"], match["split"]
    splits = info(name).splits
    if split not in splits:
        raise unknown_name(f"split of {name}", split, splits)
    first = 0 if match["first"] is None else int(match["first"])
    last = splits[split] - 1 if match["first"] is None else int(match["last"] if match["last"] is not None else first)
    if not first <= last < splits[split]:
        raise BadInputError(
            f"{name}:{split} has the images 0 to {splits[split] - 1}; got {text.strip().rsplit(':', 1)[-1]}. "
            "Choose A <= B within that range."
        )
    return name, split, range(first, last + 1)
