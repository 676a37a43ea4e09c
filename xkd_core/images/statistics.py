"""Channel means and deviations of a split: ``python -m xkd_core.images.statistics NAME SPLIT``.

The constants in the data sets' transforms were measured with it; sums are whole numbers, so the order is free.
"""

from __future__ import annotations

import sys

import numpy as np

from xkd_core.images.datasets import load
from xkd_core.types import ImageData


def channel_statistics(data: ImageData, *, chunk: int = 500) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation per channel of all pixels scaled to 0..1, rounded to 4 decimals."""
    total, squares, count = np.zeros(3, dtype=np.int64), np.zeros(3, dtype=np.int64), 0
    for start in range(0, len(data), chunk):
        pixels = data.pixels(range(start, min(start + chunk, len(data)))).reshape(-1, 3).astype(np.int64)
        total += pixels.sum(axis=0)
        squares += (pixels * pixels).sum(axis=0)
        count += len(pixels)
    mean = total / count / 255
    deviation = np.sqrt(squares / count / 255**2 - mean**2)
    return tuple(round(float(value), 4) for value in mean), tuple(round(float(value), 4) for value in deviation)


def main(arguments: list[str]) -> int:
    """Print mean and deviation of one split."""
    if len(arguments) != 2:
        sys.stderr.write("Usage: python -m xkd_core.images.statistics NAME SPLIT\n")
        return 2
    mean, deviation = channel_statistics(load(arguments[0], arguments[1]))
    sys.stdout.write(f"mean={mean}\nstd={deviation}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
