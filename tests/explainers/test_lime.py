"""LIME against the authors' package on the same superpixels and samples, and against plain normal equations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lime import lime_image

from tests.explainers.made_nets import Net, assert_near, gap_net, images, mlp_net, pixels
from tests.oracles_more_maps import ORACLES
from xkd_core.errors import BadInputError
from xkd_core.explainers.engine import explain
from xkd_core.explainers.lime import nearness, ridge, samples
from xkd_core.explainers.superpixels import superpixels

SIZE = (20, 18)


class Fed(np.random.RandomState):
    """Draws that are given."""

    def __init__(self, shown: np.ndarray) -> None:
        super().__init__(0)
        self.shown = shown

    def randint(self, low: int, high: int | None = None, size: object = None) -> np.ndarray:
        return self.shown.astype(int).ravel() if size is not None else 0


def authors(model: Net, image: torch.Tensor, target: int, labels: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """The package's own coefficients of superpixels, hidden ones 0."""

    def logits(batch: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return model(torch.from_numpy(np.array(batch)).permute(0, 3, 1, 2).float()).double().numpy()

    explainer = lime_image.LimeImageExplainer(random_state=Fed(shown), verbose=False)
    found = explainer.explain_instance(
        image.permute(1, 2, 0).double().numpy(),
        logits,
        labels=[target],
        top_labels=None,
        hide_color=0,
        num_samples=len(shown),
        segmentation_fn=lambda _: labels,
        random_seed=0,
    )
    values = dict(found.local_exp[target])
    return np.array([values[number] for number in range(shown.shape[1])])


@pytest.mark.parametrize("make", [gap_net, lambda: mlp_net(SIZE)])
def test_lime_equals_the_authors_package_on_the_same_samples(make: type, capfd: pytest.CaptureFixture[str]) -> None:
    model, x, targets = make(), images(2, SIZE), torch.tensor([0, 3])
    labels = superpixels(pixels(2, SIZE))
    found = explain(
        {"m": model}, x, {"m": targets}, names=["lime"], params={"lime": {"n_samples": 120}}, seed=4,
        images=pixels(2, SIZE),
    )["m"]["lime"]  # fmt: skip
    for row in range(2):
        n_features = int(labels[row].max()) + 1
        wanted = authors(model, x[row], int(targets[row]), labels[row], samples(n_features, 120, seed=4))
        assert_near(found.native["coefficients"][row, :n_features], wanted)
        assert np.isnan(found.native["coefficients"][row, n_features:]).all()
        assert_near(found.maps[row], wanted[labels[row]])
    assert np.array_equal(found.native["superpixels"], labels)


def test_the_fit_equals_plain_normal_equations() -> None:
    shown = samples(7, 64, seed=2)
    shown[5] = False  # nothing shown: distance 1
    values = np.random.default_rng(0).normal(size=64)
    np.testing.assert_allclose(ridge(shown, values, nearness(shown)), ORACLES["lime"](shown, values), atol=1e-10)


def test_weights_of_three_samples_worked_by_hand() -> None:
    """Of 4 superpixels: all shown, d = 0; one, d = 1 - 1/2; none, d = 1. Weight exp(-d^2 / (2 / 16))."""
    shown = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]], dtype=bool)
    np.testing.assert_allclose(nearness(shown), [1.0, np.exp(-2.0), np.exp(-8.0)])


def test_a_linear_score_is_found_but_for_the_penalty() -> None:
    gains = np.random.default_rng(3).normal(size=6)
    shown = samples(6, 4000, seed=1)
    found = ridge(shown, 2.0 + shown @ gains, nearness(shown))
    np.testing.assert_allclose(found, gains, rtol=0.05, atol=0.02)
    assert np.abs(found).sum() < np.abs(gains).sum()


def test_kernel_shap_and_lime_cut_the_same_superpixels() -> None:
    found = explain(
        {"m": gap_net()},
        images(1, SIZE),
        {"m": torch.tensor([0])},
        names=["lime", "kernel_shap"],
        images=pixels(1, SIZE),
    )["m"]
    assert np.array_equal(found["lime"].native["superpixels"], found["kernel_shap"].native["superpixels"])
    assert found["lime"].meta["superpixels"] == found["kernel_shap"].meta["superpixels"]


def test_lime_without_the_pixels_is_refused() -> None:
    with pytest.raises(BadInputError, match="Superpixels are cut in the pixels"):
        explain({"m": gap_net()}, images(1, SIZE), {"m": torch.tensor([0])}, names=["lime"])
