"""A piece of canvas under one object: which material and which surface normal each sub-pixel has.

Shapes write materials and normals in their own coordinates (u right, v down, about -1..1); ``shade`` lights them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xkd_core.images.scenes import tables

F = NDArray[np.floating[Any]]  # float32 all along; the stubs of numpy widen it in mixed arithmetic
B = NDArray[np.bool_]
Colour = tuple[float, float, float]
Box = tuple[float, float, float, float]
FINE = 2  # sub-pixels per pixel and axis


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where an object stands: centre and unit length in image widths, tilt in radians, mirrored or not."""

    x: float
    y: float
    unit: float
    tilt: float = 0.0
    flip: float = 1.0
    squash: float = 1.0

    def turn(self) -> tuple[float, float]:
        """Cosine and sine, rounded so that every C library gives the same."""
        return round(math.cos(self.tilt), 6), round(math.sin(self.tilt), 6)

    def span(self, box: Box) -> Box:
        """The box of the object in image widths: left, top, right, bottom."""
        cos, sin = self.turn()
        u = [box[0] * self.flip * self.squash, box[2] * self.flip * self.squash]
        xs = [cos * a - sin * b for a in u for b in (box[1], box[3])]
        ys = [sin * a + cos * b for a in u for b in (box[1], box[3])]
        unit = self.unit
        return self.x + unit * min(xs), self.y + unit * min(ys), self.x + unit * max(xs), self.y + unit * max(ys)


@dataclass(frozen=True, kw_only=True)
class Light:
    """One key light for the whole scene: unit direction towards it (x right, y down, z to the eye) and colours."""

    x: float
    y: float
    z: float
    key: Colour
    ambient: Colour
    halfway: Colour  # unit vector between light and eye


@dataclass
class Patch:
    """Sub-pixel layers over the part of an object's box that lies in the frame."""

    pose: Pose
    left: int
    top: int
    width: int
    height: int
    size: int
    u: F = field(repr=False)
    v: F = field(repr=False)

    @classmethod
    def under(cls, pose: Pose, box: Box, size: int) -> Patch:
        """The patch for ``box`` at ``size`` pixels an image side; may be empty outside the frame."""
        low_x, low_y, high_x, high_y = pose.span(box)
        left, top = max(0, math.floor(low_x * size)), max(0, math.floor(low_y * size))
        width = max(0, min(size, math.ceil(high_x * size)) - left)
        height = max(0, min(size, math.ceil(high_y * size)) - top)
        cos, sin = pose.turn()
        scale = 1.0 / (FINE * size)
        x = (np.arange(FINE * width, dtype=np.float32) + (FINE * left + 0.5)) * scale - pose.x
        y = ((np.arange(FINE * height, dtype=np.float32) + (FINE * top + 0.5)) * scale - pose.y)[:, None]
        across, down = pose.flip / (pose.unit * pose.squash), 1.0 / pose.unit
        u = x * (cos * across) + y * (sin * across)
        v = x * (-sin * down) + y * (cos * down)
        return cls(pose, left, top, width, height, size, u, v)

    def __post_init__(self) -> None:
        shape = self.u.shape
        self.ids = np.zeros(shape, dtype=np.uint8)
        self.nx = np.zeros(shape, dtype=np.float32)
        self.ny = np.zeros(shape, dtype=np.float32)
        self.nz = np.ones(shape, dtype=np.float32)
        self._rows: list[tuple[float, float, float, float, float]] = [(0.0, 0.0, 0.0, 0.0, 0.0)]

    def material(self, colour: Colour, *, gloss: float = 0.0, rough: float = 0.1) -> int:
        """Register a linear colour with the strength of its highlight and of its texture."""
        self._rows.append((*colour, gloss, rough))
        return len(self._rows) - 1

    def paint(
        self, where: B, material: int | NDArray[np.uint8], normal: tuple[F | float, F | float, F | float]
    ) -> None:
        """Lay a part over what is there; the normal is in the object's coordinates and need not have length 1."""
        np.copyto(self.ids, material, where=where, casting="unsafe")
        for layer, value in zip((self.nx, self.ny, self.nz), normal, strict=True):
            np.copyto(layer, value, where=where, casting="same_kind")

    def recolour(self, where: B, material: int) -> None:
        """Change the material and keep the form, within what is painted already."""
        np.copyto(self.ids, np.uint8(material), where=where & (self.ids > 0))

    def coverage(self) -> NDArray[np.int64]:
        """Sub-pixels covered per pixel, 0..4: (height, width)."""
        full = (self.ids > 0).astype(np.int64)
        return full[::2, ::2] + full[1::2, ::2] + full[::2, 1::2] + full[1::2, 1::2]

    def shade(self, light: Light, seed: float) -> F:
        """Lit linear colour times cover, averaged per pixel: (3, height, width)."""
        nx, ny, nz = self._normals()
        table = np.asarray(self._rows, dtype=np.float32).T
        red, green, blue, gloss, rough = np.ascontiguousarray(table).take(self.ids, axis=1)
        facing = nx * light.x + ny * light.y + nz * light.z
        diffuse = np.maximum(facing * 0.86 + 0.14, 0.0)
        sky = 0.72 - 0.28 * ny + 0.12 * nz
        shine = np.maximum(nx * light.halfway[0] + ny * light.halfway[1] + nz * light.halfway[2], 0.0)
        broad = _power_of_two(shine, 3)
        shine = gloss * (broad * 0.12 + _power_of_two(broad, 3) * 1.1)
        cloud = tables.noise().nearest(
            self.u * 0.21 + seed, self.v * 0.21 + seed * 0.7, 0.21 / (self.pose.unit * 2 * self.size)
        )
        texture = (1.0 + rough * 2.4 * (cloud[0] - 0.5)) * (self.ids > 0)
        channels = []
        for albedo, key, ambient in zip((red, green, blue), light.key, light.ambient, strict=True):
            channels.append(albedo * texture * (sky * ambient + diffuse * key) + shine * key)
        return _averaged(np.stack(channels))

    def _normals(self) -> tuple[F, F, F]:
        cos, sin = self.pose.turn()
        flip = self.pose.flip
        nx = self.nx * (cos * flip) - self.ny * sin
        ny = self.nx * (sin * flip) + self.ny * cos
        length = 1.0 / np.sqrt(nx * nx + ny * ny + self.nz * self.nz + 1e-6)
        return nx * length, ny * length, self.nz * length


def _power_of_two(value: F, times: int) -> F:
    for _ in range(times):
        value = value * value
    return value


def _averaged(fine: F) -> F:
    return (fine[:, ::2, ::2] + fine[:, 1::2, ::2] + fine[:, ::2, 1::2] + fine[:, 1::2, 1::2]) * np.float32(0.25)


def rounded(x: F, y: F | float = 0.0) -> F:
    """The z of a unit sphere (or cylinder) over (x, y); 0 outside."""
    return np.sqrt(np.maximum(1.0 - x * x - y * y, 0.0))


def fraction(value: F) -> F:
    """The part after the point, in [0, 1)."""
    return value - np.floor(value)
