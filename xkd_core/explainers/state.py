"""Borrowing a network: many threads may share it, one at a time may change it, all of it is given back.

``sharing`` is for explainers without hooks, ``borrowed`` for libraries that register some. Threads wait
for each other per network; a network that nobody holds any more is forgotten.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import get_ident
from weakref import WeakKeyDictionary

from torch import Tensor, nn


class _Ledger:
    """Who uses one network now: any number of sharing threads, or one owner."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.sharing: Counter[int] = Counter()  # thread -> how deep
        self.owner: int | None = None
        self.waiting = 0  # owners to be; they go before new sharers, or they might wait for ever
        self.trained: list[nn.Module] = []  # the modules that the first sharer found in train mode

    @contextmanager
    def shared(self, model: nn.Module) -> Iterator[None]:
        me = get_ident()
        if self.owner == me:
            yield
            return
        self._join(me, model)
        try:
            yield
        finally:
            self._leave(me)

    @contextmanager
    def alone(self) -> Iterator[None]:
        me = get_ident()
        if self.owner == me:
            yield
            return
        if self.sharing[me]:
            raise RuntimeError("A thread that shares a network cannot borrow it too: leave sharing() first.")
        self._take(me)
        try:
            yield
        finally:
            with self.changed:
                self.owner = None
                self.changed.notify_all()

    def _join(self, me: int, model: nn.Module) -> None:
        with self.changed:
            if not self.sharing[me]:
                self.changed.wait_for(lambda: self.owner is None and not self.waiting)
            if not self.sharing.total():
                self.trained = _pause_training(model)
            self.sharing[me] += 1

    def _leave(self, me: int) -> None:
        with self.changed:
            self.sharing[me] -= 1
            if not self.sharing[me]:
                del self.sharing[me]
            if not self.sharing.total():
                _resume_training(self.trained)
                self.trained = []
                self.changed.notify_all()

    def _take(self, me: int) -> None:
        with self.changed:
            self.waiting += 1
            try:
                self.changed.wait_for(lambda: self.owner is None and not self.sharing.total())
                self.owner = me
            finally:
                self.waiting -= 1


_LEDGERS: WeakKeyDictionary[nn.Module, _Ledger] = WeakKeyDictionary()
_GUARD = threading.Lock()


def _ledger(model: nn.Module) -> _Ledger:
    with _GUARD:
        return _LEDGERS.setdefault(model, _Ledger())


@contextmanager
def sharing(model: nn.Module) -> Iterator[None]:
    """Use ``model`` in eval mode beside other sharing threads; change nothing of it.

    Its train flags come back, module by module, when the last sharing thread leaves.
    """
    with _ledger(model).shared(model):
        yield


@contextmanager
def borrowed(model: nn.Module) -> Iterator[None]:
    """Have ``model`` alone and in eval mode; whatever happens inside, it is given back as it was.

    Restored: train flag and hooks of every module, requires_grad and .grad of every parameter.
    Errors: RuntimeError in a thread that is inside ``sharing`` of the same model.
    """
    with _ledger(model).alone(), _restored(model):
        _pause_training(model)
        yield


def _pause_training(model: nn.Module) -> list[nn.Module]:
    # The flag itself, not eval(): an overridden train() may do more than that (a frozen teacher).
    trained = [module for module in model.modules() if module.training]
    for module in trained:
        module.training = False
    return trained


def _resume_training(trained: list[nn.Module]) -> None:
    for module in trained:
        module.training = True


@contextmanager
def _restored(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    hooks = [(module, _hooks(module)) for module in model.modules()]
    leaves = [(leaf, leaf.requires_grad, leaf.grad, _value(leaf.grad)) for leaf in model.parameters()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
        for module, kept in hooks:
            _put_back(module, kept)
        for leaf, wanted, gradient, value in leaves:
            leaf.requires_grad_(wanted)
            leaf.grad = gradient
            if gradient is not None and value is not None:
                gradient.detach().copy_(value)


def _value(gradient: Tensor | None) -> Tensor | None:
    return None if gradient is None else gradient.detach().clone()


def _hooks(module: nn.Module) -> dict[str, object]:
    """Tables and flags of hooks, the tables copied."""
    found = {name: value for name, value in vars(module).items() if "hook" in name}
    return {name: dict(value) if isinstance(value, dict) else value for name, value in found.items()}


def _put_back(module: nn.Module, kept: dict[str, object]) -> None:
    for name, value in kept.items():
        table = getattr(module, name)
        if isinstance(table, dict) and isinstance(value, dict):  # handles keep a reference to this very table
            table.clear()
            table.update(value)
        else:
            setattr(module, name, value)
