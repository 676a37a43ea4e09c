"""How the viewer draws, as one frozen value that fits into a link: 'overlay.panel.inferno.60.100.s'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from xkd_core.colours import SEQUENTIAL
from xkd_core.rendering import MODES, SCALES, Style
from xkd_core.serving.figure import Drawing

_FLAGS = {"smooth": "s", "signed": "n", "difference": "d", "outline": "o", "rows": "r"}


@dataclass(frozen=True, kw_only=True)
class Look:
    """The viewer's own controls. opacity and full: per cent, in steps of 5, see ``rendering.Style``."""

    mode: str = "overlay"
    scale: str = "panel"
    colours: str = "inferno"
    opacity: int = 50
    full: int = 100
    smooth: bool = True
    signed: bool = False
    difference: bool = False
    outline: bool = False
    rows: bool = False

    @property
    def style(self) -> Style:
        """The same for rendering.py."""
        return Style(
            mode=self.mode,  # type: ignore[arg-type]
            smooth=self.smooth,
            opacity=self.opacity,
            full=self.full,
            signed=self.signed,
            colours=self.colours,  # type: ignore[arg-type]
        )

    @property
    def drawing(self) -> Drawing:
        """The same for a figure or plain pictures."""
        return Drawing(style=self.style, scale=self.scale, difference=self.difference, outline=self.outline)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """As it stands in a link."""
        flags = "".join(letter for name, letter in _FLAGS.items() if getattr(self, name))
        return f"{self.mode}.{self.scale}.{self.colours}.{self.opacity}.{self.full}.{flags or '-'}"


def read(text: str) -> Look:
    """A look from a link; every part that cannot be read falls back to its default."""
    mode, scale, colours, opacity, full, letters = [*text.split("."), *[""] * 6][:6]
    flags = {name: letter in letters for name, letter in _FLAGS.items()} if letters else {}
    return checked({"mode": mode, "scale": scale, "colours": colours, "opacity": opacity, "full": full, **flags})


def checked(values: Mapping[str, Any]) -> Look:
    """A look from anything that came from a browser; what is not allowed falls back to its default."""
    allowed = {"mode": MODES, "scale": SCALES, "colours": SEQUENTIAL}
    found: dict[str, Any] = {name: values[name] for name in allowed if values.get(name) in allowed[name]}
    for name, least in (("opacity", 0), ("full", 5)):
        text = str(values.get(name, ""))
        if text.isdecimal() and len(text) < 4 and least <= int(text) <= 100:
            found[name] = int(text) // 5 * 5
    found |= {name: values[name] for name in _FLAGS if isinstance(values.get(name), bool)}
    return Look(**{field.name: found[field.name] for field in fields(Look) if field.name in found})
