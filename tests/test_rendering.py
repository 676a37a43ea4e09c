"""The renderer against a second, pixel-by-pixel statement of it and against numbers worked out by hand."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from PIL import Image

from xkd_core import rendering
from xkd_core.colours import DIVERGING, SEQUENTIAL, TABLES
from xkd_core.errors import BadInputError
from xkd_core.rendering import MODES, Style

SIZE = 24


def plain_resize(grid, y, x, size, smooth):
    """One pixel of the enlarged grid, by the definition of bilinear with align_corners=False."""
    height, width = grid.shape
    if not smooth:
        return grid[int((y + 0.5) * height / size), int((x + 0.5) * width / size)]
    row = min(max((y + 0.5) * height / size - 0.5, 0), height - 1)
    column = min(max((x + 0.5) * width / size - 0.5, 0), width - 1)
    top, left = int(row), int(column)
    bottom, right = min(top + 1, height - 1), min(left + 1, width - 1)
    v, u = row - top, column - left
    upper = grid[top, left] * (1 - u) + grid[top, right] * u
    lower = grid[bottom, left] * (1 - u) + grid[bottom, right] * u
    return upper * (1 - v) + lower * v


def plain_level(value, scale, diverging):
    share = value / scale if scale > 0 else 0.0
    if diverging:
        return math.floor(min(max(share, -1), 1) * 127 + 128.5)
    return math.floor(min(max(share, 0), 1) * 255 + 0.5)


def plain_panel(photo, grid, scale, style):
    """Overlay, heatmap and masked, one pixel after the other."""
    size, out = photo.shape[0], np.empty_like(photo)
    for y in range(size):
        for x in range(size):
            values = grid.astype(np.float64) if style.signed else np.maximum(grid.astype(np.float64), 0)
            level = plain_level(plain_resize(values, y, x, size, style.smooth), scale, style.signed)
            colour = [int(c) for c in TABLES[DIVERGING if style.signed else style.colours][level]]
            red, green, blue = (int(c) for c in photo[y, x])
            paper = (299 * red + 587 * green + 114 * blue + 500) // 1000
            strength = min(255, 2 * abs(level - 128)) if style.signed else level
            light = 255 - ((255 - strength) * style.opacity + 50) // 100
            out[y, x] = {
                "heatmap": colour,
                "overlay": [(paper * (100 - style.opacity) + c * style.opacity + 50) // 100 for c in colour],
                "masked": [(c * light + 127) // 255 for c in (red, green, blue)],
            }[style.mode]
    return out


@pytest.fixture
def photo():
    return np.random.default_rng(0).integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)


@pytest.mark.parametrize("shape", [(8, 8), (7, 7), (3, 5), (1, 1), (40, 40)])
@pytest.mark.parametrize("mode", ["overlay", "heatmap", "masked"])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("smooth", [False, True])
def test_panel_equals_the_pixel_by_pixel_statement(photo, shape, mode, signed, smooth):
    grid = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    style = Style(mode=mode, signed=signed, smooth=smooth, opacity=63, colours="viridis")
    scale = rendering.divisor([grid], signed=signed)
    assert np.array_equal(rendering.panel(photo, grid, scale, style), plain_panel(photo, grid, scale, style))


def test_smooth_resize_equals_torch_without_aligned_corners():
    import torch

    grid = np.random.default_rng(2).normal(size=(7, 7))
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(grid)[None, None], size=(64, 64), mode="bilinear", align_corners=False
    )[0, 0].numpy()
    assert np.allclose(rendering.resize(grid, 64), theirs, atol=1e-12)


def test_levels_round_half_up_and_centre_zero():
    values = np.array([[-1.0, 0.0, 0.5, 1.0, 2.0]])
    assert rendering.levels(values, 1.0).tolist() == [[0, 0, 128, 255, 255]]  # .5 * 255 + .5 = 128
    assert rendering.levels(values, 1.0, diverging=True).tolist() == [[1, 128, 192, 255, 255]]
    assert rendering.levels(values, 0.0).tolist() == [[0, 0, 0, 0, 0]]
    assert rendering.levels(values, 0.0, diverging=True).tolist() == [[128] * 5]


def test_colour_order_is_value_order():
    """Luminance of each sequential table rises; squaring in uint8 would break it."""
    for name in SEQUENTIAL:
        luminance = TABLES[name].astype(float) @ [0.2126, 0.7152, 0.0722]
        assert luminance[-1] - luminance[0] > 120
        assert (np.diff(luminance) > -1.5).all()  # rounding to uint8 may step back by one


def test_diverging_table_is_neutral_in_the_middle_and_darkens_evenly_to_both_sides():
    table = TABLES[DIVERGING].astype(int)
    assert len(set(table[128])) == 1
    assert table[64, 2] > table[64, 0]  # purple side: more blue than red
    assert table[192, 0] > table[192, 2]  # orange side
    assert np.array_equal(table[0], table[1])


def test_opacity_ends_are_the_grey_photo_and_the_bare_heatmap(photo):
    grid = np.eye(2, dtype=np.float32)
    bare = rendering.panel(photo, grid, 1.0, Style(mode="heatmap"))
    assert np.array_equal(rendering.panel(photo, grid, 1.0, Style(opacity=100)), bare)
    faint = rendering.panel(photo, grid, 1.0, Style(opacity=0))
    assert np.array_equal(faint, np.repeat(rendering.grey(photo)[..., None], 3, axis=2))


def test_masked_shows_the_photo_where_evidence_is_full_and_black_where_there_is_none(photo):
    grid = np.array([[1.0, 0.0]], dtype=np.float32)
    drawn = rendering.panel(photo, grid, 1.0, Style(mode="masked", opacity=100, smooth=False))
    assert np.array_equal(drawn[:, : SIZE // 2], photo[:, : SIZE // 2])
    assert not drawn[:, SIZE // 2 :].any()


def test_full_colour_below_the_maximum_brightens_weak_evidence_and_saturates_strong(photo):
    grid = np.array([[0.25, 1.0]], dtype=np.float32)
    bright = rendering.panel(photo, grid, 1.0, Style(mode="heatmap", full=25, smooth=False))
    assert (bright == TABLES["inferno"][255]).all()


def test_contour_draws_lines_only_between_bands(photo):
    flat = np.full((2, 2), 0.4, dtype=np.float32)
    paper = np.repeat(rendering.grey(photo)[..., None], 3, axis=2)
    assert np.array_equal(rendering.panel(photo, flat, 1.0, Style(mode="contour")), paper)
    step = np.array([[0.0, 1.0]], dtype=np.float32)
    drawn = rendering.panel(photo, step, 1.0, Style(mode="contour", smooth=False))
    changed = (drawn != paper).any(axis=2).any(axis=0)
    assert changed.tolist() == [x in (SIZE // 2 - 2, SIZE // 2 - 1) for x in range(SIZE)]  # a line of two pixels
    assert drawn[0, SIZE // 2 - 1].tolist() == TABLES["inferno"][255].tolist()


def test_outline_is_white_inside_and_black_outside(photo):
    mask = np.zeros((SIZE, SIZE), dtype=bool)
    mask[4:8, 4:8] = True
    drawn = rendering.outline(photo, mask)
    assert (drawn[4, 4:8] == 255).all()
    assert (drawn[3, 4:8] == 0).all()
    assert np.array_equal(drawn[5:7, 5:7], photo[5:7, 5:7])  # the middle is untouched
    assert np.array_equal(drawn[0, 0], photo[0, 0])


def test_divisors_follow_the_chosen_scale():
    grids = {
        ("teacher", "cam"): np.array([[2.0, -9.0]], dtype=np.float32),
        ("naive", "cam"): np.array([[4.0, 0.0]], dtype=np.float32),
        ("teacher", "occlusion"): np.array([[8.0, 0.0]], dtype=np.float32),
    }

    def divide(scale, signed=False):
        found = rendering.divisors(grids, scale, teacher="teacher", signed=signed)
        return [found[key] for key in grids]

    assert divide("panel") == [2, 4, 8]
    assert divide("teacher") == [2, 2, 8]
    assert divide("method") == [4, 4, 8]
    assert divide("all") == [8, 8, 8]
    assert divide("panel", signed=True) == [9, 4, 8]


def test_maps_of_single_pixels_end_at_the_99th_percentile_of_their_size():
    grid = np.arange(1, 201, dtype=np.float32).reshape(10, 20)
    grid[0] *= -1  # 1 to 20 are against the class
    ranked = sorted(abs(float(value)) for value in grid.ravel())
    assert rendering.divisor([grid], fine=True) == ranked[198 - 1] == 198.0  # 99 % of 200 values are at most 198
    assert rendering.divisor([grid]) == 200.0
    against = -grid[1:]
    assert rendering.divisor([against], fine=True) == 0.0  # no positive evidence stays 'nothing to show'
    assert rendering.divisor([against], fine=True, signed=True) == 199.0
    few = np.zeros((20, 20), dtype=np.float32)
    few[0, 0] = 3.0  # the percentile is 0: the largest value counts
    assert rendering.divisor([few], fine=True) == 3.0
    grids = {("teacher", "cam"): grid, ("teacher", "gradient_shap"): grid}
    found = rendering.divisors(grids, "all", teacher="teacher", signed=False, fine={"gradient_shap"})
    assert set(found.values()) == {200.0}
    found = rendering.divisors(grids, "panel", teacher="teacher", signed=False, fine={"gradient_shap"})
    assert list(found.values()) == [200.0, 198.0]


def test_divisor_of_nothing_is_zero_and_draws_zero_everywhere(photo):
    empty = np.full((8, 8), -1.0, dtype=np.float32)  # no positive evidence
    assert rendering.divisor([empty]) == 0.0
    assert rendering.divisor([]) == 0.0
    drawn = rendering.panel(photo, empty, 0.0, Style(mode="heatmap"))
    assert (drawn == TABLES["inferno"][0]).all()


def test_difference_of_a_map_to_itself_is_neutral_and_more_evidence_is_orange(photo):
    grid = np.array([[0.0, 4.0]], dtype=np.float32)
    style = Style(mode="heatmap", smooth=False)
    same = rendering.difference(photo, grid, 4.0, (grid * 3, 12.0), style)
    assert (same == TABLES[DIVERGING][128]).all()
    more = rendering.difference(photo, grid, 4.0, (np.zeros_like(grid), 0.0), style)
    assert (more[:, SIZE // 2 :] == TABLES[DIVERGING][255]).all()


def test_a_missing_map_is_hatched_and_never_looks_like_a_map_of_zeros(photo):
    drawn = rendering.panel(photo, None, 1.0, Style())
    assert np.array_equal(drawn, rendering.hatching(SIZE))
    assert len(np.unique(drawn)) == 2
    zeros = rendering.panel(photo, np.zeros((8, 8), dtype=np.float32), 1.0, Style(mode="heatmap"))
    assert not np.array_equal(drawn, zeros)


def test_png_is_lossless(photo):
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(rendering.png(photo)))), photo)


def test_colour_bar_runs_from_end_to_end():
    bar = rendering.colour_bar(Style(), width=256, height=2)
    assert np.array_equal(bar[0], TABLES["inferno"])
    signed = rendering.colour_bar(Style(), width=3, height=1, diverging=True)
    assert np.array_equal(signed[0], TABLES[DIVERGING][[1, 128, 255]])


def test_colour_bar_of_masked_pictures_runs_from_dark_to_light():
    bar = rendering.colour_bar(Style(mode="masked", opacity=100), width=256, height=1, diverging=True)
    assert np.array_equal(bar[0], np.repeat(np.arange(256)[:, None], 3, axis=1))
    faint = rendering.colour_bar(Style(mode="masked", opacity=40), width=2, height=1)
    assert faint[0].tolist() == [[153] * 3, [255] * 3]  # 60 % of white stays where there is no evidence


@pytest.mark.parametrize("wrong", [{"mode": "jet"}, {"opacity": 101}, {"opacity": -1}, {"full": 0}])
def test_a_style_that_cannot_be_drawn_is_refused_with_a_sentence(wrong):
    with pytest.raises(BadInputError, match=r"choose one of|0 to 100|1 to 100"):
        Style(**wrong)


@pytest.mark.parametrize("mode", MODES)
def test_drawing_leaves_its_inputs_alone(photo, mode):
    grid, before = np.eye(8, dtype=np.float32), photo.copy()
    rendering.panel(photo, grid, 1.0, Style(mode=mode), mask=np.eye(SIZE, dtype=bool))
    assert np.array_equal(photo, before)
    assert np.array_equal(grid, np.eye(8, dtype=np.float32))
