"""Random numbers from integer hashing alone (splitmix64, Steele et al. 2014): the same on every machine.

A draw depends on its key and its position only, so any image can be had without the ones before it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UInt64 = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_ALL = 0xFFFFFFFFFFFFFFFF
_PER_BLOCK = 64


def mixed(value: int) -> int:
    """Scramble one 64-bit integer."""
    value = ((value ^ (value >> 30)) * _FIRST) & _ALL
    value = ((value ^ (value >> 27)) * _SECOND) & _ALL
    return value ^ (value >> 31)


def key_of(*parts: int) -> int:
    """One 64-bit key from several integers; the order matters."""
    key = 0
    for part in parts:
        key = mixed((key + _GOLDEN + part) & _ALL)
    return key


def bits(keys: UInt64 | int, count: int) -> UInt64:
    """``count`` 64-bit words per key: (count,) for one key, (n, count) for n keys."""
    start = np.asarray(keys, dtype=np.uint64)[..., None]
    value = start + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(_GOLDEN)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(_FIRST)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(_SECOND)
    words: UInt64 = value ^ (value >> np.uint64(31))
    return words


def uniforms(keys: UInt64 | int, count: int) -> NDArray[np.float64]:
    """Like ``bits``, as numbers in [0, 1) on a grid of 2**-53."""
    return (bits(keys, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def keys_of(prefix: int, indices: NDArray[np.int64]) -> UInt64:
    """``key_of(..., index)`` for many indices at once, where ``prefix`` is the key of the parts before."""
    value = indices.astype(np.uint64) + np.uint64((prefix + _GOLDEN) & _ALL)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(_FIRST)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(_SECOND)
    return value ^ (value >> np.uint64(31))


class Draws:
    """A stream of random scalars under one key."""

    def __init__(self, *key: int) -> None:
        self._key = key_of(*key)
        self._block = 0
        self._values: list[float] = []

    def unit(self) -> float:
        """Uniform in [0, 1)."""
        if not self._values:
            self._values = uniforms(key_of(self._key, self._block), _PER_BLOCK).tolist()
            self._block += 1
        return self._values.pop()

    def between(self, low: float, high: float) -> float:
        """Uniform in [low, high)."""
        return low + (high - low) * self.unit()

    def integer(self, count: int) -> int:
        """Uniform in 0 .. count - 1."""
        return int(self.unit() * count)

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.unit() < probability

    def sign(self) -> float:
        """-1 or 1."""
        return 1.0 if self.unit() < 0.5 else -1.0
