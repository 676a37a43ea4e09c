"""Faithfulness against loops over single masked images, worked numbers, chance level and every kind of bad map."""

from __future__ import annotations

import numpy as np
import pytest

from tests.metrics.made_scores import images, net
from tests.oracles_faithfulness import ORACLES
from xkd_core.catalogue import METRICS
from xkd_core.errors import BadInputError, UnknownNameError
from xkd_core.metrics import faithfulness
from xkd_core.metrics.planner import Case, Settings
from xkd_core.metrics.probes import PROBES, curve, forwards, measure

NAMES = [name for name in PROBES if "@" not in name]
SETTINGS = Settings(n_chunks=10, n_steps=8, n_colour_chunks=6, n_colours=3, road_percent=(20.0, 50.0, 90.0), seed=3)
SHAPES = [(3, 8, 8), (3, 9, 7), (1, 5, 8)]


def made_maps(model, x: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Signed, positive, with many ties, one cell, constant, zero, negative, and not finite."""
    maps = model.explain(x, targets)
    maps[1] = np.maximum(maps[1], 0)
    maps[2] = np.round(maps[2], 0)
    maps[3] = 0
    maps[3, -1, 0] = 2.0
    maps[4], maps[5], maps[6] = 0.7, 0.0, -np.abs(maps[6])
    maps[7, 0, 0] = np.nan
    return maps


def arguments(name: str, prob, explain, settings: Settings) -> list:
    if name.startswith("coherency"):
        return [explain]
    if name == "adcc":
        return [prob, explain]
    if name in ("average_drop", "confidence_increase"):
        return [prob]
    if name == "road":
        return [prob, settings.road_percent, settings.noise, settings.seed]
    if name == "monotonicity_correlation":
        return [prob, settings.n_colour_chunks, settings.n_colours, settings.seed]
    n = settings.n_chunks if name.startswith("faithfulness") else settings.n_steps
    return [prob, n, settings.seed]


def wanted(name: str, model, x, maps, targets, settings: Settings) -> list[float]:
    found = []
    for image, values, target in zip(x, maps, targets, strict=True):
        if not np.isfinite(values).all():
            found.append(np.nan)
            continue
        prob = model.prob(int(target), multi_label=settings.multi_label)
        explain = lambda one, target=target: model.explain(one[None], np.array([target]))[0]  # noqa: E731
        value = ORACLES[name](image, values, *arguments(name, prob, explain, settings))
        found.append(np.nan if value is None else value)
    return found


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_faithfulness_equals_its_oracle_on_every_kind_of_map(name: str, shape, multi_label: bool) -> None:
    model, x = net(shape), images(9, shape)
    targets = np.array([0, 1, 2, 3, 0, 1, 2, 3, 0])  # class 0 among them
    maps = made_maps(model, x, targets)
    settings = Settings(**{**SETTINGS.__dict__, "multi_label": multi_label})
    case = Case(score=model, maps=maps, targets=targets, explain=model.explain)
    found = measure(x, {"it": case}, [name], settings)["it"][name]
    assert found.values.dtype == np.float64
    np.testing.assert_allclose(found.values, wanted(name, model, x, maps, targets, settings), atol=1e-9, rtol=1e-9)
    for value, reason in zip(found.values, found.reasons, strict=True):
        assert (reason is not None) == np.isnan(value)
    assert found.undefined == int(np.isnan(found.values).sum()) >= 1  # the map that is not finite at least


@pytest.mark.parametrize("name", [*NAMES, *(name for name in PROBES if "@" in name)])
def test_an_image_has_the_same_value_alone_as_in_a_batch(name: str) -> None:
    model, x, targets = net((3, 9, 7)), images(8, (3, 9, 7)), np.arange(8) % 4
    maps = made_maps(model, x, targets)
    together = measure(
        x, {"it": Case(score=model, maps=maps, targets=targets, explain=model.explain)}, [name], SETTINGS
    )
    for row in range(len(x)):
        one = slice(row, row + 1)
        case = Case(score=model, maps=maps[one], targets=targets[one], explain=model.explain)
        alone = measure(x[one], {"it": case}, [name], SETTINGS)["it"][name]
        np.testing.assert_allclose(alone.values, together["it"][name].values[one], atol=1e-12)
        assert alone.reasons == together["it"][name].reasons[one]


@pytest.mark.parametrize("name", NAMES)
def test_values_lie_in_the_range_that_the_catalogue_states(name: str) -> None:
    model, x, targets = net((3, 8, 8)), images(40, (3, 8, 8)), np.arange(40) % 4
    maps = np.random.default_rng(5).normal(size=(40, 8, 8))
    case = Case(score=model, maps=maps, targets=targets, explain=model.explain)
    values = measure(x, {"it": case}, [name], SETTINGS)["it"][name].values
    assert METRICS[name].low <= values.min()
    assert values.max() <= METRICS[name].high


def test_maps_that_know_the_network_beat_random_maps_which_are_at_chance() -> None:
    shape = (3, 8, 8)
    model, x, targets = net(shape, seed=4), images(300, shape), np.arange(300) % 4
    generator = np.random.default_rng(0)
    cases = {
        "knows": Case(score=model, maps=model.explain(x, targets), targets=targets),
        "random": Case(score=model, maps=generator.normal(size=(300, 8, 8)), targets=targets),
    }
    names = ["faithfulness_estimate", "faithfulness_estimate_rank", "monotonicity_correlation", "road", "insertion_auc"]
    found = measure(x, cases, [*names, "deletion_auc", "monotonicity_share"], Settings(n_chunks=16, n_steps=8))
    mean = {key: {name: np.nanmean(one.values) for name, one in row.items()} for key, row in found.items()}
    for name in names:
        assert mean["knows"][name] > mean["random"][name] + 0.03, name
    assert mean["knows"]["deletion_auc"] < mean["random"]["deletion_auc"] - 0.03
    for name in ("faithfulness_estimate", "faithfulness_estimate_rank", "monotonicity_correlation", "road"):
        assert abs(mean["random"][name]) < 0.05, name
    assert mean["random"]["monotonicity_share"] == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("seed", range(4))
def test_no_seed_lifts_the_monotonicity_correlation_of_random_maps(seed: int) -> None:
    """Colours of their own for each chunk favour some ranks in all images alike: .1 to .2 with such a network."""
    shape, generator = (3, 8, 8), np.random.default_rng(9)
    x, names = images(400, shape), ["monotonicity_correlation"]
    maps = generator.normal(size=(400, 8, 8))
    score = lambda x: np.stack([x.mean(axis=(1, 2, 3)), np.zeros(len(x))], axis=1)  # noqa: E731
    case = Case(score=score, maps=maps, targets=np.zeros(400, int))
    found = measure(x, {"it": case}, names, Settings(seed=seed))["it"]["monotonicity_correlation"].values
    assert abs(np.nanmean(found)) < 3 * np.nanstd(found) / 20


def sum_case(maps, *, explain=None) -> Case:
    """Two classes, logits (log of the sum of the pixels, 0): the probability is S / (1 + S)."""
    score = lambda x: np.stack([np.log(np.maximum(x.sum(axis=(1, 2, 3)), 1e-300)), np.zeros(len(x))], axis=1)  # noqa: E731
    return Case(score=score, maps=np.array([maps], dtype=float), targets=np.array([0]), explain=explain)


def test_worked_by_hand_on_two_by_two_pixels() -> None:
    x = np.array([[[[4.0, 3.0], [2.0, 1.0]]]])  # p = 10/11
    settings = Settings(n_chunks=4, n_steps=4)
    case = sum_case([[4.0, 3.0], [2.0, 1.0]])

    def value(name: str) -> float:
        return float(measure(x, {"it": case}, [name], settings)["it"][name].values[0])

    falls = np.array([10 / 11 - 6 / 7, 10 / 11 - 7 / 8, 10 / 11 - 8 / 9, 10 / 11 - 9 / 10])  # without 4, 3, 2, 1
    assert value("faithfulness_estimate") == pytest.approx(np.corrcoef([4, 3, 2, 1], falls)[0, 1])
    assert value("faithfulness_estimate_rank") == pytest.approx(1.0)
    curve_ = [10 / 11, 6 / 7, 3 / 4, 1 / 2, 0]  # sums 10, 6, 3, 1, 0
    assert value("deletion_auc") == pytest.approx((sum(curve_) - 10 / 22) / 4)
    assert value("deletion_relative") == pytest.approx((sum(curve_) - 10 / 22) / 4 * 11 / 10)
    assert value("monotonicity") == 1.0
    assert value("monotonicity_share") == 1.0
    # Seen: 4·1 + 3·¾ + 2·½ + 1·¼ = 7.5
    assert value("average_drop") == pytest.approx((10 / 11 - 7.5 / 8.5) / (10 / 11))
    assert value("average_drop@gradcam") == pytest.approx(10 / 11 - 7.5 / 8.5)
    # Min-max: 4·1 + 3·⅔ + 2·⅓ = 20/3
    assert value("average_drop@adcc") == pytest.approx((10 / 11 - 20 / 23) / (10 / 11))
    assert value("average_drop@xml") == pytest.approx((np.log(10) - np.log(20 / 3)) / np.log(10))
    assert value("confidence_increase") == 0.0


def test_the_formulas_worked_by_hand() -> None:
    assert faithfulness.monotonicity_correlation([[3, 2, 1]], [[[0.1], [0.3], [0.4]]], [0.5]) == pytest.approx([1.0])
    # whole below 1e-5: divided by 1; three different effects in the order 2, 3, 1
    assert faithfulness.monotonicity_correlation([[3, 2, 1]], [[[0.2], [0.3], [0.1]]], [0.0]) == pytest.approx([0.5])
    assert faithfulness.average_drop([0.8, 0.2, 0.0], [0.6, 0.5, 0.1])[:2] == pytest.approx([0.25, 0.0])
    assert np.isnan(faithfulness.average_drop([0.0], [0.1]))
    assert faithfulness.confidence_increase([0.8, 0.2, np.nan], [0.8, 0.5, 0.1])[:2].tolist() == [0.0, 1.0]
    assert np.isnan(faithfulness.confidence_increase([np.nan], [0.1]))
    assert faithfulness.adcc([0.5], [0.5], [0.5]) == pytest.approx([0.5])
    assert faithfulness.adcc([0.9], [0.2], [0.1]) == pytest.approx([3 / (1 / 0.9 + 1 / 0.8 + 1 / 0.9)])
    assert faithfulness.adcc([0.0, 0.9], [0.2, 1.0], [0.1, 0.1]).tolist() == [0.0, 0.0]
    assert np.isnan(faithfulness.adcc([np.nan], [0.2], [1.0]))


def test_a_complexity_above_one_is_how_paper_001_gets_a_mean_of_shares_above_one() -> None:
    assert faithfulness.adcc([0.6], [2.73], [0.1])[0] > 1


def test_coherency_and_its_compat_forms_on_constant_maps() -> None:
    maps, same = np.array([[[1.0, 2.0], [3.0, 5.0]]]), np.full((1, 2, 2), 0.5)
    assert faithfulness.coherency(maps, 2 * maps + 1) == pytest.approx([1.0])
    assert faithfulness.coherency(maps, -maps) == pytest.approx([-1.0])
    assert np.isnan(faithfulness.coherency(maps, same))
    assert faithfulness.coherency(maps, -maps, compat="adcc") == pytest.approx([0.0])
    assert faithfulness.coherency(maps, same, compat="adcc").tolist() == [0.0]
    assert faithfulness.coherency(maps, same, compat="gradcam").tolist() == [0.5]


def test_a_map_of_one_everywhere_loses_nothing_and_is_as_complex_as_can_be() -> None:
    x = images(2, (3, 8, 8))
    model = net((3, 8, 8))
    case = Case(score=model, maps=np.ones((2, 8, 8)), targets=np.array([0, 1]), explain=model.explain)
    found = measure(x, {"it": case}, ["average_drop", "adcc"])["it"]
    assert found["average_drop"].values.tolist() == [0.0, 0.0]
    assert found["adcc"].reasons[0] is not None  # a constant map has no coherency


def test_reasons_say_what_is_wrong() -> None:
    x = images(5, (3, 8, 8))
    maps = np.random.default_rng(0).normal(size=(5, 8, 8))
    maps[0], maps[1], maps[2, 0, 0], maps[3] = 0.0, 0.5, np.inf, -np.abs(maps[3])
    blind = Case(score=lambda x: np.zeros((len(x), 3)), maps=maps, targets=np.zeros(5, int))
    found = measure(x, {"it": blind}, ["faithfulness_estimate", "deletion_auc", "average_drop"])["it"]
    flat = "the answer does not change, or all chunks have the same attribution"
    order = ("the map is zero everywhere", "the map is constant", "the map is not finite")
    assert found["faithfulness_estimate"].reasons == (*order, flat, flat)
    assert found["deletion_auc"].reasons == (*order, None, None)
    assert found["deletion_auc"].values[3:] == pytest.approx([1 / 3, 1 / 3])
    none = "the map has no positive value"
    assert found["average_drop"].reasons == (none, None, "the map is not finite", none, None)
    assert found["average_drop"].undefined == 3


def test_an_answer_that_is_not_finite_is_undefined_not_zero() -> None:
    x = images(2, (3, 8, 8))

    def score(batch: np.ndarray) -> np.ndarray:
        logits = np.zeros((len(batch), 2))
        logits[:, 0] = np.where(np.isclose(batch[:, 0, 0, 0], x[0, 0, 0, 0]), np.nan, 1.0)
        return logits

    maps = np.random.default_rng(0).random((2, 8, 8)) + 1
    found = measure(
        x, {"it": Case(score=score, maps=maps, targets=np.array([0, 1]))}, ["insertion_auc", "average_drop"]
    )
    assert found["it"]["insertion_auc"].reasons[0] == "the network's answer is 0 or not finite"
    assert found["it"]["insertion_auc"].reasons[1] is None
    assert np.isnan(found["it"]["average_drop"].values[0])


def test_curves_are_what_the_areas_are_of() -> None:
    model, x, targets = net((3, 8, 8)), images(3, (3, 8, 8)), np.array([0, 1, 2])
    case = {"it": Case(score=model, maps=model.explain(x, targets), targets=targets)}
    for name in ("insertion", "deletion"):
        values = curve(x, case, name, SETTINGS)["it"]
        assert values.shape == (3, 9)
        area = measure(x, case, [f"{name}_auc"], SETTINGS)["it"][f"{name}_auc"].values
        np.testing.assert_allclose(values[:, 1:-1].sum(axis=1) + (values[:, 0] + values[:, -1]) / 2, area * 8)
    whole = [model.prob(int(target))(image) for image, target in zip(x, targets, strict=True)]
    np.testing.assert_allclose(curve(x, case, "deletion", SETTINGS)["it"][:, 0], whole)
    np.testing.assert_allclose(curve(x, case, "insertion", SETTINGS)["it"][:, -1], whole)


def test_what_is_wrong_is_refused_with_the_way_out() -> None:
    x, model = images(2, (3, 8, 8)), net((3, 8, 8))
    case = Case(score=model, maps=np.ones((2, 8, 8)), targets=np.array([0, 1]))
    with pytest.raises(UnknownNameError, match="Did you mean 'insertion_auc'"):
        measure(x, {"it": case}, ["insertion_au"])
    with pytest.raises(UnknownNameError, match="curve"):
        curve(x, {"it": case}, "inserting")
    with pytest.raises(BadInputError, match="give the case `explain`"):
        measure(x, {"it": case}, ["coherency"])
    other_grid = Case(score=model, maps=np.ones((2, 4, 4)), targets=np.array([0, 1]), explain=model.explain)
    with pytest.raises(BadInputError, match="on the grid"):
        measure(x, {"it": other_grid}, ["coherency"])
    with pytest.raises(BadInputError, match="road_percent"):
        Settings(road_percent=(0.0, 100.0))
    with pytest.raises(BadInputError, match="1 or more"):
        Settings(n_steps=0)


def test_forwards_count_what_is_really_asked() -> None:
    x, model = images(1, (3, 8, 8)), net((3, 8, 8))
    case = Case(
        score=model, maps=np.random.default_rng(0).random((1, 8, 8)), targets=np.array([0]), explain=model.explain
    )
    for names in (["deletion_auc"], NAMES, ["monotonicity", "deletion_auc", "deletion_relative", "road"]):
        model.asked = 0
        measure(x, {"it": case}, names, SETTINGS)
        assert model.asked == forwards(names, 64, SETTINGS)
