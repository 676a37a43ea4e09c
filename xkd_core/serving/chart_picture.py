"""The chart of the Metrics page as a picture to take away: SVG, or PNG (Pillow), both from the same parts."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image, ImageColor, ImageDraw, ImageFont

from xkd_core.serving.metrics_view import Band, Box, Chart, arrow, family_words, title_of

WIDTH, HEIGHT, LEFT, RIGHT, TOP, FOOT = 1000, 560, 90, 220, 84, 92
INK, GREY, BAND = "#222222", "#888888", "#dddddd"
BOX_PX, TICKS = 26, 6
SCALE = 2  # pixels of the PNG for each unit


@dataclass(frozen=True)
class Stroke:
    """A line between two points."""

    x1: float
    y1: float
    x2: float
    y2: float
    colour: str
    width: float = 1.0


@dataclass(frozen=True)
class Area:
    """A rectangle: filled, or with a border of ``colour`` only."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    filled: bool


@dataclass(frozen=True)
class Words:
    """Text around its anchor: "start", "middle" or "end"; y is its middle."""

    x: float
    y: float
    words: str
    size: int = 14
    anchor: str = "start"
    colour: str = INK


Part = Stroke | Area | Words


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where things stand, as in the chart on the page. places: label -> x; colours: family -> colour; ends of y."""

    places: Mapping[str, float]
    ticks: Mapping[int, str]
    colours: Mapping[str, str]
    ends: tuple[float, float]
    axis: str

    def x(self, place: float) -> float:
        """Units from the left of a place on the axis."""
        return LEFT + (place + 0.6) / (len(self.ticks) + 0.2) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Units from the top of a value."""
        low, high = self.ends
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - FOOT)


def compose(found: Chart, layout: Layout, labels: Sequence[float]) -> tuple[Part, ...]:
    """All parts, from the back to the front. labels: y of the names of the bands with values, lowest band first."""
    parts: list[Part] = [*_frame(found, layout)]
    bands = sorted((band for band in found.bands if band.estimate.n), key=lambda band: band.estimate.mean)
    for band, y in zip(bands, labels, strict=True):
        parts += _band(band, layout, y)
    for box in found.boxes:
        if box.line.shared.n:
            parts += _box(box, layout)
    return tuple(parts)


def to_svg(parts: Sequence[Part]) -> bytes:
    """One SVG."""
    body = "\n".join(_svg(part) for part in parts)
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="DejaVu Sans, Arial, sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{body}\n</svg>\n'
    ).encode()


def to_png(parts: Sequence[Part]) -> bytes:
    """One PNG, lossless, twice as many pixels as units."""
    image = Image.new("RGB", (WIDTH * SCALE, HEIGHT * SCALE), "#ffffff")
    draw = ImageDraw.Draw(image)
    for part in parts:
        _paint(draw, part)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _frame(found: Chart, layout: Layout) -> list[Part]:
    ask, right, bottom = found.ask, WIDTH - RIGHT, HEIGHT - FOOT
    parts: list[Part] = [
        Words(LEFT, 24, f"{title_of(ask.metric)} {arrow(ask.metric)}, {ask.explainer}", 18),
        Words(LEFT, HEIGHT - 14, _basis(found), 12),
        Words((LEFT + right) / 2, HEIGHT - 36, layout.axis, 14, "middle"),
    ]
    for value in np.linspace(*layout.ends, TICKS)[1:-1]:
        parts += [Stroke(LEFT, layout.y(value), right, layout.y(value), "#eeeeee"),
                  Words(LEFT - 8, layout.y(value), f"{value:.3g}", 12, "end")]  # fmt: skip
    parts += [Stroke(LEFT, TOP, LEFT, bottom, INK), Stroke(LEFT, bottom, right, bottom, INK)]
    for place, text in layout.ticks.items():
        lines = text.split("<br>")
        parts += [Words(layout.x(place), bottom + 16 + 13 * row, one, 12, "middle") for row, one in enumerate(lines)]
    return [*parts, *_legend(found, layout)]


