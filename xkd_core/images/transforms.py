"""From uint8 pixels to the input of a network and back; the transform is stored in every card."""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from xkd_core.types import Transform, UInt8


def to_input(pixels: UInt8, transform: Transform) -> Tensor:
    """(n, H, W, 3) uint8 -> (n, 3, S, S) float32, resized (bilinear, antialiased) if need be, normalised."""
    return normalised(torch.from_numpy(np.array(pixels, order="C")), transform)


def normalised(pixels: Tensor, transform: Transform) -> Tensor:
    """As `to_input`, of pixels that are a tensor, on its device and with the same bits on every device."""
    # By a tensor there: a division by a plain number is a multiplication on a GPU, with other last bits.
    x = pixels.permute(0, 3, 1, 2).float().div_(torch.tensor(255.0, device=pixels.device))
    size = (transform.size, transform.size)
    if x.shape[-2:] != size:  # on the CPU, whose sums of weighted pixels are those of no GPU
        x = F.interpolate(x.cpu(), size=size, mode="bilinear", align_corners=False, antialias=True).to(x.device)
    mean, std = (torch.tensor(of, device=x.device).view(1, 3, 1, 1) for of in (transform.mean, transform.std))
    return x.sub_(mean).div_(std)  # in place: a training spends a third of its time here otherwise


def to_pixels(x: Tensor, transform: Transform) -> UInt8:
    """(n, 3, S, S) normalised -> (n, S, S, 3) uint8, clipped, rounded half to even."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (transform.mean, transform.std))
    scaled = ((x.detach().cpu() * std + mean) * 255).round().clamp(0, 255)
    pixels: UInt8 = scaled.to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return pixels


def image_sha256(pixels: UInt8) -> str:
    """sha256 over height, width and bytes of one image (H, W, 3): the same picture, the same name."""
    header = f"{pixels.shape[0]}x{pixels.shape[1]}:".encode()
    return hashlib.sha256(header + np.ascontiguousarray(pixels).tobytes()).hexdigest()
