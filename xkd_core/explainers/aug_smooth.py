"""Class activation maps averaged over six changed images: pytorch-grad-cam's ``aug_smooth``, as paper 000 used it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xkd_core.explainers.base import PIXELS_PER_BATCH, Explanation, Request, chunks
from xkd_core.explainers.engine import cams

SUFFIX = "_aug_smooth"
FACTORS = (0.9, 1.0, 1.1)
EPS = 1e-7  # of the library's min-max


def aug_smooth(request: Request) -> dict[str, Explanation]:
    """Mean map of the image and its mirror image, each times 0.9, 1 and 1.1; which map, the request's name says.

    Each of the six goes through ReLU, min-max, enlarging to the image's size and min-max again before the mean,
    which is why the largest value is under 1 and nothing is left of the unit. The factors multiply normalised
    values. Returns: maps (B, H, W) in 0..1.
    """
    found = {}
    for name, model in request.models.items():
        maps = []
        for part in chunks(len(request.x), request.x, pixels=PIXELS_PER_BATCH // 6):
            maps.append(_smoothed(model, request.x[part], request.targets[name][part], _map_of(request)))
            request.tick(6 * len(maps[-1]))
        found[name] = request.explanation(name, torch.cat(maps), layer="features")
    return found


def _map_of(request: Request) -> str:
    return request.name.removesuffix(SUFFIX)


def _smoothed(model: nn.Module, x: Tensor, targets: Tensor, name: str) -> Tensor:
    changed = torch.cat([factor * image for image in (x, x.flip(-1)) for factor in FACTORS])  # (6B, 3, H, W)
    maps = _scaled(cams(model, changed, targets.repeat(6), [name])[name].relu())
    maps = F.interpolate(maps[:, None], size=x.shape[-2:], mode="bilinear", align_corners=False)[:, 0]
    plain, mirrored = _scaled(maps).reshape(2, 3, *x.shape[:1], *x.shape[-2:])  # (3, B, H, W) each
    return torch.cat([plain, mirrored.flip(-1)]).mean(dim=0)


def _scaled(maps: Tensor) -> Tensor:
    """Min-max of each map (n, h, w); what is constant becomes 0."""
    above = maps - maps.amin(dim=(1, 2), keepdim=True)
    return above / (EPS + above.amax(dim=(1, 2), keepdim=True))
