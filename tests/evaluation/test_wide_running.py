"""Running wide evaluations: rows do not depend on batches, workers or interruptions; the command says what it did."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from tests.evaluation.wide_zoo import Zoo
from xkd_core import catalogue
from xkd_core.errors import BadInputError, UnknownNameError, XKDError
from xkd_core.evaluate_command import evaluate, summary
from xkd_core.evaluation import engines as of_engines
from xkd_core.evaluation import pieces as of_pieces
from xkd_core.evaluation import wide
from xkd_core.evaluation.engines import local, on_ray
from xkd_core.evaluation.metric_summary import metric_summary
from xkd_core.evaluation.pieces import Ranked
from xkd_core.evaluation.wide import Order, evaluate_metrics
from xkd_core.metrics import planner
from xkd_core.results import metric_store
from xkd_core.results.metric_store import read_refused, read_run, read_whole, reasons_of

SHORT = ("cosine", "pointing", "gini", "deletion_auc", "coherency", "road", "right")


def linked(zoo: Zoo, root: Path) -> Path:
    """The teacher and the student with a store of their own."""
    if not root.exists():
        (root / "digits").mkdir(parents=True)
        for card in (zoo.teacher, zoo.student):
            (root / "digits" / card.id).symlink_to(zoo.root / "digits" / card.id)
    return root


def table(zoo: Zoo, place: Path, *, workers: int = 1, images: int = 45, **patches: int) -> pd.DataFrame:
    """Rows of the student in a new store."""
    root = linked(zoo, place / f"{workers}-{len(patches)}-{images}")
    order = Order(dataset="digits", explainers=("cam",), metrics=SHORT, runs=[zoo.student.id], images=images)
    report = evaluate_metrics(order, engine=local(workers), root=root)
    assert not report.failed
    return read_run("digits", zoo.student.id, root=root)


def test_rows_are_the_same_for_any_number_of_workers_and_images(zoo: Zoo, tmp_path: Path) -> None:
    alone = table(zoo, tmp_path)
    pd.testing.assert_frame_equal(table(zoo, tmp_path, workers=2), alone, rtol=2e-3, atol=2e-3)
    fewer = table(zoo, tmp_path, images=20)
    chosen = alone[alone["index"].isin(fewer["index"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(fewer, chosen)  # to the last bit: the blocks are the same


def test_with_one_thread_everywhere_they_are_the_same_to_the_last_bit(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maps by drawn samples and by superpixels too."""
    order = Order(dataset="digits", runs=[zoo.student.id], images=25, explainers=("kernel_shap", "gradient_shap"),
                  metrics=("cosine", "sign_agreement", "superpixel_mse"))  # fmt: skip
    before, found = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for workers in (1, 2):
            monkeypatch.setenv("XKD_HOME", str(tmp_path / f"home{workers}"))  # maps of one are not the other's
            root = linked(zoo, tmp_path / f"runs{workers}")
            assert not evaluate_metrics(order, engine=local(workers), root=root).failed
            found.append(read_run("digits", zoo.student.id, root=root))
    finally:
        torch.set_num_threads(before)
    pd.testing.assert_frame_equal(*found)
    assert found[0]["cosine"].notna().sum() > 20


def test_rows_of_before_a_metric_had_its_control_are_measured_again(zoo: Zoo, tmp_path: Path) -> None:
    whole, root = table(zoo, tmp_path), tmp_path / "1-0-45"
    path = metric_store.metrics_dir("digits", root=root) / f"{zoo.student.id}.parquet"
    whole.drop(columns="cosine_shuffled").to_parquet(path)
    pd.testing.assert_frame_equal(table(zoo, tmp_path), whole)


