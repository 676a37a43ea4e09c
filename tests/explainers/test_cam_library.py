"""Score-CAM, Ablation-CAM and Eigen-CAM are pytorch-grad-cam's own, before it clips and scales them."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from pytorch_grad_cam import base_cam
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from tests.explainers.made_nets import assert_near, gap_net, images, mlp_net, parts
from xkd_core.explainers.engine import explain

LIBRARY = {"score_cam": "ScoreCAM", "ablation_cam": "AblationCAM", "eigen_cam": "EigenCAM"}


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("size", [(12, 12), (11, 13)])
def test_library_maps_are_its_own_before_relu_and_min_max(
    name: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_cam, "scale_cam_image", lambda cam, target_size=None: cam)
    for model in (gap_net(), mlp_net(size)):
        x, targets = images(2, size), torch.tensor([0, 3])
        own = copy.deepcopy(model)
        own.head[0].inplace = False
        method = getattr(pytorch_grad_cam, LIBRARY[name])(own, [own.features])
        with torch.no_grad():
            wanted = method(x, [ClassifierOutputTarget(int(target)) for target in targets])
        found = explain({"m": model}, x, {"m": targets}, names=[name])["m"][name].maps
        np.testing.assert_allclose(np.maximum(found, 0), wanted, atol=1e-5 * max(1.0, wanted.max()))


def test_ablation_weights_worked_by_loops() -> None:
    model, x, target = gap_net(), images(1, (8, 8)), 2
    activation, _ = parts(model, x, torch.tensor([target]))
    assert activation.min() == 0  # the library removes a channel by zeros only then
    with torch.no_grad():
        score = model.head(activation.clone())[0, target]
        wanted = torch.zeros(activation.shape[2:])
        for channel in range(activation.shape[1]):
            without = activation.clone()
            without[:, channel] = 0
            wanted += (score - model.head(without)[0, target]) / score * activation[0, channel]
    found = explain({"m": model}, x, {"m": torch.tensor([target])}, names=["ablation_cam"])["m"]["ablation_cam"].maps
    assert_near(found[0], wanted.numpy())


def test_the_library_draws_no_progress_bars(capfd: pytest.CaptureFixture[str]) -> None:
    for name in ("score_cam", "ablation_cam"):
        explain({"m": gap_net()}, images(1, (8, 8)), {"m": torch.tensor([0])}, names=[name])
    assert capfd.readouterr() == ("", "")
