"""What must not reach a participant: every word by which a picture could be told apart, made from the catalogue."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable

from xkd_core import catalogue
from xkd_core.serving.zoo import FAMILIES
from xkd_core.study.config import StudyConfig

ROLES = ("teacher", "naive", "matched", "student", "students", "baseline", "kd", "distillation", "distilled", "pruned",
         "xdistillation", "same_a", "same_b", "different")  # fmt: skip
# Everyday words among the catalogue's names, which stand in scripts and instructions ('map' is mAP there).
EVERYDAY = {"at", "ab", "few", "full", "plain", "sized", "right", "right answer", "distance", "deletion", "map"}
_PICTURE = re.compile(rb"data:image/png;base64,([A-Za-z0-9+/=]+)")
_CHUNKS = [b"IHDR", b"IDAT", b"IEND"]


def words_of(config: StudyConfig) -> tuple[str, ...]:
    """Explainers, metrics, kinds of students, roles and runs."""
    entries = {**catalogue.EXPLAINERS, **catalogue.METRICS}
    named = [*entries, *(entry.title for entry in entries.values()), *FAMILIES, *ROLES]
    found = {word.lower() for word in named} - EVERYDAY
    return tuple(sorted(found | {run.lower() for run in config.run_ids}))


def told(data: bytes | str, words: Iterable[str]) -> list[str]:
    """The words that stand in it, as whole words; pictures are left out: see `pictures`."""
    raw = data.encode() if isinstance(data, str) else data
    text = _PICTURE.sub(b" ", raw).decode("latin-1").lower()
    either = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return sorted(set(re.findall(rf"(?<![a-z0-9])(?:{either})(?![a-z0-9])", text)))


def pictures(data: bytes | str) -> list[bytes]:
    """The PNG files that stand in it."""
    raw = data.encode() if isinstance(data, str) else data
    return [base64.b64decode(text) for text in _PICTURE.findall(raw)]


def chunks(png: bytes) -> list[bytes]:
    """The kinds of chunks of a PNG, in order, each once: anything but pixels would be metadata."""
    found, place = [], 8
    while place < len(png):
        size, kind = int.from_bytes(png[place : place + 4]), png[place + 4 : place + 8]
        found.append(kind)
        place += 12 + size
    return list(dict.fromkeys(found))


def only_pixels(png: bytes) -> bool:
    """A PNG with nothing in it but its size and pixels."""
    return chunks(png) == _CHUNKS
