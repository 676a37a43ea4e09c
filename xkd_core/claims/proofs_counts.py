"""Proofs by counting parameters: which printed numbers do the named networks have?"""

from __future__ import annotations

import numpy as np
from torch import nn

from xkd_core.claims.base import Finding, Number, found
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.autoencoders import build_cae
from xkd_core.models.vgg import KUANGLIU, VOC_CELLS

ALHARBI = {"vgg16": 14_728_266, "vgg11": 9_231_114, "vgg7": 2_781_386}
SMALL_CAE, LARGE_CAE, LENET5 = 1_077, 198_796, 61_701
XD_VGG7, STUDENT_VGG7 = 3_521_276, 2_781_386
PARK = {"teacher": 15.22, "/8": 0.29, "structured": 3.27}
PRUNED_MILLIONS, ROUNDS, FIFTH = 0.53, 16, 0.2
LI = (0, *range(7, 13))
"""Convolutions that paper 004 prunes whole filters of: conv1 and conv8 to conv13."""


def alharbi() -> Finding:
    """Paper 003's students, teacher and small autoencoder."""
    counts = {name: (count_parameters(build(name, 10)), wanted) for name, wanted in ALHARBI.items()}
    counts["small autoencoder"] = (count_parameters(build_cae("small")), SMALL_CAE)
    return _exact(counts, "kuangliu's VGGs and the MNIST autoencoder have exactly these numbers.")


def lenet5() -> Finding:
    """The classic LeNet5 beside the printed count."""
    return _exact({"LeNet5": (count_parameters(build("lenet5", 10)), LENET5)}, "It is the classic network.")


def large_autoencoder() -> Finding:
    """The nearest network that the printed skeleton gives: its channels are not printed, so nothing is decided."""
    count = count_parameters(build_cae("large"))
    return Finding(
        verdict="not testable here",
        reason="The paper prints kernels and strides, not the channels; many unnatural lists give the count. The "
        f"nearest public network with this skeleton has {count:,}, {LARGE_CAE - count:,} fewer.",
        numbers=(Number(label="nearest public network", value=count),),
    )


def same_size(fused: int = XD_VGG7, student: int = STUDENT_VGG7) -> Finding:
    """The fused student over the others of Table III."""
    more = 100 * (fused / student - 1)
    return found(
        abs(more) < 1,
        f"The fused student has {more:.0f} % more parameters than the students it is compared with; the control with "
        "as many parameters is missing in the paper (`003-size-*` has it).",
        Number(label="more parameters than the others, %", value=more, passes=abs(more) < 1),
    )


def chhabra() -> Finding:
    """Teacher and student of paper 001: is the student smaller?"""
    counts = {name: count_parameters(build(arch, 10))
              for name, arch in (("WRN-28-10", "wrn_28_10"), ("ResNet-18", "resnet18_cifar"))}  # fmt: skip
    ratio = counts["WRN-28-10"] / counts["ResNet-18"]
    numbers = [Number(label=name, value=value) for name, value in counts.items()]
    return found(
        ratio > 1,
        f"The student is {ratio:.2f} times smaller: less than a VGG of half the width (about 4 times).",
        *numbers, Number(label="teacher / student", value=ratio, passes=ratio > 1),
    )  # fmt: skip


def park() -> Finding:
    """Paper 004's networks in millions, to two digits behind the point."""
    channels = [layer for layer in KUANGLIU["vgg16"] if layer != "pool"]
    cut = [int(width * 0.3) if place in LI else width for place, width in enumerate(channels)]
    counts = {
        "teacher": count_parameters(build("vgg16_voc", 20)),
        "/8": count_parameters(build("vgg16_voc", 20, width=0.125)),
        "structured": vgg_parameters(cut),
    }
    numbers = [
        Number(label=f"{name} (printed {PARK[name]:g} M)", value=value, passes=round(value / 1e6, 2) == PARK[name])
        for name, value in counts.items()
    ]
    return found(
        all(one.passes for one in numbers),
        "All three fit; the structured one with a rate of 0.7, which the text at hand has lost.",
        *numbers,
    )


def rounds(printed: float = PRUNED_MILLIONS, at: int = ROUNDS) -> Finding:
    """Millions of parameters left after pruning, by round and by what is counted."""
    left = {n: left_after(n) for n in (at - 1, at)}
    numbers = [
        Number(label=f"{n} rounds, {what}", value=count, passes=round(count / 1e6, 2) == printed)
        for n, counts in left.items()
        for what, count in counts.items()
    ]
    fits = [one for one in numbers if one.passes and one.label.startswith(f"{at} ")]
    elsewhere = [one.label for one in numbers if one.passes]
    return found(
        bool(fits),
        f"{at} rounds give {printed:g} M {'when ' + fits[0].label if fits else 'in no way of counting'}."
        + (f" It fits {elsewhere[0]}." if elsewhere and not fits else ""),
        *numbers,
    )


def columns(*, interleaved: bool = False, channels: int = 512, kept: int = 153, seed: int = 0) -> Finding:
    """Share of the kept classifier columns that belong to kept channels. interleaved: the mask as it should be."""
    mask = np.zeros(channels, dtype=bool)
    mask[np.random.default_rng(seed).permutation(channels)[:kept]] = True
    right = np.repeat(mask, VOC_CELLS)  # the flattened map has a channel's 49 cells side by side
    used = right if interleaved else np.tile(mask, VOC_CELLS)
    share = float((used & right).sum() / used.sum())
    return found(
        share == 1,
        "Each kept column belongs to a kept channel." if share == 1 else
        f"The code repeats the whole mask 49 times where each entry must be repeated: {100 * share:.0f} % of the "
        f"classifier columns it keeps belong to channels it keeps, as many as chance ({100 * kept / channels:.0f} %). "
        "Fine-tuning hides it.",
        Number(label="kept columns of kept channels", value=share, n=int(used.sum()), passes=share == 1),
    )  # fmt: skip


def vgg_parameters(widths: list[int], *, classes: int = 20) -> int:
    """Parameters of paper 004's VGG16 with these output channels: convolutions with bias, norms, classifier."""
    before = [3, *widths[:-1]]
    kernels = sum(9 * a * b for a, b in zip(before, widths, strict=True))
    return kernels + 3 * sum(widths) + (widths[-1] * VOC_CELLS + 1) * classes


def left_after(n_rounds: int) -> dict[str, int]:
    """What is left of paper 004's VGG16 when n rounds took a fifth of the kernel weights, counted in four ways."""
    model = build("vgg16_voc", 20)
    kernels = sum(one.weight.numel() for one in model.modules() if isinstance(one, nn.Conv2d))
    linear = sum(value.numel() for one in model.modules() if isinstance(one, nn.Linear) for value in one.parameters())
    others = count_parameters(model) - kernels - linear
    alive = round(kernels * (1 - FIFTH) ** n_rounds)
    return {
        "kernels": alive,
        "kernels, biases and norms": alive + others,
        "kernels and classifier": alive + linear,
        "all": alive + others + linear,
    }


def _exact(counts: dict[str, tuple[int, int]], good: str) -> Finding:
    numbers = [Number(label=f"{name} (printed {wanted:,})", value=count, passes=count == wanted)
               for name, (count, wanted) in counts.items()]  # fmt: skip
    off = [f"{name} has {count:,}, {abs(count - wanted):,} {'more' if count > wanted else 'fewer'}"
           for name, (count, wanted) in counts.items() if count != wanted]  # fmt: skip
    return found(not off, "; ".join(off) + " than printed." if off else good, *numbers)
