"""Colours of objects: every class draws from the same wheel, so that a colour never tells the class."""

from __future__ import annotations

from dataclasses import dataclass

from xkd_core.images.scenes.patch import Colour
from xkd_core.images.scenes.random_bits import Draws


def linear(red: float, green: float, blue: float) -> Colour:
    """Linear light from display values in [0, 1] (display value = square root, see camera)."""
    return red * red, green * green, blue * blue


def of_hue(hue: float, saturation: float, value: float) -> Colour:
    """Linear colour from hue (turns), saturation and value in [0, 1]."""
    channels = []
    for offset in (0.0, 1 / 3, 2 / 3):
        distance = (hue - offset + 0.5) % 1.0 - 0.5
        ramp = min(max(2.0 - 6.0 * abs(distance), 0.0), 1.0)
        channels.append(value * (1.0 - saturation + saturation * ramp))
    return linear(channels[0], channels[1], channels[2])


def mixed(first: Colour, second: Colour, part: float) -> Colour:
    """Between two linear colours."""
    return (
        first[0] + (second[0] - first[0]) * part,
        first[1] + (second[1] - first[1]) * part,
        first[2] + (second[2] - first[2]) * part,
    )


def apart(colour: Colour, other: Colour, away: Colour) -> Colour:
    """``colour``, or ``away`` if it could hardly be told from ``other``."""
    gaps = [abs(first - second) for first, second in zip(colour, other, strict=True)]
    return colour if max(gaps) > 0.3 else away


@dataclass(frozen=True, kw_only=True)
class Scheme:
    """The colours of one object."""

    main: Colour
    second: Colour
    accent: Colour
    pale: Colour
    dark: Colour


def scheme(d: Draws) -> Scheme:
    """Draw a scheme: mostly full colours, sometimes greyish, second far from the first."""
    hue, other = d.unit(), d.between(0.28, 0.72)
    grey = d.chance(0.15)
    main = of_hue(hue, d.between(0.05, 0.25) if grey else d.between(0.5, 0.95), d.between(0.55, 0.98))
    pale = of_hue(d.unit(), d.between(0.02, 0.16), d.between(0.86, 1.0))
    dark = of_hue(d.unit(), d.between(0.1, 0.5), d.between(0.14, 0.28))
    second = pale if d.chance(0.4) else of_hue((hue + other) % 1.0, d.between(0.4, 0.9), d.between(0.5, 0.95))
    accent = of_hue((hue + 0.5 * other) % 1.0, d.between(0.6, 0.95), d.between(0.6, 1.0))
    return Scheme(main=main, second=second, accent=accent, pale=pale, dark=dark)
