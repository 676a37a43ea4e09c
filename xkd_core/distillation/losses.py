"""Losses of the five papers on logits and maps; a training objective is a weighted sum of these.

λ mixes hard labels and teacher (0 = labels only, 1 = teacher only), β weighs attribution matching:
L = (1-λ) task + λ T² KD + β (1 - cos). Formulas and compat scales: Hinton et al. 2015; papers 000, 001, 003, 004.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from xkd_core.distillation.checks import KD_FORMS


def task_loss(logits: Tensor, labels: Tensor, *, multi_label: bool) -> Tensor:
    """Cross-entropy with (B,) indices, or binary cross-entropy averaged over (B, C) multi-hot labels."""
    if multi_label:
        return F.binary_cross_entropy_with_logits(logits, labels.to(logits.dtype))
    return F.cross_entropy(logits, labels)


def kd_loss(
    student: Tensor, teacher: Tensor, *, temperature: float, multi_label: bool, t2: bool = True, reverse: bool = False
) -> Tensor:
    """KL(teacher || student) of softened answers, mean over the batch, times T² unless ``t2`` is off.

    Single-label: softmax over C (Hinton et al. 2015, sec. 2). Multi-label: one Bernoulli per class,
    averaged over B·C (paper 004). Without T² the gradient fades as 1/T² (definitions 2.1). reverse: KL(student ||
    teacher), as paper 000's Eq. 1 is printed.
    Args: logits (B, C) each; the teacher's are treated as constants. Returns: scalar >= 0.
    """
    divergence = _bernoulli_kl if multi_label else _softmax_kl
    pair = student / temperature, teacher.detach() / temperature
    value = divergence(*pair[::-1] if reverse else pair)
    return value * temperature**2 if t2 else value


COMPAT_000_SCALE = 40_000  # in the code of paper 000, 16 T² for its T of 50


@dataclass(frozen=True)
class KdScale:
    """Weights of the task loss and of KD, whether KD carries T², and whether its divergence is the student's."""

    task: float
    kd: float
    t2: bool
    reverse: bool = False


def kd_scale(form: str, lam: float, *, n_classes: int) -> KdScale:
    """How λ mixes labels and teacher in one of ``KD_FORMS``.

    t2: (1-λ) task + λ T² KL, the default (Hinton et al. 2015; papers 001 and 003 with α = λ; they write a cross
    entropy for KL, which has the same gradient). convex: (1-λ) task + λ KL, paper 000 Eq. 1 in the direction of its
    code: KL fades as 1/T². reversed: the same with KL(student || teacher), Eq. 1 as printed. compat_000: its code:
    λ = 0 and λ = 1 one term alone, between them (1-λ) task + λ 40000 KL. compat_001: t2 over C, the code's
    ``reduction='mean'`` over B·C. added: task + λ T² KL, paper 003 Eq. 6 as printed (its 1-α is λ). Errors: ValueError
    for another form.
    """
    if form == "convex":
        return KdScale(1 - lam, lam, t2=False)
    if form == "reversed":
        return KdScale(1 - lam, lam, t2=False, reverse=True)
    if form == "compat_000":
        return KdScale(1 - lam, lam * (COMPAT_000_SCALE if 0 < lam < 1 else 1), t2=False)
    if form == "compat_001":
        return KdScale(1 - lam, lam / n_classes, t2=True)
    if form == "added":
        return KdScale(1.0, lam, t2=True)
    if form == "t2":
        return KdScale(1 - lam, lam, t2=True)
    raise ValueError(f"form must be one of {', '.join(KD_FORMS)}; got {form!r}.")


@dataclass(frozen=True)
class Matching:
    """1 - cos averaged over the maps, how many of them were all zero (no gradient there), and how many they are."""

    loss: Tensor
    dead: int
    maps: int


def matching_loss(student_map: Tensor, teacher_map: Tensor) -> Matching:
    """Mean of 1 - cos(student, teacher) over maps (B, h, w); paper 004 Eq. 2 in the scale of definitions 2.5.

    A zero map has no direction: it counts as 1 (F.normalize gives 0) without a gradient, and is counted.
    Maps of another size are refused: resample before, so that the size enters no loss.
    """
    if student_map.shape != teacher_map.shape:
        raise ValueError(
            f"student and teacher maps must have one shape; got {tuple(student_map.shape)} and "
            f"{tuple(teacher_map.shape)}. Pool the larger to the smaller with adaptive_avg_pool2d."
        )
    flat_student, flat_teacher = student_map.flatten(1), teacher_map.detach().flatten(1)
    cosine = (F.normalize(flat_student, dim=1) * F.normalize(flat_teacher, dim=1)).sum(dim=1)  # (B,)
    dead = (flat_student.detach().abs().sum(dim=1) == 0) | (flat_teacher.abs().sum(dim=1) == 0)
    return Matching((1 - cosine).mean(), int(dead.sum()), len(dead))


def same_grid(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Pool the larger of two (.., h, w) tensors to the smaller one's cells (averages; definitions 2.5)."""
    if student.shape[-2:] == teacher.shape[-2:]:
        return student, teacher
    height, width = (min(sides) for sides in zip(student.shape[-2:], teacher.shape[-2:], strict=True))
    return F.adaptive_avg_pool2d(student, (height, width)), F.adaptive_avg_pool2d(teacher, (height, width))


def _softmax_kl(student: Tensor, teacher: Tensor) -> Tensor:
    return F.kl_div(student.log_softmax(dim=1), teacher.log_softmax(dim=1), reduction="batchmean", log_target=True)


def _bernoulli_kl(student: Tensor, teacher: Tensor) -> Tensor:
    yes = torch.sigmoid(teacher)
    log_yes = F.logsigmoid(teacher) - F.logsigmoid(student)
    log_no = F.logsigmoid(-teacher) - F.logsigmoid(-student)
    return (yes * log_yes + (1 - yes) * log_no).mean()
