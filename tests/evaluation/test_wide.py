"""Wide evaluations: every number against its plain restatement; controls beside them, gaps with their reasons."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from tests import oracles, oracles_faithfulness, oracles_maps
from tests.evaluation.wide_zoo import EXPLAINERS, N, Seen, Zoo, large, seen, targets
from xkd_core.errors import UnknownNameError
from xkd_core.evaluation import block as block_module
from xkd_core.evaluation import evaluate as evaluate_module
from xkd_core.evaluation.block import CALIBRATION_IMAGES
from xkd_core.evaluation.evaluate import evaluate
from xkd_core.evaluation.mosaic import around
from xkd_core.evaluation.randomise import randomised
from xkd_core.evaluation.refusals import EIGHT_BITS, FIXED_WEIGHTS, ITSELF, MODEL_FREE, NO_CAM, NO_SURROGATE
from xkd_core.evaluation.split import Split
from xkd_core.evaluation.wide import Order, evaluate_metrics, teacher_of
from xkd_core.explainers.superpixels import superpixels
from xkd_core.images import datasets
from xkd_core.images.background import background
from xkd_core.images.transforms import to_input
from xkd_core.results.metric_store import read_refused, read_run, read_whole, reasons_of
from xkd_core.results.store import read_rows

ORACLES = {**oracles.ORACLES, **oracles_faithfulness.ORACLES, **oracles_maps.ORACLES}
CLOSE = {"rel": 2e-3, "abs": 2e-3}


def cell(rows: pd.DataFrame, explainer: str, index: int, metric: str) -> tuple[float, str | None]:
    row = rows[(rows["explainer"] == explainer) & (rows["index"] == index)].iloc[0]
    return float(row[metric]), reasons_of(row["undefined"]).get(metric)


def same(rows: pd.DataFrame, explainer: str, index: int, metric: str, expected: float | None) -> None:
    value, reason = cell(rows, explainer, index, metric)
    if expected is None or np.isnan(expected):
        assert np.isnan(value) and reason, (explainer, index, metric)
    else:
        assert value == pytest.approx(expected, **CLOSE) and reason is None, (explainer, index, metric, reason)


def shown(values: np.ndarray, explainer: str) -> np.ndarray:
    return np.maximum(values, 0) if explainer == "cam" else values


def images_of(rows: pd.DataFrame) -> list[int]:
    return sorted(rows["index"].unique().tolist())


def each(zoo: Zoo, rows: pd.DataFrame):
    for index in images_of(rows):
        ours, theirs = seen(zoo, zoo.student, index), seen(zoo, zoo.teacher, index)
        for explainer in EXPLAINERS:
            yield explainer, index, ours, ours.map(explainer), theirs.map(explainer)


@pytest.mark.parametrize(
    "metric", ["cosine", "distance", "pearson", "spearman", "ssim", "topk_overlap", "js_divergence"]
)
def test_similarity_is_to_the_teachers_map_and_its_control_to_that_of_another_image(
    zoo: Zoo, stored: pd.DataFrame, metric: str
) -> None:
    order = list(Split(datasets.load("digits", "test"), targets(zoo)).ranking())
    for explainer, index, _, mine, theirs in each(zoo, stored):
        pair = [shown(values, explainer) for values in (theirs, mine)]
        same(stored, explainer, index, metric, ORACLES[metric](*pair))
        partner = order[order.index(index) ^ 1]
        other = shown(seen(zoo, zoo.teacher, partner).map(explainer), explainer)
        same(stored, explainer, index, f"{metric}_shuffled", ORACLES[metric](other, pair[1]))


def one_peak(values: np.ndarray) -> np.ndarray:
    """Of equal maxima (a superpixel's pixels) the one with the highest draw is raised; a constant map stays one."""
    draws = np.random.default_rng(0).random(values.size).reshape(values.shape)
    best = max(np.argwhere(values == values.max()).tolist(), key=lambda place: draws[tuple(place)])
    found = values.astype(np.float64)
    found[tuple(best)] += values.max() > values.min()
    return found


@pytest.mark.parametrize("metric", ["pointing", "attribution_localisation", "roc_auc", "iou", "energy_in_box"])
def test_localisation_is_of_the_enlarged_map_on_the_mask(zoo: Zoo, stored: pd.DataFrame, metric: str) -> None:
    for explainer, index, ours, mine, _ in each(zoo, stored):
        values = large(shown(mine, explainer)).astype(np.float32)
        values = one_peak(values) if metric == "pointing" else values
        same(stored, explainer, index, metric, ORACLES[metric](values, ours.mask))
        same(stored, explainer, index, "area", ours.mask.mean() if ours.mask.any() else None)
    assert stored[metric].notna().any()


def test_broken_samples_are_right_answers_whose_peak_is_off(zoo: Zoo, stored: pd.DataFrame) -> None:
    for explainer, index, ours, mine, _ in each(zoo, stored):
        right = oracles.right(ours.logits(), ours.labels, None)
        same(
            stored,
            explainer,
            index,
            "broken",
            oracles_maps.broken(one_peak(large(shown(mine, explainer))), ours.mask, right),
        )


@pytest.mark.parametrize("metric", ["mean_l1", "entropy", "gini"])
def test_complexity_is_of_the_maps_own_grid(zoo: Zoo, stored: pd.DataFrame, metric: str) -> None:
    for explainer, index, _, mine, _ in each(zoo, stored):
        if explainer == "cam":  # 64 cells: the oracle compares all pairs
            same(stored, explainer, index, metric, ORACLES[metric](shown(mine, explainer)))


def test_superpixels_are_those_of_the_image_and_shared(zoo: Zoo, stored: pd.DataFrame) -> None:
    for explainer, index, ours, mine, theirs in each(zoo, stored):
        labels = superpixels(ours.pixels[None])[0]
        signed = [large(values) for values in (theirs, mine)]
        relu = [large(shown(values, explainer)) for values in (theirs, mine)]
        if explainer == "kernel_shap":  # the map holds a superpixel's value at each of its pixels
            signed = relu = [
                np.where(values == values, values / np.bincount(labels.ravel())[labels], 0) for values in signed
            ]
        same(stored, explainer, index, "superpixel_mse", oracles_maps.superpixel_mse(*relu, labels))
        sums = [oracles_maps.of_superpixels(values, labels) for values in relu]
        same(stored, explainer, index, "superpixel_overlap", oracles_maps.superpixel_overlap(*sums, 2))
        if explainer == "smooth_grad":
            continue
        right = [oracles.right(one.logits(), one.labels, None) for one in (ours, seen(zoo, zoo.teacher, index))]
        sums = [oracles_maps.of_superpixels(values, labels) for values in signed]
        expected = oracles_maps.sign_agreement(*sums, 2, "both") if all(right) else None
        same(stored, explainer, index, "sign_agreement", expected)
        expected = oracles_maps.sign_agreement(*sums, 2, "teacher") if all(right) else None
        same(stored, explainer, index, "sign_agreement@teacher", expected)


def test_signs_have_the_teachers_map_of_another_image_as_their_control(zoo: Zoo, stored: pd.DataFrame) -> None:
    order = list(Split(datasets.load("digits", "test"), targets(zoo)).ranking())
    for explainer, index, ours, mine, _ in each(zoo, stored):
        if explainer == "smooth_grad":
            continue
        labels = superpixels(ours.pixels[None])[0]
        other = seen(zoo, zoo.teacher, order[order.index(index) ^ 1]).map(explainer)
        pair = [large(values) for values in (other, mine)]
        if explainer == "kernel_shap":  # a superpixel's value, not its sum
            pair = [values / np.bincount(labels.ravel())[labels] for values in pair]
        right = [oracles.right(one.logits(), one.labels, None) for one in (ours, seen(zoo, zoo.teacher, index))]
        sums = [oracles_maps.of_superpixels(values, labels) for values in pair]
        expected = oracles_maps.sign_agreement(*sums, 2, "both") if all(right) else None
        same(stored, explainer, index, "sign_agreement_shuffled", expected)


FAITHFUL = {
    "faithfulness_estimate": {"n": 64}, "faithfulness_estimate_rank": {"n": 64},
    "monotonicity_correlation": {"n": 16, "n_colours": 5}, "monotonicity": {"n": 32}, "monotonicity_share": {"n": 32},
    "deletion_auc": {"n": 32}, "deletion_relative": {"n": 32}, "insertion_auc": {"n": 32},
    "insertion_relative": {"n": 32}, "road": {"percents": (10, 30, 50, 70, 90)}, "average_drop": {},
    "confidence_increase": {},
}  # fmt: skip


@pytest.mark.parametrize("metric", FAITHFUL)
def test_faithfulness_is_what_the_network_answers_to_masked_images(zoo: Zoo, stored: pd.DataFrame, metric: str) -> None:
    for index in images_of(stored)[:2]:
        ours = seen(zoo, zoo.student, index)
        for explainer in ("cam", "kernel_shap"):
            values = large(shown(ours.map(explainer), explainer)).astype(np.float32)
            same(stored, explainer, index, metric, ORACLES[metric](ours.image, values, ours.prob, **FAITHFUL[metric]))


def of_shown(ours: Seen, explainer: str):
    """On the map's own grid: the picture is made of the enlarged map, the maps are compared as they are."""
    again = shown(ours.map(explainer), explainer)
    bright = large(again)
    picture = oracles_faithfulness.shown_only(ours.image, bright) if bright.max() > 0 else ours.image
    return again, shown(ours.map(explainer, picture), explainer)


def test_coherency_explains_what_the_map_shows_with_the_same_superpixels(zoo: Zoo, stored: pd.DataFrame) -> None:
    for index in images_of(stored):
        ours = seen(zoo, zoo.student, index)
        for explainer in ("cam", "kernel_shap"):
            first, second = of_shown(ours, explainer)
            same(stored, explainer, index, "coherency", oracles.pearson(first, second) if first.max() > 0 else None)
            same(stored, explainer, index, "coherency_ssim", oracles.ssim(first, second) if first.max() > 0 else None)


@pytest.mark.parametrize("way", ["cascading", "independent"])
def test_randomisation_is_the_mean_over_the_layers(zoo: Zoo, stored: pd.DataFrame, way: str) -> None:
    calibration = background("digits", "train", CALIBRATION_IMAGES)
    for index in images_of(stored)[:2]:
        ours = seen(zoo, zoo.student, index)
        for explainer in ("cam", "kernel_shap"):
            steps = [ours.map(explainer, model=own) for _, own in randomised(ours.model, calibration, way=way)]
            expected = oracles_maps.randomisation(ours.map(explainer), steps)
            same(stored, explainer, index, f"randomisation_{way}", expected)


def test_grid_pointing_puts_each_image_among_three_others(zoo: Zoo, stored: pd.DataFrame) -> None:
    split = Split(datasets.load("digits", "test"), targets(zoo))
    for index in images_of(stored):
        made = around(split, np.array([index]))
        row, column = divmod(int(made.quadrants[0]), 2)
        own = made.images[0, 32 * row : 32 * row + 32, 32 * column : 32 * column + 32]
        assert np.array_equal(own, split.pixels[index])
        ours = seen(zoo, zoo.student, index)
        whole = Seen(ours.model, to_input_of(made.images), made.images[0], ours.mask, ours.labels, int(made.targets[0]))
        assert whole.labels[whole.target] == 1
        for explainer in ("cam", "smooth_grad"):
            values = large(shown(whole.map(explainer), explainer), 64)
            expected = oracles_maps.grid_pointing(values, int(made.quadrants[0]))
            same(stored, explainer, index, "grid_pointing", expected)


def to_input_of(mosaics: np.ndarray) -> torch.Tensor:
    transform = datasets.info("digits").transform
    return to_input(mosaics, type(transform)(size=64, mean=transform.mean, std=transform.std))


def test_answers_stand_in_rows_of_their_own(zoo: Zoo, stored: pd.DataFrame) -> None:
    for index in images_of(stored):
        ours, theirs = seen(zoo, zoo.student, index), seen(zoo, zoo.teacher, index)
        for metric, expected in (
            ("same_answer", oracles.same_answer(theirs.logits(), ours.logits(), None)),
            ("right", oracles.right(ours.logits(), ours.labels, None)),
            ("kl_to_teacher", oracles_maps.kl_to_teacher(theirs.logits(), ours.logits(), False)),
        ):
            same(stored, "answers", index, metric, expected)
    assert set(stored[stored["explainer"] == "answers"].dropna(axis=1, how="all")) == {
        "explainer", "index", "target", "same_answer", "right", "kl_to_teacher",
    }  # fmt: skip


def test_metrics_of_all_images_have_a_value_with_an_interval(zoo: Zoo, stored: pd.DataFrame) -> None:
    rows = read_whole("digits", root=zoo.root).set_index("metric")
    assert set(rows.index) == {"mAP", "f1", "calibration_error"} and (rows["n"] == 300).all()
    data = datasets.load("digits", "test")
    model = seen(zoo, zoo.student, 0).model
    with torch.no_grad():
        logits = model(to_input(data.pixels(range(300)), data.info.transform)).numpy()
    of_class = [oracles.average_precision(data.labels()[:, one], logits[:, one]) for one in range(10)]
    assert rows["value"]["mAP"] == pytest.approx(np.mean(of_class), abs=1e-5)
    evaluate_metrics(
        Order(dataset="digits", metrics=("f1@park",), runs=[zoo.student.id]), root=zoo.root
    )  # paper 004's code: of each image
    ours = read_whole("digits", root=zoo.root).set_index("metric").loc["f1@park"]
    pairs = zip(data.labels() > 0, logits > 0.5, strict=True)
    of_image = [oracles_maps.f1(shown.tolist(), answered.tolist()) or 0.0 for shown, answered in pairs]
    assert ours["value"] == pytest.approx(np.mean(of_image), abs=1e-5) and ours["undefined"] == 0
    assert (rows["low"] < rows["value"]).all() and (rows["value"] < rows["high"] + 0.05).all()


def test_controls_come_with_every_order_and_their_similarity_is_refused(zoo: Zoo, stored: pd.DataFrame) -> None:
    controls = {"random_map", "centre_gaussian", "edge_detector"}
    assert controls < set(stored["explainer"])
    rows = stored[stored["explainer"].isin(controls)]
    assert rows["cosine"].isna().all() and rows["deletion_auc"].notna().all() and rows["pointing"].notna().any()
    refused = read_refused("digits", root=zoo.root).set_index(["explainer", "metric"])["reason"]
    assert all(refused[name, "cosine"] == MODEL_FREE for name in controls)


def test_what_cannot_be_is_noted_once_and_not_tried_again(zoo: Zoo) -> None:
    order = Order(
        dataset="digits", explainers=("cam", "saliency", "surrogate", "grad_cam"), images=3,
        metrics=("cosine", "mean_l1", "randomisation_cascading", "pointing"),
    )  # fmt: skip
    first = evaluate_metrics(order, root=zoo.root)
    assert first.refused and not first.failed
    refused = read_refused("digits", root=zoo.root).set_index(["run_id", "explainer", "metric"])["reason"].sort_index()
    assert refused[zoo.int8.id, "saliency", "*"] == EIGHT_BITS
    assert refused[zoo.int8.id, "cam", "randomisation_cascading"] == FIXED_WEIGHTS
    assert refused[zoo.other.id, "cam", "*"] == NO_CAM
    assert refused[zoo.student.id, "surrogate", "*"] == NO_SURROGATE
    assert refused[zoo.teacher.id, "cam", "cosine"] == ITSELF
    other = read_run("digits", zoo.other.id, root=zoo.root)
    assert other[other["explainer"] == "grad_cam"]["cosine"].notna().any()  # on the smaller of two grids
    again = evaluate_metrics(order, root=zoo.root)
    assert (again.pieces, again.refused) == (0, 0)


def test_an_explainer_is_compared_with_itself_of_another_seed(zoo: Zoo) -> None:
    order = Order(dataset="digits", explainers=("kernel_shap~1",), metrics=("all",), runs=[zoo.teacher.id], images=3)
    evaluate_metrics(order, root=zoo.root)
    rows = read_run("digits", zoo.teacher.id, root=zoo.root)
    rows = rows[rows["explainer"] == "kernel_shap~1"]
    assert len(rows) == 3 and rows["cosine"].between(0.3, 0.99999).all()
    assert "deletion_auc" not in rows or rows["deletion_auc"].isna().all()


def test_rows_of_the_pages_are_those_of_the_same_image(zoo: Zoo, stored: pd.DataFrame, monkeypatch) -> None:
    """Two ways to the same numbers: whole tables for the pages, and cells."""
    monkeypatch.setattr(evaluate_module, "SAMPLE", N)
    evaluate("digits", run_ids=[zoo.student.id], root=zoo.root)
    rows = read_rows("digits", "maps", root=zoo.root)
    for explainer in ("cam", "kernel_shap"):
        pages = rows[(rows["run_id"] == zoo.student.id) & (rows["explainer"] == explainer)].set_index("index")
        cells = stored[stored["explainer"] == explainer].set_index("index")
        both = pages.index.intersection(cells.index)
        assert len(both) == N
        for metric in ("cosine", "distance", "spearman"):
            values = [frame.loc[both, metric].to_numpy(dtype=float) for frame in (pages, cells)]
            np.testing.assert_allclose(*values, rtol=2e-3, atol=2e-3)


def test_a_students_own_teacher_is_the_one_it_is_compared_with(zoo: Zoo) -> None:
    second = zoo.teacher.model_copy(update={"id": "digits-ce-second"})
    pupil = zoo.student.model_copy(update={"teacher_id": second.id})
    assert teacher_of(zoo.student, zoo.teacher, zoo.root).id == zoo.teacher.id
    assert teacher_of(second, zoo.teacher, zoo.root).id == zoo.teacher.id
    with pytest.raises(UnknownNameError, match="digits-ce-second"):  # it is looked for, and is not here
        teacher_of(pupil, zoo.teacher, zoo.root)


def test_the_background_of_mosaics_is_mosaics_of_it(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    report = evaluate_metrics(
        Order(
            dataset="digits", runs=[zoo.student.id], explainers=("gradient_shap",), metrics=("grid_pointing",), images=2
        ),
        root=zoo.root,
    )
    assert report.pieces and not report.failed
    rows = read_run("digits", zoo.student.id, root=zoo.root)
    assert rows[rows["explainer"] == "gradient_shap"]["grid_pointing"].notna().sum() == 2
    numbered = torch.arange(50.0).reshape(50, 1, 1, 1).expand(50, 3, 2, 2)
    monkeypatch.setattr(block_module, "_background", lambda *_: numbered)
    assert torch.equal(block_module._ground("digits", 2), numbered)
    made = block_module._ground("digits", 4)
    assert made.shape == (50, 3, 4, 4)
    assert made[7, 0].tolist() == [[7, 7, 6, 6], [7, 7, 6, 6], [5, 5, 4, 4], [5, 5, 4, 4]]
