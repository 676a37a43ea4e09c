"""Occlusion and KernelSHAP against captum, loops and Shapley's formula, on random networks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from captum.attr import KernelShap, Occlusion

from tests.explainers.made_nets import Net, assert_near, gap_net, images, mlp_net, pixels
from tests.oracles import ORACLES
from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import explain
from xkd_core.explainers.shapley import coalitions
from xkd_core.explainers.superpixels import superpixels

CASES = [((16, 16), 0, 0), ((13, 17), 5, 3), ((11, 9), 4, 4), ((12, 12), 12, 1), ((10, 10), 3, 1)]


@pytest.mark.parametrize(("size", "window", "stride"), CASES)
@pytest.mark.parametrize("n", [1, 3])
def test_occlusion_equals_captum_also_with_cut_off_windows(
    size: tuple[int, int], window: int, stride: int, n: int
) -> None:
    x, targets = images(n, size), torch.tensor([0, 3, 1])[:n]
    for model in (gap_net(), mlp_net(size)):
        given = {"window": window, "stride": stride} if window else {}
        found = explain({"m": model}, x, {"m": targets}, names=["occlusion"], params={"occlusion": given})
        side, step = window or size[0] // 4, stride or size[0] // 8
        with torch.no_grad():
            wanted = Occlusion(model).attribute(
                x, (3, side, side), strides=(3, step, step), baselines=0, target=targets
            )
        assert_near(found["m"]["occlusion"].maps, wanted[:, 0].numpy())


def test_occlusion_equals_its_loops_and_keeps_its_grid() -> None:
    model, x = gap_net(), images(1, (13, 11))

    def score(image: np.ndarray) -> float:
        with torch.no_grad():
            return float(model(torch.from_numpy(image)[None].float())[0, 0])

    params = {"occlusion": {"window": 4, "stride": 3}}
    found = explain({"m": model}, x, {"m": torch.tensor([0])}, names=["occlusion"], params=params)["m"]["occlusion"]
    assert_near(found.maps[0], ORACLES["occlusion"](x[0].double().numpy(), score, 4, 3))
    grid = found.native["grid"]
    assert grid.shape == (1, 4, 4)  # ceil((13 - 4) / 3) + 1, ceil((11 - 4) / 3) + 1
    hidden = x[0].numpy().copy()
    hidden[:, 3:7, 9:] = 0  # row 1, column 3, cut off at the border
    assert grid[0, 1, 3] == pytest.approx(score(x[0].numpy()) - score(hidden), abs=1e-5)
    assert found.maps[0, 0, 0] == pytest.approx(grid[0, 0, 0], abs=1e-6)  # one window alone covers the corner


class Fed(KernelShap):
    """captum's KernelShap on given coalitions with given weights, everything else its own."""

    def __init__(self, model: Net, shown: np.ndarray, weights: np.ndarray) -> None:
        super().__init__(model)
        self.rows = torch.from_numpy(shown).long()
        self.weight = {row.tobytes(): weight for row, weight in zip(shown, weights, strict=True)}

    def kernel_shap_perturb_generator(self, original_inp: torch.Tensor, **kwargs: object) -> Iterator[torch.Tensor]:
        yield torch.ones(1, self.rows.shape[1], dtype=torch.long)
        yield torch.zeros(1, self.rows.shape[1], dtype=torch.long)
        yield from (row[None] for row in self.rows)

    def kernel_shap_similarity_kernel(
        self, _: object, __: object, sample: torch.Tensor, **kwargs: object
    ) -> torch.Tensor:
        return torch.tensor([self.weight.get(sample[0].bool().numpy().tobytes(), self.inf_weight)])


