"""The grid on screen as one picture: PNG (Pillow) or SVG with the heatmaps as lossless PNG inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from xkd_core import catalogue, rendering
from xkd_core.models.cards import Card
from xkd_core.rendering import Scale, Style
from xkd_core.serving.sentences import confidence, number
from xkd_core.serving.views import ImageView
from xkd_core.serving.zoo import Row, describe
from xkd_core.types import Float, UInt8

CELL, GAP, LEFT, TOP, FOOT, LINE = 256, 16, 264, 84, 72, 22
_SCALE_WORDS: Mapping[Scale, str] = {
    "panel": "each panel's own maximum",
    "teacher": "the teacher's maximum of the same explainer",
    "method": "the maximum of the same explainer",
    "all": "the maximum of all panels",
}
_ROWS: Mapping[Row, str] = {"teacher": "Teacher", "naive": "Naive student", "matched": "Matched student"}


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """How the figure is drawn: as the viewer does."""

    style: Style
    scale: Scale = "panel"
    difference: bool = False
    outline: bool = False


@dataclass(frozen=True)
class Text:
    """A line of words: top left corner in px, size in px."""

    x: int
    y: int
    words: str
    size: int = 15


@dataclass(frozen=True)
class Picture:
    """Pixels with their top left corner."""

    x: int
    y: int
    pixels: UInt8


@dataclass(frozen=True)
class Page:
    """Everything in the figure, placed: both formats draw the same page."""

    width: int
    height: int
    parts: tuple[Text | Picture, ...]


def compose(view: ImageView, cards: Mapping[Row, Card], explainers: Sequence[str], drawing: Drawing) -> Page:
    """Place heatmaps (models as rows, explainers as columns), numbers, target and colour bar."""
    pixels, scales = panels(view, cards, explainers, drawing)
    height = CELL + 2 * LINE + GAP
    parts: list[Text | Picture] = [
        Text(GAP, GAP, f"Explained class: {view.target_name}; image {view.subject.key.spec}", 18)
    ]
    for column, name in enumerate(explainers):
        parts.append(Text(LEFT + column * (CELL + GAP), TOP - 28, catalogue.get("explainer", name).title, 18))
    for place, (row, card) in enumerate(cards.items()):
        top = TOP + place * height
        parts += _head(view, row, card, top)
        for column, name in enumerate(explainers):
            left = LEFT + column * (CELL + GAP)
            parts.append(Picture(left, top, pixels[row, name]))
            parts.append(Text(left, top + CELL + 6, _words(view, card, name, scales.get((row, name)))))
    foot = TOP + len(cards) * height
    parts += _bar(drawing, foot)
    return Page(LEFT + len(explainers) * (CELL + GAP), foot + FOOT, tuple(parts))


def panels(
    view: ImageView, cards: Mapping[Row, Card], explainers: Sequence[str], drawing: Drawing
) -> tuple[dict[tuple[Row, str], UInt8], dict[tuple[str, str], float]]:
    """Pixels of every panel by (row, explainer), and the divisor of each that has a map."""
    grids: dict[tuple[str, str], Float] = {
        (row, name): view.runs[card.id].maps[name]
        for row, card in cards.items() for name in explainers if name in view.runs[card.id].maps
    }  # fmt: skip
    scales = rendering.divisors(grids, drawing.scale, teacher="teacher", signed=drawing.style.signed)
    mask = view.subject.masks.get(view.target) if drawing.outline and view.target is not None else None
    photo = view.subject.photo
    drawn: dict[tuple[Row, str], UInt8] = {}
    for row in cards:
        for name in explainers:
            own, reference = grids.get((row, name)), grids.get(("teacher", name))
            if drawing.difference and row != "teacher" and own is not None and reference is not None:
                pair = (reference, scales["teacher", name])
                drawn[row, name] = rendering.difference(photo, own, scales[row, name], pair, drawing.style, mask=mask)
            else:
                drawn[row, name] = rendering.panel(photo, own, scales.get((row, name), 0.0), drawing.style, mask=mask)
    return drawn, scales


def to_png(page: Page) -> bytes:
    """The page as a lossless PNG."""
    canvas = Image.new("RGB", (page.width, page.height), "white")
    pen = ImageDraw.Draw(canvas)
    for part in page.parts:
        if isinstance(part, Picture):
            canvas.paste(Image.fromarray(part.pixels), (part.x, part.y))
        else:
            pen.text((part.x, part.y), _latin(part.words), fill="black", font=ImageFont.load_default(part.size))
    return rendering.png(np.asarray(canvas, dtype=np.uint8))


def to_svg(page: Page) -> bytes:
    """The page as SVG: words stay words, heatmaps are PNG inside."""
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{page.width}" height="{page.height}" '
        f'viewBox="0 0 {page.width} {page.height}" font-family="sans-serif">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for part in page.parts:
        lines.append(_image(part) if isinstance(part, Picture) else _line(part))
    return "\n".join([*lines, "</svg>"]).encode()


def _head(view: ImageView, row: Row, card: Card, top: int) -> list[Text | Picture]:
    run = view.runs[card.id]
    words = [_ROWS[row], *describe(card).split(", "), f"says {run.answer.says}, {confidence(run.answer.prob)}"]
    sizes = [18] + [15] * (len(words) - 1)
    return [
        Text(GAP, top + place * 24, word, size) for place, (word, size) in enumerate(zip(words, sizes, strict=True))
    ]


def _words(view: ImageView, card: Card, name: str, scale: float | None) -> str:
    if scale is None:
        return "not computed"
    scores = view.runs[card.id].scores.get(name)
    first = "reference" if card.role == "teacher" else f"cosine {number(None if scores is None else scores.cosine)}"
    return f"{first}; max {scale:.3g}"


def legend(drawing: Drawing) -> tuple[str, UInt8, str]:
    """The colour bar with the words at its two ends."""
    diverging = drawing.style.signed or drawing.difference
    most = f"{_share(drawing)}{_SCALE_WORDS[drawing.scale]} (max)"
    low, high = "no evidence", f"full colour = {most}"
    if drawing.difference:
        low, high = "less than the teacher", "more than the teacher (each after its own scaling)"
    elif drawing.style.signed:
        low, high = "evidence against", f"evidence for, up to {most}"
    return low, rendering.colour_bar(drawing.style, diverging=diverging), high


def _bar(drawing: Drawing, top: int) -> list[Text | Picture]:
    low, bar, high = legend(drawing)
    return [Text(GAP, top, low), Picture(LEFT, top, bar), Text(LEFT + bar.shape[1] + GAP, top, high)]


def _share(drawing: Drawing) -> str:
    return f"{drawing.style.full} % of " if drawing.style.full < 100 else ""


def _latin(words: str) -> str:
    """Pillow's built-in font has no Greek letters."""
    return words.replace("λ", "lambda").replace("β", "beta")


def _image(part: Picture) -> str:
    height, width = part.pixels.shape[:2]
    data = base64.b64encode(rendering.png(part.pixels)).decode()
    return f'<image x="{part.x}" y="{part.y}" width="{width}" height="{height}" href="data:image/png;base64,{data}"/>'


def _line(part: Text) -> str:
    return f'<text x="{part.x}" y="{part.y + part.size}" font-size="{part.size}">{escape(part.words)}</text>'
