"""Runs that are no plain network of one width: pruned, quantized and slimmable ones, from file to logits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from xkd_core.errors import RunError, UnknownNameError
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.cards import Card, CardTransform, Metric, Stop
from xkd_core.models.checkpoints import find_card, list_runs, load_run, run_folder, save_run, write_metrics
from xkd_core.models.quantized import quantize
from xkd_core.models.slimmable import STOPS, build_slim
from xkd_core.pruning.structured import channels_of, shrink

CLASSES = tuple("abcde")


def card(run_id: str, **own: object) -> Card:
    values: dict[str, object] = {
        "id": run_id, "dataset": "digits", "arch": "vgg_gap_tiny", "role": "naive", "method": "kd", "seed": 0,
        "params": 1, "transform": CardTransform(size=32, mean=(0.5,) * 3, std=(0.5,) * 3), "classes": CLASSES,
        "multi_label": False, "recipe": {}, "recipe_hash": "0" * 12, "sha256": "0" * 64,
    }  # fmt: skip
    return Card.model_validate(values | own)


def images() -> torch.Tensor:
    return torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def test_a_shrunk_network_comes_back_with_its_own_channels(tmp_path: Path) -> None:
    small = shrink(build("vgg_gap_tiny", 5), 0.5, input_px=32).eval()
    made = card("pruned", compression="structured", channels=channels_of(small), params=count_parameters(small))
    save_run(run_folder("digits", "pruned", tmp_path), small, made)
    loaded = load_run("pruned", tmp_path)
    torch.testing.assert_close(loaded.model(images()), small(images()), rtol=1e-2, atol=1e-3)  # kernels as float16
    assert channels_of(loaded.model) == (8, 32, 32)


@pytest.mark.parametrize(("arch", "width"), [("vgg7", 0.25), ("vgg16_voc", 0.0625)])
def test_so_does_one_whose_map_is_flattened_and_then_its_int8_form(arch: str, width: float, tmp_path: Path) -> None:
    px = 227 if arch == "vgg16_voc" else 32
    small = shrink(build(arch, 5, width=width), 0.5, input_px=px).eval()
    x = torch.randn(2, 3, px, px, generator=torch.Generator().manual_seed(0))
    own = {"arch": arch, "width": width, "channels": channels_of(small)}
    save_run(run_folder("digits", "pruned", tmp_path), small, card("pruned", compression="structured", **own))
    eight = quantize(load_run("pruned", tmp_path).model, x)
    save_run(run_folder("digits", "int8", tmp_path), eight, card("int8", compression="int8", **own))
    loaded, rounded = (load_run(name, tmp_path).model for name in ("pruned", "int8"))
    torch.testing.assert_close(loaded(x), small(x), rtol=1e-2, atol=1e-3)  # kernels as float16
    assert channels_of(loaded) == channels_of(small)
    assert torch.equal(rounded(x), eight(x))


def test_channels_that_are_not_the_architectures_are_a_broken_run(tmp_path: Path) -> None:
    for arch, channels in (("vgg7", (3, 4)), ("lenet5_32", (3, 4))):
        save_run(run_folder("digits", "odd", tmp_path), build(arch, 5), card("odd", arch=arch, channels=channels))
        with pytest.raises(RunError, match=f"do not fit {arch}"):
            load_run("odd", tmp_path)


def test_a_quantized_network_comes_back_bit_for_bit_from_a_file_of_int8(tmp_path: Path) -> None:
    exact = quantize(build("vgg_gap_tiny", 5), images())
    save_run(run_folder("digits", "int8", tmp_path), exact, card("int8", compression="int8"))
    assert torch.equal(load_run("int8", tmp_path).model(images()), exact(images()))
    kernels = 3 * 9 * 16 + 16 * 9 * 32 + 32 * 9 * 64
    assert kernels < (tmp_path / "digits" / "int8" / "model.safetensors").stat().st_size < kernels + 6000


@pytest.fixture
def slim(tmp_path: Path) -> Path:
    model = build_slim("vgg_gap_tiny", 5).eval()
    stops = {f"{stop:g}": Stop(params=count_parameters(model.extract(stop)), ratio=stop) for stop in STOPS}
    save_run(run_folder("digits", "slim", tmp_path), model, card("slim", compression="slimmable", stops=stops))
    return tmp_path


def test_a_slimmable_run_is_listed_as_one_run_for_each_width(slim: Path) -> None:
    cards = list_runs(slim)
    assert [one.id for one in cards] == [f"slim@{stop:g}" for stop in STOPS]
    assert [one.width for one in cards] == list(STOPS)
    for one in cards:
        assert count_parameters(load_run(one.id, slim).model) == one.params
        assert Card.model_validate(one.model_dump()) == one


def test_metrics_of_a_width_are_kept_beside_those_of_the_others(slim: Path) -> None:
    value = Metric(value=0.5, n=3, split="test")
    write_metrics(find_card("slim@0.25", slim).model_copy(update={"metrics": {"mAP": value}}), slim)
    assert find_card("slim@0.25", slim).metrics == {"mAP": value}
    assert find_card("slim@0.125", slim).metrics == {}
    assert len(find_card("slim", slim).stops) == len(STOPS)


def test_an_unknown_width_is_refused_with_the_nearest(slim: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"slim@0\.2"):
        load_run("slim@0.24", slim)
