"""The two small networks of paper 003 for MNIST; colour images are averaged to grey.

The paper prints their parameter counts and no layers. LeNet5 is the classic one with 61,706 values: the printed
61,701 could not be reconstructed. Net has the printed 8,297, but that list is one of many and invented.
"""

from __future__ import annotations

from torch import Tensor, nn

from xkd_core.models.seams import Network, scaled, stage_ends

NET_UNITS = 84
SIZED_UNITS = 170
"""Of a Net with as many parameters as XDistillation's has without its autoencoder: 15,693 and 15,660."""


class Grey(nn.Module):
    """(B, 3, H, W) -> (B, 1, H, W), the mean of the colours."""

    def forward(self, x: Tensor) -> Tensor:
        """Average the colours."""
        return x.mean(dim=1, keepdim=True)


def lenet5(n_classes: int, *, width: float = 1.0, padding: int = 2) -> Network:
    """LeCun et al. 1998 with ReLU and max-pooling. padding: 2 for 28 px, 0 for 32 px (the classic size)."""
    first, second, third, fourth = (scaled(channels, width) for channels in (6, 16, 120, 84))
    features = nn.Sequential(
        Grey(), nn.Conv2d(1, first, 5, padding=padding), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(first, second, 5), nn.ReLU(inplace=True),
    )  # fmt: skip
    head = nn.Sequential(
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(25 * second, third), nn.ReLU(inplace=True),
        nn.Linear(third, fourth), nn.ReLU(inplace=True), nn.Linear(fourth, n_classes),
    )  # fmt: skip
    return Network(features, head, stage_ends(features))


def net(n_classes: int, *, width: float = 1.0, units: int = NET_UNITS) -> Network:
    """The student "Net" of paper 003 for 28 px: its count (8,297) is exact, its layers are an invention.

    units: of the layer before the last at full width; more make the naive student as large as a fused one.
    """
    features = net_stack(width)
    return Network(features, net_head(n_classes, width, units=units), stage_ends(features))


def net_stack(width: float) -> nn.Sequential:
    """The convolutions of "Net": (B, 1 or 3, 28, 28) -> (B, 3, 10, 10) at full width."""
    first, second = (scaled(channels, width) for channels in (20, 3))
    return nn.Sequential(
        Grey(), nn.Conv2d(1, first, 5), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(first, second, 3), nn.ReLU(inplace=True),
    )  # fmt: skip


def net_head(n_classes: int, width: float, *, stacks: int = 1, units: int = NET_UNITS) -> nn.Sequential:
    """The classifier of "Net" behind one stack of convolutions, or several side by side."""
    second, third = (scaled(channels, width) for channels in (3, units))
    return nn.Sequential(
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(25 * second * stacks, third), nn.ReLU(inplace=True),
        nn.Linear(third, n_classes),
    )  # fmt: skip
