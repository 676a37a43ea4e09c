"""Proofs about released code: what it computes beside what its paper says, each restated in a few lines of ours.

Neither the papers' code nor the library (Quantus) runs here: the sources and lines are in the claims' ``place``.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xkd_core.claims.base import Finding, Number, found
from xkd_core.claims.proofs_maps import filled
from xkd_core.metrics.localisation import area, pointing
from xkd_core.metrics.prediction import average_precision
from xkd_core.types import Bool, Float64

SAME = 1e-6
BATCHES = 5
KD_WEIGHT = 0.95 * 6**2
"""α T² of paper 001's training code."""


def hits_of_nothing(*, correct: bool = False, n: int = 50, side: int = 8) -> Finding:
    """Pointing game of maps without a peak and of images without an object; correct: by our definition."""
    flat = np.ones((n, side, side))
    peaked = np.random.default_rng(0).random((n, side, side))
    one = np.zeros((n, side, side), dtype=bool)
    one[:, 0, 0] = True
    cases = {"constant map, an object of one pixel": (flat, one), "no object": (peaked, np.zeros_like(one))}
    shares = {name: _share_of_hits(*case, correct=correct) for name, case in cases.items()}
    left = sum(int(np.isnan(pointing(*case)).sum()) for case in cases.values())
    fine = not any(shares.values())
    return found(
        fine,
        "Where nothing points anywhere, nothing is counted as a hit." if fine else
        "Any of the equal maxima may lie in the mask, so that a map that is the same everywhere always hits (every "
        "version), and the NaN that is written for an empty mask becomes True in an array of bool (0.6 and later). "
        "Here such images have no value and are counted beside n.",
        *(Number(label=f"{name}: hits, restated", value=share, n=n, passes=not share)
          for name, share in shares.items()),
        Number(label="a random pixel would hit the one pixel", value=float(area(one).mean())),
        Number(label="of both, left without a value here", value=left),
    )  # fmt: skip


def area_of_batch(*, correct: bool = False, sizes: tuple[int, ...] = (3, 10, 50), side: int = 8) -> Finding:
    """Share of the image that the object fills, by batch size: x[2:] drops two images, not two axes."""
    mask = np.zeros((1, side, side), dtype=bool)
    mask[:, : side // 2, : side // 2] = True
    right = float(area(mask)[0])
    numbers = []
    for n in sizes:
        x = np.zeros((n, 3, side, side))
        pixels = np.prod(x.shape[2:]) if correct else x[2:].size
        share = float(mask.sum() / pixels)
        numbers.append(Number(label=f"share of the image, batch of {n}", value=share, passes=abs(share - right) < SAME))
    fine = all(one.passes for one in numbers)
    return found(
        fine,
        "The share does not depend on the batch." if fine else
        "The number of pixels is taken as the size of x[2:], which leaves out two images instead of two axes. The "
        "weight and the largest size that are asked of an object change with the batch; two images give 0 pixels. "
        "The unweighted score itself, which the paper shows, is not touched while no such limit is set.",
        *numbers, Number(label="right share, whatever the batch", value=right),
    )  # fmt: skip


def norms_after_first_epoch(*, back_to_train: bool = False, epochs: int = 4, seed: int = 0) -> Finding:
    """Batches whose statistics the norms of a student take in, where measuring calls eval() and nothing train()."""
    generator = torch.Generator().manual_seed(seed)
    net = filled(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU()), generator).train()
    for _ in range(epochs):
        if back_to_train:
            net.train()
        for _ in range(BATCHES):
            net(torch.randn(2, 3, 8, 8, generator=generator))
        net.eval()  # test_accuracy() of the released script
    seen = int(net.get_buffer("1.num_batches_tracked"))
    fine = seen == epochs * BATCHES
    return found(
        fine,
        "Every batch enters." if fine else
        "The script's measure of accuracy leaves the network in eval mode and nothing leads back: from the second "
        "epoch on, batch norm keeps the statistics of the first and dropout does nothing.",
        Number(label=f"batches that enter batch norm, of {epochs * BATCHES} in {epochs} epochs", value=seen,
               passes=fine),
    )  # fmt: skip


