"""Losses on activations: attention transfer (AT), neuron selectivity transfer (NST), activation boundaries (AB).

Pure tensor maths on one layer: student and teacher activations (B, K, h, w), whose K may differ. Where paper and
published code differ, ``form`` names both. Activations of two sizes are pooled to the smaller one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from xkd_core.distillation.checks import FORMS
from xkd_core.distillation.losses import Matching, matching_loss, same_grid
from xkd_core.errors import BadInputError
from xkd_core.explainers.maps import ewa


def at_loss(student: Tensor, teacher: Tensor, *, form: str = "cosine") -> Matching:
    """Attention transfer (Zagoruyko & Komodakis 2017) on one layer, Q = sum_k A_k^2 at length 1 over its N cells.

    cosine: 1 - cos(Q_S, Q_T), which is EWA. code: mean over batch and cells of (Q_S - Q_T)^2 = (2 - 2 cos) / N
    (its β is 1000). paper: Eq. 2, mean over the batch of the length of Q_S - Q_T (not smooth at 0).
    Errors: BadInputError for another form.
    """
    return attention_loss(ewa(student), ewa(teacher.detach()), form=form)


def attention_loss(student_map: Tensor, teacher_map: Tensor, *, form: str = "cosine") -> Matching:
    """`at_loss` from the maps Q (B, h, w) themselves, of any length. Errors: BadInputError for another form."""
    maps = same_grid(student_map, teacher_map)
    matching = matching_loss(*maps)
    if form == "cosine":
        return matching
    difference = torch.sub(*(F.normalize(each.flatten(1), dim=1) for each in maps))  # (B, N)
    if form == "code":
        return Matching(difference.square().mean(), matching.dead, matching.maps)
    if form == "paper":
        return Matching(difference.norm(dim=1).mean(), matching.dead, matching.maps)
    raise _unknown("at", form)


def nst_loss(student: Tensor, teacher: Tensor) -> Tensor:
    """Neuron selectivity transfer (Huang & Wang 2017) with the kernel k(a, b) = (a.b)^2 on one layer.

    The squared maximum mean discrepancy between the sets of channels, each a vector over space of length 1:
    mean k(t, t') + mean k(s, s') - 2 mean k(s, t), mean over the batch. A dead channel counts as a zero vector.
    """
    ours, theirs = (F.normalize(each.flatten(2), dim=2) for each in same_grid(student, teacher.detach()))  # (B, K, N)
    return _mean_kernel(theirs, theirs) + _mean_kernel(ours, ours) - 2 * _mean_kernel(ours, theirs)


def selectivity(activation: Tensor) -> Tensor:
    """What NST compares, (B, K, h, w) -> (B, N, N): mean over channels of a aᵀ, a (N,) a channel at length 1.

    A dead channel counts as a zero vector.
    """
    unit = F.normalize(activation.flatten(2), dim=2)  # (B, K, N)
    return torch.bmm(unit.transpose(1, 2), unit) / unit.shape[1]


def selectivity_loss(student: Tensor, wanted: Tensor) -> Tensor:
    """`nst_loss` from the teacher's `selectivity` (B, N, N) on the student's grid, whatever the teacher's channels.

    Since (a.b)² = <a aᵀ, b bᵀ>, the discrepancy is the squared distance of the two means.
    """
    return (wanted - selectivity(student)).square().sum(dim=(1, 2)).mean()


def ab_loss(response: Tensor, teacher: Tensor, *, margin: float = 1.0, form: str = "mean") -> Tensor:
    """Activation boundary transfer (Heo et al. 2019) on one layer: is each neuron on the teacher's side of 0?

    (s + m)^2 where s > -m and the teacher is off, (s - m)^2 where s <= m and it is on, else 0.
    Args: response, the student's values before the activation, through a connector to the teacher's channels;
    teacher, values whose sign says on or off (before or after its ReLU). mean: over everything. code: the
    authors' sum over everything / B, times 3/1000. Errors: BadInputError for another form.
    """
    s, t = same_grid(response, teacher)
    on = t > 0
    off_loss = (s + margin).square() * ((s > -margin) & ~on)
    on_loss = (s - margin).square() * ((s <= margin) & on)
    if form == "mean":
        return (off_loss + on_loss).mean()
    if form == "code":
        return (off_loss + on_loss).sum() / len(s) * 3 / 1000
    raise _unknown("ab", form)


def _mean_kernel(a: Tensor, b: Tensor) -> Tensor:
    """Mean over the batch and all pairs of (a_i . b_j)^2; the Gram matrix (B, K, K') instead of (B, K, K', N)."""
    return torch.bmm(a, b.transpose(1, 2)).square().mean()


def _unknown(method: str, form: str) -> BadInputError:
    return BadInputError(f"form of {method} must be one of {', '.join(FORMS[method])}; got {form!r}.")
