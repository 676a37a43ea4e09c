"""Autoencoders that approximate a teacher's explanation from the image alone (XDistillation, Alharbi et al. 2021).

The small one is exact: 1,077 parameters. The paper's large one (198,796) cannot be reconstructed from what is
printed (definitions, sec. 3); ``LargeCAE`` is its nearest public ancestor and has 194,955.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from xkd_core.errors import unknown_name


class SmallCAE(nn.Module):
    """Grey image -> one map of the same size in [-1, 1]; the code has 4 channels at a quarter of the side."""

    reduction = 4

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(16, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(4, 16, 2, stride=2), nn.ReLU(), nn.ConvTranspose2d(16, 1, 2, stride=2)
        )

    def encode(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> code (B, 4, H/4, W/4); the mean of the colours is what it sees."""
        code: Tensor = self.encoder(x.mean(dim=1, keepdim=True))
        return code

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W), sides divisible by 4 -> maps (B, H, W) in [-1, 1]."""
        found: Tensor = self.decoder(self.encode(x))[:, 0].tanh()
        return found


class LargeCAE(nn.Module):
    """Colour image -> map; four strided convolutions down to a sixteenth of the side and four up again."""

    reduction = 16
    CHANNELS = (3, 12, 24, 48, 96)

    def __init__(self) -> None:
        super().__init__()
        down = [layer for a, b in pairwise(self.CHANNELS) for layer in (nn.Conv2d(a, b, 4, 2, 1), nn.ReLU())]
        up = [
            layer for a, b in pairwise(self.CHANNELS[::-1]) for layer in (nn.ConvTranspose2d(a, b, 4, 2, 1), nn.ReLU())
        ]
        self.encoder, self.decoder = nn.Sequential(*down), nn.Sequential(*up[:-1])

    def encode(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> code (B, 96, H/16, W/16)."""
        code: Tensor = self.encoder(x)
        return code

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W), sides divisible by 16 -> maps (B, H, W) in [-1, 1], means of 3 channels."""
        found: Tensor = self.decoder(self.encode(x)).tanh().mean(dim=1)
        return found


CAES: dict[str, type[SmallCAE | LargeCAE]] = {"small": SmallCAE, "large": LargeCAE}


def build_cae(name: str) -> SmallCAE | LargeCAE:
    """An autoencoder with random weights (global torch generator). Errors: UnknownNameError for another name."""
    if name not in CAES:
        raise unknown_name("autoencoder", name, CAES)
    return CAES[name]()
