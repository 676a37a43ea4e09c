"""Augmented class activation maps: pytorch-grad-cam's ``aug_smooth``, and the mean of six maps by loops."""

from __future__ import annotations

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from tests.explainers.made_nets import Net, assert_near, gap_net, images, mlp_net
from tests.oracles_more_maps import ORACLES
from xkd_core.explainers.engine import cams, explain

LIBRARY = {
    "grad_cam_aug_smooth": "GradCAM",
    "grad_cam_pp_aug_smooth": "GradCAMPlusPlus",
    "hires_cam_aug_smooth": "HiResCAM",
    "xgrad_cam_aug_smooth": "XGradCAM",
}


def maps_of(name: str, model: Net, x: torch.Tensor, targets: torch.Tensor) -> np.ndarray:
    return explain({"m": model}, x, {"m": targets}, names=[name])["m"][name].maps


@pytest.mark.parametrize("name", LIBRARY)
@pytest.mark.parametrize("size", [(12, 12), (13, 17)])
def test_maps_are_the_librarys(name: str, size: tuple[int, int]) -> None:
    for model in (gap_net(), mlp_net(size)):
        model.head[0].inplace = False  # the library's copy of the activation would change with it
        x, targets = images(2, size), torch.tensor([0, 3])
        method = getattr(pytorch_grad_cam, LIBRARY[name])(model, [model.features])
        wanted = method(x, [ClassifierOutputTarget(int(target)) for target in targets], aug_smooth=True)
        # Min-max divides by the largest value, of XGrad-CAM a quotient of small sums.
        np.testing.assert_allclose(maps_of(name, model, x, targets), wanted, atol=1e-4)


@pytest.mark.parametrize("name", LIBRARY)
def test_maps_equal_their_loops(name: str) -> None:
    model, x, targets = mlp_net((9, 12)), images(2, (9, 12)), torch.tensor([2, 1])
    plain = name.removesuffix("_aug_smooth")
    found = maps_of(name, model, x, targets)
    for row in range(2):
        image, target = x[row : row + 1], targets[row : row + 1]
        changed = [factor * one for one in (image, image.flip(-1)) for factor in (0.9, 1.0, 1.1)]
        six = [cams(model, one, target, [plain])[plain][0].double().numpy() for one in changed]
        np.testing.assert_allclose(found[row], ORACLES[name](six, (9, 12)), atol=1e-4)


def test_on_a_gap_network_three_of_the_four_are_one() -> None:
    model, x, targets = gap_net(), images(2, (16, 16)), torch.tensor([1, 3])
    first, *others = [maps_of(name, model, x, targets) for name in LIBRARY if "_pp" not in name]
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-4)


def test_a_mirrored_image_gets_the_mirrored_map_and_a_dead_one_zeros() -> None:
    model, x = gap_net(), images(1, (16, 16))
    found = maps_of("grad_cam_aug_smooth", model, x, torch.tensor([1]))
    assert 0 <= found.min() < found.max() <= 1
    assert_near(maps_of("grad_cam_aug_smooth", model, x.flip(-1), torch.tensor([1])), found[:, :, ::-1])
    torch.nn.init.zeros_(model.head[2].weight)
    assert not maps_of("grad_cam_aug_smooth", model, x, torch.tensor([1])).any()
