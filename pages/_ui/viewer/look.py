"""How the viewer draws, as one frozen value that fits into a link: 'overlay.panel.inferno.60.s'."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from xkd_core.colours import SEQUENTIAL
from xkd_core.rendering import MODES, SCALES, Style

_FLAGS = {"smooth": "s", "signed": "n", "difference": "d", "outline": "o"}


@dataclass(frozen=True, kw_only=True)
class Look:
    """The viewer's own controls. opacity: per cent, in steps of 5."""

    mode: str = "overlay"
    scale: str = "panel"
    colours: str = "inferno"
    opacity: int = 60
    smooth: bool = True
    signed: bool = False
    difference: bool = False
    outline: bool = False

    @property
    def style(self) -> Style:
        """The same for rendering.py."""
        return Style(mode=self.mode, smooth=self.smooth, opacity=self.opacity, signed=self.signed, colours=self.colours)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """As it stands in a link."""
        flags = "".join(letter for name, letter in _FLAGS.items() if getattr(self, name))
        return f"{self.mode}.{self.scale}.{self.colours}.{self.opacity}.{flags or '-'}"


def read(text: str) -> Look:
    """A look from a link; every part that cannot be read falls back to its default."""
    parts = [*text.split("."), *[""] * 5][:5]
    flags = {name: letter in parts[4] for name, letter in _FLAGS.items()} if parts[4] else {}
    return checked({"mode": parts[0], "scale": parts[1], "colours": parts[2], "opacity": parts[3], **flags})


def checked(values: Mapping[str, Any]) -> Look:
    """A look from anything that came from a browser; what is not allowed falls back to its default."""
    allowed = {"mode": MODES, "scale": SCALES, "colours": SEQUENTIAL}
    found: dict[str, Any] = {name: values[name] for name in allowed if values.get(name) in allowed[name]}
    opacity = str(values.get("opacity", ""))
    if opacity.isdecimal() and len(opacity) < 4 and int(opacity) <= 100:
        found["opacity"] = int(opacity) // 5 * 5
    found |= {name: values[name] for name in _FLAGS if isinstance(values.get(name), bool)}
    return Look(**{field.name: found[field.name] for field in fields(Look) if field.name in found})