@pytest.mark.parametrize("given", ["ours", "captum's"])
def test_kernel_shap_equals_captum_on_the_same_samples(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, target = gap_net(), images(1, (20, 18)), torch.tensor([0])
    labels = superpixels(pixels(1, (20, 18)))
    n_features = int(labels.max()) + 1
    shown, weights = coalitions(n_features, 200, seed=4)
    if given == "captum's":  # as it draws them: sizes by the kernel, no pairs, equal weights
        generator = np.random.default_rng(0)
        sizes = generator.integers(1, n_features, 150)
        shown = np.unique(np.array([generator.permutation(n_features) < size for size in sizes]), axis=0)
        weights = np.ones(len(shown))
    monkeypatch.setattr("xkd_core.explainers.perturbation.coalitions", lambda *args, **kwargs: (shown, weights))
    found = explain({"m": model}, x, {"m": target}, names=["kernel_shap"], images=pixels(1, (20, 18)))["m"][
        "kernel_shap"
    ]
    mask = torch.from_numpy(labels)[:, None]
    fed = Fed(model, shown, weights / weights.mean())
    wanted = fed.attribute(x, baselines=0, target=target, feature_mask=mask, n_samples=len(shown) + 2)
    assert_near(found.maps, wanted[:, 0].numpy())


def test_kernel_shap_on_few_superpixels_is_shapleys_formula() -> None:
    model, x, size = mlp_net((16, 16)), images(1, (16, 16)), (16, 16)
    params = {"kernel_shap": {"n_superpixels": 5}}
    found = explain(
        {"m": model}, x, {"m": torch.tensor([1])}, names=["kernel_shap"], params=params, images=pixels(1, size)
    )
    native = found["m"]["kernel_shap"].native
    labels = native["superpixels"][0]
    n_features = int(labels.max()) + 1
    assert 4 <= n_features <= 9

    def score(subset: tuple[int, ...]) -> float:
        shown = torch.from_numpy(np.isin(labels, subset))
        with torch.no_grad():
            return float(model(x * shown)[0, 1])

    wanted = ORACLES["kernel_shap"](n_features, score)
    assert_near(native["coefficients"][0], wanted)
    assert_near(found["m"]["kernel_shap"].maps[0], wanted[labels])


def test_kernel_shap_adds_up_to_the_score_over_the_blank_image() -> None:
    model, x, targets = gap_net(), images(3, (20, 20)), torch.tensor([0, 1, 2])
    found = explain({"m": model}, x, {"m": targets}, names=["kernel_shap"], images=pixels(3, (20, 20)))["m"][
        "kernel_shap"
    ]
    with torch.no_grad():
        gained = (model(x) - model(torch.zeros_like(x))).gather(1, targets[:, None])[:, 0]
    assert_near(np.nansum(found.native["coefficients"], axis=1), gained.numpy())
    counts = found.native["superpixels"].max(axis=(1, 2)) + 1
    assert ((~np.isnan(found.native["coefficients"])).sum(axis=1) == counts).all()


def test_superpixels_are_consecutive_connected_and_counted() -> None:
    labels = superpixels(pixels(3, (32, 32)))
    for label in labels:
        assert set(np.unique(label)) == set(range(label.max() + 1))
        assert 8 <= label.max() + 1 <= 30
    assert np.array_equal(labels[1:2], superpixels(pixels(3, (32, 32))[1:2]))


def test_superpixels_of_other_input_are_refused() -> None:
    with pytest.raises(BadInputError, match="uint8"):
        superpixels(np.zeros((1, 8, 8, 3)))
    with pytest.raises(BadInputError, match=r"images must be \(1, 8, 8, 3\); got none"):
        explain({"m": gap_net()}, images(1, (8, 8)), {"m": torch.tensor([0])}, names=["kernel_shap"])


@pytest.mark.parametrize("name", ["occlusion", "kernel_shap"])
def test_batches_of_any_size_give_the_same_maps(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    models, targets = {"a": gap_net(), "b": mlp_net((12, 15))}, dict.fromkeys("ab", torch.tensor([0, 1]))
    found = []
    for per_batch in (12 * 15 * 2, 12 * 15 * 10_000):
        monkeypatch.setattr("xkd_core.explainers.base.PIXELS_PER_BATCH", per_batch)
        monkeypatch.setattr("xkd_core.explainers.perturbation.PIXELS_PER_BATCH", per_batch)
        found.append(explain(models, images(2, (12, 15)), targets, names=[name], images=pixels(2, (12, 15))))
    for model in models:
        assert_near(found[0][model][name].maps, found[1][model][name].maps)
