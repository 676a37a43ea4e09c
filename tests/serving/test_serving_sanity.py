"""Stored and live sanity checks: verdicts by hand-made values, live numbers equal to the evaluation's own."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from tests.made_metrics import KEPT, MATCHED, NAIVE, N, add_metrics
from tests.made_zoo import make_zoo
from xkd_core.evaluation.block import CALIBRATION_IMAGES
from xkd_core.evaluation.randomise import layers, randomisation
from xkd_core.explainers.base import CancelledError
from xkd_core.images import datasets
from xkd_core.images.background import background, training_split
from xkd_core.images.transforms import to_input
from xkd_core.metrics.statistics import Estimate
from xkd_core.results.metrics import read_metrics
from xkd_core.serving import explaining, live_curves, live_sanity
from xkd_core.serving import sanity_view as view
from xkd_core.serving.desk import Desk, ViewRequest
from xkd_core.serving.jobs import Jobs
from xkd_core.serving.live import Live, Ticks
from xkd_core.serving.subjects import key_of
from xkd_core.serving.zoo import read_zoo


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    made = make_zoo(tmp_path_factory.mktemp("sanity_zoo"))
    add_metrics(made)
    return made


@pytest.fixture
def zoo(own, monkeypatch, tmp_path):
    monkeypatch.setenv("XKD_CHECKPOINTS", str(own.root))
    monkeypatch.setenv("XKD_HOME", str(tmp_path / "home"))
    return read_zoo("scenes", root=own.root)


@pytest.fixture
def metrics(own):
    return read_metrics("scenes", root=own.root)


@pytest.fixture
def scene(zoo, own):
    """The view of one image, the desk and three cards."""
    desk = Desk()
    wish = ViewRequest(key=key_of("scenes", 2), stamp="x", explainers=("cam",))
    return desk.view(wish, zoo), desk, [zoo.by_id[own.runs[name]] for name in ("teacher", NAIVE, MATCHED)]


def ticks(total=1):
    return Ticks(total, lambda *_: None, threading.Event())


def test_marks_are_means_of_the_stored_values(zoo, metrics, own):
    cards = [zoo.by_id[own.runs[name]] for name in KEPT]
    found = {(mark.card.id, mark.way): mark.left for mark in view.marks(metrics, cards)}
    assert len(found) == 2 * len(KEPT)
    for name, value in KEPT.items():
        left = found[own.runs[name], "randomisation_cascading"]
        assert left.mean == pytest.approx(value, rel=2**-10) and left.n == N
        assert found[own.runs[name], "randomisation_independent"].mean == pytest.approx(value / 2, rel=2**-10)


def test_the_floor_is_the_second_teacher_between_chance_and_students(zoo, metrics, own):
    found = view.floor(metrics, zoo, "cam", {"naive": zoo.by_id[own.runs[NAIVE]]})
    assert found.second is not None and found.second.mean == pytest.approx(0.8, rel=1e-3)
    assert found.other is not None and found.other.mean == pytest.approx(0.25)
    assert found.rows["naive"].mean == pytest.approx(0.3, rel=1e-3)
    assert found.room and found.samples is None
    assert view.floor(metrics, zoo, "rise", {}).room is None


def test_a_map_that_follows_the_weights_and_has_room_is_safe(zoo, metrics):
    (found,) = [view.safety(metrics, zoo, name) for name in view.explainers(metrics)]
    assert found.verdict == "safe" and found.limit == pytest.approx((1 + 0.25) / 2)
    assert "0.10 of the map's order is left, below 0.62" in found.why and "cosine 0.80, nearer" in found.why
    assert view.sentence([found]) == "1 of 1 explainers checked is safe to compare students by: CAM"
    assert view.sentence([]) == "No explainer has been checked yet"
    assert view.safety_table([found]).iloc[0]["left of the map"] == pytest.approx(0.1, rel=1e-3)


def test_explainers_with_one_map_count_once(zoo, metrics):
    rows = pd.concat(
        [metrics.rows, metrics.rows.assign(explainer=metrics.rows["explainer"].replace("cam", "grad_cam"))]
    )
    found = view.safety_of_all(replace(metrics, rows=rows), zoo)
    assert {one.explainer: one.same_as for one in found} == {"cam": "", "grad_cam": "cam"}
    assert view.sentence(found).startswith("1 of 1 explainers checked is safe")
    assert "**Counted once**, being one map on these networks: Grad-CAM = CAM." in view.rest(found)


def test_what_is_not_safe_or_not_known_is_named(zoo, metrics, monkeypatch):
    found = {}
    for name, values in {
        "cam": {
            "cam_randomisation_cascading": 0.9,
            "cam_spearman_shuffled": 0.0,
            "cam_cosine": 0.8,
            "cam_cosine_shuffled": 0.3,
        },
        "lrp": {"lrp_randomisation_cascading": 0.1},
    }.items():
        kept(monkeypatch, **values)
        found[name] = view.safety(metrics, zoo, name)
    assert (
        view.rest(list(found.values()))
        == "**Not safe**: CAM.  \n**Not known yet**: LRP (the noise floor not measured)."
    )
    assert view.safety_table(list(found.values()))["safe to compare"].tolist() == ["✗ not safe", "? not known"]
    assert (view.two(-0.001), view.two(0.126)) == ("0.00", "0.13")


def kept(monkeypatch, **values):
    """Stored means by (explainer, metric) as ``mean_of`` would give them."""

    def given(metrics, card, explainer, metric):
        mean = values.get(f"{explainer.replace('~1', '_again')}_{metric}")
        return None if mean is None else Estimate(mean=mean, low=mean - 0.01, high=mean + 0.01, n=5)

    monkeypatch.setattr(view, "mean_of", given)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        (
            {
                "cam_randomisation_cascading": 0.9,
                "cam_spearman_shuffled": 0.0,
                "cam_cosine": 0.8,
                "cam_cosine_shuffled": 0.3,
            },
            "not safe",
        ),
        ({"cam_randomisation_cascading": 0.1, "cam_cosine": 0.3, "cam_cosine_shuffled": 0.3}, "not safe"),
        ({"cam_randomisation_cascading": 0.1}, "not known"),
        ({"cam_cosine": 0.8, "cam_cosine_shuffled": 0.3}, "not known"),
        ({"cam_randomisation_cascading": 0.1, "cam_cosine": 0.8, "cam_cosine_shuffled": 0.3}, "safe"),
        ({"cam_randomisation_cascading": 0.6, "cam_cosine": 0.8, "cam_cosine_shuffled": 0.3}, "not known"),
        (
            {
                "cam_randomisation_cascading": 0.6,
                "cam_spearman_shuffled": 0.4,
                "cam_cosine": 0.8,
                "cam_cosine_shuffled": 0.3,
            },
            "safe",
        ),
    ],
)
def test_verdicts(zoo, metrics, monkeypatch, values, verdict):
    kept(monkeypatch, **values)
    assert view.safety(metrics, zoo, "cam").verdict == verdict


def test_an_explainer_as_noisy_as_another_teacher_is_compared_with_care(zoo, metrics, monkeypatch):
    kept(
        monkeypatch, rise_randomisation_cascading=0.1, rise_cosine=0.8, rise_cosine_shuffled=0.3, rise_again_cosine=0.5
    )
    rows = metrics.rows.assign(explainer=metrics.rows["explainer"].replace({"cam": "rise", "random_map": "rise~1"}))
    found = view.safety(replace(metrics, rows=rows), zoo, "rise")
    assert found.verdict == "with care" and "only 0.50" in found.why


@pytest.mark.parametrize("way", ["cascading", "independent"])
def test_the_live_cascade_is_the_evaluations(scene, way):
    seen, desk, cards = scene
    (found,) = live_sanity.cascades(seen, cards[1:2], "cam", way=way, shelf=desk.shelf, tick=ticks())
    model, run = desk.shelf.take(cards[1]).model, seen.runs[cards[1].id]
    x = to_input(seen.subject.input[None], cards[1].input_transform()).numpy()
    expected = randomisation(model, x, np.array([run.target]), "cam", way=way,
                             calibration=live_sanity.calibration(seen.subject.key))  # fmt: skip
    assert found.steps == expected.steps == tuple(layer.name for layer in layers(model))
    np.testing.assert_allclose(found.similarity, expected.values[:, 0], atol=1e-6)
    assert found.kept == pytest.approx(expected.values[:, 0].mean(), nan_ok=True)
    assert len(found.maps) == len(found.steps) + 1
    np.testing.assert_allclose(found.maps[0], run.maps["cam"], rtol=1e-4, atol=1e-6)
    assert -1 <= found.unrelated < 1
    assert len(live_sanity.table([found])) == len(found.steps)


def test_the_batch_norms_see_the_same_images_as_in_the_stored_rows():
    expected = background("scenes", training_split("scenes"), CALIBRATION_IMAGES)
    assert torch.equal(live_sanity.calibration(key_of("scenes", 0)), expected)


def test_live_backgrounds_of_images_that_come_class_by_class_are_mixed_as_in_the_stored_rows(monkeypatch):
    class Sorted:
        info = datasets.info("digits")

        def __len__(self):
            return 200

        def pixels(self, indices):
            return np.stack([np.full((32, 32, 3), index, np.uint8) for index in indices])

        def labels(self):
            return np.eye(10, dtype=np.uint8)[np.arange(200) // 20]

    monkeypatch.setattr(datasets, "load", lambda dataset, split: Sorted())
    for make in (explaining.background, live_sanity._training_images):
        make.cache_clear()
        try:
            shown = make("digits")[:, 0, 0, 0].unique()
        finally:
            make.cache_clear()
        assert len(shown) > 40 and float(shown.max()) > float(shown.min()) + 2  # not the first two or three classes


def test_work_ends_when_it_is_cancelled_and_says_how_far_it_is(scene):
    seen, desk, cards = scene
    said, cancel = [], threading.Event()
    tick = Ticks(10, lambda done, note: said.append((done, note)), cancel)
    tick(5, "half")
    assert said == [(0.5, "half")]
    cancel.set()
    with pytest.raises(CancelledError):
        live_sanity.cascades(seen, cards[:1], "cam", way="cascading", shelf=desk.shelf, tick=tick)


def test_live_results_are_kept_with_their_pace():
    live = Live(Jobs())
    assert live.seconds(("curves", 1), 10) is None
    job = live.start(("curves", 1), 4, lambda tick: (tick(4), "result")[1])
    assert job.future is not None
    job.future.result()
    assert live.kept.get(("curves", 1)) == "result"
    assert live.seconds(("curves", 2), 8) == pytest.approx(2 * (live.seconds(("curves", 2), 4) or 0))
    live.jobs.close()


def test_the_map_behind_the_last_relu_is_grad_cam_and_the_network_stays_as_it_was(scene):
    seen, desk, cards = scene
    models = [desk.shelf.take(card).model for card in cards]
    found = live_sanity.by_layer(seen, cards, shelf=desk.shelf, tick=ticks())
    assert [one.run_id for one in found] == [card.id for card in cards]
    for one, model in zip(found, models, strict=True):
        last = seen.runs[one.run_id].maps["cam"]  # on a network with pooling and one linear layer, Grad-CAM is CAM
        np.testing.assert_allclose(one.maps[-1], last, rtol=1e-3, atol=1e-6)
        relus = [module for module in model.modules() if isinstance(module, torch.nn.ReLU)]
        assert len(one.names) == len(relus)
        assert not any(module._forward_hooks for module in relus)
    np.testing.assert_allclose(found[0].cosines, 1, atol=1e-6)
    assert found[1].cosines[-1] == pytest.approx(seen.runs[cards[1].id].scores["cam"].cosine, abs=1e-4)


def test_layers_of_a_network_of_another_depth_have_maps_and_no_cosines(scene, monkeypatch):
    seen, desk, cards = scene
    short = live_sanity._grad_cams
    monkeypatch.setattr(live_sanity, "_grad_cams", lambda view, card, *more: dict(
        list(short(view, card, *more).items())[: 2 if card.id == cards[1].id else None]))  # fmt: skip
    found = live_sanity.by_layer(seen, cards, shelf=desk.shelf, tick=ticks())
    assert [len(one.cosines) > 0 for one in found] == [True, False, True]
    assert (len(found[1].maps), len(found[1].names)) == (2, 2)


def test_with_one_order_for_all_every_model_sees_the_same_pixels_go(scene):
    seen, _, cards = scene
    own, shared = (
        [live_curves.ordering(seen, cards, card, "cam", order) for card in cards] for order in ("own", "teacher")
    )
    assert all(np.array_equal(one, shared[0]) for one in shared) and not np.array_equal(own[0], own[1])
    shown = live_curves.masked(seen, cards, cards[1], "cam", order="own", step=live_curves.SETTINGS.n_steps)
    np.testing.assert_array_equal(shown["insertion"], seen.subject.input)
    assert len(np.unique(shown["deletion"].reshape(-1, 3), axis=0)) == 1  # the mean colour, everywhere
