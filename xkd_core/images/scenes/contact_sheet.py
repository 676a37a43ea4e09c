"""A numbered sheet of 40 objects for a reader to name: ``python -m xkd_core.images.scenes.contact_sheet OUT.png``.

The key goes to ``KEY.txt`` only if a second path is given, so that it need not lie beside the picture.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from xkd_core.images import scenes
from xkd_core.images.scenes.random_bits import uniforms

COLUMNS, ROWS, SIDE, CROP = 8, 5, 176, 320


def entries() -> list[tuple[int, int]]:
    """Forty (test index, class), five of each class, in an order without a pattern.

    Chosen by rule, not by looks: the first image of the split where the object can stand in the middle of its tile.
    """
    drawn = scenes.labels("test")
    wanted = np.repeat(np.arange(len(scenes.CLASSES)), 5)[np.argsort(uniforms(40, 40), kind="stable")]
    used: set[int] = set()
    chosen = []
    for label in wanted:
        index = next(i for i in range(len(drawn)) if drawn[i, label] and i not in used and _central(i, int(label)))
        used.add(index)
        chosen.append((index, int(label)))
    return chosen


def _central(index: int, label: int) -> bool:
    mask = scenes.render("test", index).masks[label]
    rows, columns = np.nonzero(mask)
    half = 0.62 * max(np.ptp(rows), np.ptp(columns))
    centres = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    return all(half <= centre <= len(mask) - half for centre in centres)


def tile(index: int, label: int) -> Image.Image:
    """A crisp square cut around one object of a scene: (SIDE, SIDE)."""
    sample = scenes.render("test", index, size=CROP)
    rows, columns = np.nonzero(sample.masks[label])
    half = min(CROP // 2, int(0.68 * max(np.ptp(rows), np.ptp(columns))) + 6)
    middle_y = min(max(int(rows.min() + rows.max()) // 2, half), CROP - half)
    middle_x = min(max(int(columns.min() + columns.max()) // 2, half), CROP - half)
    cut = sample.pixels[middle_y - half : middle_y + half, middle_x - half : middle_x + half]
    return Image.fromarray(cut).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def sheet() -> Image.Image:
    """All forty tiles with their numbers."""
    page = Image.new("RGB", (COLUMNS * (SIDE + 6) + 6, ROWS * (SIDE + 26) + 6), "white")
    pen = ImageDraw.Draw(page)
    for number, (index, label) in enumerate(entries()):
        left, top = 6 + number % COLUMNS * (SIDE + 6), 6 + number // COLUMNS * (SIDE + 26)
        page.paste(tile(index, label), (left, top + 20))
        pen.text((left + 2, top + 2), str(number + 1), fill="black", font_size=15)
    return page


def key() -> str:
    """The names behind the numbers, one a line."""
    return "".join(
        f"{number + 1} {scenes.CLASSES[label]} test:{index}\n" for number, (index, label) in enumerate(entries())
    )


def main(arguments: list[str]) -> int:
    """Write the sheet, and the key if asked."""
    if not 1 <= len(arguments) <= 2:
        sys.stderr.write("Usage: python -m xkd_core.images.scenes.contact_sheet OUT.png [KEY.txt]\n")
        return 2
    sheet().save(arguments[0])
    if len(arguments) == 2:
        Path(arguments[1]).write_text(key(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
