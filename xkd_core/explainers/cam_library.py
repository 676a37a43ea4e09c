"""Score-CAM, Ablation-CAM and Eigen-CAM as pytorch-grad-cam computes them, before its ReLU and min-max.

The library registers hooks, switches modes and swaps layers, so it gets a shell around the network's two
halves while the network is borrowed, and never its ``with`` block, which swallows IndexError.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from pytorch_grad_cam import AblationCAM, EigenCAM, ScoreCAM
from pytorch_grad_cam import ablation_cam as ablation_module
from pytorch_grad_cam import score_cam as score_module
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn

from xkd_core.explainers.base import Explanation, Request
from xkd_core.explainers.engine import seam
from xkd_core.explainers.state import borrowed
from xkd_core.types import Float

# Both modules draw progress bars on stderr and offer no switch; ours goes through the request.
for _module in (score_module, ablation_module):
    _module.tqdm = SimpleNamespace(tqdm=iter)


class _Shell(nn.Module):
    """A network as its two halves, so that the library may replace one of them."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.features, self.head = seam(model)

    def forward(self, x: Tensor) -> Tensor:
        # Copies, or a half that starts with an in-place ReLU would clip the images or what the library has seen.
        logits: Tensor = self.head(self.features(x.clone()).clone())
        return logits


def score_cam(request: Request) -> dict[str, Explanation]:
    """Score-CAM (Wang et al. 2020): maps (B, h, w); weights are a softmax over the channels, so >= 0 after ReLU."""
    return _run(request, ScoreCAM)


def ablation_cam(request: Request) -> dict[str, Explanation]:
    """Ablation-CAM (Desai & Ramaswamy 2020): maps (B, h, w), in units of activation, divided by the score.

    A negative score turns the sign of the whole map, as in the paper's formula.
    """
    return _run(request, AblationCAM)


def eigen_cam(request: Request) -> dict[str, Explanation]:
    """Eigen-CAM (Muhammad & Yeasin 2020): maps (B, h, w); the class does not enter, the sign is arbitrary."""
    return _run(request, EigenCAM)


def _run(request: Request, method: Callable[..., Any]) -> dict[str, Explanation]:
    found = {}
    for name, model in request.models.items():
        maps = [_raw(request, method, name, model, index) for index in range(len(request.x))]
        found[name] = request.explanation(name, np.concatenate(maps), layer="features")
    return found


def _raw(request: Request, method: Callable[..., Any], name: str, model: nn.Module, index: int) -> Float:
    image = request.x[index : index + 1]
    targets = [ClassifierOutputTarget(int(request.targets[name][index]))]
    with borrowed(model), torch.no_grad():
        shell = _Shell(model)
        library = method(shell, [shell.features])
        try:
            library.activations_and_grads(image)
            activation = library.activations_and_grads.activations[0].numpy()
            raw: Float = library.get_cam_image(image, shell.features, targets, activation, None, False)
        finally:
            library.activations_and_grads.release()
    request.tick(1)
    return raw
