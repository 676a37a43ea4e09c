"""Students with an autoencoder beside them: exact sizes, what stays frozen, and that both parts reach the answer."""

from __future__ import annotations

import pytest
import torch

from xkd_core.explainers.engine import cams
from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.autoencoders import build_cae
from xkd_core.models.fused import fusion_of, hold_still, parts_of


def test_sizes_are_those_of_the_three_parts_and_the_joint_head() -> None:
    whole, alone, half = (
        count_parameters(build(arch, 8, width=width))
        for arch, width in (("vgg_gap_64_xd", 0.25), ("vgg_gap_64", 0.25), ("vgg_gap_64", 0.125))
    )
    grey_for_colour = 2 * 9 * 4  # the half-wide stack reads one channel, not three
    heads_share_one_bias = 8
    assert whole == alone + half - grey_for_colour - heads_share_one_bias + count_parameters(build_cae("large"))
    parts = parts_of(build("vgg_gap_64_xd", 8, width=0.25))
    assert parts is not None
    assert (parts.whole, parts.without_cae) == (whole, whole - 194_955)
    assert parts.own == alone - (64 * 8 + 8)


def test_the_net_of_paper_003_is_649_short_of_the_printed_17386() -> None:
    stack, joint = (20 * 25 + 20) + (3 * 20 * 9 + 3), (150 * 84 + 84) + (84 * 10 + 10)
    assert count_parameters(build("net_xd", 10)) == 2 * stack + joint + 1077 == 17_386 - 649


def test_the_sized_net_is_as_large_as_the_fused_one_without_its_autoencoder() -> None:
    parts = parts_of(build("net_xd", 10))
    assert parts is not None and parts.without_cae == 15_660
    one_unit = 75 + 1 + 10
    assert 0 <= count_parameters(build("net_sized", 10)) - parts.without_cae < one_unit


@pytest.mark.parametrize(
    ("arch", "size"),
    [("vgg_gap_tiny_xd", 32), ("vgg_gap_tiny_xd_small", 32), ("vgg7_xd", 32), ("net_xd", 28), ("vgg_gap_64_xd", 64)],
)
def test_the_seam_holds_the_students_channels_and_then_the_readers(arch: str, size: int) -> None:
    torch.manual_seed(0)
    model, x = build(arch, 10, width=1.0).eval(), torch.randn(2, 3, size, size)
    fusion = fusion_of(model)
    assert fusion is not None
    own, read = fusion.own(x), fusion.reader(fusion.cae(x)[:, None])
    activation = model.features(x)
    assert torch.equal(activation[:, : own.shape[1]], own) and torch.equal(activation[:, own.shape[1] :], read)
    assert torch.equal(model.head(activation), model(x))


def test_only_the_autoencoder_is_frozen_also_after_a_network_was_thawed() -> None:
    model = build("vgg_gap_tiny_xd_small", 10).requires_grad_(True)
    hold_still(model)
    model(torch.randn(4, 3, 32, 32)).sum().backward()
    learned = {name for name, value in model.named_parameters() if value.grad is not None}
    frozen = {name for name, _ in model.named_parameters()} - learned
    assert frozen == {f"features.0.cae.{name}" for name, _ in build_cae("small").named_parameters()}


def test_a_network_without_an_autoencoder_has_no_such_parts() -> None:
    assert fusion_of(build("vgg_gap_tiny", 10)) is None and parts_of(build("vgg_gap_tiny", 10)) is None


def test_cam_covers_both_parts() -> None:
    torch.manual_seed(1)
    model, x, target = build("vgg_gap_tiny_xd_small", 10).eval(), torch.randn(3, 3, 32, 32), torch.tensor([0, 4, 9])
    found = cams(model, x, target, ["cam"])["cam"]
    with torch.no_grad():
        logits, bias = model(x), model.classifier.bias
    assert torch.allclose(found.sum(dim=(1, 2)), logits[torch.arange(3), target] - bias[target], atol=1e-5)


@pytest.mark.parametrize("name", ["vgg7", "vgg11"])
def test_the_control_of_its_size_has_as_many_parameters_as_the_student_without_its_autoencoder(name: str) -> None:
    parts = parts_of(build(f"{name}_xd", 10))
    assert parts is not None
    assert count_parameters(build(f"{name}_sized", 10)) == pytest.approx(parts.without_cae, rel=0.015)
