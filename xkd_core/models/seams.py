"""What every network here promises: a seam between ``features`` and ``head``, and named layers before it.

``head(features(x)) == forward(x)``. Losses and explainers read activations at the seam or at a named layer,
without hooks: a network is a chain of modules that can be walked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from xkd_core.errors import BadInputError, unknown_name

ACTIVATIONS = (nn.ReLU, nn.Hardswish)


class GapHead(nn.Module):
    """Global average pooling and a linear layer: activation (B, K, h, w) -> logits (B, C)."""

    def __init__(self, channels: int, n_classes: int) -> None:
        super().__init__()
        self.linear = nn.Linear(channels, n_classes)

    def forward(self, activation: Tensor) -> Tensor:
        """Activation (B, K, h, w) -> logits (B, C)."""
        logits: Tensor = self.linear(activation.mean(dim=(2, 3)))
        return logits


class Network(nn.Module):
    """A chain of modules cut at the seam: ``features`` (B, 3, H, W) -> (B, K, h, w), ``head`` -> (B, C).

    ends: for each stage (the layers between two reductions of the map) the place of its last module in the
    chain; the last of them is the seam. taps: names of further places, behind the seam for instance.
    multi_label: whether each logit is an answer of its own, so that probabilities are sigmoids; a loaded run says.
    """

    multi_label = False

    def __init__(
        self, features: nn.Sequential, head: nn.Module, ends: Sequence[int], taps: Mapping[str, int] | None = None
    ) -> None:
        super().__init__()
        if ends[-1] != len(features) - 1:
            raise ValueError(f"The last stage must end at the seam, module {len(features) - 1}; got {ends[-1]}.")
        self.features = features
        self.head = head
        self.ends = tuple(ends)
        self.taps = dict(taps or {})

    @property
    def has_cam(self) -> bool:
        """Whether the head is global average pooling and one linear layer, for which alone CAM is defined."""
        return isinstance(self.head, GapHead)

    @property
    def classifier(self) -> nn.Linear:
        """The linear layer whose row c weighs the channels in the CAM of class c. Errors: BadInputError without one."""
        if not isinstance(self.head, GapHead):
            raise BadInputError(
                f"CAM does not exist for {type(self).__name__}: its head is not global average pooling and one linear "
                "layer. Grad-CAM works with every head."
            )
        return self.head.linear

    def rows(self, target: Tensor) -> Tensor:
        """Weights (B, K) of the head for the classes ``target`` (B,), as CAM needs them; errors as ``classifier``."""
        return self.classifier.weight[target]

    @property
    def layers(self) -> tuple[str, ...]:
        """The names that ``place`` knows: "last" (the seam), "last-1" (the stage before), ..., and the taps."""
        return (*(_stage_name(back) for back in range(len(self.ends))), *self.taps)

    def place(self, layer: str) -> int:
        """The place of a named layer's last module in the chain. Errors: UnknownNameError with all names."""
        named = {_stage_name(back): end for back, end in enumerate(reversed(self.ends))} | self.taps
        if layer not in named:
            raise unknown_name(f"layer of {type(self).__name__}", layer, named)
        return named[layer]

    def forward(self, x: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) -> logits (B, C)."""
        logits: Tensor = self.head(self.features(x))
        return logits


@dataclass(frozen=True)
class Tapped:
    """One forward pass: logits (B, C), the activation at the seam and those at the layers asked for, in order."""

    logits: Tensor
    activation: Tensor
    taps: tuple[Tensor, ...]


def run_tapped(
    model: Network, x: Tensor, layers: Sequence[str] = (), *, raw: bool = False, autocast: bool = False
) -> Tapped:
    """Run a network and keep the activations (B, K, h, w) of named layers, connected to the graph.

    raw: the value before the layer's activation function, where it ends in one. autocast: the features in
    bfloat16 (their taps too), the head always in the precision of the weights. Errors: UnknownNameError.
    """
    places = [model.place(layer) for layer in layers]
    found: dict[int, Tensor] = {}
    seam = len(model.features) - 1
    with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=autocast):
        activation = _walk(list(model.features), x, 0, set(places), found, raw=raw)
    activation = activation.float() if activation.dtype == torch.bfloat16 else activation
    if seam in found and not raw:
        found[seam] = activation  # the very tensor that the head sees
    logits = _walk(head_parts(model.head), activation, seam + 1, set(places), found, raw=raw)
    return Tapped(logits, activation, tuple(found[place] for place in places))


def head_parts(head: nn.Module) -> list[nn.Module]:
    """The modules of a head in order: those of a plain Sequential, else the head itself."""
    return list(head) if isinstance(head, nn.Sequential) else [head]


def cut(model: Network, layer: str) -> Network:
    """The same network (shared weights) with its seam at another layer, to explain or to match it there."""
    chain = [*model.features, *head_parts(model.head)]
    place = model.place(layer)
    ends = [end for end in model.ends if end < place]
    taps = {name: other for name, other in model.taps.items() if other > place}
    head = model.head if place + 1 == len(model.features) else nn.Sequential(*chain[place + 1 :])
    return Network(nn.Sequential(*chain[: place + 1]), head, [*ends, place], taps).train(model.training)


def stage_ends(features: nn.Sequential) -> list[int]:
    """Stages of a plain chain: each ends right before a pooling module, the last at the end."""
    pools = [place for place, module in enumerate(features) if isinstance(module, nn.MaxPool2d)]
    return [*(place - 1 for place in pools), len(features) - 1]


def scaled(channels: int, width: float) -> int:
    """``channels`` at a fraction ``width``. Errors: BadInputError for a width that leaves a layer empty."""
    fewer = round(channels * width)
    if not 0 < width <= 1 or fewer < 1:
        raise BadInputError(f"width must be in (0, 1] and leave every layer a channel; got {width} of {channels}.")
    return fewer


def _walk(
    modules: Sequence[nn.Module], x: Tensor, first: int, wanted: set[int], found: dict[int, Tensor], *, raw: bool
) -> Tensor:
    for place, module in enumerate(modules, start=first):
        before_activation = raw and isinstance(module, ACTIVATIONS)
        if place in wanted and before_activation:
            found[place] = x.clone()  # an in-place activation would change it
        x = module(x)
        if place in wanted and not before_activation:
            found[place] = x
    return x


def _stage_name(back: int) -> str:
    return "last" if back == 0 else f"last-{back}"
