"""Pruned kernels in a file: nothing is lost, few bytes are left, and parts that do not fit are said."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.made_zoo import make_zoo
from xkd_core.errors import RunError
from xkd_core.models.checkpoints import WEIGHTS, load_run, run_folder, save_run
from xkd_core.models.sparse import dense, sparse


def kernel(share_of_zeros: float) -> torch.Tensor:
    made = torch.randn(8, 4, 3, 3, generator=torch.Generator().manual_seed(1)).half()
    made.view(-1)[: round(share_of_zeros * made.numel())] = 0
    return made


def test_by_hand() -> None:
    state = {"a": torch.tensor([0.0, 2, 0, 0, 5, 0, 0, 0, 0, 7]).reshape(1, 1, 2, 5)}
    parts = sparse(state)
    assert parts["a:bits"].tolist() == [0b01001000, 0b01000000]
    assert parts["a:values"].tolist() == [2, 5, 7]
    assert parts["a:shape"].tolist() == [1, 1, 2, 5]
    assert torch.equal(dense(parts)["a"], state["a"])


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_what_is_mostly_zeros_comes_back_as_it_was(share: float) -> None:
    state = {"body.0.weight": kernel(share), "head.weight": torch.zeros(2, 8), "norm.n": torch.tensor(3)}
    parts = sparse(state)
    assert "body.0.weight" not in parts
    assert sum(part.numel() * part.element_size() for part in parts.values()) < 0.7 * kernel(0).numel() * 2 + 100
    back = dense(parts)
    assert set(back) == set(state)
    assert all(torch.equal(back[name], value) and back[name].dtype == value.dtype for name, value in state.items())


def test_what_is_not_stays_whole() -> None:
    state = {"body.0.weight": kernel(0.49), "head.weight": torch.zeros(2, 8)}
    assert sparse(state).keys() == state.keys()


@pytest.mark.parametrize("broken", ["lost", "short", "long"])
def test_parts_that_do_not_fit_are_one_sentence(broken: str) -> None:
    parts = sparse({"a": kernel(0.9)})
    if broken == "lost":
        del parts["a:shape"]
    else:
        parts["a:values"] = parts["a:values"][:-1] if broken == "short" else parts["a:values"].repeat(2)
    with pytest.raises(RunError, match="'a' do not fit"):
        dense(parts)


def test_a_pruned_run_is_small_on_disk_and_answers_as_before(tmp_path: Path) -> None:
    made = make_zoo(tmp_path, rows=False)
    run = load_run(made.runs["teacher"], made.root)
    with torch.no_grad():
        for module in run.model.modules():
            if isinstance(module, torch.nn.Conv2d):
                module.weight[module.weight.abs() < module.weight.abs().quantile(0.8)] = 0
    folder = run_folder(run.card.dataset, run.card.id, made.root)
    before = (folder / WEIGHTS).stat().st_size
    save_run(folder, run.model, run.card)
    assert (folder / WEIGHTS).stat().st_size < 0.5 * before
    assert any(name.endswith(":bits") for name in load_file(folder / WEIGHTS))
    x = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    again = load_run(run.card.id, made.root).model
    torch.testing.assert_close(again(x), run.model(x), rtol=1e-3, atol=1e-3)  # kernels as float16
    for name, value in run.model.state_dict().items():
        assert torch.equal(again.state_dict()[name] == 0, value == 0), name
