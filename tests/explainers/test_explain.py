"""`explain` over the whole catalogue: shapes, meta, repeatability, borrowed state, threads, progress, cancel."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from tests.explainers.made_nets import Net, everything, gap_net, images, mlp_net, pixels, raising
from xkd_core.catalogue import EXPLAINERS
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.explainers.base import CancelledError, Explanation
from xkd_core.explainers.engine import explain
from xkd_core.models.architectures import build
from xkd_core.models.quantized import quantize

SIZE = (14, 14)
PARAMS = {
    "kernel_shap": {"n_samples": 64}, "gradient_shap": {"n_samples": 10}, "integrated_gradients": {"n_steps": 8},
    "lime": {"n_samples": 64}, "rise": {"n_masks": 50}, "smooth_grad": {"n_samples": 5},
}  # fmt: skip
NAMES = list(EXPLAINERS)
CONTROLS = {name for name in NAMES if EXPLAINERS[name].model_free}
RULES = {"lrp", "rap", "excitation_backprop"}  # they refuse layers without a rule; see test_propagation
ONCE = {name for name in NAMES if EXPLAINERS[name].needs == "gradient" or name.endswith("_aug_smooth")}
ONCE |= {"saliency", "input_x_gradient", "rap"}  # one forward for a small batch


def run(models: dict[str, Net], n: int = 2, *, names: list[str] = NAMES, first: int = 0, **more: object) -> dict:
    rows = slice(first, first + n)
    return explain(
        models,
        images(4, SIZE)[rows],
        {name: torch.tensor([0, 3, 1, 2])[rows] for name in models},
        names=names,
        params={name: PARAMS[name] for name in names if name in PARAMS},
        images=pixels(4, SIZE)[rows],
        background=images(5, SIZE, seed=9),
        **more,
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_explainer_gives_finite_float32_maps_and_plain_meta(name: str) -> None:
    found = run({"teacher": gap_net()}, names=[name])["teacher"][name]
    assert isinstance(found, Explanation)
    assert found.maps.dtype == np.float32
    assert found.maps.shape == ((2, 7, 7) if EXPLAINERS[name].grid == "cells" else (2, *SIZE))
    assert EXPLAINERS[name].signed or found.maps.min() >= 0 or name == "score_cam"  # its ReLU is still to come
    assert np.isfinite(found.maps).all()
    meta = json.loads(json.dumps(dict(found.meta)))
    assert meta["explainer"] == name
    assert meta["targets"] == [0, 3]
    layers = {"cam": "features", "control": "no network"}
    assert meta["layer"] == layers.get(EXPLAINERS[name].family, "input")
    assert meta["parameters"].keys() == {param.name for param in EXPLAINERS[name].params}
    assert meta["versions"]["torch"] == torch.__version__.split("+")[0]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_map_and_an_image_alone_that_of_the_batch(name: str) -> None:
    models = {"m": gap_net()}
    batch = run(models, 3, names=[name], seed=3)["m"][name].maps
    assert np.array_equal(batch, run(models, 3, names=[name], seed=3)["m"][name].maps)
    alone = run(models, 1, names=[name], seed=3, first=2)["m"][name].maps
    np.testing.assert_allclose(alone[0], batch[2], atol=1e-5 * max(1.0, np.abs(batch).max()))


@pytest.mark.parametrize("name", ["kernel_shap", "gradient_shap", "lime", "rise", "smooth_grad", "random_map"])
def test_another_seed_gives_another_map(name: str) -> None:
    models = {"m": gap_net()}
    maps = [run(models, 1, names=[name], seed=seed)["m"][name].maps for seed in (0, 1)]
    assert not np.array_equal(*maps)


def test_networks_share_masks_samples_and_superpixels() -> None:
    """The same network under two names gets the same maps, whoever else is there."""
    both = run({"a": gap_net(), "other": gap_net(seed=5), "b": gap_net()})
    for name in NAMES:
        assert np.array_equal(both["a"][name].maps, both["b"][name].maps)
        assert np.array_equal(both["a"][name].maps, both["other"][name].maps) == (name in CONTROLS)
    labels = [both[model]["kernel_shap"].native["superpixels"] for model in both]
    assert np.array_equal(labels[0], labels[1])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("training", [True, False])
def test_every_explainer_gives_back_what_it_borrowed(name: str, training: bool) -> None:
    model = gap_net().train(training)
    model.features[1].train(not training)
    model.head[2].bias.requires_grad_(False)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    before = everything(model)
    wanted = run({"m": gap_net()}, 1, names=[name])["m"][name].maps
    assert np.array_equal(run({"m": model}, 1, names=[name])["m"][name].maps, wanted)
    assert everything(model) == before


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("after", [0, 1])
def test_every_explainer_gives_back_what_it_borrowed_after_an_exception(name: str, after: int) -> None:
    model = gap_net().train()
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 2.0)
    before = everything(model)
    with raising(model.head[2], after=after):
        broken = everything(model)
        # Not swallowed on the way, as the library's own `with` would do. Two of them do not need the head.
        unharmed = name in {"ewa", "surrogate"} or name in CONTROLS or (after > 0 and name in ONCE)
        expected = nullcontext() if unharmed else pytest.raises(IndexError, match="on purpose")
        with expected:
            run({"m": model}, 2, names=[name])
        assert everything(model) == broken
    assert everything(model) == before


@pytest.mark.parametrize("training", [True, False])
def test_sixteen_threads_over_the_whole_catalogue_give_the_serial_maps(training: bool) -> None:
    model = gap_net().train(training)
    jobs = [(name, first) for name in NAMES for first in (0, 1, 2)]

    def one(job: tuple[str, int]) -> np.ndarray:
        return run({"m": model}, 1, names=[job[0]], first=job[1])["m"][job[0]].maps

    serial = [one(job) for job in jobs]
    before = everything(model)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(one, jobs))
    assert all(np.array_equal(a, b) for a, b in zip(found, serial, strict=True))
    assert everything(model) == before


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_callers_grad_mode_makes_no_difference(mode: type) -> None:
    model = gap_net()
    wanted = run({"m": model}, 1)["m"]
    with mode():
        found = run({"m": model}, 1)["m"]
    assert all(np.array_equal(found[name].maps, wanted[name].maps) for name in NAMES)


def test_progress_rises_to_one_and_cancel_stops() -> None:
    seen: list[tuple[float, str]] = []
    run({"a": gap_net(), "b": gap_net(seed=1)}, progress=lambda share, name: seen.append((share, name)))
    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert 0 < shares[0] <= shares[-1] <= 1
    assert {name for _, name in seen} >= {"occlusion", "kernel_shap", "gradient_shap"}
    cancel = threading.Event()
    model = gap_net().train()
    before = everything(model)
    for name in NAMES:
        cancel.clear()
        with pytest.raises(CancelledError, match="Stopped on request"):
            run(
                {"m": model}, names=[name], cancel=cancel, progress=lambda *_: cancel.set()
            ) if name == "kernel_shap" else _stopped(model, name, cancel)
    assert everything(model) == before


def _stopped(model: Net, name: str, cancel: threading.Event) -> None:
    cancel.set()
    run({"m": model}, names=[name], cancel=cancel)


@pytest.mark.parametrize("name", NAMES)
def test_int8_networks_are_refused_by_those_that_need_gradients_at_the_pixels_alone(name: str) -> None:
    x = images(4, (16, 16))
    model = quantize(build("vgg_gap_tiny", 4).eval(), x)
    refused = pytest.raises(BadInputError, match="rounding has no gradient")
    if name == "surrogate":
        allowed = pytest.raises(BadInputError, match="no explanation network of its own")
    else:
        allowed = nullcontext()
    with refused if EXPLAINERS[name].differentiates else allowed:
        explain(
            {"m": model}, x[:1], {"m": torch.tensor([2])}, names=[name], images=pixels(1, (16, 16)), background=x,
            params={name: PARAMS[name]} if name in PARAMS else {},
        )  # fmt: skip


def test_what_cannot_be_explained_is_refused() -> None:
    x, targets = images(1, SIZE), {"m": torch.tensor([0])}
    with pytest.raises(UnknownNameError, match="Did you mean 'occlusion'"):
        explain({"m": gap_net()}, x, targets, names=["oclusion"])
    with pytest.raises(BadInputError, match="targets of m"):
        explain({"m": gap_net()}, x, {}, names=["cam"])
    with pytest.raises(BadInputError, match="at least one image"):
        explain({"m": gap_net()}, x[:0], {"m": torch.zeros(0, dtype=torch.int64)}, names=["cam"])
    with pytest.raises(BadInputError, match="0 to 3"):
        explain({"m": gap_net()}, x, {"m": torch.tensor([4])}, names=["occlusion"])
    with pytest.raises(UnknownNameError, match="parameter of occlusion"):
        explain({"m": gap_net()}, x, targets, names=["occlusion"], params={"occlusion": {"size": 3}})


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cam" and name not in RULES])
def test_a_first_layer_that_works_in_place_harms_neither_the_images_nor_other_networks(name: str) -> None:
    def spoiler() -> Net:
        model = mlp_net((12, 12))
        model.features.insert(0, torch.nn.ReLU(inplace=True))
        return model

    models = {"first": spoiler(), "second": mlp_net((12, 12))}
    x, background = images(2, (12, 12)), images(3, (12, 12), seed=4)
    before = x.clone(), background.clone()

    def maps_of(chosen: dict[str, Net]) -> dict:
        targets = dict.fromkeys(chosen, torch.tensor([0, 1]))
        return explain(chosen, x, targets, names=[name], images=pixels(2, (12, 12)), background=background)

    both, alone = maps_of(models), maps_of({"second": models["second"]})
    assert np.array_equal(both["second"][name].maps, alone["second"][name].maps)
    assert np.array_equal(both["first"][name].maps, both["second"][name].maps) == (name in CONTROLS)
    assert torch.equal(x, before[0])
    assert torch.equal(background, before[1])
