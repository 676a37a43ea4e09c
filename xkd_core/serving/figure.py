"""The grid on screen as one picture: PNG (Pillow) or SVG with the heatmaps as lossless PNG inside."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from xkd_core import catalogue, rendering
from xkd_core.rendering import Scale, Style
from xkd_core.serving.sentences import comparable, number, policy_words
from xkd_core.serving.sheets import Cell, Sheet
from xkd_core.serving.views import ImageView
from xkd_core.types import Float, UInt8

CELL, GAP, LEFT, TOP, FOOT, LINE = 256, 16, 264, 84, 72, 22
Key = tuple[str, str]  # run id, explainer
_SCALE_WORDS: Mapping[Scale, str] = {
    "panel": "each panel's own maximum",
    "teacher": "the teacher's maximum of the same explainer",
    "method": "the maximum of the same explainer",
    "all": "the maximum of all panels",
}
FINE_WORDS = "maps of single pixels: at the 99th percentile of their values"
_BLOCKS = ("cam", "perturbation")  # families whose maps are cells, windows or superpixels


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


def fine(explainer: str) -> bool:
    """Is it a map of single pixels? Then full colour is at a percentile, see ``rendering.divisor``."""
    return catalogue.get("explainer", explainer).family not in _BLOCKS


def compose(view: ImageView, sheet: Sheet, drawing: Drawing) -> Page:
    """Place heatmaps as in the sheet, with numbers, explained class and colour bar."""
    pixels, scales = panels(view, sheet.cells, drawing)
    height = CELL + 2 * LINE + GAP
    parts: list[Text | Picture] = [Text(GAP, GAP, _about(view), 18)]
    for column, name in enumerate(sheet.columns):
        parts.append(Text(LEFT + column * (CELL + GAP), TOP - 28, name, 18))
    for place, (head, cells) in enumerate(zip(sheet.heads, sheet.rows, strict=True)):
        top = TOP + place * height
        parts += _head(head, top)
        for column, cell in enumerate(cells):
            left = LEFT + column * (CELL + GAP)
            drawn = None if cell is None else pixels.get((cell.card.id, cell.explainer))
            parts.append(Picture(left, top, rendering.hatching(CELL) if drawn is None else drawn))
            words = "no such run" if cell is None else cell.lost or _words(view, cell, scales)
            parts.append(Text(left, top + CELL + 6, words))
    foot = TOP + len(sheet.rows) * height
    parts += _bar(drawing, foot, has_fine=any(fine(name) for name in sheet.explainers))
    return Page(LEFT + len(sheet.columns) * (CELL + GAP), foot + FOOT, tuple(parts))


def panels(view: ImageView, cells: Sequence[Cell], drawing: Drawing) -> tuple[dict[Key, UInt8], dict[Key, float]]:
    """Pixels of every panel by (run id, explainer), and the divisor of each that has a map."""
    teacher = next(iter(view.runs), "")
    keys = [(cell.card.id, cell.explainer) for cell in cells]
    grids: dict[Key, Float] = {
        (run_id, name): view.runs[run_id].maps[name] for run_id, name in keys if name in view.runs[run_id].maps
    }
    smooth = {name for _, name in keys if fine(name)}
    scales = rendering.divisors(grids, drawing.scale, teacher=teacher, signed=drawing.style.signed, fine=smooth)
    mask = view.subject.masks.get(view.target) if drawing.outline and view.target is not None else None
    photo = view.subject.photo
    drawn: dict[Key, UInt8] = {}
    for run_id, name in keys:
        key, reference = (run_id, name), grids.get((teacher, name))
        own, scale = grids.get(key), scales.get(key, 0.0)
        if drawing.difference and run_id != teacher and own is not None and reference is not None:
            pair = (reference, scales[teacher, name])
            drawn[key] = (
                rendering.difference(photo, own, scale, pair, drawing.style, mask=mask)
                if comparable(view, view.runs[run_id])
                else rendering.hatching(photo.shape[0])
            )
        else:
            drawn[key] = rendering.panel(photo, own, scale, drawing.style, mask=mask)
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


def _about(view: ImageView) -> str:
    return f"Explained class: {view.target_name} ({policy_words(view.policy)}); image {view.subject.key.spec}"


def _head(lines: Sequence[str], top: int) -> list[Text | Picture]:
    words = [part for line in lines for part in line.split(", ")]
    sizes = [18] + [15] * (len(words) - 1)
    return [
        Text(GAP, top + place * 24, word, size) for place, (word, size) in enumerate(zip(words, sizes, strict=True))
    ]


def _words(view: ImageView, cell: Cell, scales: Mapping[Key, float]) -> str:
    run, scale = view.runs[cell.card.id], scales.get((cell.card.id, cell.explainer))
    if scale is None:
        return "not computed"
    scores = run.scores.get(cell.explainer)
    first = "reference" if cell.row == "teacher" else f"cosine {number(None if scores is None else scores.cosine)}"
    if not comparable(view, run):
        first = f"other class: {view.subject.classes[run.target]}"
    words = [first, f"{'99 %' if fine(cell.explainer) else 'max'} {scale:.3g}", cell.note]
    return "; ".join(word for word in words if word)


def legend(drawing: Drawing, *, has_fine: bool = False) -> tuple[str, UInt8, str]:
    """The colour bar with the words at its two ends."""
    masked, signed = drawing.style.mode == "masked", drawing.style.signed
    most = f"{_share(drawing)}{_SCALE_WORDS[drawing.scale]}{f' ({FINE_WORDS})' if has_fine else ''}"
    low, high = "no evidence", f"{'full light' if masked else 'full colour'} = {most}"
    if drawing.difference:
        low, high = ("as the teacher", "more or less than the teacher") if masked else _DIFFERENCE
    elif signed:
        low, high = ("no evidence", "evidence for or against") if masked else ("evidence against", "evidence for")
        high = f"{high}, up to {most}"
    return low, rendering.colour_bar(drawing.style, diverging=signed or drawing.difference), high


_DIFFERENCE = ("less than the teacher", "more than the teacher (each after its own scaling)")


def _bar(drawing: Drawing, top: int, *, has_fine: bool) -> list[Text | Picture]:
    low, bar, high = legend(drawing, has_fine=has_fine)
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