def _basis(found: Chart) -> str:
    """On what the marks rest; networks whose map is not the one in the title are named."""
    if found.whole:
        return f"one number for all {found.n:,} images and each training, with 95 % intervals"
    words = f"{found.n:,} images, the same for every mark; means with 95 % intervals"
    families = sorted({family_words(box.family) for box in found.boxes if box.label in found.instead})
    return f"{words}; {', '.join(set(found.instead.values()))} of {', '.join(families)}" if families else words


def _legend(found: Chart, layout: Layout) -> list[Part]:
    parts: list[Part] = []
    x = float(LEFT)
    for family in found.ask.families:
        if any(box.family == family and box.line.shared.n for box in found.boxes):
            words = family_words(family)
            parts += [Area(x, 46, 12, 12, layout.colours[family], True), Words(x + 18, 52, words, 13)]
            x += 40 + 7.5 * len(words)
    return parts


def _band(band: Band, layout: Layout, label: float) -> list[Part]:
    value, right = band.estimate, WIDTH - RIGHT
    parts: list[Part] = []
    if np.isfinite([value.low, value.high]).all():
        top = layout.y(value.high)
        parts.append(Area(LEFT, top, right - LEFT, layout.y(value.low) - top, BAND, True))
    words = f"{band.words} {value.mean:.2f}"
    return [*parts, Stroke(LEFT, layout.y(value.mean), right, layout.y(value.mean), GREY),
            Words(right + 8, layout.y(label), words, 12)]  # fmt: skip


def _box(box: Box, layout: Layout) -> list[Part]:
    x, colour, mean = layout.x(layout.places[box.label]), layout.colours[box.family], box.line.shared
    parts: list[Part] = []
    if (five := box.five) is not None:
        low, q1, median, q3, high = (layout.y(v) for v in (five.low, five.q1, five.median, five.q3, five.high))
        left, right = x - BOX_PX / 2, x + BOX_PX / 2
        parts += [Stroke(x, low, x, q1, colour, 1.5), Stroke(x, q3, x, high, colour, 1.5)]
        parts += [Area(left, q3, BOX_PX, q1 - q3, colour, False), Stroke(left, median, right, median, colour, 2)]
    if np.isfinite([mean.low, mean.high]).all():
        parts.append(Stroke(x, layout.y(mean.low), x, layout.y(mean.high), colour, 4))
    return [*parts, Area(x - 5, layout.y(mean.mean) - 5, 10, 10, colour, True)]


def _svg(part: Part) -> str:
    if isinstance(part, Stroke):
        ends = f'x1="{part.x1:.1f}" y1="{part.y1:.1f}" x2="{part.x2:.1f}" y2="{part.y2:.1f}"'
        return f'<line {ends} stroke="{part.colour}" stroke-width="{part.width:g}"/>'
    if isinstance(part, Area):
        fill = f'fill="{part.colour}"' if part.filled else f'fill="none" stroke="{part.colour}" stroke-width="1.5"'
        return f'<rect x="{part.x:.1f}" y="{part.y:.1f}" width="{part.width:.1f}" height="{part.height:.1f}" {fill}/>'
    place = f'x="{part.x:.1f}" y="{part.y:.1f}" text-anchor="{part.anchor}" dominant-baseline="middle"'
    return f'<text {place} font-size="{part.size}" fill="{part.colour}">{escape(part.words)}</text>'


def _paint(draw: ImageDraw.ImageDraw, part: Part) -> None:
    if isinstance(part, Stroke):
        ends = [SCALE * one for one in (part.x1, part.y1, part.x2, part.y2)]
        draw.line(ends, ImageColor.getrgb(part.colour), max(1, round(SCALE * part.width)))
    elif isinstance(part, Area):
        corners = [SCALE * one for one in (part.x, part.y, part.x + part.width, part.y + part.height)]
        colour = ImageColor.getrgb(part.colour)
        if part.filled:
            draw.rectangle(corners, fill=colour)
        else:
            draw.rectangle(corners, outline=colour, width=round(1.5 * SCALE))
    else:
        font = ImageFont.load_default(part.size * SCALE)
        anchor = {"start": "lm", "middle": "mm", "end": "rm"}[part.anchor]
        draw.text((SCALE * part.x, SCALE * part.y), part.words, ImageColor.getrgb(part.colour), font, anchor)
