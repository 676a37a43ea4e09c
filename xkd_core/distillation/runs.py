"""From a recipe to a run on disk: data, teacher outputs, training, weights and card."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from xkd_core import settings
from xkd_core.distillation.autoencoding import Autoencoder, Lesson, train_autoencoder
from xkd_core.distillation.carding import card_of, int8_card
from xkd_core.distillation.explained import Wanted
from xkd_core.distillation.kept import Lessons, keep
from xkd_core.distillation.named import differences
from xkd_core.distillation.recipes import Recipe
from xkd_core.distillation.targets import teacher_outputs
from xkd_core.distillation.teaching import channels, check_shared
from xkd_core.distillation.trainer import Report, TrainingData, device, train
from xkd_core.distillation.validation import Validation
from xkd_core.distillation.views import Views, draw_views, pixel_array, with_erasing
from xkd_core.errors import BadInputError, RunError
from xkd_core.files import alone_with, check_writable, remove_leftovers, write_atomic
from xkd_core.images.datasets import load
from xkd_core.images.sampling import first_images
from xkd_core.images.transforms import to_input
from xkd_core.models.architectures import Network, build, check_input
from xkd_core.models.cards import Card
from xkd_core.models.checkpoints import (
    CARD,
    WEIGHTS,
    LoadedRun,
    as_stored,
    find_card,
    is_whole,
    load_run,
    read_card,
    run_folder,
    save_run,
    weights_bytes,
)
from xkd_core.models.fused import fusion_of
from xkd_core.models.quantized import quantize
from xkd_core.models.restore import CHAINS
from xkd_core.pruning.unstructured import prune_weights
from xkd_core.types import UInt8

TRAINED_AGAIN = "Trained again: these are not the weights that results stored before were measured on."
VALIDATION_IMAGES = 2000
CALIBRATION_IMAGES = 512
# The views belong to the data, not to a student's seed: students of all seeds share the teacher's cache.
VIEW_SEED = 0


def distill(recipe: Recipe, *, root: Path | None = None, report: Report | None = None) -> Card:
    """Train ``recipe`` unless its run exists; returns its card (without test metrics, see evaluation).

    Errors: DataUnavailableError, RunError for the teacher, TrainingError, XKDError for a full disk.
    """
    folder = run_folder(recipe.dataset, recipe.run_id, root)
    state_path = settings.home() / "training" / f"{recipe.run_id}.safetensors"
    if not _is_done(folder):
        with alone_with(state_path):  # a second process waits here and then finds the run done
            return read_card(folder) if _is_done(folder) else _make(recipe, folder, state_path, root, report)
    return read_card(folder)


def _is_done(folder: Path) -> bool:
    """A card alone is a run whose weights are elsewhere: who asks for it wants them. A damaged run is made again."""
    return (folder / WEIGHTS).exists() and is_whole(folder)


def _make(recipe: Recipe, folder: Path, state_path: Path, root: Path | None, report: Report | None) -> Card:
    check_writable(folder)
    if recipe.compress == "int8":
        return _to_int8(recipe, folder, root)
    differences(recipe)  # a name that does not exist is refused before the training, not after it
    torch.use_deterministic_algorithms(True, warn_only=True)
    data = training_data(recipe, root=root)
    trained = train(recipe, data, state_path=state_path, report=report)
    card = _write(folder, trained.model, card_of(recipe, trained, data, root))
    state_path.unlink(missing_ok=True)
    remove_leftovers(state_path)
    return card


def _to_int8(recipe: Recipe, folder: Path, root: Path | None) -> Card:
    source = load_run(str(recipe.source_id), root)
    card = source.card
    data = load(card.dataset, str(card.recipe["split"]))
    pixels = pixel_array(data, first_images(data, CALIBRATION_IMAGES))
    model = quantize(source.model, to_input(pixels, card.input_transform()))
    return _write(folder, model, int8_card(recipe, card, as_stored(model.state_dict()), root))


def _write(folder: Path, model: nn.Module, card: Card) -> Card:
    """Save a run. The card of one whose weights were not here stays, with all that was measured, if they are the same.

    If they are not, because another machine or another torch trained them, the new card says so.
    """
    for name in (WEIGHTS, CARD):
        remove_leftovers(folder / name)  # of processes killed while they wrote the run itself
    try:
        before, data = read_card(folder), weights_bytes(model.state_dict())
    except RunError:  # none, or a damaged one
        return save_run(folder, model, card)
    if hashlib.sha256(data).hexdigest() == before.sha256:
        write_atomic(folder / WEIGHTS, data)
        return before
    (folder / CARD).unlink()  # a card beside weights that are not its own would be a broken run
    return save_run(folder, model, card.model_copy(update={"note": " ".join(filter(None, (card.note, TRAINED_AGAIN)))}))


def training_data(recipe: Recipe, *, root: Path | None = None) -> TrainingData:
    """Pixels, labels, views and, for a student of more than labels, the teacher's cached outputs on them.

    Errors: BadInputError for a teacher or a source that does not fit.
    """
    split = load(recipe.dataset, recipe.split)
    check_input(recipe.arch, split.info.transform.size)
    _check_runs(recipe, split.info.classes, root)  # what does not fit is refused before images are drawn
    if recipe.mask == "shared":
        _check_widths(recipe, split.info.transform.size, root)
    chosen = first_images(split, recipe.limit)
    pixels, labels = pixel_array(split, chosen), split.labels()[chosen]
    views = _views(recipe, len(pixels), split.info.transform.size)
    teacher = None if recipe.teacher_id is None else load_run(recipe.teacher_id, root)
    # A run of ce that has a teacher learns from labels all the same; it is only compared with it.
    outputs = None if teacher is None or recipe.method == "ce" else teacher_outputs(teacher, pixels, views)
    data = TrainingData(pixels, labels, views, _validation(recipe, teacher), outputs, start=_start(recipe, root))
    if teacher is None or outputs is None:
        return data
    if recipe.needs_live_teacher:
        live = teacher.model.to(device())
        kept = keep(recipe, Lessons(teacher, pixels, views, outputs.logits))
        return replace(data, kept=kept, live_teacher=live if kept is None else None)
    if recipe.method == "xd":
        # Of images that come class by class a limit has drawn a mixture already.
        order = np.arange(len(pixels)) if recipe.limit is not None else first_images(split, recipe.cae_limit)
        return replace(data, autoencoder=_autoencoder(recipe, teacher, pixels[order[: recipe.cae_limit]]))
    return data


def _views(recipe: Recipe, n_images: int, size_px: int) -> Views:
    """A teacher's own for every epoch; students of all seeds share theirs, and with them the teacher's cache."""
    seed, n_views = (recipe.seed, recipe.epochs) if recipe.method == "ce" else (VIEW_SEED, recipe.views)
    views = draw_views(n_images, n_views=n_views, shift_px=recipe.shift_px, seed=seed, flips=recipe.flip)
    return with_erasing(views, share=recipe.erasing, size_px=size_px, seed=seed) if recipe.erasing else views


def _check_runs(recipe: Recipe, classes: tuple[str, ...], root: Path | None) -> None:
    """A teacher and a source answer with the data set's classes, and a source is the network that is trained on."""
    if recipe.top_k > len(classes):
        raise BadInputError(
            f"top_k must be at most {len(classes)}, the classes of {recipe.dataset}; got {recipe.top_k}."
        )
    for run_id in filter(None, (recipe.teacher_id, recipe.source_id)):
        card = find_card(run_id, root)
        if card.classes != classes:
            raise BadInputError(
                f"{run_id} answers with {len(card.classes)} classes that are not the {len(classes)} of "
                f"{recipe.dataset}. Name a run of {recipe.dataset}; `restrict` makes a teacher of more classes one."
            )
        if run_id == recipe.source_id and (card.arch, card.width) != (recipe.arch, recipe.width):
            raise BadInputError(
                f"{run_id} is {card.arch} at width {card.width:g}, so a training that goes on from it is too; got "
                f"{recipe.arch} at width {recipe.width:g}."
            )