def mean_of_kl(*, per_image: bool = False, classes: int = 10, n: int = 512, seed: int = 0) -> Finding:
    """The formula's KL over that of the released loss, whose ``mean`` divides by images times classes."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (2 * torch.randn(n, classes, generator=generator) / 6.0 for _ in range(2))  # T = 6
    each = F.kl_div(F.log_softmax(student, dim=1), F.softmax(teacher, dim=1), reduction="none")
    formula = float(each.sum(dim=1).mean())
    released = formula if per_image else float(each.mean())
    ratio = formula / released
    fine = abs(ratio - 1) < SAME
    weights = {"the formula": KD_WEIGHT, "the code": KD_WEIGHT / ratio}
    return found(
        fine,
        "The two are one." if fine else
        f"PyTorch's default mean divides by images times classes: with {classes} classes the term is {ratio:.0f} times "
        "smaller than the formula's, which α and T do not say.",
        Number(label="KL of the formula", value=formula, n=n), Number(label="KL of the code", value=released, n=n),
        Number(label="first over second", value=ratio, passes=fine),
        *(Number(label=f"weight in {name}, beside .05 of the labels", value=one) for name, one in weights.items()),
    )  # fmt: skip


def drop_of_nothing(*, evaluated: bool = False, n: int = 40, seed: int = 0) -> Finding:
    """Average drop where the map keeps every pixel, one image at a time, as it is without eval() and with it."""
    generator = torch.Generator().manual_seed(seed)
    net = _with_dropout(generator).train(not evaluated)
    before = net.get_buffer("1.running_mean").clone()
    drops = []
    with torch.no_grad():
        for image in torch.randn(n, 1, 3, 8, 8, generator=generator):
            whole, masked = (float(net(one).softmax(dim=1).max()) for one in (image, image * 1.0))
            drops.append(max(0.0, (whole - masked) / whole))
    moved = float((net.get_buffer("1.running_mean") - before).norm())
    drop = 100 * float(np.mean(drops))
    return found(
        drop < SAME,
        "A map that keeps everything costs nothing." if drop < SAME else
        "Without eval() dropout draws anew at each pass, so that an image loses confidence to itself, and batch norm "
        "uses the one image's statistics and takes them in: measuring changes the network. The teacher has dropout, "
        "the student none. Our networks are in eval mode.",
        Number(label="average drop of an unmasked image, %", value=drop, n=n, passes=drop < SAME),
        Number(label="way of the norm's means during the measuring", value=moved, passes=moved == 0),
    )  # fmt: skip


def precision_by_image(*, by_class: bool = False, n: int = 400, seed: int = 0) -> Finding:
    """mAP of a scorer that looks at no image and names the classes by how common they are."""
    rng = np.random.default_rng(seed)
    common = np.r_[0.5, np.linspace(0.15, 0.05, 19)]  # one class in half of the images, as persons in VOC
    labels = rng.random((n, 20)) < common
    labels = labels[labels.any(axis=1)]
    scores = np.tile(common, (len(labels), 1))
    right = float(np.nanmean(average_precision(labels, scores)))
    shown = right if by_class else float(np.nanmean(average_precision(labels.T, scores.T)))
    chance = float(labels.mean())
    return found(
        abs(shown - chance) < 0.02,
        "A scorer that looks at no image has the share of images that show a class." if by_class else
        "The code averages over images: it asks whether a picture's own classes come before the others. Naming the "
        "most common class first answers that without looking. Over classes, as VOC's mAP is, it gives chance.",
        Number(label="precision over images, as in the code" if not by_class else "precision over classes",
               value=shown, n=len(labels), passes=abs(shown - chance) < 0.02),
        Number(label="precision over classes, mAP", value=right, n=len(labels)),
        Number(label="share of images that show a class, mean", value=chance, n=len(labels)),
    )  # fmt: skip


class _Dropout(nn.Module):
    """Dropout that draws from a generator of its own: other threads draw from torch's."""

    def __init__(self, rate: float, generator: torch.Generator) -> None:
        super().__init__()
        self.rate, self.generator = rate, generator

    def forward(self, x: Tensor) -> Tensor:
        """Some values of x (any shape) at 0, in train mode only."""
        if not self.training:
            return x
        kept = torch.rand(x.shape, generator=self.generator) >= self.rate
        return x * kept / (1 - self.rate)


def _with_dropout(generator: torch.Generator) -> nn.Sequential:
    """One convolution with norm, paper 001's teacher's dropout of .3, and a linear head over the mean."""
    layers = (nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), _Dropout(0.3, generator), nn.AdaptiveAvgPool2d(1),
              nn.Flatten(), nn.Linear(16, 10))  # fmt: skip
    return filled(nn.Sequential(*layers), generator)


def _share_of_hits(maps: Float64, masks: Bool, *, correct: bool) -> float:
    """Hits among images as the library counts them; correct: ours, where an undefined image is no hit."""
    if correct:
        return float(np.nansum(pointing(maps, masks))) / len(maps)
    hit = ((maps == maps.max(axis=(1, 2), keepdims=True)) & masks).any(axis=(1, 2))
    hit[~masks.any(axis=(1, 2))] = np.nan
    return float(hit.mean())
