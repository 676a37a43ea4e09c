"""Boxes of four metrics by λ: by hand-made values, over the same images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from xkd_core.results.metrics import Metrics
from xkd_core.serving.four_metrics import METRICS, panels, table
from xkd_core.serving.zoo import read_zoo, rounded


@pytest.fixture
def zoo(made):
    return read_zoo("scenes", root=made.root)


def rows(run_id: str, method: str, **values: list[float]) -> pd.DataFrame:
    n = len(next(iter(values.values())))
    return pd.DataFrame({"run_id": run_id, "explainer": method, "index": range(n), "target": 0, **values,
                         "undefined": None})  # fmt: skip


def stored(zoo, choice) -> tuple[Metrics, list[str]]:
    own = sorted((c for c in zoo.known("matched", choice.family) if c.ratio == zoo.pick("matched", choice).card.ratio
                  and c.beta == choice.beta), key=lambda c: (c.lam, c.seed))  # fmt: skip
    parts = [rows(zoo.teacher.id, "cam", faithfulness_estimate=[0.0, 1.0, 2.0, 9.0], pointing=[1.0, 1.0, 0.0, 1.0])]
    for place, card in enumerate(own):
        values = [place + 0.0, place + 1.0, place + 2.0, np.nan]
        parts += [rows(card.id, name, faithfulness_estimate=values, pointing=[0.0, 1.0, 0.0, 1.0])
                  for name in ("cam", "grad_cam_pp")]  # fmt: skip
    return Metrics(dataset="scenes", rows=pd.concat(parts, ignore_index=True)), [card.id for card in own]


def test_boxes_are_of_the_same_images_and_a_share_has_none(zoo):
    choice = zoo.default()
    metrics, own = stored(zoo, choice)
    assert len(own) > 1
    faithful, pointing = panels(metrics, zoo, choice)
    assert (faithful.metric, pointing.metric) == (METRICS[0], METRICS[2])
    assert (faithful.images, pointing.images) == (3, 4)  # the fourth image has no value of one run
    cells = {(cell.place, cell.method): cell for cell in faithful.cells}
    teacher = cells["teacher", "cam"]
    assert (teacher.mean, teacher.five.median, teacher.seeds) == (1.0, 1.0, 1)
    lams = sorted({zoo.by_id[run].lam for run in own})
    assert {place for place, _ in cells} == {"teacher", *(f"λ {lam:g}" for lam in lams)}
    first = [place for place, run in enumerate(own) if zoo.by_id[run].lam == lams[0]]
    assert cells[f"λ {lams[0]:g}", "grad_cam_pp"].mean == pytest.approx(np.mean(first) + 1)
    assert cells[f"λ {lams[0]:g}", "cam"].seeds == len(first)
    assert all(cell.five is None for cell in pointing.cells)
    found = table((faithful, pointing))
    assert len(found) == len(faithful.cells) + len(pointing.cells) and found["median"].isna().sum() == len(
        pointing.cells
    )


def test_seeds_that_were_not_measured_take_nothing_from_those_that_were(zoo):
    choice = zoo.default()
    metrics, own = stored(zoo, choice)
    twin = zoo.by_id[own[0]].model_copy(update={"id": "scenes-twin", "seed": 9})
    both = replace(zoo, cards=(*zoo.cards, twin))
    assert "scenes-twin" in {card.id for card in both.known("matched", choice.family)}
    assert panels(metrics, both, choice) == panels(metrics, zoo, choice)


def test_nothing_is_drawn_of_one_lambda_or_of_nobody(zoo):
    choice = zoo.default()
    metrics, own = stored(zoo, choice)
    one = {run for run in own if zoo.by_id[run].lam == choice.lam}
    assert panels(replace(metrics, rows=metrics.rows[metrics.rows["run_id"].isin(one)]), zoo, choice) == ()
    assert panels(metrics, zoo, replace(choice, beta=1e6)) == ()


def test_where_fewer_are_stored_at_the_chosen_size_the_size_with_most_is_drawn_and_named(zoo):
    choice = zoo.default()
    metrics, own = stored(zoo, choice)
    here = panels(metrics, zoo, choice)
    sizes = {card.ratio for card in zoo.known("matched", choice.family)}
    assert len(sizes) > 1 and {panel.ratio for panel in here} == {rounded(zoo.by_id[own[0]].ratio)}
    other = replace(choice, ratio=next(size for size in sizes if size != zoo.by_id[own[0]].ratio))
    assert panels(metrics, zoo, other) == here


def test_a_map_that_stands_in_for_another_has_no_second_box(zoo):
    choice = zoo.default()
    metrics, own = stored(zoo, choice)
    found = panels(replace(metrics, instead=frozenset({(run, "cam") for run in own})), zoo, choice)
    assert {cell.method for panel in found for cell in panel.cells if cell.place != "teacher"} == {"grad_cam_pp"}
    assert {cell.method for panel in panels(metrics, zoo, choice) for cell in panel.cells} == {"cam", "grad_cam_pp"}
