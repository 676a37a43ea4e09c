"""Sharing and borrowing: who waits for whom, and what is given back."""

from __future__ import annotations

import gc
import threading
import weakref
from contextlib import suppress

import pytest
import torch

from tests.explainers.made_nets import Net, everything, gap_net
from xkd_core.explainers.state import borrowed, sharing


def spoil(model: Net) -> None:
    """What libraries do to a network."""
    model.requires_grad_(False)
    model.features[0].weight.grad.zero_()
    model.zero_grad()
    model.head.register_forward_hook(lambda *_: None)
    model.head.register_full_backward_hook(lambda *_: None)
    model.features[1]._forward_hooks.clear()
    model.train()


@pytest.mark.parametrize("fails", [False, True])
def test_borrowing_restores_modes_flags_gradients_and_hooks(fails: bool) -> None:
    model = gap_net().train()
    model.features[0].eval()
    model.head[2].weight.requires_grad_(False)
    model.features[0].weight.grad = torch.ones_like(model.features[0].weight)
    hook = model.features[1].register_forward_hook(lambda *_: None)
    before = everything(model)
    with suppress(IndexError), borrowed(model):
        assert not any(module.training for module in model.modules())
        spoil(model)
        if fails:
            raise IndexError
    assert everything(model) == before
    hook.remove()  # a handle of the caller's still works
    assert not model.features[1]._forward_hooks


def test_sharing_is_in_eval_mode_until_the_last_one_leaves() -> None:
    model = gap_net().train()
    with sharing(model):
        with sharing(model):
            assert not model.training
        assert not model.training
    assert all(module.training for module in model.modules())


def test_borrowing_again_and_sharing_what_one_has_borrowed_do_not_block() -> None:
    model = gap_net()
    with borrowed(model), borrowed(model), sharing(model):
        pass


def test_borrowing_what_one_shares_is_refused_and_not_a_deadlock() -> None:
    model = gap_net()
    with sharing(model), pytest.raises(RuntimeError, match=r"leave sharing\(\) first"), borrowed(model):
        pass


@pytest.mark.parametrize(("first", "second"), [(sharing, borrowed), (borrowed, sharing), (borrowed, borrowed)])
def test_an_owner_is_alone(first: type, second: type) -> None:
    model, entered, order = gap_net(), threading.Event(), []

    def other() -> None:
        entered.wait(5)
        with second(model):
            order.append("second")

    thread = threading.Thread(target=other)
    thread.start()
    with first(model):
        entered.set()
        thread.join(0.05)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_sharers_are_together() -> None:
    model, both = gap_net(), threading.Barrier(2, timeout=5)

    def share() -> None:
        with sharing(model):
            both.wait()

    thread = threading.Thread(target=share)
    thread.start()
    share()
    thread.join(5)
    assert not both.broken


def test_a_model_nobody_holds_is_forgotten() -> None:
    model = gap_net()
    with sharing(model):
        pass
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
