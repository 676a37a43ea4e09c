"""Who is asked what and how often: metrics, explanations and networks share what they have in common."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier

import numpy as np
import pytest

from tests.metrics.made_scores import images, net
from xkd_core.errors import BadInputError
from xkd_core.metrics import planner
from xkd_core.metrics.masking import WHOLE, Swap, seen
from xkd_core.metrics.planner import Case, Settings, ask, probabilities
from xkd_core.metrics.probes import forwards, measure

SHAPE = (3, 8, 8)
SETTINGS = Settings(n_chunks=16, n_steps=8, n_colour_chunks=8, n_colours=2)
NAMES = ["faithfulness_estimate", "monotonicity_correlation", "deletion_auc", "monotonicity", "insertion_auc"]


def maps(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 8, 8))


def test_metrics_share_the_masked_images_that_they_have_in_common() -> None:
    together = forwards(NAMES, 64, SETTINGS)
    assert together == 1 + 16 + 8 * 2 + 8 + 8  # whole, chunks, colours, deletion = monotonicity, insertion
    assert together < sum(forwards([name], 64, SETTINGS) for name in NAMES)
    # The first of 64 chunks is also the first step of deletion in 64 steps.
    assert forwards(["faithfulness_estimate", "deletion_auc"], 64, Settings(n_chunks=64, n_steps=64)) == 1 + 64 + 63


def test_networks_with_one_map_see_one_batch_and_explanations_share_the_whole_image() -> None:
    x, first, second = images(4, SHAPE), net(SHAPE, seed=1), net(SHAPE, seed=2)
    targets, shared = np.arange(4), maps(4)
    cases = {
        "first, own": Case(score=first, maps=maps(4, 1), targets=targets),
        "first, random": Case(score=first, maps=shared, targets=targets),
        "second, random": Case(score=second, maps=shared, targets=targets),
    }
    found = measure(x, cases, ["deletion_auc", "insertion_auc"], SETTINGS)
    # Whole, empty and blurred image once for each network, 2 x 7 ordered ones for each map.
    assert first.asked == 4 * (3 + 2 * 14)
    assert second.asked == 4 * (3 + 14)
    for name, case in cases.items():
        alone = measure(x, {"it": case}, ["deletion_auc", "insertion_auc"], SETTINGS)["it"]
        for metric, one in alone.items():
            np.testing.assert_allclose(found[name][metric].values, one.values, atol=1e-12)


def test_one_network_may_be_asked_about_two_classes_at_the_price_of_one() -> None:
    x, model, shared = images(3, SHAPE), net(SHAPE), maps(3)
    cases = {str(one): Case(score=model, maps=shared, targets=np.full(3, one)) for one in (0, 3)}
    found = measure(x, cases, ["deletion_auc"], SETTINGS)
    assert model.asked == 3 * 9
    assert not np.allclose(found["0"]["deletion_auc"].values, found["3"]["deletion_auc"].values)


def test_metrics_of_one_pair_of_answers_are_asked_of_the_careful_network() -> None:
    x, rough, careful = images(3, SHAPE), net(SHAPE, seed=1), net(SHAPE, seed=2)
    targets, own, names = np.arange(3), maps(3), ["average_drop", "deletion_auc", "confidence_increase"]
    case = Case(score=rough, maps=own, targets=targets, careful=careful)
    found = measure(x, {"it": case, "other": Case(score=rough, maps=own, targets=targets)}, names, SETTINGS)
    assert list(found["it"]) == names
    for key, asked in {"it": careful, "other": rough}.items():
        alone = measure(x, {"it": Case(score=asked, maps=own, targets=targets)}, names[::2], SETTINGS)["it"]
        for name in names[::2]:
            np.testing.assert_allclose(found[key][name].values, alone[name].values, atol=1e-12)
    rough_area = measure(x, {"it": Case(score=rough, maps=own, targets=targets)}, names[1:2], SETTINGS)["it"]
    np.testing.assert_allclose(found["it"]["deletion_auc"].values, rough_area["deletion_auc"].values, atol=1e-12)
    assert careful.asked == 3 * 2 * 2  # the image and what the map shows of it, here and alone


def test_threads_that_ask_at_once_do_not_write_into_each_others_images() -> None:
    meet = Barrier(2, timeout=60)

    def deletion(seed: int, *, wait: bool) -> np.ndarray:
        model = net(SHAPE, seed=seed)

        def score(x: np.ndarray) -> np.ndarray:
            if wait:
                meet.wait()  # both batches are written before either is read
            return model(x)

        case = Case(score=score, maps=maps(3, seed), targets=np.zeros(3, int))
        return measure(images(3, SHAPE, seed=seed), {"it": case}, ["deletion_auc"], SETTINGS)["it"][
            "deletion_auc"
        ].values

    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(partial(deletion, wait=True), (1, 2)))
    for seed, found in zip((1, 2), together, strict=True):
        np.testing.assert_array_equal(found, deletion(seed, wait=False))


def test_batches_are_large_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "PIXELS_PER_BATCH", 64 * 10)
    x, model = images(5, SHAPE), net(SHAPE)
    case = Case(score=model, maps=maps(5), targets=np.zeros(5, int))
    ask(x, {"it": case}, [Swap(0, 5), Swap(0, 9), seen()])
    assert (model.largest, model.calls, model.asked) == (10, 2 + 1, 20)  # 15 ordered ones, 5 whole ones


def test_nothing_depends_on_the_size_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    x, model = images(5, SHAPE), net(SHAPE)
    case = {"it": Case(score=model, maps=maps(5), targets=np.arange(5) % 4, explain=model.explain)}
    whole = measure(x, case, NAMES, SETTINGS)["it"]
    monkeypatch.setattr(planner, "PIXELS_PER_BATCH", 64 * 3)
    for name, one in measure(x, case, NAMES, SETTINGS)["it"].items():
        np.testing.assert_allclose(one.values, whole[name].values, atol=1e-12)


def test_answers_are_of_the_target_and_of_the_top_class() -> None:
    x = images(2, SHAPE)
    logits = np.array([[1.0, 3.0, -1.0], [0.0, -2.0, 0.5]])
    score = lambda batch: logits[[int(np.isclose(one, x[1]).all()) for one in batch]]  # noqa: E731
    case = Case(score=score, maps=maps(2), targets=np.array([0, 2]))
    for multi_label in (False, True):
        answers = ask(x, {"it": case}, [], Settings(multi_label=multi_label))["it"]
        probs = probabilities(logits, multi_label=multi_label)
        assert answers.logit([WHOLE])[:, 0].tolist() == [1.0, 0.5]
        assert answers.prob([WHOLE])[:, 0] == pytest.approx([probs[0, 0], probs[1, 2]])
        assert answers.top([WHOLE], logit=True)[:, 0].tolist() == [3.0, 0.5]
        assert answers.top([WHOLE], logit=False)[:, 0] == pytest.approx(probs.max(axis=1))
    assert probabilities([[0.0, np.log(3.0)]], multi_label=False)[0] == pytest.approx([0.25, 0.75])
    assert probabilities([[0.0, np.log(3.0)]], multi_label=True)[0] == pytest.approx([0.5, 0.75])
    assert np.isnan(probabilities([[np.inf, 0.0]], multi_label=False)).any()


def test_work_is_reported_batch_by_batch_and_can_be_stopped() -> None:
    x, model = images(3, SHAPE), net(SHAPE)
    case = {"a": Case(score=model, maps=maps(3), targets=np.zeros(3, int))}
    seen_: list[int] = []
    measure(x, case, NAMES, SETTINGS, tick=seen_.append)
    assert sum(seen_) == model.asked == 3 * forwards(NAMES, 64, SETTINGS)

    def stop(n: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure(x, case, NAMES, SETTINGS, tick=stop)


def test_targets_and_shapes_that_do_not_fit_are_refused() -> None:
    x, model = images(2, SHAPE), net(SHAPE)
    for targets in (np.array([0]), np.array([0.0, 1.0]), np.array([0, -1])):
        with pytest.raises(BadInputError, match="class indices, one per image"):
            ask(x, {"it": Case(score=model, maps=maps(2), targets=targets)}, [])
    with pytest.raises(BadInputError, match="classes 0 to 3; targets hold 4"):
        ask(x, {"it": Case(score=model, maps=maps(2), targets=np.array([0, 4]))}, [])
    with pytest.raises(BadInputError, match="one map"):
        ask(x, {"it": Case(score=model, maps=maps(3), targets=np.array([0, 1]))}, [])


def test_float32_images_stay_float32() -> None:
    kinds = []

    def score(batch: np.ndarray) -> np.ndarray:
        kinds.append(batch.dtype)
        return np.zeros((len(batch), 2))

    measure(
        images(2, SHAPE).astype(np.float32), {"it": Case(score=score, maps=maps(2), targets=np.array([0, 1]))}, NAMES
    )
    assert set(kinds) == {np.dtype(np.float32)}


def test_a_network_that_writes_into_its_input_disturbs_nobody() -> None:
    x, shared, targets = images(3, SHAPE), maps(3), np.zeros(3, int)
    first, second = net(SHAPE, seed=1), net(SHAPE, seed=2)

    def writing(batch: np.ndarray) -> np.ndarray:
        logits = first(batch)
        batch[...] = np.nan
        return logits

    cases = {
        "writing": Case(score=writing, maps=shared, targets=targets),
        "other": Case(score=second, maps=shared, targets=targets),
    }
    before = x.copy()
    found = measure(x, cases, NAMES, SETTINGS)
    np.testing.assert_array_equal(x, before)
    for key, score in (("writing", first), ("other", second)):
        alone = measure(x, {"it": Case(score=score, maps=shared, targets=targets)}, NAMES, SETTINGS)["it"]
        for name in NAMES:
            np.testing.assert_allclose(found[key][name].values, alone[name].values, atol=1e-12)


def test_batches_lie_in_memory_with_the_colours_of_a_pixel_together() -> None:
    strides = []

    def score(batch: np.ndarray) -> np.ndarray:
        strides.append(batch.transpose(0, 2, 3, 1).flags["C_CONTIGUOUS"])
        return np.zeros((len(batch), 2))

    measure(images(2, SHAPE), {"it": Case(score=score, maps=maps(2), targets=np.array([0, 1]))}, NAMES, SETTINGS)
    assert all(strides)
