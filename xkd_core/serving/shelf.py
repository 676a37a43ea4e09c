"""Loaded networks and computed maps, shared by all sessions: bounded, safe in threads, failures not kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from xkd_core.models.cards import Card
    from xkd_core.models.checkpoints import LoadedRun

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Recent(Generic[K, V]):
    """The values used last, at most ``size`` of them; each is made once, however many threads ask."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._making: dict[K, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """The value, now the most recent one, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: K, value: V) -> None:
        """Keep a value; the one that was not used for the longest time goes."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)

    def get_or_make(self, key: K, make: Callable[[], V]) -> V:
        """The kept value, or that of ``make``; what ``make`` raises is not kept."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            value = self.get(key)
            if value is None:
                value = make()
                self.put(key, value)
        with self._lock:
            self._making.pop(key, None)
        return value

    def __len__(self) -> int:
        return len(self._values)


class Shelf:
    """Networks by card: loaded and verified on first use. They are frozen, so threads may share them."""

    def __init__(self, size: int = 128) -> None:
        self._runs: Recent[tuple[str, str], LoadedRun] = Recent(size)

    def take(self, card: Card) -> LoadedRun:
        """The network of a card. Errors: RunError for damaged files (tried again on the next call)."""
        from xkd_core.models.checkpoints import load_run

        return self._runs.get_or_make((card.id, card.sha256), lambda: load_run(card.id))
