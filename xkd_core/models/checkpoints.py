"""Runs on disk: ``checkpoints/<dataset>/<run id>/{model.safetensors, card.json}``.

Weights are safetensors only, verified by sha256 before they are parsed; the architecture comes from
the allow-list of architectures.py. The card is written last: a folder without one is no run. A folder with a card
alone is a run whose weights are elsewhere: its results count, but it cannot explain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from safetensors.torch import load as parse_tensors
from safetensors.torch import save as dump_tensors
from torch import Tensor, nn

from xkd_core import settings
from xkd_core.errors import RunError, unknown_name
from xkd_core.files import alone_with, write_atomic
from xkd_core.models.cards import Card, Metric, at_width, widths
from xkd_core.models.restore import restore
from xkd_core.models.seams import Network
from xkd_core.models.sparse import dense, sparse

WEIGHTS, CARD = "model.safetensors", "card.json"
MAX_WEIGHT_BYTES = 512 * 2**20


@dataclass(frozen=True)
class LoadedRun:
    """A network ready to explain (eval, frozen, float32) with its card."""

    model: Network
    card: Card


@dataclass(frozen=True)
class Scan:
    """All readable cards, and a sentence for each folder that looks like a run but is not one.

    away: ids of the runs whose weights are not here.
    """

    cards: tuple[Card, ...]
    problems: tuple[str, ...]
    away: frozenset[str] = frozenset()


def scan(root: Path | None = None) -> Scan:
    """Read every card below ``root`` (default: the settings' place); weights are not opened."""
    root = settings.checkpoints_dir() if root is None else root
    cards: list[Card] = []
    problems: list[str] = []
    away: set[str] = set()
    for folder in sorted(root.glob("*/*/")):
        if folder.name == "results" or folder.name.startswith("."):
            continue
        try:
            found = widths(read_card(folder))
        except RunError as error:
            problems.append(str(error))
            continue
        cards += found
        away |= set() if (folder / WEIGHTS).exists() else {card.id for card in found}
    return Scan(tuple(cards), tuple(problems), frozenset(away))


def list_runs(root: Path | None = None) -> list[Card]:
    """The cards of all readable runs, ordered by data set and id."""
    return list(scan(root).cards)


def is_here(card: Card, root: Path | None = None) -> bool:
    """Whether the weights of a run are here, not only its card."""
    return has_weights(card.dataset, card.id, root)


def has_weights(dataset: str, run_id: str, root: Path | None = None) -> bool:
    """The same by id, with or without a width (``ID@0.25``), also of a run that has no card here."""
    return (run_folder(dataset, run_id.partition("@")[0], root) / WEIGHTS).exists()


def is_whole(folder: Path) -> bool:
    """Whether a run's card can be read and its weights, where they are here, are those that the card names."""
    try:
        card = read_card(folder)
        return not (folder / WEIGHTS).exists() or _sha256(_read(folder / WEIGHTS)) == card.sha256
    except RunError:
        return False


def find_card(run_id: str, root: Path | None = None) -> Card:
    """The card of one run. Errors: UnknownNameError with the nearest id, RunError for a broken card."""
    whole, at, width = run_id.partition("@")
    card = read_card(_folder(whole, root))
    if not at:
        return card
    if width not in card.stops:
        raise unknown_name("run", run_id, [one.id for one in widths(card)])
    return at_width(card, width)


def load_run(run_id: str, root: Path | None = None) -> LoadedRun:
    """Load, verify and freeze a run. Errors: UnknownNameError; RunError for damaged or foreign files."""
    card = find_card(run_id, root)
    if not is_here(card, root):
        whole = run_id.partition("@")[0]
        raise RunError(
            f"Run {run_id}: its weights ({WEIGHTS}) are not here, only its card. "
            f"`python -m xkd_core distill --run {whole}` trains it again."
        )
    state = read_state(card, root)
    floats = {name: value.float() if value.is_floating_point() else value for name, value in state.items()}
    try:
        model = restore(card, floats)
    except RuntimeError as error:
        raise RunError(f"Run {run_id}: its weights do not fit {card.arch} at width {card.width:g}.") from error
    model.multi_label = card.multi_label
    model.eval().requires_grad_(False)
    return LoadedRun(model, card)


def read_state(card: Card, root: Path | None = None) -> dict[str, Tensor]:
    """The tensors of a run's file as they lie there, verified. Errors: RunError for a damaged or missing file."""
    return parse_verified(_read(_folder(card.id, root) / WEIGHTS), card)


def read_card(folder: Path) -> Card:
    """Read and check ``folder/card.json``. Errors: RunError that names the folder and the field."""
    try:
        card = Card.model_validate_json(_read(folder / CARD))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "file"
        raise RunError(f"Run {folder.name}: card.json is not valid ({place}: {first['msg']}).") from error
    if card.id != folder.name:
        raise RunError(f"Run {folder.name}: its card says {card.id!r}. Was the folder renamed?")
    return card


def save_run(folder: Path, model: nn.Module, card: Card) -> Card:
    """Write weights (convolutions as float16) and then the card; returns the card with its sha256."""
    data = weights_bytes(model.state_dict())
    card = card.model_copy(update={"sha256": _sha256(data)})
    write_atomic(folder / WEIGHTS, data)
    write_card(folder, card)
    return card


def write_metrics(card: Card, root: Path | None = None) -> None:
    """Put the metrics of ``card`` into its file; those of ``ID@width`` go to the width's own place."""
    whole, _, width = card.id.partition("@")
    folder = run_folder(card.dataset, whole, root)
    if width:
        kept = read_card(folder)
        stop = kept.stops[width].model_copy(update={"metrics": card.metrics})
        card = kept.model_copy(update={"stops": {**kept.stops, width: stop}})
    write_card(folder, card)


def change_metrics(
    run_id: str, change: Callable[[Mapping[str, Metric]], Mapping[str, Metric]], root: Path | None
) -> Card:
    """Replace a run's metrics by what ``change`` makes of those in its file now; other processes wait meanwhile."""
    place = run_folder(find_card(run_id, root).dataset, run_id.partition("@")[0], root) / CARD
    with alone_with(place):
        card = find_card(run_id, root)
        changed = card.model_copy(update={"metrics": dict(change(card.metrics))})
        write_metrics(changed, root)
    return changed


def write_card(folder: Path, card: Card) -> None:
    """Write ``card.json``, keys in the order of the class, so that two equal runs are equal files."""
    absent = {name for name in ("differs", "extras") if not getattr(card, name)}  # most runs have neither
    write_atomic(folder / CARD, (card.model_dump_json(indent=1, exclude=absent) + "\n").encode())


def weights_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Serialise a state: kernels as float16, mostly zero ones without their zeros, norms and head as they are."""
    return dump_tensors(sparse(as_stored(state)))


def as_stored(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a state as its file holds them, with all zeros."""
    return {name: _stored(value) for name, value in state.items()}


def run_folder(dataset: str, run_id: str, root: Path | None = None) -> Path:
    """Where a run of that data set lies."""
    return (settings.checkpoints_dir() if root is None else root) / dataset / run_id


def parse_verified(data: bytes, card: Card) -> dict[str, Tensor]:
    """Check the sha256 of the weights, then parse them. Errors: RunError."""
    found = _sha256(data)
    if found != card.sha256:
        raise RunError(
            f"Run {card.id}: model.safetensors is damaged or was changed (sha256 {found[:12]}..., "
            f"the card says {card.sha256[:12]}...). Put the file back, or `python -m xkd_core distill --run "
            f"{card.id.partition('@')[0]}` trains it again."
        )
    try:
        state = parse_tensors(data)
    except Exception as error:  # safetensors raises its own Rust error type, which is not importable as a class
        raise RunError(f"Run {card.id}: model.safetensors cannot be read ({error}).") from error
    return dense(state)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _stored(value: Tensor) -> Tensor:
    value = value.detach().cpu()
    return (value.half() if value.ndim == 4 and value.is_floating_point() else value).contiguous()


def _folder(run_id: str, root: Path | None) -> Path:
    root = settings.checkpoints_dir() if root is None else root
    folders = {folder.name: folder for folder in root.glob("*/*/") if folder.name != "results"}
    name = run_id.partition("@")[0]
    if name not in folders:
        raise unknown_name("run", run_id, folders)
    return folders[name]


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_WEIGHT_BYTES:
            raise RunError(f"Run {path.parent.name}: {path.name} is larger than any run may be.")
        return path.read_bytes()
    except OSError as error:
        raise RunError(f"Run {path.parent.name}: {path.name} is missing or cannot be read.") from error
