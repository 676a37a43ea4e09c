"""What attribution matching costs: one SWA step over one KD step on GAP nets, interleaved in one run.

`pytest tests/benchmarks/test_training_step.py -s` prints the ratios; the goal is 1.15 at every width.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace

import pytest
import torch

from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.task import Batch, Guide, objective
from xkd_core.distillation.teaching import LiveTeacher, channels, guide
from xkd_core.distillation.transfer import selectivity
from xkd_core.models.architectures import VggGap, build
from xkd_core.models.mobilenet import Depthwise

KD = Recipe(dataset="scenes", arch="vgg_gap_64", split="transfer", teacher_id="teacher")
SWA = replace(KD, method="swa", beta=2.0)
ROUNDS = 15


def made_batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(128, 3, 64, 64, generator=generator).contiguous(memory_format=torch.channels_last)
    labels = (torch.rand(128, 8, generator=generator) > 0.7).float()
    logits = torch.randn(128, 8, generator=generator)
    return Batch(x, labels, logits, torch.rand(128, 8, 8, generator=generator), logits.argmax(dim=1))


def step_seconds(model: VggGap, optimizer: torch.optim.Optimizer, batch: Batch, recipe: Recipe) -> float:
    started = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    objective(model, batch, recipe, multi_label=True).total.backward()
    optimizer.step()
    return time.perf_counter() - started


@pytest.mark.parametrize("width", [0.5, 0.25, 0.125])
def test_swa_step_over_kd_step(width: float, benchmark: object) -> None:
    model = build("vgg_gap_64", 8, width=width).to(memory_format=torch.channels_last).train()
    optimizer, batch = torch.optim.AdamW(model.parameters(), lr=1e-3), made_batch()
    for recipe in (KD, SWA):
        step_seconds(model, optimizer, batch, recipe)
    pairs = [
        (step_seconds(model, optimizer, batch, SWA), step_seconds(model, optimizer, batch, KD)) for _ in range(ROUNDS)
    ]
    ratio = statistics.median(swa / kd for swa, kd in pairs)
    print(f"\nwidth 1/{1 / width:g}: SWA step / KD step = {ratio:.3f} (median of {ROUNDS} pairs, "
          f"KD {1e3 * statistics.median(kd for _, kd in pairs):.0f} ms)")  # fmt: skip
    benchmark.extra_info["ratio"] = ratio  # type: ignore[attr-defined]
    benchmark.pedantic(step_seconds, args=(model, optimizer, batch, SWA), rounds=3)  # type: ignore[attr-defined]


def test_depthwise_steps_in_float32_over_bfloat16(benchmark: object) -> None:
    """A step of MobileNetV3-small under bf16 autocast, its depthwise convolutions kept in float32 or not."""
    x = torch.randn(128, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    x = x.contiguous(memory_format=torch.channels_last)
    exact, plain = (build("mobilenet_v3_small_s16", 50).to(memory_format=torch.channels_last) for _ in range(2))
    for module in plain.modules():
        if isinstance(module, Depthwise):
            module.__class__ = torch.nn.Conv2d

    def seconds(model: torch.nn.Module) -> float:
        started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16):
            loss = model.train()(x).float().logsumexp(dim=1).mean()
        loss.backward()
        return time.perf_counter() - started

    seconds(exact), seconds(plain)
    ratios = [seconds(exact) / seconds(plain) for _ in range(5)]
    print(f"\nMobileNetV3-small, 128 images of 64 px: a step takes {statistics.median(ratios):.2f} times as long with "
          "depthwise convolutions in float32 as with all in bfloat16")  # fmt: skip
    benchmark.extra_info["ratio"] = statistics.median(ratios)  # type: ignore[attr-defined]
    benchmark.pedantic(seconds, args=(exact,), rounds=3)  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["at", "nst", "sswa"])
def test_a_step_with_what_is_kept_of_the_teacher_over_one_with_it_live(method: str, benchmark: object) -> None:
    """The forward passes of a full-width teacher beside a student of a quarter of its channels."""
    recipe, plain = replace(KD, method=method, width=0.25, epochs=5), made_batch()
    model, teacher = (
        build("vgg_gap_64", 8, width=width).to(memory_format=torch.channels_last) for width in (0.25, 1.0)
    )
    optimizer = torch.optim.AdamW(model.train().parameters(), lr=1e-3)
    live = LiveTeacher(teacher.eval().requires_grad_(False), channels(model, recipe.layer_names, 64))
    assert plain.teacher_logits is not None
    shown = guide(live, plain.x, plain.teacher_logits, recipe, moment=(0, 0))
    small = shown.maps or tuple(selectivity(each) for each in shown.activations)
    kept = tuple(each.half() for each in small)

    def seconds(*, asked: bool) -> float:
        started = time.perf_counter()
        assert plain.teacher_logits is not None
        read = tuple(each.float() for each in kept)
        stored = Guide(selectivity=read) if method == "nst" else Guide(maps=read)
        shown = guide(live, plain.x, plain.teacher_logits, recipe, moment=(0, 0)) if asked else stored
        batch = replace(plain, teacher_map=None, guide=shown)
        step_seconds(model, optimizer, batch, recipe)
        return time.perf_counter() - started

    seconds(asked=True), seconds(asked=False)
    ratio = statistics.median(seconds(asked=False) / seconds(asked=True) for _ in range(ROUNDS))
    print(f"\n{method}: a step with what is kept takes {ratio:.2f} times as long as one with the teacher live")
    benchmark.extra_info["ratio"] = ratio  # type: ignore[attr-defined]
    benchmark.pedantic(lambda: seconds(asked=False), rounds=3)  # type: ignore[attr-defined]