def _check_widths(recipe: Recipe, size_px: int, root: Path | None) -> None:
    """A mask for both networks needs as many channels in one as in the other."""
    teacher, own = load_run(str(recipe.teacher_id), root), _start(recipe, root)
    if own is None:
        own = build(recipe.arch, len(teacher.card.classes), width=recipe.width)
    theirs, ours = (channels(model, recipe.layer_names, size_px) for model in (teacher.model, own))
    check_shared(theirs, ours)


def _autoencoder(recipe: Recipe, teacher: LoadedRun, pixels: UInt8) -> Autoencoder:
    """The trained one that the recipe asks for; drawn at random and left so where it asks for "none"."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        fusion = fusion_of(build(recipe.arch, len(teacher.card.classes), width=recipe.width))
    if fusion is None:
        raise BadInputError(f"{recipe.arch} has no autoencoder; for xd take {recipe.arch}_xd.")
    if recipe.explained_by == "none":
        return Autoencoder(fusion.cae.state_dict())
    wanted = Wanted(teacher, recipe.explained_by, recipe.n_superpixels)
    transform = teacher.card.input_transform()
    fusion.cae.requires_grad_(True)
    return train_autoencoder(fusion.cae, Lesson(wanted, pixels, transform, recipe.cae_epochs, recipe.seed))


def _start(recipe: Recipe, root: Path | None) -> Network | None:
    """The network to go on from, with what the recipe prunes taken off; None for a fresh one."""
    if recipe.source_id is None:
        return None
    source = load_run(recipe.source_id, root)
    if source.card.compression == "int8":
        raise BadInputError(
            f"{recipe.source_id} has 8-bit values, which cannot be trained; take {source.card.source_id}."
        )
    if recipe.compress == "structured":
        try:
            from xkd_core.pruning.structured import shrink  # the only place that needs Torch-Pruning
        except ModuleNotFoundError as error:
            raise BadInputError("Filters are pruned with Torch-Pruning: pip install torch-pruning.") from error
        if not isinstance(source.model, CHAINS):
            raise BadInputError(f"Filters can be pruned from chain VGGs only; {recipe.source_id} is another network.")
        return shrink(source.model, recipe.amount, input_px=source.card.transform.size)
    if recipe.compress == "unstructured":
        prune_weights(source.model, recipe.amount)
    return source.model


def _validation(recipe: Recipe, teacher: LoadedRun | None) -> Validation:
    data = load(recipe.dataset, "val")
    chosen = first_images(data, VALIDATION_IMAGES)
    pixels = pixel_array(data, chosen)
    still = draw_views(len(chosen), n_views=1, shift_px=0, seed=0)
    outputs = None if teacher is None else teacher_outputs(teacher, pixels, still)
    return Validation(pixels, data.labels()[chosen], data.info.transform, data.info.multi_label, outputs)
