"""Small random networks with the seam, and the plain things tests compare them with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn


class Net(nn.Module):
    """``features`` and ``head``, nothing else."""

    def __init__(self, features: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.features, self.head = features, head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


class DrawingNet(Net):
    """A network that also draws its own map, as the attentive surrogate does."""

    def explain(self, x: Tensor) -> Tensor:
        cells = self.features(x).mean(1, keepdim=True)
        return nn.functional.interpolate(cells, size=x.shape[-2:], mode="bilinear").sigmoid()[:, 0]


def gap_net(*, seed: int = 0, channels: int = 6, n_classes: int = 4) -> Net:
    """In-place ReLUs, batch norm with statistics of its own, max-pooling; pooling and one linear layer on top.

    It draws a map of its own, so that every explainer of the catalogue has something to show.
    """
    torch.manual_seed(seed)
    features = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1, bias=False),
        nn.BatchNorm2d(5),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Conv2d(5, channels, 3, padding=1),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, n_classes))
    return _used(DrawingNet(features, head))


def mlp_net(size: tuple[int, int], *, seed: int = 0, n_classes: int = 4) -> Net:
    """A nonlinear head, which starts with an in-place ReLU on negative activations and has dropout."""
    torch.manual_seed(seed)
    features = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.Hardswish(), nn.Conv2d(6, 5, 3, stride=2)
    )
    cells = ((size[0] - 3) // 2 + 1) * ((size[1] - 3) // 2 + 1)
    head = nn.Sequential(
        nn.ReLU(inplace=True),
        nn.Flatten(),
        nn.Linear(5 * cells, 16),
        nn.Tanh(),
        nn.Dropout(0.5),
        nn.Linear(16, n_classes),
    )
    return _used(DrawingNet(features, head))


def _used(net: Net) -> Net:
    """Batch norm statistics and scales as after a training, then eval mode."""
    generator = torch.Generator().manual_seed(7)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.copy_(torch.randn(module.num_features, generator=generator) * 0.3)
            module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
            module.weight.data.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
            module.bias.data.copy_(torch.randn(module.num_features, generator=generator) * 0.3)
    return net.eval()


def images(n: int, size: tuple[int, int], *, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(seed))


def pixels(n: int, size: tuple[int, int], *, seed: int = 2) -> np.ndarray:
    """Blocks of colour with noise, so that SLIC finds something."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 200, (n, 4, 4, 3))
    rows, columns = np.arange(size[0]) * 4 // size[0], np.arange(size[1]) * 4 // size[1]
    fine = coarse[:, rows][:, :, columns] + generator.integers(0, 20, (n, *size, 3))
    return fine.astype(np.uint8)


def parts(model: nn.Module, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Activation and gradient of the targets' logits at the seam, by plain backward on a copy of everything."""
    import copy

    model = copy.deepcopy(model).eval()
    with torch.enable_grad():
        activation = model.features(x).detach().requires_grad_()
        logits = model.head(activation * 1)
        torch.stack([logits[row, int(target)] for row, target in enumerate(targets)]).sum().backward()
    return activation.detach(), activation.grad


def assert_near(found: np.ndarray, wanted: np.ndarray) -> None:
    """Equal to 1e-5 of the largest value, or to 1e-5 where that is above 1."""
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5 * min(1.0, float(np.abs(wanted).max())))


def everything(model: nn.Module) -> dict[str, object]:
    """All that an explainer could change in a network, comparable by ==."""
    return {
        "modes": [module.training for module in model.modules()],
        "modules": [id(module) for module in model.modules()],
        "hooks": [
            (name, list(value) if isinstance(value, dict) else value)
            for module in model.modules()
            for name, value in vars(module).items()
            if "hook" in name
        ],
        "wanted": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [None if p.grad is None else p.grad.tolist() for p in model.parameters()],
        "values": {name: value.tolist() for name, value in model.state_dict().items()},
    }


@contextmanager
def raising(module: nn.Module, *, after: int = 0) -> Iterator[None]:
    """Make ``module`` raise an IndexError from its call number ``after`` on."""
    calls, right = [0], module.forward

    def wrong(*args: object) -> object:
        calls[0] += 1
        if calls[0] > after:
            raise IndexError("broken on purpose")
        return right(*args)

    module.forward = wrong
    try:
        yield
    finally:
        del module.forward
