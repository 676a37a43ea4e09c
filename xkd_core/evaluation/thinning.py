"""Fewer stored rows, for shipping: maps keep rows of some test images; answers, and numbers on cards, are of all."""

from __future__ import annotations

from pathlib import Path

from xkd_core.errors import BadInputError
from xkd_core.evaluation.split import stratified_order
from xkd_core.models.checkpoints import has_weights
from xkd_core.results.store import keep_images, keep_in_gallery, read_rows


def thin(dataset: str, n_images: int, *, root: Path | None = None) -> int:
    """Keep the rows of maps of ``n_images`` stratified test images, and of those of the sample and the gallery.

    The images are the first of the order in which samples take them, so thinning further, or another run's rows, gives
    a part of the same images. The gallery keeps the maps of runs whose weights are here: no page can show those of
    others. Returns how many images keep their rows. Errors: BadInputError for fewer than one image
    or where nothing is stored, XKDError for a damaged table.
    """
    if n_images < 1:
        raise BadInputError(f"Rows of at least 1 image must stay; {n_images} were asked for.")
    images = read_rows(dataset, "images", root=root)
    if images.empty:
        raise BadInputError(f"No rows of {dataset!r} are stored: `python -m xkd_core evaluate --dataset {dataset}`.")
    marked = images.loc[images["sampled"] | images["gallery"], "index"]
    kept = {*stratified_order(images)[:n_images].tolist(), *marked.tolist()}
    keep_images(dataset, kept, root=root)
    gallery = read_rows(dataset, "gallery", root=root)
    shown = (
        set() if gallery.empty else {name for name in gallery["run_id"].unique() if has_weights(dataset, name, root)}
    )
    keep_in_gallery(dataset, shown, root=root)
    return len(kept)
