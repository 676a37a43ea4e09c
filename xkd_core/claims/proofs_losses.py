"""Proofs about losses: which term trains which network, and how strongly."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from xkd_core.claims.base import Finding, Number, at_most, found
from xkd_core.claims.proofs_maps import filled
from xkd_core.distillation.losses import kd_loss, matching_loss, task_loss
from xkd_core.distillation.transfer import at_loss
from xkd_core.explainers.maps import ewa

SMALL_SHARE = 0.01
SAME = 1e-5
L1_LAMBDA, L1_SIDE = 1e-5, 224
TABLE_3_INTENSITY = {"Ours": 0.189, "RISE": 0.347, "Grad-CAM": 0.421}


def kd_share(*, temperature: float = 50.0, t2: bool = False, n: int = 4096, seed: int = 0) -> Finding:
    """KD term over cross-entropy, in value and in the length of the gradient, for random logits of deviation 2."""
    numbers = []
    for classes in (10, 50, 1000):
        generator = torch.Generator().manual_seed(seed)
        student, teacher = (2 * torch.randn(n, classes, generator=generator) for _ in range(2))
        labels = torch.randint(classes, (n,), generator=generator)
        value, slope = _terms(student.requires_grad_(), teacher, labels, temperature, t2)
        numbers.append(Number(label=f"KD / CE, {classes} classes", value=value, n=n, passes=value > SMALL_SHARE))
        numbers.append(Number(label=f"gradients, {classes} classes", value=slope, n=n, passes=slope > SMALL_SHARE))
    fine = all(one.passes for one in numbers)
    return found(
        fine,
        "With T² both terms count."
        if fine
        else f"At T = {temperature:g} without T² the KD term is about a thousandth "
        "of the cross-entropy, so λ does not mix the two but for λ = 1. The released code multiplies it by 40,000 for "
        "0 < λ < 1 only: the axis joins three scales.",
        *numbers,
    )


def ewa_is_at(*, seed: int = 0) -> Finding:
    """Value and gradient of EWA's loss and of attention transfer, in both scales, on one layer."""
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(8, channels, 7, 7, generator=generator).relu() for channels in (32, 64))
    student.requires_grad_()
    ours = matching_loss(ewa(student), ewa(teacher)).loss
    theirs = at_loss(student, teacher, form="code").loss * 49 / 2  # mean (u - v)² = (2 - 2 cos) / N
    slopes = [torch.autograd.grad(loss, student, retain_graph=True)[0] for loss in (ours, theirs)]
    apart = float((slopes[0] - slopes[1]).norm() / slopes[0].norm())
    return _equal(abs(float((ours - theirs).detach())), apart)


def _equal(value: float, slope: float) -> Finding:
    return found(
        max(value, slope) < SAME,
        "Both compare sum_k A_k² at length 1; attention transfer's mean square is (2 - 2 cos) / N. EWA is attention "
        "transfer on one layer, so it is no baseline of its own.",
        Number(label="difference of the losses, at most", value=at_most(value), passes=value < SAME),
        Number(label="relative difference of the gradients, at most", value=at_most(slope), passes=slope < SAME),
    )


def explanation_gradient(*, repaired: bool = False, seed: int = 0) -> Finding:
    """Gradient of Eq. 9 for the explanation network E. repaired: the masked image x ⊙ E(x) enters."""
    generator = torch.Generator().manual_seed(seed)
    teacher, student = (filled(nn.Linear(12, 3), generator) for _ in range(2))
    drawer = filled(nn.Sequential(nn.Linear(12, 12), nn.Sigmoid()), generator)
    x = torch.randn(8, 12, generator=generator)
    drawn = drawer(x)
    second = teacher(x * drawn) if repaired else student(x)
    loss = kd_loss(second, teacher(x), temperature=1.0, multi_label=False)
    length = _length(loss, drawer)
    return found(
        length > 0,
        "With the masked image in it, the loss trains the explanation network." if repaired else
        "As printed, Eq. 9 is KL(z_T(x), z_S(x)): the map H does not occur, so the explanation network gets no "
        "gradient and only the ℓ1 term would act. The text means the masked image.",
        Number(label="length of the gradient for E", value=length, passes=length > 0),
    )  # fmt: skip


def hard_label_gradient(*, repaired: bool = False, seed: int = 0) -> Finding:
    """Gradient of Eq. 7 for the student S. repaired: the student's answer instead of the teacher's."""
    generator = torch.Generator().manual_seed(seed)
    teacher, student = (filled(nn.Linear(12, 3), generator) for _ in range(2))
    x, labels = torch.randn(8, 12, generator=generator), torch.randint(3, (8,), generator=generator)
    answer = student(x) if repaired else teacher(x)
    length = _length(task_loss(answer, labels, multi_label=False), student)
    return found(
        length > 0,
        "With the student's own answer, hard labels train it." if repaired else
        "As printed, Eq. 7 takes the cross-entropy of the teacher's output: it does not depend on the student, whose "
        "gradient from hard labels is zero.",
        Number(label="length of the gradient for S", value=length, passes=length > 0),
    )  # fmt: skip


def l1_means(printed: dict[str, float] = TABLE_3_INTENSITY, *, side: int = L1_SIDE) -> Finding:
    """A sum over side² pixels in [0, 1] that is printed as 0.2 to 0.4 would be an empty map; a mean is not."""
    pixels = side**2
    numbers = [
        Number(label=f"{name}: pixels' worth of map, were it the sum", value=value, passes=value >= 1)
        for name, value in printed.items()
    ]
    weight = Number(label="λ = 1e-5 of the sum is this much of the mean", value=L1_LAMBDA * pixels)
    sums = all(one.passes for one in numbers)
    return found(
        sums,
        "The printed values can be sums." if sums else
        f"Table 3 writes ‖H‖₁ for values below 1. As sums over {pixels:,} pixels they would be less than one pixel of "
        "map: they are means. In Eq. 8 the norm is the sum. The two differ by the number of pixels.",
        *numbers, weight,
    )  # fmt: skip


def _terms(student: Tensor, teacher: Tensor, labels: Tensor, temperature: float, t2: bool) -> tuple[float, float]:
    """KD over cross-entropy: of the values, and of the lengths of the gradients."""
    terms = (kd_loss(student, teacher, temperature=temperature, multi_label=False, t2=t2),
             F.cross_entropy(student, labels))  # fmt: skip
    slopes = [float(torch.autograd.grad(term, student, retain_graph=True)[0].norm()) for term in terms]
    value = (terms[0] / terms[1]).detach()
    return float(value), slopes[0] / slopes[1]


def _length(loss: Tensor, model: nn.Module) -> float:
    """Length of the loss's gradient for a network's parameters; 0 where it does not depend on them."""
    slopes = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
    return math.sqrt(sum(float(slope.square().sum()) for slope in slopes if slope is not None))
