"""The joint training of paper 002: a student that answers like its teacher, and a map that keeps the answer.

J = KD + KL(p(x) || p(x ⊙ H)) + λ mean(H), with the paper's equations repaired: as printed (9) does not contain H
and (7) has no gradient. The masked image goes through the frozen teacher, as the text says, or through the student,
as Fig. 2 shows. What H hides becomes the mean colour, which is 0 after normalisation.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from xkd_core.distillation.losses import kd_loss
from xkd_core.images.transforms import to_input
from xkd_core.models.attentive import ExplainedResNet
from xkd_core.models.seams import Network, run_tapped
from xkd_core.types import Float, Transform, UInt8

FLAT_SPAN, ALL_ONES, ALL_ZEROS = 0.05, 0.95, 0.01
AT_ONCE = 100


@dataclass(frozen=True)
class Seen:
    """One forward pass: logits (B, C) and the map H (B, H, W)."""

    logits: Tensor
    map: Tensor


def see(model: ExplainedResNet, x: Tensor) -> Seen:
    """Run student and explanation network on images (B, 3, H, W): features in bfloat16, head and map in float32."""
    with torch.autocast(x.device.type, dtype=torch.bfloat16):
        attended = model.attend(x)
        drawn = model.explanation(attended.deltas, (x.shape[-2], x.shape[-1]))
    return Seen(model.head(attended.activation.float()), drawn)


def kept_answer_loss(keeper: Network, x: Tensor, drawn: Tensor, logits: Tensor, *, multi_label: bool) -> Tensor:
    """KL(p(x) || p(x ⊙ H)) with p the answer of ``keeper``; scalar >= 0, 0 where nothing needed is hidden.

    Args: x (B, 3, H, W); drawn H (B, H, W); logits (B, C), the keeper's answer to x, a constant here. The mean over
    images; multi-label data: over images and labels, each label a coin of its own.
    """
    with statistics_kept(keeper):
        masked = run_tapped(keeper, x * drawn[:, None], autocast=True).logits
    return kd_loss(masked, logits, temperature=1.0, multi_label=multi_label)


@contextmanager
def statistics_kept(model: nn.Module) -> Iterator[None]:
    """Forward passes inside leave the running statistics of batch norms as they are: masked images are no images."""
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def maps_on(model: ExplainedResNet, pixels: UInt8, transform: Transform) -> Float:
    """H (n, S, S) of images (n, H, W, 3), without a gradient."""
    with torch.no_grad():
        blocks = (pixels[start : start + AT_ONCE] for start in range(0, len(pixels), AT_ONCE))
        return np.concatenate([model.explain(to_input(np.asarray(block), transform)).numpy() for block in blocks])


def collapse(maps: Float) -> str:
    """In which way maps H (n, h, w) say nothing: "all ones", "all zeros", "flat"; "" where they say something."""
    if maps.mean() > ALL_ONES:
        return "all ones"
    if maps.mean() < ALL_ZEROS:
        return "all zeros"
    return "flat" if span(maps) < FLAT_SPAN else ""


def span(maps: Float) -> float:
    """Mean over images of the largest minus the smallest value."""
    return float((maps.max(axis=(1, 2)) - maps.min(axis=(1, 2))).mean())
