"""The pictures of a study: drawn once by `xkd_core.rendering`, lossless, with names that say nothing.

Nothing is computed during a trial. Raw maps come from outside as arrays: the study knows no network.
"""

from __future__ import annotations

import hashlib
import io
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from xkd_core import rendering, settings
from xkd_core.errors import BadInputError, XKDError
from xkd_core.files import write_atomic
from xkd_core.study.config import StudyConfig
from xkd_core.study.plan import Item
from xkd_core.types import Float, UInt8

NAME = re.compile(r"[0-9a-f]{32}\.png")
PHOTO = "photo"


@dataclass(frozen=True, kw_only=True)
class ImageMaps:
    """One image as all runs see it.

    photo: (S, S, 3) uint8, for the eye. maps: run id -> raw signed map (h, w) float32. similarities: student's run id
    -> metric -> how alike its map is to the teacher's, turned so that larger is more alike; NaN where undefined.
    fine: the maps are of single pixels, see `rendering.divisor`.
    """

    photo: UInt8
    maps: Mapping[str, Float]
    similarities: Mapping[str, Mapping[str, float]]
    fine: bool = False


MapsOf = Callable[[int], ImageMaps]


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture to write: of which item, in which role ("photo", "teacher", ...), (S, S, 3) uint8."""

    item: int
    role: str
    pixels: UInt8


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """One written picture: its neutral file name and the sha256 of the file."""

    item: int
    role: str
    name: str
    sha256: str


def stimuli_dir(study_id: str) -> Path:
    """The folder of a study's pictures, in the home: share it between the machines that serve one study."""
    return settings.home() / "study" / "stimuli" / study_id


def draw_panels(config: StudyConfig, item: Item, maps_of: MapsOf, other: int | None = None) -> Iterator[Panel]:
    """Draw photo and panels of an item. other: the image whose map is the "different" one of a known item.

    Errors: BadInputError when a run has no map for the image; those of ``maps_of``.
    """
    seen = maps_of(item.image)
    photo = _sized(seen.photo, config.rendering.size_px)
    grids = _grids(config, item, seen, None if other is None else maps_of(other))
    style, scale = config.rendering.style, config.rendering.scale
    keys = {(role, config.explainer): grid for role, grid in grids.items()}
    fine = (config.explainer,) if seen.fine else ()
    teacher = item.roles[0]
    scales = rendering.divisors(keys, scale, teacher=teacher, signed=style.signed, fine=fine)
    yield Panel(item=item.number, role=PHOTO, pixels=photo)
    for role, grid in grids.items():
        pixels = rendering.panel(photo, grid, scales[role, config.explainer], style)
        yield Panel(item=item.number, role=role, pixels=pixels)


def most_different(image: int, pool: Sequence[int], teacher_map: Callable[[int], Float]) -> int:
    """The image of ``pool`` whose map is least like that of ``image``: positive evidence, cosine, first of equals."""
    others = [one for one in pool if one != image]
    if not others:
        raise BadInputError("A practice or catch trial needs the map of a second image; ask for more images.")
    own = _direction(teacher_map(image))
    return min(others, key=lambda one: float((own * _direction(teacher_map(one))).sum()))


def write_stimuli(folder: Path, panels: Iterable[Panel]) -> tuple[Stimulus, ...]:
    """Write each panel as a lossless PNG without metadata, under a random name, whole or not at all.

    Errors: XKDError when the disk is full or the folder cannot be written.
    """
    written = []
    for panel in panels:
        data = png_bytes(panel.pixels)
        name = f"{secrets.token_hex(16)}.png"
        write_atomic(folder / name, data)
        written.append(Stimulus(item=panel.item, role=panel.role, name=name, sha256=hashlib.sha256(data).hexdigest()))
    return tuple(written)


def png_bytes(pixels: UInt8) -> bytes:
    """(S, S, 3) uint8 -> PNG with nothing in it but the pixels."""
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise BadInputError(f"A panel must be (S, S, 3) uint8; got {pixels.shape} {pixels.dtype}.")
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.save(buffer, format="PNG", optimize=False, pnginfo=None)
    return buffer.getvalue()


def read_stimulus(study_id: str, name: str, sha256: str) -> bytes:
    """The bytes of a picture, checked. Errors: XKDError when it is missing or was changed."""
    if not NAME.fullmatch(name):
        raise BadInputError(f"A picture's name is 32 hexadecimal digits and .png; got {name[:60]!r}.")
    path = stimuli_dir(study_id) / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise XKDError(
            "A picture of this study is not on this machine. Share the folder study/stimuli of XKD_HOME between all "
            "machines that serve the study."
        ) from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise XKDError("A picture of this study was changed after the study was set up. Set it up again.")
    return data


def _grids(config: StudyConfig, item: Item, seen: ImageMaps, other: ImageMaps | None) -> dict[str, Float]:
    if item.pair is not None:
        pair = config.pairs[item.pair]
        runs = dict(zip(item.roles, (config.teacher, pair.naive, pair.matched), strict=True))
        lost = [run for run in runs.values() if run not in seen.maps]
        if lost:
            raise BadInputError(f"Image {item.image} has no {config.explainer} map of {', '.join(lost)}.")
        return {role: seen.maps[run] for role, run in runs.items()}
    if other is None:
        raise BadInputError(f"Item {item.number} needs a different map to be told apart from.")
    own = seen.maps[config.teacher]
    return {"same_a": own, "same_b": own, "different": _at_strength(other.maps[config.teacher], own)}


def _at_strength(grid: Float, like: Float) -> Float:
    """The other image's map at the strength of this one, so that not brightness but the place tells them apart."""
    strongest = float(np.abs(grid).max(initial=0.0))
    share = float(np.abs(like).max(initial=0.0)) / strongest if strongest > 0 else 0.0
    return (grid * share).astype(np.float32)


def _direction(grid: Float) -> Float:
    positive = np.maximum(grid.astype(np.float64), 0.0)
    length = float(np.sqrt((positive**2).sum()))
    return np.asarray(positive / length if length > 0 else positive, dtype=np.float32)


def _sized(photo: UInt8, size: int) -> UInt8:
    return photo if photo.shape[0] == size else rendering.enlarge(photo, size)