def test_rows_are_the_same_for_any_size_of_batch(zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = table(zoo, tmp_path, images=20)
    monkeypatch.setattr(planner, "PIXELS_PER_BATCH", 7 * 32 * 32)
    monkeypatch.setattr(of_pieces, "IMAGES", 6)
    cut = table(zoo, tmp_path, images=20, batch=7)
    pd.testing.assert_frame_equal(cut, whole, rtol=5e-3, atol=5e-3)


def test_killed_in_the_middle_the_same_command_goes_on(zoo: Zoo, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(wide, "FLUSH_S", 0.0)
    root = linked(zoo, tmp_path / "cut")
    order = Order(dataset="digits", explainers=("cam",), metrics=SHORT, runs=[zoo.student.id], images=45)
    every = []

    def dying(work):
        for number, one in enumerate(local(1)(work)):
            if number == 3:
                raise KeyboardInterrupt
            every.append(one[0])
            yield one

    with pytest.raises(KeyboardInterrupt):
        evaluate_metrics(order, engine=dying, root=root)
    rest = evaluate_metrics(order, root=root)
    assert rest.pieces and len(every) == 3
    pd.testing.assert_frame_equal(read_run("digits", zoo.student.id, root=root), table(zoo, tmp_path))
    assert not [path for path in metric_store.metrics_dir("digits", root=root).iterdir() if path.suffix != ".parquet"]


def test_a_worker_that_is_killed_is_one_clear_sentence() -> None:
    with pytest.raises(
        XKDError, match=r"One of 2 workers was killed.* again with fewer --workers: .* only what is mis"
    ):
        list(of_engines.in_processes([9, 9], os._exit, 2))


def test_names_that_do_not_exist_teach(zoo: Zoo) -> None:
    run = partial(evaluate_metrics, root=zoo.root)
    for field, word, hint in (("explainers", "gradcam", "grad_cam"), ("metrics", "cosin", "cosine")):
        with pytest.raises(UnknownNameError, match=hint):
            run(Order(dataset="digits", **{field: (word,)}))
    with pytest.raises(UnknownNameError, match="No run of digits"):
        run(Order(dataset="digits", runs=["nothing-*"]))


def test_families_stand_for_their_members_and_partners_are_mutual() -> None:
    names = wide.metrics_like(["complexity", "coherency@adcc"])
    assert names == ["mean_l1", "entropy", "gini", "coherency@adcc"]
    assert set(wide.explainers_like(["propagation"])) == {
        "lrp",
        "rap",
        "random_map",
        "centre_gaussian",
        "edge_detector",
    }
    assert set(wide.metrics_like(["all"])) == set(catalogue.METRICS)
    ranked = Ranked.of(np.array([7, 3, 9, 1, 5]), None)
    assert ranked.partners.tolist() == [3, 7, 1, 9, 1]


def test_the_only_image_of_a_split_has_no_shuffled_control(zoo: Zoo) -> None:
    one = Ranked.of(np.array([3]), None)
    assert one.partners.tolist() == one.indices.tolist() == [3]
    piece = of_pieces.Piece(run=zoo.student.id, teacher=zoo.teacher.id, explainer="cam", metrics=("cosine",),
                            indices=(3, 5), partners=(3, 4), root=zoo.root)  # fmt: skip
    rows = of_pieces.compute(piece).rows
    assert rows["cosine"].notna().all() and rows["cosine_shuffled"].isna().tolist() == [True, False]
    assert reasons_of(rows["undefined"][0]) == {"cosine_shuffled": "there is no other image to compare with"}


def test_an_error_of_the_program_is_told_and_the_piece_tried_again(zoo: Zoo, tmp_path: Path, monkeypatch) -> None:
    root = linked(zoo, tmp_path / "failing")
    order = Order(dataset="digits", explainers=("cam",), metrics=("gini",), runs=[zoo.student.id], images=4)
    with monkeypatch.context() as patch:
        patch.setattr(of_engines, "compute", lambda piece: 1 // 0)
        failed = evaluate_metrics(order, root=root)
        with pytest.raises(XKDError, match=r"4 pieces failed.*ZeroDivisionError"):
            wide.raise_failed(failed)
        patch.setenv("XKD_DEBUG", "1")
        with pytest.raises(ZeroDivisionError):
            evaluate_metrics(order, root=root)
    again = evaluate_metrics(order, root=root)
    assert (again.pieces, again.failed) == (4, ())  # cam and three controls


class Ray:
    """What the engine asks of Ray, done at once; a node dies with the second piece."""

    class exceptions:
        class RayError(Exception): ...

    def __init__(self) -> None:
        self.most = self.waiting = self.number = 0

    def remote(self, **options: int):
        assert options == {"num_cpus": 1, "max_retries": 5}

        def wrap(function):
            def task(piece):
                self.waiting, self.number = self.waiting + 1, self.number + 1
                self.most = max(self.most, self.waiting)
                return (self.number, function, piece)

            return type("Task", (), {"remote": staticmethod(task)})

        return wrap

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 2.0}

    def wait(self, tasks, *, num_returns: int):
        self.waiting -= num_returns
        return tasks[-1:], tasks[:-1]

    def get(self, task):
        number, function, piece = task
        if number == 2:
            raise self.exceptions.RayError("node died\nat night")
        return function(piece)


def test_a_cluster_makes_the_same_rows_and_a_lost_piece_is_told(zoo: Zoo, tmp_path: Path) -> None:
    ray = Ray()
    root = linked(zoo, tmp_path / "ray")
    order = Order(dataset="digits", explainers=("cam",), metrics=SHORT, runs=[zoo.student.id], images=45)
    first = evaluate_metrics(order, engine=on_ray(ray), root=root)
    assert first.failed == ("lost: node died",) and 1 < ray.most <= 8
    rest = evaluate_metrics(order, engine=on_ray(Ray()), root=root)
    assert rest.pieces == 1
    pd.testing.assert_frame_equal(
        read_run("digits", zoo.student.id, root=root), table(zoo, tmp_path), rtol=2e-3, atol=2e-3
    )


def test_the_command_line_takes_lists_and_says_what_it_did(zoo: Zoo, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XKD_CHECKPOINTS", str(linked(zoo, tmp_path / "command")))
    evaluate(
        data="digits:test", runs=["digits-swa-*"], explainers=["cam,saliency"], metrics=["gini", "cosine"], images=2
    )
    said = capsys.readouterr()
    assert said.out == "5 pieces computed, 3 pairs noted that cannot be\n" and "forward" in said.err
    evaluate(data="digits", runs=[zoo.student.id], explainers=["cam", "saliency"], metrics=["gini,cosine"], images=2)
    assert capsys.readouterr().out == "0 pieces computed, 0 pairs noted that cannot be\n"
    with pytest.raises(UnknownNameError, match="split of digits"):
        evaluate(data="digits:tset", metrics=["gini"])
    with pytest.raises(BadInputError, match="--engine"):
        evaluate(data="digits", metrics=["gini"], engine="spark")


def test_stored_metrics_are_printed_with_controls_and_gaps(zoo: Zoo, stored: pd.DataFrame, monkeypatch, capsys) -> None:
    monkeypatch.setenv("XKD_CHECKPOINTS", str(zoo.root))
    summary("digits", runs=[zoo.student.id], metrics=["pointing,mAP", "right"])
    said = capsys.readouterr().out
    label = zoo.student.id.rsplit("-", 2)[0]
    values = stored[stored["explainer"] == "cam"]["pointing"].dropna()
    assert f"| {label} | 1 | {values.mean():.3f} [" in said and "| random_map | 1 |" in said
    assert f"Images that all of them have: {len(values)}" in said and "## Right answer: answers" in said
    whole = read_whole("digits", root=zoo.root).set_index(["run_id", "metric"])["value"]
    assert f"| {label} | {whole[zoo.student.id, 'mAP']:.3f} [" in said
    with pytest.raises(BadInputError, match="No metrics of digits:val"):
        summary("digits:val", metrics=["gini"])
    summary("digits", runs=[zoo.student.id], explainers=["control"], metrics=["pointing"])
    assert "## Pointing game: random_map" in capsys.readouterr().out


def test_every_explainer_of_the_catalogue_has_rows_or_a_reason(zoo: Zoo, tmp_path: Path) -> None:
    root = linked(zoo, tmp_path / "every")
    metrics = ("gini", "coherency", "randomisation_independent")
    order = Order(dataset="digits", explainers=("all",), metrics=metrics, runs=[zoo.student.id], images=2)
    report = evaluate_metrics(order, root=root)
    assert not report.failed
    rows = read_run("digits", zoo.student.id, root=root)
    refused = read_refused("digits", root=root)
    assert set(rows["explainer"]) | set(refused["explainer"]) == set(catalogue.EXPLAINERS)
    assert set(refused[refused["metric"] == "*"]["explainer"]) == {"surrogate"}
    for _, row in rows.iterrows():
        noted = set(refused[refused["explainer"] == row["explainer"]]["metric"])
        for metric in metrics:
            assert metric in noted or (np.isnan(row[metric]) == (metric in reasons_of(row["undefined"])))


def test_a_full_disk_is_no_reason_why_a_metric_cannot_be(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = linked(zoo, tmp_path / "runs")
    order = Order(dataset="digits", explainers=("cam",), metrics=("cosine",), runs=[zoo.student.id], images=20)

    def full(block: object, metrics: object) -> None:
        raise XKDError("No space left to write maps.safetensors.")

    with monkeypatch.context() as patch:
        patch.setattr(of_pieces, "measure", full)
        report = evaluate_metrics(order, engine=local(1), root=root)
    assert report.failed and "No space left" in report.failed[0]
    assert "cam" not in set(read_refused("digits", root=root)["explainer"])  # of controls cosine cannot be
    assert not evaluate_metrics(order, engine=local(1), root=root).failed
    assert read_run("digits", zoo.student.id, root=root)["cosine"].notna().any()


def test_bfloat16_has_rows_of_its_own_and_nearly_the_same_ranks(zoo: Zoo, tmp_path: Path) -> None:
    root, common = linked(zoo, tmp_path / "bf16"), {"dataset": "digits", "explainers": ("cam",), "images": 40}
    names = ("deletion_auc", "insertion_auc", "average_drop", "cosine")
    for precision in ("fp32", "bf16"):
        order = Order(**common, metrics=names, runs=[zoo.student.id], precision=precision)
        assert not evaluate_metrics(order, root=root).failed
    whole = read_run("digits", zoo.student.id, root=root).set_index(["explainer", "index"])
    half = read_run("digits", zoo.student.id, split="test@bf16", root=root).set_index(["explainer", "index"])
    assert (half["cosine"].dropna() == whole["cosine"].dropna()).all()  # no masked image enters it
    assert (half["average_drop"].dropna() == whole["average_drop"].dropna()).all()  # asked in float32
    cam = half.loc["cam"]["deletion_auc"], whole.loc["cam"]["deletion_auc"]
    assert (cam[0] != cam[1]).any() and spearmanr(*cam).statistic > 0.99
    text = metric_summary("digits", [zoo.student.id], ["cam"], ["deletion_auc"], split="test@bf16", root=root)
    assert "Images that all of them have: 40" in text
    with pytest.raises(BadInputError, match="--precision must be fp32 or bf16; got 'int4'"):
        Order(**common, precision="int4")
