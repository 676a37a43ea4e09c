"""Parameter counts beside the papers': ``python -m docs.make_networks`` writes docs/networks.md."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from xkd_core.models.architectures import build, count_parameters
from xkd_core.models.autoencoders import build_cae

HERE = Path(__file__).parent
HEAD = """# Parameters of the networks

Written by `python -m docs.make_networks`: every network is built and its parameters are counted, with its autoencoder
where it has one. "printed" is the paper's number; where it differs, the last column says why.
"""


@dataclass(frozen=True)
class Printed:
    """A network of a paper. arch: ours, or an autoencoder's name. printed: the paper's count, None without one."""

    name: str
    source: str
    arch: str
    classes: int = 10
    width: float = 1.0
    printed: int | None = None
    why: str = ""


XD_WHY = (
    "how the autoencoder's map enters the network is not printed; here a second stack of the student's convolutions, "
    "half as wide"
)
NETWORKS = (
    Printed("ResNet-18 for CIFAR", "001", "resnet18_cifar", why="not printed; 11,173,962 in the public code"),
    Printed("WRN-28-10", "001", "wrn_28_10", why="not printed; 36,479,194 in the public code"),
    Printed("WRN-16-4", "001, smaller form", "wrn_16_4"),
    Printed("VGG16", "003", "vgg16", printed=14_728_266),
    Printed("VGG11", "003", "vgg11", printed=9_231_114),
    Printed("VGG7", "003", "vgg7", printed=2_781_386, why="the layers are not printed; several lists give this count"),
    Printed("LeNet5", "003", "lenet5", printed=61_701, why="the classic LeNet5; probably a slip of the paper"),
    Printed("Net", "003", "net", printed=8_297, why="the count is the paper's, the layers are ours"),
    Printed("small autoencoder", "003", "small", printed=1_077),
    Printed("large autoencoder", "003", "large", printed=198_796,
            why="channels are not printed; the nearest public network with its kernels and strides"),
    Printed("Xdist.(Net)", "003", "net_xd", printed=17_386, why=XD_WHY),
    Printed("Xdist.(VGG7)", "003", "vgg7_xd", printed=3_521_276, why=XD_WHY),
    Printed("Xdist.(VGG11)", "003", "vgg11_xd", printed=9_624_598, why=XD_WHY),
    Printed("VGG7 of Xdist.'s size", "003, control", "vgg7_sized"),
    Printed("VGG11 of Xdist.'s size", "003, control", "vgg11_sized"),
    Printed("VGG16 for VOC", "004", "vgg16_voc", 20, printed=15_220_000, why="printed as 15.22 M"),
    Printed("VGG16 for VOC, 1/2", "004", "vgg16_voc", 20, 0.5),
    Printed("VGG16 for VOC, 1/4", "004", "vgg16_voc", 20, 0.25),
    Printed("VGG16 for VOC, 1/8", "004", "vgg16_voc", 20, 0.125, printed=290_000, why="printed as 0.29 M"),
    Printed("attentive ResNet-50", "002", "attentive_resnet50", 1000),
    Printed("ResNet-34", "002", "resnet34", 1000),
    Printed("MobileNetV3-small", "000", "mobilenet_v3_small", 1000),
    Printed("teacher of scenes", "here", "vgg_gap_64", 8),
    Printed("student of scenes, 1/8", "here", "vgg_gap_64", 8, 0.125),
    Printed("teacher of CIFAR-10", "here", "vgg_gap_32"),
    Printed("student of CIFAR-10, 1/8", "here", "vgg_gap_32", width=0.125),
)  # fmt: skip


def table() -> Iterator[str]:
    """The lines of the table."""
    yield "| network | paper | classes | width | printed | ours | verdict |"
    yield "|---|---|---|---|---|---|---|"
    for one in NETWORKS:
        ours, printed = count(one), "" if one.printed is None else f"{one.printed:,}"
        cells = (one.name, one.source, one.classes, f"{one.width:g}", printed, f"{ours:,}", _verdict(one, ours))
        yield f"| {' | '.join(map(str, cells))} |"


def count(one: Printed) -> int:
    """Parameters of the network as it is built here."""
    if one.arch in ("small", "large"):
        return count_parameters(build_cae(one.arch))
    network: nn.Module = build(one.arch, one.classes, width=one.width)
    return count_parameters(network)


def _verdict(one: Printed, ours: int) -> str:
    if one.printed is None:
        return one.why
    if one.why.startswith("printed as") and f"{ours / 1e6:.2f}" == f"{one.printed / 1e6:.2f}":
        return f"fits, {one.why}"
    if ours == one.printed:
        return "; ".join(part for part in ("exact", one.why) if part)
    return f"{ours - one.printed:+,}: {one.why}"


def page() -> str:
    """The text of docs/networks.md."""
    return HEAD + "\n" + "\n".join(table()) + "\n"


if __name__ == "__main__":
    (HERE / "networks.md").write_text(page())
