"""Pictures: lossless, without metadata, with names that say nothing, whole or not at all."""

from __future__ import annotations

import io
import re
import struct

import numpy as np
import pytest
from PIL import Image

from tests.study.made_study import make_candidates, make_config, make_maps, make_study
from xkd_core import rendering
from xkd_core.errors import BadInputError, XKDError
from xkd_core.study.build import create_study
from xkd_core.study.plan import Item
from xkd_core.study.stimuli import (
    Panel,
    draw_panels,
    most_different,
    png_bytes,
    read_stimulus,
    stimuli_dir,
    write_stimuli,
)
from xkd_core.study.store.frames import read_items
from xkd_core.study.store.studies import item_pictures, list_studies


def chunks(data: bytes) -> list[str]:
    place, found = 8, []
    while place < len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        found.append(data[place + 4 : place + 8].decode())
        place += 12 + length
    return found


def test_a_picture_is_its_pixels_and_nothing_else(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    (one,) = write_stimuli(tmp_path, [Panel(item=3, role="teacher", pixels=pixels)])
    data = (tmp_path / one.name).read_bytes()
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), pixels)
    assert set(chunks(data)) == {"IHDR", "IDAT", "IEND"}
    assert (one.item, one.role) == (3, "teacher")


def test_names_are_random_and_no_other_file_is_left(tmp_path):
    pixels = np.zeros((8, 8, 3), dtype=np.uint8)
    panels = [Panel(item=0, role=role, pixels=pixels) for role in ("teacher", "naive", "matched")]
    names = [one.name for one in (*write_stimuli(tmp_path, panels), *write_stimuli(tmp_path, panels))]
    assert len(set(names)) == 6 and all(re.fullmatch(r"[0-9a-f]{32}\.png", name) for name in names)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize(("rule", "scales"), [("panel", (1.0, 2.0, 3.0)), ("method", (3.0, 3.0, 3.0))])
def test_panels_are_what_the_renderer_draws_on_the_chosen_scale(rule, scales):
    config = make_config(rendering={"size_px": 128, "scale": rule})
    maps_of, item = make_maps(config), Item(number=0, kind="main", image=5, stratum="all", pair=0)
    drawn = {panel.role: panel.pixels for panel in draw_panels(config, item, maps_of)}
    seen = maps_of(5)
    runs = (("teacher", "teacher-run"), ("naive", "naive-run"), ("matched", "matched-run"))
    for (role, run), scale in zip(runs, scales, strict=True):  # their brightest cells are 1, 2 and 3
        expected = rendering.panel(seen.photo, seen.maps[run], scale, config.rendering.style)
        assert np.array_equal(drawn[role], expected)
    assert np.array_equal(drawn["photo"], seen.photo)


def test_a_known_item_has_two_equal_panels_and_one_that_differs():
    config = make_config()
    item = Item(number=0, kind="catch", image=5, stratum="all")
    drawn = {panel.role: panel.pixels for panel in draw_panels(config, item, make_maps(config), 6)}
    assert np.array_equal(drawn["same_a"], drawn["same_b"])
    assert (drawn["same_a"] != drawn["different"]).any(axis=2).mean() > 0.1
    with pytest.raises(BadInputError, match="needs a different map"):
        list(draw_panels(config, item, make_maps(config)))


def test_the_most_different_map_has_the_lowest_cosine():
    maps = {0: np.array([[1.0, 0.0]]), 1: np.array([[1.0, 1.0]]), 2: np.array([[-5.0, 2.0]]), 3: np.array([[3.0, 0.1]])}
    assert most_different(0, [0, 1, 2, 3], lambda index: maps[index].astype(np.float32)) == 2
    with pytest.raises(BadInputError, match="second image"):
        most_different(0, [0], lambda index: maps[index].astype(np.float32))


def test_a_run_without_a_map_is_named(sqlite):
    config = make_config()
    whole = make_maps(config)

    def maps_of(index):
        seen = whole(index)
        seen.maps.pop("matched-run")
        return seen

    with pytest.raises(BadInputError, match="no occlusion map of matched-run"):
        create_study(sqlite, config, candidates=make_candidates(), maps_of=maps_of)
    assert list_studies(sqlite) == ()


def test_a_failure_in_the_middle_leaves_neither_pictures_nor_rows(sqlite, home):
    config = make_config()
    whole, calls = make_maps(config), []

    def maps_of(index):
        calls.append(index)
        if len(calls) > 17:
            raise OSError("stop")
        return whole(index)

    def drawn(config=config):
        calls[:] = []
        return create_study(sqlite, config, candidates=make_candidates(), maps_of=maps_of)

    drawn()
    assert len(calls) == 16  # each image is explained once
    before = sorted(home.rglob("*.png"))
    more = make_config(selection={"n_images": 20})
    with pytest.raises(OSError, match="stop"):
        drawn(more)
    assert sorted(home.rglob("*.png")) == before
    assert len(list_studies(sqlite)) == 1


def test_a_missing_or_changed_picture_is_not_shown(sqlite):
    study = make_study(sqlite)
    path = next(stimuli_dir(study.id).iterdir())
    with pytest.raises(XKDError, match="changed after"):
        read_stimulus(study.id, path.name, "0" * 64)
    path.unlink()
    with pytest.raises(XKDError, match="not on this machine"):
        read_stimulus(study.id, path.name, "0" * 64)
    with pytest.raises(BadInputError, match="32 hexadecimal"):
        read_stimulus(study.id, "../../../etc/passwd", "0" * 64)


def test_the_study_leader_gets_the_pictures_of_an_item_by_role(sqlite):
    study = make_study(sqlite)
    items = read_items(sqlite, study)
    assert list(items["item"]) == list(range(len(items))) and set(items["kind"]) == {"main", "practice", "catch"}
    assert items.loc[0, "matched"] == study.config.pairs[0].matched
    found = item_pictures(sqlite, study.id, 0)
    assert list(found) == ["photo", "teacher", "naive", "matched"]
    with Image.open(io.BytesIO(found["teacher"])) as drawn:
        assert drawn.size == (study.config.rendering.size_px,) * 2
    catch = int(items.index[items["kind"] == "catch"][0])
    assert list(item_pictures(sqlite, study.id, catch)) == ["photo", "same_a", "same_b", "different"]
    with pytest.raises(BadInputError, match="no item 9999"):
        item_pictures(sqlite, study.id, 9999)


def test_only_rgb_bytes_become_a_picture():
    with pytest.raises(BadInputError, match=r"\(S, S, 3\) uint8; got \(4, 4\) float64"):
        png_bytes(np.zeros((4, 4)))
