"""The state of a training between two epochs, as one file that is either whole or absent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from xkd_core.files import write_atomic


@dataclass
class Progress:
    """How far a training is. seconds: training time so far, over all its processes."""

    epoch: int = 0
    curve: tuple[dict[str, float], ...] = ()
    seconds: float = 0.0
    dead: int = 0
    seen: int = 0


def save_state(
    path: Path, model: nn.Module, extras: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress
) -> None:
    """Write weights (and ``extras``, what is trained beside the model), optimizer moments and progress."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"extras.{name}": value for name, value in extras.state_dict().items()}
    for index, parameter in enumerate([*model.parameters(), *extras.parameters()]):
        for key, value in optimizer.state[parameter].items():
            tensors[f"optimizer.{index}.{key}"] = torch.as_tensor(value)
    meta = {
        "epoch": progress.epoch,
        "curve": list(progress.curve),
        "seconds": progress.seconds,
        "dead": progress.dead,
        "seen": progress.seen,
    }
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    write_atomic(path, dump_tensors(contiguous, metadata={"progress": json.dumps(meta)}))


def load_state(path: Path, model: nn.Module, extras: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Put a saved state back, bit for bit; a missing or unreadable file starts from the beginning."""
    try:
        data = path.read_bytes()
        tensors = parse_tensors(data)
        header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        meta = json.loads(header["__metadata__"]["progress"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return Progress()
    model.load_state_dict(_below(tensors, "model."))
    extras.load_state_dict(_below(tensors, "extras."))
    for index, parameter in enumerate([*model.parameters(), *extras.parameters()]):
        moments = _below(tensors, f"optimizer.{index}.")
        optimizer.state[parameter] = {
            key: value if value.ndim == 0 else value.to(parameter.device).contiguous(memory_format=_layout(parameter))
            for key, value in moments.items()
        }
    return Progress(meta["epoch"], tuple(meta["curve"]), meta["seconds"], meta["dead"], meta["seen"])


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _layout(parameter: Tensor) -> torch.memory_format:
    # The moments of a channels_last kernel are channels_last too; a resumed run must add in the same order.
    channels_last = parameter.ndim == 4 and parameter.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format
