"""Fewer stored rows: which images keep theirs, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from xkd_core.errors import BadInputError
from xkd_core.evaluation.split import stratified_order
from xkd_core.evaluation.thinning import thin
from xkd_core.results.store import merge_rows, read_rows

N, FAR = 300, 172


@pytest.fixture
def root(tmp_path: Path) -> Path:
    index = np.arange(N)
    images = pd.DataFrame({"index": index, "target": index % 3, "sampled": False, "gallery": index == FAR})
    images.loc[images["index"].isin(stratified_order(images)[:12]), "sampled"] = True
    merge_rows("digits", "images", images, root=tmp_path)
    for run in ("one", "two"):
        rows = pd.DataFrame({"run_id": run, "explainer": "cam", "index": index, "cosine": index / N, "undefined": None})
        merge_rows("digits", "maps", rows, root=tmp_path)
        merge_rows("digits", "answers", pd.DataFrame({"run_id": run, "index": index, "right": True}), root=tmp_path)
    return tmp_path


def test_the_images_that_stay_are_stratified_and_the_sample_and_the_gallery_are_among_them(root: Path) -> None:
    images = read_rows("digits", "images", root=root)
    assert thin("digits", 30, root=root) == 31
    wanted = {*stratified_order(images)[:30].tolist(), FAR}
    kept = read_rows("digits", "maps", root=root)
    assert [set(own["index"]) for _, own in kept.groupby("run_id")] == [wanted, wanted]
    np.testing.assert_allclose(kept["cosine"], kept["index"] / N, rtol=1e-3)
    chosen = images[images["index"].isin(wanted - {FAR})]
    assert chosen["target"].value_counts().tolist() == [10, 10, 10]
    assert set(images.loc[images["sampled"], "index"]) <= wanted
    assert len(read_rows("digits", "answers", root=root)) == 2 * N


def test_thinning_further_keeps_a_part_and_more_images_than_there_are_rows_of_change_nothing(root: Path) -> None:
    thin("digits", 60, root=root)
    many = set(read_rows("digits", "maps", root=root)["index"])
    assert thin("digits", 5, root=root) == 13  # the sample of 12, and the gallery's
    few = set(read_rows("digits", "maps", root=root)["index"])
    assert few < many
    before = (root / "digits/results/maps.parquet").read_bytes()
    thin("digits", 200, root=root)
    assert (root / "digits/results/maps.parquet").read_bytes() == before


def test_no_image_and_no_rows_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="at least 1 image"):
        thin("digits", 0, root=root)
    with pytest.raises(BadInputError, match="No rows of 'mnist' are stored"):
        thin("mnist", 10, root=root)


def test_the_gallery_keeps_the_maps_of_runs_whose_weights_are_here(root: Path) -> None:
    for run in ("here", "slim@0.25", "away"):
        rows = pd.DataFrame({"run_id": run, "explainer": "occlusion", "index": [0, 1], "values": [[0.5], [0.25]]})
        merge_rows("digits", "gallery", rows, root=root)
    for folder in ("here", "slim"):
        (root / "digits" / folder).mkdir()
        (root / "digits" / folder / "model.safetensors").touch()
    thin("digits", 30, root=root)
    assert set(read_rows("digits", "gallery", root=root)["run_id"]) == {"here", "slim@0.25"}
    assert {"one", "two"} == set(read_rows("digits", "maps", root=root)["run_id"])
