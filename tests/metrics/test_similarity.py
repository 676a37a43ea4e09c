"""Similarities against loops, reference libraries, worked numbers and their own definitions of undefined."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr, spearmanr
from skimage.metrics import structural_similarity

from tests.oracles import ORACLES
from tests.oracles_maps import ORACLES as MAP_ORACLES
from xkd_core.catalogue import METRICS
from xkd_core.errors import BadInputError
from xkd_core.metrics import similarity
from xkd_core.metrics.similarity import cosine, distance, pearson, positive, spearman, ssim, topk_overlap

NAMES = ("cosine", "distance", "pearson", "spearman", "ssim", "topk_overlap")


def made(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def special(shape: tuple[int, int]) -> np.ndarray:
    """Maps with ties and with nothing in them: zero, constant, one cell, small integers, huge and tiny values."""
    one = np.zeros(shape)
    one[-1, 0] = 2.0
    whole = np.random.default_rng(5).integers(-2, 3, shape).astype(float)
    return np.stack([np.zeros(shape), np.full(shape, 0.3), one, whole, made(shape, 9) * 1e-9, made(shape, 8) * 1e9])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(8, 8), (7, 9), (5, 4), (14, 14)])
def test_similarities_equal_their_oracles(name: str, shape: tuple[int, int]) -> None:
    stack = np.concatenate([made((3, *shape), 0), positive(made((3, *shape), 1)), special(shape)])
    pairs = [(a, b) for a in range(len(stack)) for b in range(len(stack))]
    found = getattr(similarity, name)(stack[[a for a, _ in pairs]], stack[[b for _, b in pairs]])
    wanted = [ORACLES[name](stack[a].astype(float), stack[b].astype(float)) for a, b in pairs]
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, [np.nan if value is None else value for value in wanted], atol=1e-9, rtol=1e-9)


def test_similarities_equal_scipy_and_scikit_image() -> None:
    a, b = positive(made((5, 8, 8), 0)), positive(made((5, 8, 8), 1))
    for row in range(5):
        assert pearson(a, b)[row] == pytest.approx(pearsonr(a[row].ravel(), b[row].ravel()).statistic, abs=1e-12)
        assert spearman(a, b)[row] == pytest.approx(spearmanr(a[row].ravel(), b[row].ravel()).statistic, abs=1e-12)
        wanted = structural_similarity(a[row] / a[row].max(), b[row] / b[row].max(), data_range=1.0)
        assert ssim(a, b)[row] == pytest.approx(wanted, abs=1e-12)


def test_similarities_worked_by_hand() -> None:
    a, b = np.array([[[3.0, 4.0], [0.0, 0.0]]]), np.array([[[4.0, 3.0], [0.0, 0.0]]])
    assert cosine(a, b) == pytest.approx([24 / 25])
    assert distance(a, b) == pytest.approx([1e4 * 2 * (1 - 24 / 25) / 4])  # N = 4 cells
    assert pearson(a, np.array([[[3.0, 4.0], [1.0, 0.0]]])) == pytest.approx([11 / np.sqrt(12.75 * 10)])
    # ranks 3 4 1.5 1.5 and 4 3 1.5 1.5, less their mean 2.5: (.75 + .75 + 1 + 1) / (.25 + 2.25 + 1 + 1)
    assert spearman(a, b) == pytest.approx([3.5 / 4.5])
    assert topk_overlap(a, b, share=0.25) == pytest.approx([0.0])
    assert topk_overlap(a, b, share=0.5) == pytest.approx([1.0])
    assert np.isnan(ssim(a, b)).all()


@pytest.mark.parametrize(("cos", "reported"), [(0.841, 16.23), (0.837, 16.63), (0.911, 9.102)])
def test_the_distance_is_that_of_paper_004_on_its_grid(cos: float, reported: float) -> None:
    """Rows of its tables, 14 x 14 cells: two maps with exactly this angle."""
    a, b = np.zeros((1, 14, 14)), np.zeros((1, 14, 14))
    a[0, 0, 0] = 1
    b[0, 0, :2] = cos, np.sqrt(1 - cos**2)
    assert distance(a, b)[0] == pytest.approx(1e4 * (2 - 2 * cos) / 196)
    assert distance(a, b)[0] == pytest.approx(reported, abs=51.02 * 2 * 0.006)  # .006 in cos, as definitions 6.8


@pytest.mark.parametrize("name", NAMES)
def test_a_map_is_most_similar_to_itself_at_any_scale(name: str) -> None:
    a = made((4, 9, 9), 0)
    best = 0.0 if METRICS[name].low == 0 and not METRICS[name].higher_is_better else 1.0
    np.testing.assert_allclose(getattr(similarity, name)(a, a * 1e-12), best, atol=1e-6)
    np.testing.assert_allclose(getattr(similarity, name)(a, a * 1e12), best, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_values_stay_in_the_range_that_the_catalogue_states(name: str) -> None:
    a, b = made((200, 8, 8), 0), made((200, 8, 8), 1)
    found = getattr(similarity, name)(a, b)
    assert METRICS[name].low <= found.min()
    assert found.max() <= METRICS[name].high


def test_independent_maps_are_at_the_stated_chance_level() -> None:
    a, b = made((2000, 10, 10), 0), made((2000, 10, 10), 1)
    assert abs(pearson(a, b).mean()) < 0.01
    assert abs(spearman(a, b).mean()) < 0.01
    assert topk_overlap(a, b).mean() == pytest.approx(0.055, abs=0.01)


def test_zero_maps_are_undefined_with_the_reason_and_zero_in_compat() -> None:
    zero, some = np.zeros((1, 8, 8)), made((1, 8, 8), 0)
    for name in NAMES:
        assert np.isnan(getattr(similarity, name)(zero, some)).all()
        assert np.isnan(getattr(similarity, name)(some, zero)).all()
    assert cosine(zero, some, compat="park") == [0.0]
    assert distance(zero, some, compat="park") == pytest.approx([1e4 / 64])  # not 2e4 / 64: its unit map is zero
    assert similarity.undefined_reasons(zero, some) == ["teacher's map is zero everywhere"]
    assert similarity.undefined_reasons(some, zero + 1) == ["its map is constant"]
    assert similarity.undefined_reasons(some, some) == [None]
    assert similarity.undefined_reasons(some[:, :5], some[:, :5]) == ["maps smaller than 7x7 have no SSIM"]


def test_few_positive_cells_are_not_filled_up_with_ties() -> None:
    a, b = np.zeros((1, 10, 10)), np.zeros((1, 10, 10))
    a[0, 0, :3] = 1
    b[0, 0, 1:4] = 1
    assert topk_overlap(a, b) == pytest.approx([2 / 4])  # k would be 10


def test_shapes_that_do_not_fit_are_refused() -> None:
    for a, b in ((np.ones((1, 8, 8)), np.ones((1, 8, 7))), (np.ones((8, 8)), np.ones((8, 8)))):
        with pytest.raises(BadInputError, match="on one grid"):
            cosine(a, b)
    with pytest.raises(BadInputError, match="share"):
        topk_overlap(np.ones((1, 8, 8)), np.ones((1, 8, 8)), share=0.0)


def test_no_metric_module_imports_torch_or_other_parts_of_the_package() -> None:
    folder = Path(similarity.__file__).parent
    imports = [
        line for path in folder.glob("*.py") for line in path.read_text().splitlines() if "import" in line.split()
    ]
    ours = [line for line in imports if "xkd_core" in line]
    assert not [line for line in imports if "torch" in line]
    allowed = ("xkd_core.types", "xkd_core.errors", "xkd_core.metrics")
    assert all(any(name in line for name in allowed) for line in ours), json.dumps(ours)


@pytest.mark.parametrize("shape", [(8, 8), (5, 4)])
def test_js_divergence_equals_its_oracle_and_scipy(shape: tuple[int, int]) -> None:
    stack = np.concatenate([made((4, *shape), 0), special(shape), -abs(made((1, *shape), 2))]).astype(float)
    pairs = [(a, b) for a in range(len(stack)) for b in range(len(stack))]
    found = similarity.js_divergence(stack[[a for a, _ in pairs]], stack[[b for _, b in pairs]])
    wanted = [MAP_ORACLES["js_divergence"](stack[a], stack[b]) for a, b in pairs]
    np.testing.assert_allclose(found, [np.nan if value is None else value for value in wanted], atol=1e-12)
    a, b = positive(stack[0]), positive(stack[1])
    assert similarity.js_divergence([a], [b])[0] == pytest.approx(jensenshannon(a.ravel(), b.ravel(), base=2) ** 2)


def test_js_divergence_worked_by_hand() -> None:
    left, right, both = np.array([[[1.0, 0.0]]]), np.array([[[0.0, 5.0]]]), np.array([[[2.0, 2.0]]])
    assert similarity.js_divergence(left, right).tolist() == [1.0]
    assert similarity.js_divergence(left, 3 * left).tolist() == [0.0]
    wanted = (np.log2(4 / 3) + (np.log2(2 / 3) + np.log2(2)) / 2) / 2  # (1, 0) and (1/2, 1/2), middle (3/4, 1/4)
    assert similarity.js_divergence(left, both) == pytest.approx([wanted])


@pytest.mark.parametrize("name", [*NAMES, "js_divergence"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_map_that_is_not_finite_is_undefined_and_spoils_no_other(name: str, bad: float) -> None:
    a, b = made((3, 8, 8), 0), made((3, 8, 8), 1)
    clean = getattr(similarity, name)(a, b)
    a[1, 0, 0] = bad
    found = getattr(similarity, name)(a, b)
    assert np.isnan(found).tolist() == [False, True, False]
    np.testing.assert_allclose(found[[0, 2]], clean[[0, 2]])
    assert similarity.undefined_reasons(a, b)[1] == "teacher's map is not finite"


def test_ssim_by_the_range_of_the_second_map_is_that_of_paper_001s_code() -> None:
    a, b = made((1, 9, 9), 0)[0].astype(float), made((1, 9, 9), 1)[0].astype(float)
    wanted = structural_similarity(a, b, data_range=b.max() - b.min())
    assert ssim([a], [b], compat="xml") == pytest.approx([wanted])
    assert np.isnan(ssim([a], [np.full((9, 9), 2.0)], compat="xml")).all()
